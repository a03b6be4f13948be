"""The Celery tasks without a broker: what a producer sends is stored or dead-lettered, and who is woken."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent import futures
from datetime import datetime, timedelta
from decimal import Decimal
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import Reject, SoftTimeLimitExceeded
from kombu.utils.json import dumps, loads
from redis.exceptions import ConnectionError as RedisConnectionError

from config.settings import Settings
from tests.support.delivery import fake_provider
from tests.support.pages import owe, page
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, owed, raw, reading, registration, send, waiting
from worker import tasks
from worker.app import QUEUES, app, pool_lives
from worker.delivery import process
from worker.delivery.agreement import mark
from worker.delivery.outcome import Attempt, Outcome
from worker.runtime.runtime import Runtime
from worker.store import inbox
from worker.store.commit import Transaction
from worker.store.durable import NotCopiedError
from worker.store.fair_shares import PIECE
from worker.store.inbox import accept
from worker.store.keys import Shard
from worker.store.shard import Batch, Store
from worker.ticker import pending

Sent = list[tuple[str, tuple[Any, ...]]]


@pytest.fixture
def sent(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The wake-ups the tasks send; the tasks work on the store in memory."""
    found: Sent = []
    run = Runtime(Settings(receiver_url="json://127.0.0.1:9"), SITE, store, clock)
    monkeypatch.setattr(tasks, "runtime", lambda: run)
    monkeypatch.setattr(app, "send_task", lambda name, arguments=(), **_: found.append((name, tuple(arguments))))
    return found


def ingest(*messages: Any, **named: Any) -> None:
    """As a worker runs it: through Celery's JSON."""
    tasks.ingest(*loads(dumps(messages)), **loads(dumps(named)))


ONE, TWO, THREE = crs2()
SHARD = KEYS.of("P1")
PARTITION = KEYS.partition_of("phone-1").number


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize(
    "messages",
    [
        (ONE, TWO, THREE),
        ([ONE, TWO, THREE],),
        ([ONE], [TWO, THREE]),
        (json.dumps(ONE), json.dumps(TWO), raw(THREE)),
        ([json.dumps(ONE), TWO, raw(THREE)],),
    ],
    ids=["several", "a list", "lists", "texts", "mixed"],
)
def test_however_messages_are_put_together_they_are_stored(store: Store, messages: tuple[Any, ...]) -> None:
    ingest(*messages)
    assert waiting(store) == 3
    assert store.dead_letters() == []


@pytest.mark.usefixtures("sent")
def test_messages_sent_by_name_are_stored_too(store: Store) -> None:
    ingest(messages=[ONE, TWO, THREE])
    assert waiting(store) == 3


@pytest.mark.usefixtures("sent")
def test_times_and_decimals_that_celery_brings_back_as_objects_are_read(store: Store) -> None:
    body = reading("crp", Decimal("85.10")) | {"effective": datetime.fromisoformat("2024-06-14T10:00:00+02:00")}
    ingest(registration() | {"effective": NOW - timedelta(hours=1)}, body)
    assert store.dead_letters() == []
    assert waiting(store) == 2


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize(
    "bad", ["{", "\ud800", b"\xff", 7, None, [[]], {}, {"type": "telegram"}, {"value": float("nan")}]
)
def test_what_is_no_message_is_dead_lettered_and_its_neighbours_are_stored(store: Store, bad: Any) -> None:
    ingest([ONE, bad, TWO] if not isinstance(bad, list) else [ONE, bad[0], TWO])
    assert waiting(store) == 2
    [(_, record)] = store.dead_letters()
    assert record.source == "celery"
    assert record.why


def test_the_shards_are_woken_once_each(sent: Sent) -> None:
    ingest([*crs2("P1"), *crs2("P2")])
    assert sorted(sent) == [("advance", (KEYS.of("P1").number,)), ("advance", (KEYS.of("P2").number,))]


@pytest.mark.parametrize("error", [RedisConnectionError("gone"), NotCopiedError(1, 2), SoftTimeLimitExceeded()])
def test_while_the_store_cannot_be_reached_the_messages_go_back_to_the_queue(
    store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(store.redis, "pipeline", fail)
    monkeypatch.setattr(tasks.time, "sleep", lambda _: None)
    with pytest.raises(Reject) as caught:
        ingest(ONE)
    assert caught.value.requeue is True
    assert sent == []


def test_of_a_store_that_is_nearly_full_a_task_goes_back_to_its_queue(
    store: Store, sent: Sent, memory: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(90, 100)
    monkeypatch.setattr(tasks.time, "sleep", lambda _: None)
    with pytest.raises(Reject) as caught:
        ingest(ONE)
    assert (caught.value.requeue, waiting(store), sent) == (True, 0, [])


def test_a_store_that_is_away_for_a_moment_sends_nothing_back(
    store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ counts how often a message goes back, and drops it in the end."""
    pipeline, slept = store.redis.pipeline, []

    def comes_back(wait: float) -> None:
        slept.append(wait)
        if len(slept) == 3:
            monkeypatch.setattr(store.redis, "pipeline", pipeline)

    def fail(*_: object, **__: object) -> None:
        raise RedisConnectionError("gone")

    monkeypatch.setattr(store.redis, "pipeline", fail)
    monkeypatch.setattr(tasks.time, "sleep", comes_back)
    ingest(ONE)
    assert waiting(store) == 1
    assert slept == list(tasks.TRIES_AGAIN_SECONDS[:3])
    assert sum(tasks.TRIES_AGAIN_SECONDS) < 45, "the time limit of a task"
    assert len(sent) == 1


# -- readings that were gathered -------------------------------------------------------------------


@pytest.mark.usefixtures("sent")
def test_gathered_readings_are_stored_in_one_append_without_what_is_malformed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    appends: list[str] = []
    append = inbox.append
    monkeypatch.setattr(inbox, "append", lambda *given: appends.append("") or append(*given))
    tasks.ingest_readings(TWO, THREE | {"unknown": 1}, json.dumps(THREE), "{")
    assert (waiting(store), len(appends)) == (2, 1)
    assert len(store.dead_letters()) == 2


@pytest.mark.usefixtures("sent")
def test_readings_of_several_tasks_make_no_waveform(store: Store) -> None:
    at = [NOW + timedelta(milliseconds=40 * number) for number in range(25)]
    values = [reading("crp", number, at=one) for number, one in enumerate(at)]
    tasks.ingest_readings(*values)
    assert (waiting(store), store.dead_letters()) == (25, [])
    ingest(values)
    assert store.dead_letters() != [], "in one task they make one"


def test_gathered_readings_go_back_together(store: Store, sent: Sent, memory: Callable[[int, int], None]) -> None:
    memory(90, 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks.time, "sleep", lambda _: None)
        with pytest.raises(Reject) as caught:
            tasks.ingest_readings(TWO, THREE)
    assert (caught.value.requeue, waiting(store), sent) == (True, 0, [])


@pytest.mark.usefixtures("sent")
def test_an_internal_error_on_one_reading_loses_no_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    accept = tasks.accept

    def fails(redis: Any, keys: Any, texts: list[bytes], *given: Any, **named: Any) -> Any:
        if any(b"systolic" in text for text in texts):
            raise ZeroDivisionError
        return accept(redis, keys, texts, *given, **named)

    monkeypatch.setattr(tasks, "accept", fails)
    tasks.ingest_readings(TWO, THREE, reading("crp", 85))
    assert waiting(store) == 2


def test_advancing_wakes_the_delivery_of_each_partition_once(store: Store, sent: Sent) -> None:
    send(store, crs2())
    tasks.advance(SHARD.number)
    channels = {item.page.channel for item in owed(store)}
    assert {("deliver", (KEYS.partition_of(channel).number,)) for channel in channels} <= set(sent)
    assert len(sent) == len(set(sent))
    sent.clear()
    send(store, crs2("P2"))
    tasks.advance(KEYS.of("P2").number)
    assert sent == [], "until it is answered, nobody wakes a partition again"


def test_advancing_wakes_the_site_after_a_fault(store: Store, sent: Sent) -> None:
    send(store, [registration(), reading("crp", 85, unit=None)])
    tasks.advance(KEYS.of("P1").number)
    assert ("advance", (KEYS.of("~site").number,)) in sent


def test_advancing_a_shard_that_is_not_done_sends_it_round_again(
    store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.store.shard.BUDGET_PART", inf)
    send(store, [reading("crp", number) for number in range(PIECE + 1)])
    tasks.advance(KEYS.of("P1").number)
    assert sent == [("advance", (KEYS.of("P1").number,))]
    assert accept(store.redis, KEYS, [raw(reading("crp", 1000))], NOW).wake == [], "its wake-up is on its way"


@pytest.mark.usefixtures("sent")
def test_shards_of_one_task_are_advanced_each_by_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though one of them fails, the others are committed, and Celery learns of the failure."""
    patients = {KEYS.of(name).number: name for name in (f"P{number}" for number in range(50))}
    (bad, _), *others = sorted(patients.items())[:4]
    for name in patients.values():
        send(store, [registration(name), reading("crp", 85, patient=name)])
    advance = tasks.advance_shard

    def fails(store: Store, shard: Shard, *given: Any, **how: Any) -> Any:
        if shard.number == bad:
            raise RedisConnectionError("gone")
        return advance(store, shard, *given, **how)

    monkeypatch.setattr(tasks, "advance_shard", fails)
    with pytest.raises(RedisConnectionError):
        tasks.advance(bad, *(number for number, _ in others), others[0][0])
    assert {state.patient for state in store.states()} == {name for _, name in others}


@pytest.mark.usefixtures("sent")
def test_a_soft_limit_does_not_end_a_task_whose_threads_go_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hard limit then ends a thread that never ends, with its process."""
    patients = {KEYS.of(name).number: name for name in (f"P{number}" for number in range(50))}
    for name in patients.values():
        send(store, [registration(name)])
    waits: list[int] = []

    def wait(begun: Collection[futures.Future[Any]]) -> object:
        waits.append(len(begun))
        if len(waits) == 1:
            raise SoftTimeLimitExceeded
        return futures.wait(begun)

    monkeypatch.setattr(tasks, "futures", SimpleNamespace(wait=wait, ThreadPoolExecutor=futures.ThreadPoolExecutor))
    tasks.advance(*patients)
    assert waits == [len(patients)] * 2
    assert {state.patient for state in store.states()} == set(patients.values())


@pytest.mark.usefixtures("sent")
def test_a_shard_that_took_its_process_down_is_advanced_after_the_others_and_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = ["P1", next(name for name in (f"P{number}" for number in range(2, 50)) if KEYS.of(name) != SHARD)]
    for name in patients:
        send(store, [registration(name)])
    store.redis.set(SHARD.crashes, 1)
    committed: list[tuple[int, int]] = []
    commit = Transaction.commit

    def remembered(self: Transaction, batch: Batch, *given: Any) -> Any:
        committed.append((batch.shard.number, batch.crashes))
        return commit(self, batch, *given)

    monkeypatch.setattr(Transaction, "commit", remembered)
    tasks.advance(*(KEYS.of(name).number for name in patients))
    assert committed == [(KEYS.of(patients[1]).number, 1), (SHARD.number, 2)]


@pytest.fixture
def delivery() -> Iterator[None]:
    """The delivery of this process, which ends with the test."""
    tasks._delivery.cache_clear()
    yield
    tasks._stop_delivering()
    tasks._delivery.cache_clear()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.usefixtures("delivery")
def test_a_page_that_was_sent_wakes_nobody_its_receipt_is_found_by_the_tick(
    store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = fake_provider(monkeypatch)
    owe(store.redis, page())
    tasks.deliver(PARTITION)
    until(lambda: not store.redis.hlen(SHARD.key("outbox")))
    assert provider.ids == ["e7.1"]
    assert sent == []
    assert pending(store, NOW).receipts == (SHARD.number,)


@pytest.mark.usefixtures("delivery")
@pytest.mark.parametrize("outcome", [Outcome.TEMPORARY, Outcome.PERMANENT, Outcome.UNKNOWN])
def test_a_failure_wakes_the_evaluation_at_once(
    store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch, outcome: Outcome
) -> None:
    fake_provider(monkeypatch).answers["e7.1"] = Attempt(outcome)
    owe(store.redis, page())
    tasks.deliver(PARTITION)
    until(lambda: sent)
    assert sent == [("advance", (SHARD.number,))]
    assert waiting(store) == 1, "its receipt stands in the inbox by then"


@pytest.mark.usefixtures("delivery")
@pytest.mark.parametrize(("picture", "drawn"), [(True, True), (None, False)])
def test_a_picture_follows_the_page(
    store: Store, monkeypatch: pytest.MonkeyPatch, picture: bool | None, drawn: bool
) -> None:
    channels = SITE.on_call.channels
    phone = channels["phone-1"].model_copy(update={"picture": picture})
    site = SITE._replace(on_call=SITE.on_call.model_copy(update={"channels": {**channels, "phone-1": phone}}))
    run = Runtime(Settings(receiver_url="json://127.0.0.1:9"), site, store, Clock())
    monkeypatch.setattr(tasks, "runtime", lambda: run)
    fake_provider(monkeypatch)
    found: list[tuple[object, ...]] = []
    monkeypatch.setattr(process, "send_trend", lambda *given: found.append(given))
    owe(store.redis, page(assessed_at=NOW))
    tasks.deliver(PARTITION)
    until(lambda: not store.redis.hlen(SHARD.key("outbox")))
    over = threading.Event()
    tasks._delivery().aside(over.set)
    assert over.wait(10)
    assert found == ([(run, "e7.1", "phone-1", mark(phone), NOW)] if drawn else [])


@pytest.mark.usefixtures("delivery", "sent")
def test_many_pages_at_a_time_get_few_pictures_and_the_heartbeat_does_not_wait_for_all(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_provider(monkeypatch)
    drawn: list[object] = []
    monkeypatch.setattr(process, "wants_picture", lambda *_: True)
    monkeypatch.setattr(process, "send_trend", lambda *given: drawn.append(given))
    begun, free, over = threading.Event(), threading.Event(), threading.Event()
    tasks._delivery().aside(lambda: begun.set() or free.wait(10))
    assert begun.wait(10)
    for number in range(process.PICTURES_WAITING + 2):
        owe(store.redis, page(f"e{number}.1", urgency="critical", assessed_at=NOW))
    tasks.deliver(PARTITION)
    until(lambda: not store.redis.hlen(SHARD.key("outbox")))
    tasks._delivery().aside(over.set)
    free.set()
    assert over.wait(10)
    assert len(drawn) == process.PICTURES_WAITING


@pytest.mark.usefixtures("delivery", "sent")
def test_what_fails_beside_the_pages_ends_nothing() -> None:
    over = threading.Event()

    def fail() -> None:
        raise ZeroDivisionError

    tasks._delivery().aside(fail)
    tasks._delivery().aside(over.set)
    assert over.wait(10)


# -- the application -------------------------------------------------------------------------------


def test_a_task_is_acknowledged_after_its_work_and_again_offered_when_its_worker_died() -> None:
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1


def test_the_names_and_queues_producers_rely_on_stand() -> None:
    names = {"ingest", "advance", "deliver", "export"}
    assert names <= set(app.tasks)
    assert {queue.name for queue in app.conf.task_queues} == {*names, "celery"}
    for name in names:
        assert app.amqp.router.route({}, name)["queue"].name == name


def test_only_wake_ups_of_the_delivery_are_not_acknowledged() -> None:
    """They take no time: a worker that took them all would still hold up nobody."""
    assert [queue.name for queue in app.conf.task_queues if queue.no_ack] == ["deliver"]


def test_each_queue_gets_only_what_is_meant_for_it() -> None:
    queues = [app.amqp.queues[name] for name in (*QUEUES, "celery")]
    assert len({(queue.exchange.name, queue.routing_key) for queue in queues}) == len(QUEUES) + 1


def test_nothing_but_json_is_taken_from_the_broker() -> None:
    assert app.conf.accept_content == ["json"]


def test_a_message_taken_by_a_dead_worker_is_offered_again_within_minutes() -> None:
    """Celery's default is an hour."""
    options = app.conf.broker_transport_options
    assert app.conf.task_time_limit < options["visibility_timeout"] <= 120


def test_a_broker_that_is_gone_is_waited_for() -> None:
    assert app.conf.broker_connection_retry_on_startup
    assert app.conf.broker_connection_max_retries is None


def test_a_worker_starts_without_what_only_draws_or_sends() -> None:
    """Matplotlib and NumPy cost a second of processor time and 60 MiB, Apprise and HTTPX half a second."""
    parts = "{'matplotlib', 'numpy', 'apprise', 'requests', 'httpx'}"
    code = f"import sys, worker.app, worker.tasks; sys.exit(bool({parts} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


class Process:
    def __init__(self, lives: bool) -> None:
        self._lives = lives

    def is_alive(self) -> bool:
        return self._lives


@pytest.mark.parametrize(
    ("lives", "whole"), [([True, True], True), ([True, False], False), ([True], False), ([], False), (None, True)]
)
def test_a_pool_lives_while_it_has_all_its_processes(lives: list[bool] | None, whole: bool) -> None:
    """A pool without processes of its own, as Celery's solo pool, has none that could be missing."""
    processes = SimpleNamespace(_pool=[Process(one) for one in lives]) if lives is not None else None
    assert pool_lives(SimpleNamespace(_pool=processes, num_processes=2)) is whole
