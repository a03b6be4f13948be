"""Readings that come as one task each are gathered; what becomes of the task they are put into becomes of each."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from kombu.message import Message
from kombu.utils.json import dumps

from tests.support.stored_ward import acknowledgement, raw, reading, registration
from worker.task_batcher import AT_MOST, INGEST_READINGS, LARGEST, GatheredTasks, ReadingGatherer, the_reading

ONE = reading("crp", 85)
HEADERS = {"lang": "py", "task": "ingest", "id": "1"}


class Channel:
    """What messages do to their broker."""

    no_ack_consumers = None

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []

    def basic_ack(self, tag: str, multiple: bool = False) -> None:
        assert not multiple, "other messages of the channel are not ours to acknowledge"
        self.done.append((tag, "acknowledged"))

    def basic_reject(self, tag: str, requeue: bool) -> None:
        self.done.append((tag, "requeued" if requeue else "rejected"))


class Timer:
    """Calls when the test says that the time has come."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def call_after(self, _: float, call: Callable[[], None]) -> None:
        self.calls.append(call)


def task(*args: Any, tag: str = "1", headers: dict[str, Any] | None = None, **kwargs: Any) -> Message:
    return Message(
        dumps([args, kwargs, {}]),
        delivery_tag=tag,
        headers=HEADERS | (headers or {}),
        channel=Channel(),
        content_type="application/json",
        content_encoding="utf-8",
        accept={"application/json"},
    )


def of_protocol_1(*args: Any) -> Message:
    body = json.dumps({"task": "ingest", "id": "1", "args": args, "kwargs": {}})
    return Message(body, headers={}, content_type="application/json", content_encoding="utf-8", channel=Channel())


@pytest.mark.parametrize(
    "message",
    [task(ONE), task(message=ONE), task(json.dumps(ONE)), task(raw(ONE)), of_protocol_1(ONE)],
    ids=["object", "by name", "text", "bytes", "protocol 1"],
)
def test_a_task_with_one_reading_is_gathered_in_each_form(message: Message) -> None:
    found = the_reading(message)
    assert (found if isinstance(found, dict) else json.loads(found)) == ONE


@pytest.mark.parametrize(
    "message",
    [
        task(),
        task(ONE, ONE),
        task([ONE]),
        task(ONE, headers={"task": "advance"}),
        task(registration()),
        task(acknowledgement("e1")),
        task(json.dumps(acknowledgement("e1"))),
        task(ONE | {"note": [[]]}),
        task(ONE | {"note": "x" * LARGEST}),
        task("{"),
        task("\ud800"),
        task("[" * 2000),
        task(b"\xff"),
        task(7),
        task(None),
        task({}),
    ],
)
def test_any_other_task_is_executed_alone(message: Message) -> None:
    assert the_reading(message) is None


def test_times_and_decimals_are_gathered_as_celery_brings_them_back() -> None:
    now = datetime(2024, 6, 14, tzinfo=UTC)
    found = the_reading(task(ONE | {"value": Decimal("85.10"), "effective": now}))
    assert (found["value"], found["effective"]) == (Decimal("85.10"), now)


@pytest.fixture
def handed() -> list[Message]:
    return []


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def gatherer(timer: Timer, handed: list[Message]) -> ReadingGatherer:
    return ReadingGatherer(timer, handed.append)


def test_readings_are_handed_over_together_when_the_time_has_come(
    gatherer: ReadingGatherer, timer: Timer, handed: list[Message]
) -> None:
    for number in range(3):
        gatherer(task(reading("crp", number)))
    assert handed == []
    [call] = timer.calls
    call()
    [gathered] = handed
    assert gathered.headers["task"] == INGEST_READINGS
    assert [item["value"] for item in gathered.payload["args"]] == [0, 1, 2]
    call()
    assert len(handed) == 1, "nothing was gathered since"


def test_enough_readings_are_handed_over_at_once(gatherer: ReadingGatherer, handed: list[Message]) -> None:
    for number in range(AT_MOST + 1):
        gatherer(task(reading("crp", number)))
    assert [len(message.payload["args"]) for message in handed] == [AT_MOST]


def test_what_is_no_reading_waits_for_none(gatherer: ReadingGatherer, handed: list[Message]) -> None:
    answer = task(acknowledgement("e1"))
    gatherer(task(ONE))
    gatherer(answer)
    assert handed == [answer]


@pytest.mark.parametrize("outcome", ["acknowledged", "requeued", "rejected"])
def test_what_becomes_of_the_task_becomes_of_each_message(outcome: str) -> None:
    messages = [task(ONE, tag=tag) for tag in ("1", "2")]
    gathered = GatheredTasks(messages, INGEST_READINGS, [ONE, ONE])
    if outcome == "acknowledged":
        gathered.ack_log_error(None, (OSError,))
    else:
        gathered.reject_log_error(None, (OSError,), requeue=outcome == "requeued")
    assert [message.channel.done for message in messages] == [[("1", outcome)], [("2", outcome)]]
