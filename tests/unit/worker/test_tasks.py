"""The Celery tasks without a broker: what a producer sends is stored or set aside, and who is woken."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from celery.exceptions import Reject, SoftTimeLimitExceeded
from kombu.utils.json import dumps, loads
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config.settings import Settings
from tests.unit.worker.ward import KEYS, NOW, SITE, Clock, crs2, owed, raw, reading, registration, send, waiting
from worker import tasks
from worker.app import app
from worker.delivery.channel import Attempt, Outcome
from worker.runtime import Runtime
from worker.store import Store

Sent = list[tuple[str, tuple[Any, ...]]]


@pytest.fixture
def sent(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The wake-ups the tasks send; the tasks work on the store in memory."""
    found: Sent = []
    run = Runtime(Settings(receiver_url="json://127.0.0.1:9"), SITE, store, clock)
    monkeypatch.setattr(tasks, "runtime", lambda: run)
    monkeypatch.setattr(app, "send_task", lambda name, arguments=(): found.append((name, tuple(arguments))))
    return found


def ingest(*messages: Any, **named: Any) -> None:
    """As a worker runs it: through Celery's JSON."""
    tasks.ingest(*loads(dumps(messages)), **loads(dumps(named)))


ONE, TWO, THREE = crs2()


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
    assert store.set_aside() == []


@pytest.mark.usefixtures("sent")
def test_messages_sent_by_name_are_stored_too(store: Store) -> None:
    ingest(messages=[ONE, TWO, THREE])
    assert waiting(store) == 3


@pytest.mark.usefixtures("sent")
def test_times_and_decimals_that_celery_brings_back_as_objects_are_read(store: Store) -> None:
    body = reading("crp", Decimal("85.10")) | {"effective": datetime.fromisoformat("2024-06-14T10:00:00+02:00")}
    ingest(registration() | {"effective": NOW - timedelta(hours=1)}, body)
    assert store.set_aside() == []
    assert waiting(store) == 2


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize(
    "bad", ["{", "\ud800", b"\xff", 7, None, [[]], {}, {"type": "telegram"}, {"value": float("nan")}]
)
def test_what_is_no_message_is_set_aside_and_its_neighbours_are_stored(store: Store, bad: Any) -> None:
    ingest([ONE, bad, TWO] if not isinstance(bad, list) else [ONE, bad[0], TWO])
    assert waiting(store) == 2
    [(_, record)] = store.set_aside()
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
    with pytest.raises(Reject) as caught:
        ingest(ONE)
    assert caught.value.requeue is True
    assert sent == []


def test_advancing_wakes_the_delivery_of_each_page(store: Store, sent: Sent) -> None:
    send(store, crs2())
    tasks.advance(KEYS.of("P1").number)
    assert ("deliver", (KEYS.of("P1").number, owed(store)[0].page.id)) in sent
    assert {name for name, _ in sent} == {"deliver"}


def test_advancing_wakes_the_site_after_a_fault(store: Store, sent: Sent) -> None:
    send(store, [registration(), reading("crp", 85, unit=None)])
    tasks.advance(KEYS.of("P1").number)
    assert ("advance", (KEYS.of("~site").number,)) in sent


def test_advancing_a_shard_that_is_not_done_sends_it_round_again(redis: Redis, store: Store, sent: Sent) -> None:
    send(store, [reading("crp", number) for number in range(30)])
    monkey = Store(redis, KEYS, batch=1, lease_seconds=5, journal_length=0)
    store.__dict__.update(monkey.__dict__)
    tasks.advance(KEYS.of("P1").number)
    assert sent == [("advance", (KEYS.of("P1").number,))]


def delivered(store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("worker.delivery.outbox.send", lambda url, page: Attempt(Outcome.SENT, url + page.id))
    send(store, crs2())
    tasks.advance(KEYS.of("P1").number)
    return owed(store)[0].page.id


def test_delivering_wakes_the_shard_for_the_receipt(store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    page = delivered(store, monkeypatch)
    sent.clear()
    tasks.deliver(KEYS.of("P1").number, page)
    assert sent == [("advance", (KEYS.of("P1").number,))]


def test_delivering_what_is_no_longer_owed_wakes_nobody(
    store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = delivered(store, monkeypatch)
    tasks.deliver(KEYS.of("P1").number, page)
    sent.clear()
    tasks.deliver(KEYS.of("P1").number, page)
    assert sent == []


# -- the application -------------------------------------------------------------------------------


def test_a_task_is_acknowledged_after_its_work_and_again_offered_when_its_worker_died() -> None:
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1


def test_the_names_and_queues_producers_rely_on_stand() -> None:
    assert {"ingest", "advance", "deliver"} <= set(app.tasks)
    assert {queue.name for queue in app.conf.task_queues} == {"ingest", "advance", "deliver", "celery"}
    for name in ("ingest", "advance", "deliver"):
        assert app.amqp.router.route({}, name)["queue"].name == name


def test_each_queue_gets_only_what_is_meant_for_it() -> None:
    queues = [app.amqp.queues[name] for name in ("ingest", "advance", "deliver", "celery")]
    assert len({(queue.exchange.name, queue.routing_key) for queue in queues}) == 4


def test_nothing_but_json_is_taken_from_the_broker() -> None:
    assert app.conf.accept_content == ["json"]


def test_a_message_taken_by_a_dead_worker_is_offered_again_within_minutes() -> None:
    """Celery's default is an hour."""
    options = app.conf.broker_transport_options
    assert app.conf.task_time_limit < options["visibility_timeout"] <= 120


def test_a_broker_that_is_gone_is_waited_for() -> None:
    assert app.conf.broker_connection_retry_on_startup
    assert app.conf.broker_connection_max_retries is None
