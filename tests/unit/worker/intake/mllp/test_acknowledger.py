"""One message, one acknowledgement, in order, and AA only of what the handler says is kept."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from redis.exceptions import ConnectionError as NoConnection

from config.listeners import Listener
from tests.support.work import Clock
from worker.intake.budget import Budget
from worker.intake.hl7.batches import split
from worker.intake.hl7.tokens import read
from worker.intake.mllp import acknowledger
from worker.intake.mllp.acknowledger import (
    MESSAGE_WEIGHT,
    SLICE,
    Acknowledger,
    MessageOutcome,
    ReceivedMessage,
    Reply,
    Request,
    RequestProgress,
)
from worker.intake.mllp.frames import Frame, FrameReader
from worker.intake.parsed import ElementOutcome
from worker.store.durable import NotCopiedError

NOW = datetime(2024, 6, 14, 8, 0, tzinfo=UTC)


def message(control: object, tail: str = "", kind: str = "ORU^R01") -> bytes:
    return f"MSH|^~\\&|LAB|HOSP|||||{kind}|{control}|P|2.5{tail}\rPID|1||P1\r".encode()


class Shelf:
    """A handler that keeps what it is given, and does what it is asked."""

    def __init__(self, outcome: ElementOutcome = ElementOutcome.STORED, error: Exception | None = None) -> None:
        self.calls: list[list[ReceivedMessage]] = []
        self._outcome = outcome
        self._error = error

    def __call__(self, messages: Sequence[ReceivedMessage]) -> list[MessageOutcome]:
        self.calls.append(list(messages))
        if self._error is not None:
            raise self._error
        return [MessageOutcome(self._outcome, "why") for _ in messages]


def reply(shelf: Shelf, *bodies: bytes | Frame, **settings: object) -> Reply:
    (only,) = replies(shelf, [bodies], **settings)
    return only


def replies(shelf: Shelf, requests: Sequence[Sequence[bytes | Frame]], **settings: object) -> list[Reply]:
    answerer = Acknowledger(shelf, Listener.model_validate({"port": 0, **settings}), lambda: NOW)
    progress = [
        RequestProgress(
            Request(f"10.0.0.{number}", [body if isinstance(body, Frame) else Frame(body) for body in bodies])
        )
        for number, bodies in enumerate(requests, 1)
    ]
    while waiting := [one for one in progress if one.reply is None]:
        answerer(waiting)
    return [one.reply for one in progress if one.reply is not None]


def said(answered: Reply) -> list[str]:
    """The acknowledgements as code and control id."""
    found = []
    for frame in FrameReader().feed(answered.data):
        msa = read(frame.body).segments[1]
        found.append(f"{msa.field(1).text} {msa.field(2).text}".strip())
    return found


def test_each_message_is_acknowledged_in_its_order() -> None:
    assert said(reply(Shelf(), *map(message, range(5)))) == [f"AA {number}" for number in range(5)]


def test_the_messages_of_all_connections_are_handled_together_and_answered_apart() -> None:
    shelf = Shelf()
    one, two = replies(shelf, [[message(1), message(2)], [message(3)]])
    assert (said(one), said(two)) == (["AA 1", "AA 2"], ["AA 3"])
    ((first, second, third),) = shelf.calls
    assert (first.peer, second.peer, third.peer) == ("10.0.0.1", "10.0.0.1", "10.0.0.2")


@pytest.mark.parametrize(
    ("outcome", "code", "counted"),
    [
        (ElementOutcome.STORED, "AA", "stored"),
        (ElementOutcome.DEAD_LETTER, "AA", "dead_lettered"),
        (ElementOutcome.IGNORED, "AA", "ignored"),
        (ElementOutcome.REFUSED, "AE", "refused"),
    ],
)
def test_whatever_is_kept_is_accepted_and_nothing_else(outcome: ElementOutcome, code: str, counted: str) -> None:
    answered = reply(Shelf(outcome), message(7))
    assert said(answered) == [f"{code} 7"]
    assert (answered.counts["received"], answered.counts[counted]) == (1, 1)
    assert not answered.close


@pytest.mark.parametrize("error", [NoConnection("down"), NotCopiedError(1, 2), RuntimeError("a bug")])
def test_with_the_store_down_nothing_is_said_and_the_connection_ends(error: Exception) -> None:
    answered = reply(Shelf(error=error), message(1), message(2))
    assert (answered.data, answered.close) == (b"", True)
    assert answered.counts == {"received": 2, "messages_not_acknowledged": 2}


def test_or_an_error_is_said_where_that_is_configured() -> None:
    answered = reply(Shelf(error=NoConnection()), message(1), message(2), when_store_is_down="error")
    assert said(answered) == ["AE 1", "AE 2"]
    assert b"send it again" in answered.data
    assert not answered.close


def test_what_the_handler_says_is_not_in_the_log_of_an_error(caplog: pytest.LogCaptureFixture) -> None:
    reply(Shelf(error=RuntimeError("ROSSI^MARIA")), message(1))
    assert "RuntimeError" in caplog.text
    assert "ROSSI" not in caplog.text


def test_a_frame_that_is_too_long_is_refused_after_what_came_before_it_and_ends_the_connection() -> None:
    answered = reply(Shelf(), message(1), Frame(message(2), too_long=True))
    assert said(answered) == ["AA 1", "AE 2"]
    assert answered.close
    assert answered.counts == {"received": 2, "stored": 1, "refused": 1}


@pytest.mark.parametrize("body", [b"garbage", b"{}", b"PID|1||P1", b"MSH", b"\xff" * 50, b"BHS|^~\\&|\rBTS|0"])
def test_what_is_no_hl7_is_refused_and_the_connection_goes_on(body: bytes) -> None:
    shelf = Shelf()
    answered = reply(shelf, body, message(2))
    assert said(answered) == ["AE", "AA 2"]
    assert [len(call) for call in shelf.calls] == [1]


@pytest.mark.parametrize("body", [b"", b"\r\n", b" "])
def test_an_empty_frame_is_no_message(body: bytes) -> None:
    shelf = Shelf()
    assert reply(shelf, body) == Reply(b"", False, reply(shelf).counts)
    assert shelf.calls == []


def test_an_acknowledgement_is_not_acknowledged() -> None:
    answered = reply(Shelf(), message(1, kind="ACK^R01"), message(2))
    assert said(answered) == ["AA 2"]
    assert answered.counts["ignored"] == 1


def test_each_message_of_a_batch_is_acknowledged() -> None:
    shelf = Shelf()
    answered = reply(shelf, b"BHS|^~\\&|\r" + message(1) + message(2) + b"BTS|3\r")
    assert said(answered) == ["AA 1", "AA 2"]
    assert [received.count_mismatch for received in shelf.calls[0]] == [
        "",
        "the batch is said to hold 3 message(s) and holds 2",
    ]


def test_a_piece_of_a_batch_without_a_header_is_handled_and_answered_by_nobody() -> None:
    shelf = Shelf()
    answered = reply(shelf, b"BHS|^~\\&|\rPID|1||lost\r" + message(2))
    assert said(answered) == ["AA 2"]
    assert [received.raw[:3] for received in shelf.calls[0]] == [b"PID", b"MSH"]


def test_enhanced_mode_is_answered_in_kind() -> None:
    assert said(reply(Shelf(), message(1, "|||AL|NE"), message(2, "|||NE|AL"))) == ["CA 1", "AA 2"]


def test_a_message_that_asks_for_no_answer_gets_one_all_the_same() -> None:
    assert said(reply(Shelf(), message(1, "|||NE|NE"))) == ["AA 1"]


def test_or_none_where_that_is_configured() -> None:
    answered = reply(Shelf(), message(1, "|||NE|NE"), message(2), answers="as_asked")
    assert said(answered) == ["AA 2"]
    assert not answered.close


def test_a_sender_that_wants_no_answer_notices_a_refusal_by_the_end_of_the_connection() -> None:
    answered = reply(Shelf(ElementOutcome.REFUSED), message(1, "|||NE|NE"), message(2), answers="as_asked")
    assert (answered.data, answered.close) == (b"", True)


def batch(number: int) -> bytes:
    return b"\r".join(message(at) for at in range(number))


def test_a_batch_is_answered_in_slices_in_its_order() -> None:
    shelf = Shelf()
    assert said(reply(shelf, batch(900), message("next"))) == [*(f"AA {at}" for at in range(900)), "AA next"]
    assert len(shelf.calls) == 3
    assert all(sum(len(one.raw) + MESSAGE_WEIGHT for one in call[:-1]) < SLICE for call in shelf.calls)


def test_with_the_store_down_in_the_middle_what_was_stored_before_is_answered() -> None:
    class Failing(Shelf):
        def __call__(self, messages: Sequence[ReceivedMessage]) -> list[MessageOutcome]:
            if self.calls:
                raise NoConnection
            return super().__call__(messages)

    shelf = Failing()
    answered = reply(shelf, batch(900))
    (stored,) = map(len, shelf.calls)
    assert said(answered) == [f"AA {at}" for at in range(stored)]
    assert answered.close
    assert answered.counts == {"received": 900, "stored": stored, "messages_not_acknowledged": 900 - stored}


def test_a_frame_of_more_messages_than_any_in_earnest_has_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acknowledger, "MOST_MESSAGES", 20)
    shelf = Shelf()
    assert said(reply(shelf, batch(21), message("next"))) == ["AE 0", "AA next"]
    assert said(reply(Shelf(), batch(20))) == [f"AA {at}" for at in range(20)]
    assert len(shelf.calls) == 1


def test_a_frame_that_takes_too_long_to_take_apart_has_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acknowledger, "split", lambda body: split(body, Budget(seconds=2, timer=Clock())))
    answered = reply(Shelf(), batch(200))
    assert said(answered) == ["AE 0"]
    assert b"reading takes longer than 2 s; send it in parts" in answered.data


def test_a_request_weighs_what_it_may_cost() -> None:
    assert Request("", [Frame(b"MSH|" * 300_000)]).weight > 100 * SLICE
    assert Request("", [Frame(message(1))] * 10).weight < SLICE
