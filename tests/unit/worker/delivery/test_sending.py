"""Sends side by side against real receivers: bounded in time, on connections that stay open."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue

import pytest

from config.site import Channel
from tests.support.pages import page
from worker.delivery import sending, sockets
from worker.delivery.channel import MessageContext
from worker.delivery.outcome import Attempt, Outcome
from worker.delivery.sending import CUT_OFF, SEND_SECONDS, Send, SendEnded, Senders

WITHIN = 10.0

HTTP = "json://127.0.0.1:{port}"
SMTP = "{scheme}://user:word@127.0.0.1:{{port}}?smtp=127.0.0.1&from=a@example.org&to=b@example.org&mode={mode}"
"""Without TLS, with TLS after the greeting and with TLS from the beginning."""


@pytest.fixture
def ended() -> SimpleQueue[SendEnded]:
    return SimpleQueue()


@pytest.fixture
def senders(ended: SimpleQueue[SendEnded]) -> Iterator[Senders]:
    made = Senders(ended.put)
    yield made
    made.close()


def send_to(url: str, queue: str = "queue:phone-1") -> Send:
    return Send(queue, Channel(url=url), [page()], MessageContext())


@contextmanager
def dripping(
    url: str = HTTP, begins: bytes = b"HTTP/1.1 200 OK\r\nX: "
) -> Iterator[tuple[str, threading.Thread, threading.Event]]:
    """A provider that answers one request with a letter each 20 ms, for ever: no wait for a read ever runs out."""

    def drip(server: socket.socket) -> None:
        taken, _ = server.accept()
        asked.set()
        with taken, suppress(OSError):
            taken.sendall(begins)
            while True:
                taken.sendall(b"x")
                time.sleep(0.02)

    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        yield url.format(port=server.getsockname()[1]), thread, asked
        thread.join(WITHIN)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_an_answer_in_drips_is_given_up_and_its_connection_ends(
    senders: Senders, ended: SimpleQueue[SendEnded]
) -> None:
    with dripping() as (url, provider, asked):
        senders.start(send_to(url))
        assert asked.wait(WITHIN)
        senders.cut_off_late(time.monotonic())
        assert ended.empty(), "it has its time"
        [thread] = senders._threads.values()
        senders.cut_off_late(time.monotonic() + SEND_SECONDS)
        assert ended.get(timeout=WITHIN).attempt == CUT_OFF
        provider.join(WITHIN)
        assert not provider.is_alive(), "its connection was ended"
        until(lambda: not thread.is_alive())
    assert ended.empty(), "it is reported once"
    with dripping() as (url, provider, _):
        senders.start(send_to(url))
        senders.cut_off_late(time.monotonic() + SEND_SECONDS)
        assert ended.get(timeout=WITHIN).attempt == CUT_OFF, "the queue has a new thread"
        provider.join(WITHIN)
        assert not provider.is_alive(), "though it was connected only after that"


@pytest.mark.parametrize(
    ("scheme", "mode", "begins"),
    [
        ("mailto", "insecure", b"220-"),
        ("mailtos", "starttls", b"220 mail\r\n250-"),
        ("mailtos", "ssl", b"\x16\x03\x03\x3f\xff"),
    ],
)
def test_a_mail_server_that_answers_in_drips_is_given_up_and_its_thread_ends(
    senders: Senders, ended: SimpleQueue[SendEnded], scheme: str, mode: str, begins: bytes
) -> None:
    with dripping(SMTP.format(scheme=scheme, mode=mode), begins) as (url, provider, asked):
        senders.start(send_to(url))
        assert asked.wait(WITHIN)
        [thread] = senders._threads.values()
        senders.cut_off_late(time.monotonic() + SEND_SECONDS)
        assert ended.get(timeout=WITHIN).attempt == CUT_OFF
        until(lambda: not thread.is_alive())
        provider.join(WITHIN)
        assert not provider.is_alive(), "its connection was ended"
    until(lambda: not sockets._open.get(thread.ident or 0))


def test_a_send_that_never_ends_costs_one_thread(
    senders: Senders, ended: SimpleQueue[SendEnded], monkeypatch: pytest.MonkeyPatch
) -> None:
    never = threading.Event()
    monkeypatch.setattr(sending, "send", lambda *_: never.wait(WITHIN) and Attempt(Outcome.SENT))
    senders.start(send_to("json://any"))
    senders.cut_off_late(time.monotonic() + SEND_SECONDS + 1)
    assert ended.get(timeout=WITHIN).attempt == CUT_OFF
    before = threading.active_count()
    senders.start(send_to("json://any"))
    assert ended.get(timeout=WITHIN).attempt == CUT_OFF
    assert threading.active_count() == before
    never.set()


def test_whatever_a_plugin_raises_is_an_unknown_outcome(
    senders: Senders, ended: SimpleQueue[SendEnded], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Attempt:
        raise ZeroDivisionError

    monkeypatch.setattr(sending, "send", fails)
    senders.start(send_to("json://any"))
    assert ended.get(timeout=WITHIN).attempt.outcome is Outcome.UNKNOWN
