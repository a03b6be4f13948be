"""What a provider and every proxy on the way can log: no address of a request holds anything of a page."""

import base64
import threading
from collections.abc import Iterator
from email.header import decode_header, make_header
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import pytest
import requests

from config.site import Channel
from tests.support.pages import page
from tests.unit.worker.delivery.test_providers import ADDRESSES
from worker.delivery.channel import MessageContext, send, send_picture
from worker.delivery.http import RESPONSE_LIMIT
from worker.delivery.ntfy import header
from worker.delivery.outcome import Attempt, Outcome
from worker.delivery.rendering import Rendered

PAGE = page(title="[HIGH] HAEM-2/12 P1: ICANS 3", text="because ICE 2\nreadings: temperature 38.9 °C")
WORDS = Rendered("Trend: HAEM-2/12  D+2", "temperature: last 38.9 °C\nCRS grade: 2 from 14 Jun 08:00, perché è così")
CLINICAL = ("ICANS", "ICE", "38.9", "HAEM", "CRS", "P1:")


class Asked(NamedTuple):
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


class Provider(ThreadingHTTPServer):
    """A provider that takes everything, and what it was asked; `endless`: its answers never end."""

    daemon_threads = True
    endless = False

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.sent = 0
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(Asked(self.requestline, dict(self.headers), body))
        self.send_response(200)
        if not self.server.endless:
            self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
        try:
            while self.server.endless and self.server.sent < 1 << 30:
                self.server.sent += self.wfile.write(b"x" * 65536)
        except OSError:
            pass

    def do_PUT(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ntfy(provider: Provider, query: str = "") -> Channel:
    return Channel(url=f"ntfy://nurse:geheim@127.0.0.1:{provider.server_port}/ward-topic?priority=max{query}")


def test_a_picture_by_ntfy_carries_its_words_in_headers_and_rings_nobody(provider: Provider) -> None:
    assert send_picture(ntfy(provider), "e7.1", b"\x89PNG picture", WORDS, "") == Attempt(Outcome.SENT)
    [asked] = provider.asked
    assert asked.line == "PUT /ward-topic HTTP/1.1"
    assert asked.body == b"\x89PNG picture"
    assert asked.headers["Priority"] == "min", "though the site's pages ring at the highest"
    assert asked.headers["Filename"] == "trend.png"
    assert asked.headers["Authorization"] == f"Basic {base64.b64encode(b'nurse:geheim').decode()}"
    read = [str(make_header(decode_header(asked.headers[name]))) for name in ("Title", "Message")]
    assert read == [WORDS.title, WORDS.text.replace("\n", "\\n")]


def test_a_token_goes_with_a_picture_as_with_a_page(provider: Provider) -> None:
    channel = Channel(url=f"ntfy://tk_secret@127.0.0.1:{provider.server_port}/ward-topic?auth=token")
    send(channel, [PAGE], MessageContext())
    send_picture(channel, "e7.1", b"x", WORDS, "")
    assert [asked.headers["Authorization"] for asked in provider.asked] == ["Bearer tk_secret"] * 2


def test_a_page_by_ntfy_carries_its_words_in_the_body(provider: Provider) -> None:
    assert send(ntfy(provider), [PAGE], MessageContext(link=lambda _: "https://cw.example/p/abc")) == Attempt(
        Outcome.SENT
    )
    [asked] = provider.asked
    assert asked.line == "POST / HTTP/1.1"
    assert "X-Icon" not in asked.headers, "no phone fetches an icon from elsewhere"
    assert b"ICANS 3" in asked.body


@pytest.mark.parametrize(("status", "outcome"), [(404, Outcome.PERMANENT), (503, Outcome.TEMPORARY)])
def test_a_refused_picture_says_what_was_answered(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, status: int, outcome: Outcome
) -> None:
    monkeypatch.setattr(_Handler, "send_response", lambda self, _: BaseHTTPRequestHandler.send_response(self, status))
    assert send_picture(ntfy(provider), "e7.1", b"x", WORDS, "").outcome is outcome


def test_a_header_is_of_short_words_that_end_between_letters() -> None:
    text = "è" * 200
    assert str(make_header(decode_header(header(text)))) == text
    assert all(len(word) <= 75 for word in header(text).split(" "))


# -- every service of the table --------------------------------------------------------------------


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of every request that would leave this machine; all are answered with an empty 200."""
    found: list[str] = []

    def request(_: requests.Session, method: str, url: str, **given: Any) -> requests.Response:
        prepared = requests.Request(method, url, params=given.get("params")).prepare()
        found.append(unquote_plus(prepared.url or ""))
        answer = requests.Response()
        answer.status_code = 200
        answer._content = b"{}"
        return answer

    monkeypatch.setattr(requests.Session, "request", request)
    return found


FULL = sorted(set(ADDRESSES) - {"join", "mailto", "mailtos"})
OTHERS = {
    "slack": f"slack://T1JJ3T3L2/A1BRTD4JD/{'a' * 24}/#nurses",
    "discord": f"discord://{'1' * 10}/{'b' * 64}",
    "mmost": f"mmost://host/{'a' * 24}",
    "rocket": "rocket://user:pass@host/#ward",
    "twilio": f"twilio://AC{'a' * 32}:{'b' * 32}@15551112222/15553334444",
    "json": "json://host/path",
    "form": "form://host/path",
    "xml": "xml://host/path",
}


@pytest.mark.parametrize("service", [*FULL, *OTHERS])
def test_no_service_is_asked_with_anything_of_a_page_in_the_address(service: str, lines: list[str]) -> None:
    channel = Channel(url={**ADDRESSES, **OTHERS}[service], picture=True)
    send(channel, [PAGE], MessageContext(link=lambda _: "https://cw.example/p/abc"))
    send_picture(channel, "e7.1", b"\x89PNG", WORDS, "")
    assert lines, "it was asked"
    assert [line for line in lines for word in CLINICAL if word in line] == []


@pytest.mark.parametrize(
    "url",
    [f"join://{'a' * 32}", "threema://*GATEWAY@secret/ABCDEFGH", "form://host/path?method=GET", "voipms://p:a@b.c/1/2"],
)
def test_a_service_that_writes_the_text_into_the_address_shows_no_patient(url: str) -> None:
    with pytest.raises(ValueError, match="minimal"):
        Channel(url=url)
    assert Channel(url=url, detail="minimal").detail == "minimal"


# -- answers without end ---------------------------------------------------------------------------


@pytest.mark.parametrize("urgency", ["critical", "picture"])
def test_an_answer_without_end_is_read_no_further_than_its_beginning(provider: Provider, urgency: str) -> None:
    provider.endless = True
    if urgency == "picture":
        assert send_picture(ntfy(provider), "e7.1", b"x", WORDS, "") == Attempt(Outcome.SENT)
    else:
        assert send(ntfy(provider), [PAGE], MessageContext()) == Attempt(Outcome.SENT)
    assert provider.sent < 32 * 1024 * 1024, "what the sockets' buffers take, and no more"


def test_the_content_of_an_answer_is_cut(provider: Provider) -> None:
    provider.endless = True
    answer = requests.post(f"http://127.0.0.1:{provider.server_port}/", timeout=5)
    assert len(answer.content) == RESPONSE_LIMIT
    provider.endless = False
    assert requests.post(f"http://127.0.0.1:{provider.server_port}/", timeout=5).json() == {}
