"""What the consumer makes of a message: a task message is stripped to what is needed, all else is a dead letter."""

import json
from typing import Any

import pytest
from celery.worker.consumer import Consumer
from kombu import Connection
from kombu.message import Message
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config.settings import Settings
from tests.support.stored_ward import SITE, Clock
from worker import task_consumer
from worker.app import app
from worker.monitoring.stalled_consumer import ConsumerWatch
from worker.runtime.runtime import Runtime
from worker.store.shard import Store
from worker.task_consumer import NAMELESS, TolerantConsumer, check

TASKS = {"ingest": None}
HEADERS: dict[str, Any] = {"lang": "py", "task": "ingest", "id": "1"}
FIRST: dict[str, Any] = {"task": "ingest", "id": "1", "args": [], "kwargs": {}}
PARTS = [[], {}, {}]


class Channel:
    """What a message does to its broker."""

    no_ack_consumers: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.rejected: list[bool] = []

    def basic_reject(self, _: object, requeue: bool) -> None:
        self.rejected.append(requeue)


def message(body: Any, headers: Any = None, **more: Any) -> Message:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    given = {"content_type": "application/json", "content_encoding": "utf-8", "accept": {"application/json"}} | more
    return Message(text, delivery_tag="1", headers=headers, channel=Channel(), **given)


@pytest.mark.parametrize(
    ("body", "headers", "why"),
    [
        ("{", HEADERS, "cannot be decoded (DecodeError)"),
        ("null", HEADERS, "is no list of arguments, named arguments and links"),
        ({"not": "list"}, HEADERS, "is no list of arguments, named arguments and links"),
        ([[], {}], HEADERS, "is no list of arguments, named arguments and links"),
        ([[], {}, 7], HEADERS, "links other tasks to it; send it alone"),
        ([[], {}, {"chain": [1]}], HEADERS, "links other tasks to it; send it alone"),
        ([7, {}, {}], HEADERS, "has arguments that are no list"),
        ([[], [1], {}], HEADERS, "has named arguments that are no object"),
        (PARTS, {"task": "ingest"}, "has no id"),
        (PARTS, HEADERS | {"id": ""}, "has no id"),
        (PARTS, HEADERS | {"task": ["ingest"]}, "names a task that does not exist"),
        (PARTS, HEADERS | {"task": "os.system"}, "names a task that does not exist"),
        (PARTS, {}, "names no task"),
        ([1, 2], None, "names no task"),
        ({}, None, "names a task that does not exist"),
        ({"task": "ingest"}, None, "has no id"),
        (FIRST | {"task": {"a": 1}}, None, "names a task that does not exist"),
        (FIRST | {"args": 7}, None, "has arguments that are no list"),
        (FIRST | {"kwargs": "x"}, None, "has named arguments that are no object"),
    ],
)
def test_what_is_no_task_message_is_refused_with_the_reason(body: Any, headers: Any, why: str) -> None:
    assert check(message(body, headers), TASKS) == why


PICKLE, YAML = "application/x-python-serialize", "application/x-yaml"


@pytest.mark.parametrize("kind", [PICKLE, YAML, "application/x-msgpack", "application/x-nothing"])
def test_another_content_than_json_is_refused_by_its_name(kind: str) -> None:
    given = message(b"cos\nsystem\n(S'true'\ntR.", HEADERS, content_type=kind, content_encoding="binary")
    assert check(given, TASKS) == f"is sent as {kind}, and only application/json is read"


def test_of_the_headers_only_what_names_the_task_is_left() -> None:
    given = message(PARTS, HEADERS | {"eta": "tomorrow", "expires": [1], "timelimit": 7, "chord": {"a": 1}})
    assert check(given, TASKS) == ""
    assert given.headers == HEADERS


def test_of_a_body_of_protocol_1_only_what_names_the_task_is_left() -> None:
    given = message(FIRST | {"eta": "tomorrow", "callbacks": 7, "errbacks": {"a": 1}, "chord": [3]})
    assert check(given, TASKS) == ""
    assert given.decode() == FIRST


@pytest.fixture
def tolerant(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> TolerantConsumer:
    """A consumer of no broker; its dead letters go to the store in memory."""
    made = TolerantConsumer.__new__(TolerantConsumer)
    made.app = app
    made.strategies, made.connection_errors = TASKS, (OSError,)
    run = Runtime(Settings(), SITE, store, clock)
    monkeypatch.setattr(task_consumer, "runtime", lambda: run)
    monkeypatch.setattr(task_consumer, "wake_shards", lambda *_: None)
    monkeypatch.setattr(task_consumer, "STORE_PAUSE_SECONDS", 0.0)
    return made


@pytest.mark.parametrize(
    ("given", "source", "task"),
    [
        (message("7", HEADERS), "celery ingest", "ingest"),
        (message(FIRST | {"args": 7}), "celery ingest", "ingest"),
        (message(PARTS, HEADERS | {"task": "os.system"}), "celery", "os.system"),
        (message(FIRST | {"task": "os.system"}), "celery", "os.system"),
        (message(PARTS, HEADERS | {"task": ["ingest"]}), "celery", NAMELESS),
        (message(FIRST | {"task": "a\nb"}), "celery", NAMELESS),
        (message("{"), "celery", NAMELESS),
    ],
)
def test_a_dead_letter_names_the_task_and_a_source_only_a_task_that_exists(
    tolerant: TolerantConsumer, store: Store, given: Message, source: str, task: str
) -> None:
    tolerant._refuse(given, "is wrong")
    [(_, record)] = store.dead_letters()
    assert (record.source, record.why) == (source, f"task {task}: is wrong")
    assert given.channel.rejected == [False]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (message(PARTS, HEADERS | {"task": "lab.import"}), "refused a message for task lab.import: it names a task"),
        (message(b"x", HEADERS, content_type=PICKLE), f"refused a message for task ingest: it is sent as {PICKLE}"),
        (message(PARTS, HEADERS | {"task": "P1\n"}), f"refused a message for task {NAMELESS}: it names a task"),
    ],
)
def test_what_is_refused_is_logged_with_the_name_of_the_task_and_listed(
    tolerant: TolerantConsumer, store: Store, caplog: pytest.LogCaptureFixture, given: Message, line: str
) -> None:
    tolerant.checked(pytest.fail)(given)
    assert line in caplog.text
    [(_, record)] = store.dead_letters()
    assert record.why.startswith("task ")
    assert given.channel.rejected == [False]


def test_what_cannot_be_decompressed_is_a_dead_letter(tolerant: TolerantConsumer, store: Store) -> None:
    given = message(PARTS, HEADERS | {"compression": "application/x-nothing"})
    given._reraise_error(tolerant.on_decode_error)
    [(_, record)] = store.dead_letters()
    assert record.why == "task ingest: cannot be decoded (KeyError)"
    assert given.channel.rejected == [False]


def test_while_the_store_is_away_it_goes_back_to_the_queue(
    tolerant: TolerantConsumer, store: Store, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise RedisConnectionError

    given = message("7", HEADERS)
    with monkeypatch.context() as while_away:
        while_away.setattr(redis, "pipeline", away)
        tolerant._refuse(given, "is wrong")
    assert given.channel.rejected == [True]
    assert store.dead_letters() == []


def test_whatever_comes_counts_as_taken(tolerant: TolerantConsumer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker to which strangers send nothing but rubbish is not stalled."""
    consumer_watch = ConsumerWatch()
    monkeypatch.setattr(task_consumer, "consumer_watch", consumer_watch)
    monkeypatch.setattr(Consumer, "create_task_handler", lambda _: lambda _: None)
    receive = tolerant.create_task_handler()
    receive(message(PARTS, HEADERS))
    receive(message("7", HEADERS))
    undecodable = message(PARTS, HEADERS | {"compression": "application/x-nothing"})
    undecodable._reraise_error(tolerant.on_decode_error)
    assert consumer_watch.taken == 3


class CannotClose(Connection):
    """A connection of kombu that returns a message while it closes, by a transport that is cleared already."""

    def close(self) -> None:
        None.hostname  # type: ignore[attr-defined]  # noqa: B018


def test_a_connection_that_kombu_cannot_close_does_not_end_the_worker() -> None:
    """Three of five workers ended when Redis was killed: pages waited for their start."""
    consumer = object.__new__(TolerantConsumer)
    consumer.__dict__.update(app=app, connection=CannotClose("redis://127.0.0.1:1"))
    consumer.on_connection_error_after_connected(OSError("gone"))
    assert consumer.connection is None, "Celery connects anew"


def test_a_broker_that_is_long_gone_is_tried_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery waits 2 s longer after each attempt: pages came 8 s after a network that was away for 20 s."""
    refusals = iter([OSError("refused")] * 12)

    def connect(self: Connection) -> object:
        for refusal in refusals:
            raise refusal
        return self

    waited: list[float] = []
    monkeypatch.setattr(Connection, "_connection_factory", connect)
    monkeypatch.setattr("kombu.utils.functional.sleep", waited.append)
    consumer = object.__new__(TolerantConsumer)
    consumer.__dict__.update(app=app, first_connection_attempt=False, broker_connection_retry_attempt=0)
    consumer.ensure_connected(Connection("redis://127.0.0.1:1"))
    assert sum(waited) == pytest.approx(12)
