"""A service of the house, with a certificate of the house: it gets pages only where its authority is named."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from config.site import Channel
from tests.support.pages import page
from worker.delivery.channel import MessageContext, send, send_picture
from worker.delivery.outcome import Outcome
from worker.delivery.rendering import Rendered

SERVICES = ("jsons://localhost:{port}/phone", "ntfys://localhost:{port}/phone")


class Provider(ThreadingHTTPServer):
    """Takes everything, and counts it."""

    daemon_threads = True
    taken = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """A handshake that the other end broke off is no error here."""


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.taken += 1
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_PUT(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture(scope="module")
def house() -> trustme.CA:
    """A certificate authority that no machine knows of itself."""
    return trustme.CA()


@pytest.fixture
def provider(house: trustme.CA) -> Iterator[Provider]:
    with Provider(("127.0.0.1", 0), _Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        house.issue_cert("localhost").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def sent(provider: Provider, url: str) -> tuple[Outcome, Outcome]:
    """What became of a page and of its picture."""
    channel = Channel(url=url.format(port=provider.server_port), picture=True)
    picture = send_picture(channel, "e7.1", b"\x89PNG", Rendered("P1", "CRS 2"), "")
    return send(channel, [page()], MessageContext()).outcome, picture.outcome


@pytest.mark.parametrize("url", SERVICES)
def test_an_authority_of_the_house_is_named_by_the_environment(
    provider: Provider, house: trustme.CA, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.cert_pem.write_to_path(str(tmp_path / "house.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "house.pem"))
    assert sent(provider, url) == (Outcome.SENT, Outcome.SENT)
    assert provider.taken == 2


@pytest.mark.parametrize("url", SERVICES)
def test_a_certificate_of_an_unknown_authority_is_refused(provider: Provider, url: str) -> None:
    assert sent(provider, url) == (Outcome.TEMPORARY, Outcome.TEMPORARY)
    assert provider.taken == 0
