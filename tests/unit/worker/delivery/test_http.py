"""Connections of plugins stay open, for every service of the table; and a kept address makes the same plugin."""

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import apprise
import pytest
import requests

from config.site import Channel
from tests.support.pages import page
from tests.unit.worker.delivery.test_providers import ADDRESSES
from tests.unit.worker.delivery.test_request_lines import OTHERS
from worker.delivery import channel as module
from worker.delivery import http, providers
from worker.delivery.channel import ID, LINK, MessageContext, send
from worker.delivery.outcome import Outcome

ALL = {**ADDRESSES, **OTHERS}
PAGE = page("f00d.12", urgency="critical")
TO = "https://cartwatch.example/p/f00d.12~haematologist-1~6a1c?x=1&y=2"


class Provider(ThreadingHTTPServer):
    """Counts connections; `leaves`: it closes each after its answer, without a word."""

    daemon_threads = True
    leaves = False

    def __init__(self) -> None:
        self.connections = 0
        self.requests = 0
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def channel(self) -> Channel:
        return Channel(url=f"json://127.0.0.1:{self.server_port}/phone")

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()


class _Handler(BaseHTTPRequestHandler):
    server: Provider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests += 1
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        self.close_connection = self.server.leaves

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    http.REQUESTS.close()
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        http.REQUESTS.close()
        server.shutdown()
        thread.join()


def page_to(provider: Provider) -> Outcome:
    return send(provider.channel, [PAGE], MessageContext()).outcome


def test_the_pages_of_a_thread_share_a_connection_and_threads_share_none(provider: Provider) -> None:
    assert [page_to(provider) for _ in range(3)] == [Outcome.SENT] * 3
    assert (provider.requests, provider.connections) == (3, 1)
    other = threading.Thread(target=page_to, args=(provider,))
    other.start()
    other.join()
    assert (provider.requests, provider.connections) == (4, 2)


def test_a_connection_that_was_idle_for_long_is_not_used_again(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_to(provider)
    monkeypatch.setattr(http, "KEPT_SECONDS", -1.0)
    assert page_to(provider) is Outcome.SENT
    assert provider.connections == 2


def test_a_connection_that_the_provider_has_just_closed_fails_no_page(provider: Provider) -> None:
    provider.leaves = True
    assert [page_to(provider) for _ in range(3)] == [Outcome.SENT] * 3
    assert provider.requests == 3


def test_a_provider_that_is_gone_is_still_an_error(provider: Provider) -> None:
    page_to(provider)
    provider.shutdown()
    provider.server_close()
    http.REQUESTS.close()
    assert page_to(provider) is Outcome.TEMPORARY


@pytest.mark.parametrize("service", ALL)
def test_every_service_of_the_table_sends_on_connections_that_stay_open(service: str) -> None:
    plugin = module._open(ALL[service].replace("{page_id}", PAGE.id))
    assert plugin is not None
    named = sys.modules[type(plugin).__module__]
    assert getattr(named, "requests", http.REQUESTS) is http.REQUESTS
    assert http.REQUESTS.codes is requests.codes
    assert http.REQUESTS.RequestException is requests.RequestException


@pytest.mark.parametrize("service", ALL)
def test_a_kept_address_filled_in_makes_the_plugin_of_the_whole_address(service: str) -> None:
    name = providers.schema(ALL[service])
    url = module.address(Channel.model_construct(url=ALL[service]), ID, "")
    given = providers.extras(name, PAGE, LINK, "To answer")
    kept = module._open(
        providers.with_extras(url, {key: value.replace(PAGE.id, ID) for key, value in given.items()}),
        {ID: PAGE.id, LINK: TO},
    )
    whole = providers.with_extras(
        module.address(Channel.model_construct(url=ALL[service]), PAGE.id, ""),
        providers.extras(name, PAGE, TO, "To answer"),
    )
    direct = apprise.Apprise.instantiate(whole, asset=module._asset())
    assert direct is not None
    assert kept.url() == direct.url()
    assert type(kept) is type(direct)
