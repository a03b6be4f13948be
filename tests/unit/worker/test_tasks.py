"""The Celery tasks without a broker: what a producer sends is stored or dead-lettered, and who is woken."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import Reject, SoftTimeLimitExceeded
from kombu.utils.json import dumps, loads
from redis.exceptions import ConnectionError as RedisConnectionError

from alerts.pages.page import Page
from config.settings import Settings
from config.site import Urgency
from tests.support.pages import page as build_page
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, owed, raw, reading, registration, send, waiting
from worker import tasks
from worker.app import QUEUES, app, pool_lives
from worker.clock import milliseconds
from worker.delivery import channel_lock
from worker.delivery.agreement import mark
from worker.delivery.channel_lock import Priority
from worker.delivery.outcome import Attempt, Outcome
from worker.processing.advance import ShardRun
from worker.runtime.runtime import Runtime
from worker.store import inbox
from worker.store.codec import Owed, pack
from worker.store.fair_shares import PIECE
from worker.store.inbox import accept
from worker.store.shard import Store
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


@pytest.mark.parametrize("error", [RedisConnectionError("gone"), SoftTimeLimitExceeded()])
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


def test_advancing_wakes_the_delivery_of_each_page(store: Store, sent: Sent) -> None:
    send(store, crs2())
    tasks.advance(KEYS.of("P1").number)
    assert ("deliver", (KEYS.of("P1").number, owed(store)[0].page.id)) in sent
    assert {name for name, _ in sent} == {"deliver"}


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


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that takes everything."""
    monkeypatch.setattr("worker.delivery.deliver.send", lambda *_: Attempt(Outcome.SENT))


def page_owed(store: Store) -> str:
    send(store, crs2())
    tasks.advance(SHARD.number)
    return owed(store)[0].page.id


@pytest.mark.usefixtures("provider")
def test_a_page_that_was_sent_wakes_nobody_its_receipt_is_found_by_the_tick(store: Store, sent: Sent) -> None:
    page = page_owed(store)
    sent.clear()
    tasks.deliver(SHARD.number, page)
    assert sent == []
    assert pending(store, NOW).receipts == (SHARD.number,)


@pytest.mark.parametrize("outcome", [Outcome.TEMPORARY, Outcome.PERMANENT, Outcome.UNKNOWN])
def test_a_failure_wakes_the_evaluation_at_once(
    store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch, outcome: Outcome
) -> None:
    page = page_owed(store)
    sent.clear()
    monkeypatch.setattr("worker.delivery.deliver.send", lambda *_: Attempt(outcome))
    tasks.deliver(SHARD.number, page)
    assert sent == [("advance", (SHARD.number,))]


@pytest.mark.usefixtures("provider")
def test_delivering_what_is_no_longer_owed_wakes_nobody(store: Store, sent: Sent) -> None:
    page = page_owed(store)
    tasks.deliver(SHARD.number, page)
    sent.clear()
    tasks.deliver(SHARD.number, page)
    assert sent == []


def owe(store: Store, page: Page) -> None:
    store.redis.hset(SHARD.key("outbox"), page.id, pack(Owed(page=page)))
    store.redis.zadd(SHARD.due(page.urgency), {page.id: milliseconds(NOW)})


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(
    ("task", "urgency", "priority"), [("deliver", "high", "ordinary"), ("deliver_urgent", "critical", "urgent")]
)
def test_when_its_time_is_over_a_task_hands_over_to_another(
    store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch, task: str, urgency: Urgency, priority: Priority
) -> None:
    monkeypatch.setattr("worker.delivery.deliver.TIME_SLICE", timedelta())
    owe(store, build_page("e1.1", urgency=urgency))
    owe(store, build_page("e2.1", urgency=urgency))
    with store.redis.pipeline() as pipe:
        channel_lock.enqueue(
            pipe,
            KEYS,
            channel_lock.new_lock("phone-1", priority),
            [(channel_lock.Place(SHARD.number, "e2.1"), build_page("e2.1"))],
        )
        pipe.execute()
    getattr(tasks, task)(SHARD.number, "e1.1")
    assert (task, (SHARD.number, "e2.1")) in sent


def test_critical_pages_are_delivered_by_processes_of_their_own(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ShardRun()
    run.pages = [build_page("e1.1", urgency="critical"), build_page("e2.1")]
    monkeypatch.setattr(tasks, "advance_shard", lambda *_: run)
    tasks.advance(SHARD.number)
    assert sent == [("deliver_urgent", (SHARD.number, "e1.1")), ("deliver", (SHARD.number, "e2.1"))]


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(("picture", "tasks_sent"), [(True, ["picture"]), (None, [])])
def test_a_picture_follows_the_page_as_a_task_of_its_own(
    store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch, picture: bool | None, tasks_sent: list[str]
) -> None:
    channels = SITE.on_call.channels
    phone = channels["phone-1"].model_copy(update={"picture": picture})
    site = SITE._replace(on_call=SITE.on_call.model_copy(update={"channels": {**channels, "phone-1": phone}}))
    run = Runtime(Settings(receiver_url="json://127.0.0.1:9"), site, store, Clock())
    monkeypatch.setattr(tasks, "runtime", lambda: run)
    owe(store, build_page("e1.1", assessed_at=NOW))
    tasks.deliver(SHARD.number, "e1.1")
    assert [name for name, _ in sent] == tasks_sent
    if picture:
        assert sent[-1] == ("picture", ("e1.1", "phone-1", mark(phone), NOW.isoformat()))


def test_what_a_picture_task_is_given_names_no_patient(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[object, ...]] = []
    run = Runtime(Settings(), SITE, store, Clock())
    monkeypatch.setattr(tasks, "runtime", lambda: run)
    monkeypatch.setattr(tasks, "send_trend", lambda *given: drawn.append(given))
    tasks.picture("e1.1", "phone-1", "5e1f", NOW.isoformat())
    assert drawn == [(run, "e1.1", "phone-1", "5e1f", NOW)]


# -- the application -------------------------------------------------------------------------------


def test_a_task_is_acknowledged_after_its_work_and_again_offered_when_its_worker_died() -> None:
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1


def test_the_names_and_queues_producers_rely_on_stand() -> None:
    names = {"ingest", "advance", "deliver", "deliver_urgent", "picture", "export"}
    assert names <= set(app.tasks)
    assert {queue.name for queue in app.conf.task_queues} == {*names, "celery"}
    for name in names:
        assert app.amqp.router.route({}, name)["queue"].name == name


def test_each_queue_gets_only_what_is_meant_for_it() -> None:
    queues = [app.amqp.queues[name] for name in (*QUEUES, "celery")]
    assert len({(queue.exchange.name, queue.routing_key) for queue in queues}) == len(QUEUES) + 1


@pytest.mark.parametrize("name", ["deliver", "deliver_urgent", "picture"])
def test_what_waits_for_the_outside_world_ends_before_its_claim_does(name: str) -> None:
    """An answer in drips never times out by itself."""
    task = app.tasks[name]
    assert task.soft_time_limit < task.time_limit < SITE.on_call.delivery.lease.total_seconds()


def test_a_picture_is_never_sent_again() -> None:
    assert not app.tasks["picture"].acks_late


def test_nothing_but_json_is_taken_from_the_broker() -> None:
    assert app.conf.accept_content == ["json"]


def test_a_message_taken_by_a_dead_worker_is_offered_again_within_minutes() -> None:
    """Celery's default is an hour."""
    options = app.conf.broker_transport_options
    assert app.conf.task_time_limit < options["visibility_timeout"] <= 120


def test_a_broker_that_is_gone_is_waited_for() -> None:
    assert app.conf.broker_connection_retry_on_startup
    assert app.conf.broker_connection_max_retries is None


def test_a_worker_starts_without_what_only_draws() -> None:
    """Matplotlib and NumPy cost a second of processor time and 60 MiB: the process that draws imports them."""
    code = "import sys, worker.app, worker.tasks; sys.exit(bool({'matplotlib', 'numpy'} & set(sys.modules)))"
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
