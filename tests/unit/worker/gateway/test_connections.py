"""The time of each phase of a connection, and how many may owe bytes: with a clock that jumps."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import h11
import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from worker.gateway.connections import SECONDS, BoundedProtocol, Caps, Owing, Phase

HEAD = b"POST /fhir HTTP/1.1\r\nHost: ward\r\nContent-Length: 10\r\n\r\n"


class Timer:
    """What `call_later` gives."""

    def __init__(self, at: float, call: Callable[[], object]) -> None:
        self.at = at
        self.call = call

    def cancel(self) -> None:
        self.at = float("inf")


class Loop:
    """An event loop whose time is moved by the test, and whose tasks do not run."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def call_later(self, delay: float, call: Callable[[], object]) -> Timer:
        self.timers.append(Timer(self.now + delay, call))
        return self.timers[-1]

    def create_task(self, work: Coroutine[Any, Any, None], **_: object) -> "asyncio.Future[None]":
        work.close()
        return asyncio.Future(loop=UNUSED)

    def forward(self, seconds: float) -> None:
        self.now += seconds
        for timer in [timer for timer in self.timers if timer.at <= self.now]:
            timer.cancel()
            timer.call()


UNUSED = asyncio.new_event_loop()
UNUSED.close()


class Transport(asyncio.Transport):
    """A connection from an address, to nowhere."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 50000), "sockname": ("127.0.0.1", 8080)})
        self.closing = self.aborted = False

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Door:
    """Where connections come in."""

    def __init__(self, caps: Caps | None = None) -> None:
        self.loop = Loop()
        self.owing = Owing(caps or Caps())
        self.config = Config(lambda *_: None, http=BoundedProtocol, ws="none", log_config=None, lifespan="off")
        self.config.load()
        self.state = ServerState()

    def come(self, address: str = "10.0.0.1") -> BoundedProtocol:
        made = BoundedProtocol(self.config, self.state, {}, _loop=self.loop, owing=self.owing)
        made.connection_made(Transport(address))
        return made


def is_closed(connection: BoundedProtocol) -> bool:
    return bool(connection.transport.aborted)  # type: ignore[attr-defined]


def is_answered(connection: BoundedProtocol, *, completely: bool = True) -> None:
    """What the server does when the application has answered."""
    connection.cycle.response_complete = completely
    connection.on_response_complete()


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.mark.parametrize(
    ("sent", "phase"),
    [(b"", Phase.FIRST_BYTE), (HEAD[:20], Phase.HEAD), (HEAD, Phase.BODY), (HEAD + b"12345", Phase.BODY)],
)
def test_each_phase_has_its_time(door: Door, sent: bytes, phase: Phase) -> None:
    connection = door.come()
    if sent:
        connection.data_received(sent)
    door.loop.forward(SECONDS[phase] - 0.1)
    assert not is_closed(connection)
    door.loop.forward(0.2)
    assert is_closed(connection)


@pytest.mark.parametrize(("sent", "phase"), [(b"GET / HTTP/1.1\r\nX: ", Phase.HEAD), (HEAD, Phase.BODY)])
def test_that_more_trickles_in_gives_it_no_more_time(door: Door, sent: bytes, phase: Phase) -> None:
    connection = door.come()
    connection.data_received(sent)
    for _ in range(9):
        door.loop.forward(SECONDS[phase] / 9 + 0.1)
        if not is_closed(connection):
            connection.data_received(b"x")
    assert is_closed(connection)


def test_a_request_that_is_being_answered_is_given_its_time(door: Door) -> None:
    connection = door.come()
    connection.data_received(HEAD + b"0123456789")
    door.loop.forward(3600)
    assert not is_closed(connection)
    assert len(door.owing) == 0


def test_a_peer_that_does_not_read_its_answer_is_closed(door: Door) -> None:
    connection = door.come()
    connection.data_received(HEAD + b"0123456789")
    connection.pause_writing()
    door.loop.forward(SECONDS[Phase.READER] - 1)
    connection.resume_writing()
    door.loop.forward(SECONDS[Phase.READER])
    assert not is_closed(connection)
    connection.pause_writing()
    door.loop.forward(SECONDS[Phase.READER])
    assert is_closed(connection)


def test_a_refused_body_that_goes_on_does_not_hold_the_connection(door: Door) -> None:
    connection = door.come()
    connection.data_received(HEAD)
    is_answered(connection)
    for _ in range(8):
        door.loop.forward(SECONDS[Phase.BODY] / 8)
        connection.data_received(b"x")
    assert is_closed(connection)


def test_a_closed_connection_whose_last_answer_nobody_reads_ends(door: Door) -> None:
    connection = door.come()
    connection.data_received(HEAD + b"0123456789")
    connection.transport.close()
    is_answered(connection)
    door.loop.forward(SECONDS[Phase.END])
    assert is_closed(connection)


def test_a_connection_that_is_lost_owes_nothing(door: Door) -> None:
    connection = door.come()
    connection.connection_lost(None)
    is_answered_late = connection.on_response_complete
    is_answered_late()
    assert len(door.owing) == 0
    door.loop.forward(3600)
    assert not is_closed(connection)


# -- how many --------------------------------------------------------------------------------------


def test_of_too_many_the_one_that_has_owed_longest_is_closed_and_never_the_new_one() -> None:
    door = Door(Caps(of_one=3, of_all=100))
    other = door.come("10.0.0.2")
    connections = [door.come() for _ in range(10)]
    assert [is_closed(one) for one in connections] == [True] * 7 + [False] * 3
    assert not is_closed(other)


def test_of_all_too_many_the_address_with_most_gives_one_up() -> None:
    door = Door(Caps(of_one=10, of_all=12))
    many = [door.come("10.0.0.1") for _ in range(9)]
    few = [door.come(f"10.0.1.{number}") for number in range(8)]
    assert sum(map(is_closed, many)) == 5
    assert not any(map(is_closed, few))


def test_a_body_that_is_being_read_is_spared_while_others_can_be_closed() -> None:
    door = Door(Caps(of_one=3, of_all=100))
    sender = door.come()
    sender.data_received(HEAD)
    idle = [door.come() for _ in range(5)]
    assert not is_closed(sender)
    assert [is_closed(one) for one in idle] == [True] * 3 + [False] * 2


def test_an_idle_connection_that_was_answered_is_closed_after_those_that_never_asked() -> None:
    door = Door(Caps(of_one=3, of_all=100))
    kept = door.come()
    kept.data_received(b"GET / HTTP/1.1\r\nHost: ward\r\n\r\n")
    response = h11.Response(status_code=200, headers=[("content-length", "0")])
    for event in (response, h11.EndOfMessage()):
        kept.conn.send(event)
    is_answered(kept)
    silent = [door.come() for _ in range(5)]
    assert not is_closed(kept)
    assert [is_closed(one) for one in silent] == [True] * 3 + [False] * 2
    door.loop.forward(SECONDS[Phase.NEXT_REQUEST])
    assert kept.transport.is_closing()


def test_half_sent_bodies_alone_do_not_keep_a_new_connection_out() -> None:
    door = Door(Caps(of_one=3, of_all=100))
    senders = [door.come() for _ in range(3)]
    for sender in senders:
        sender.data_received(HEAD)
    new = door.come()
    assert [is_closed(one) for one in (*senders, new)] == [True, False, False, False]


def test_what_is_being_answered_does_not_count() -> None:
    door = Door(Caps(of_one=3, of_all=100))
    asked = [door.come() for _ in range(3)]
    for one in asked:
        one.data_received(HEAD + b"0123456789")
    assert not any(map(is_closed, [*asked, *(door.come() for _ in range(3))]))


def test_the_network_of_one_host_counts_as_one() -> None:
    door = Door(Caps(of_one=2, of_all=100))
    connections = [door.come(f"2001:db8::{number}") for number in range(4)]
    assert [is_closed(one) for one in connections] == [True, True, False, False]
    assert not is_closed(door.come("2001:db8:0:1::1"))
