"""The tick: everything that waits is found in one look, and a store that is gone does not stop it."""

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError

from config.settings import Settings
from tests.support.delivery import Sender, die_while_sending, fake_provider
from tests.support.pages import owe, page
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, send
from worker import ticker as module
from worker.app import app
from worker.clock import milliseconds
from worker.monitoring import beats
from worker.monitoring.stalled_consumer import EVERY_SECONDS as LISTENS_EVERY
from worker.monitoring.stalled_consumer import STALLED_AFTER_SECONDS, ConsumerWatch
from worker.processing.advance import advance
from worker.runtime.queues import QUEUES
from worker.runtime.runtime import Runtime
from worker.store import backlog, schema
from worker.store.shard import Store
from worker.ticker import EVERY_SECONDS, RECEIPT_SECONDS, Pending, pending, tick

SHARD = KEYS.of("P1")
NOTHING = Pending([], [])


def test_where_nothing_waits_nothing_is_found(store: Store) -> None:
    assert pending(store, NOW) == NOTHING


def test_a_message_in_the_inbox_is_found_though_its_wake_up_was_lost(store: Store) -> None:
    send(store, crs2())
    assert pending(store, NOW) == Pending([SHARD.number], [])


def test_messages_of_several_shards_are_found(store: Store) -> None:
    send(store, [*crs2("P1"), *crs2("P2")])
    assert pending(store, NOW).shards == sorted([KEYS.of("P1").number, KEYS.of("P2").number])


def test_a_shard_somebody_advances_now_is_left_alone(store: Store) -> None:
    send(store, crs2())
    store.take(SHARD, Clock())
    assert pending(store, NOW) == NOTHING


PARTITION = KEYS.partition_of("phone-1").number


def test_a_page_that_is_due_is_found_until_somebody_sends_it(
    redis: Redis, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    owe(redis, page())
    assert pending(store, NOW) == Pending([], [PARTITION])
    provider, found = fake_provider(monkeypatch), list[Pending]()
    provider.meanwhile["e7.1"] = lambda: found.append(pending(store, NOW))
    Sender(store).deliver()
    assert found == [NOTHING]


def test_a_page_to_be_tried_later_is_found_later(redis: Redis, store: Store) -> None:
    redis.zadd(KEYS.partition(1).agenda, {"queue:x": milliseconds(NOW + timedelta(seconds=2))})
    assert pending(store, NOW + timedelta(seconds=1)) == NOTHING
    assert pending(store, NOW + timedelta(seconds=2)).partitions == [1]


def test_what_a_dead_sender_had_begun_is_found_at_once(redis: Redis, store: Store) -> None:
    owe(redis, page())
    lease = die_while_sending(store, Clock())
    assert pending(store, NOW) == NOTHING
    lease.release(redis)
    assert pending(store, NOW).partitions == [PARTITION]


@pytest.mark.parametrize(("wait", "found"), [(599, []), (600, [SHARD.number])])
def test_a_ladder_is_found_from_its_moment_on(store: Store, wait: int, found: list[int]) -> None:
    send(store, crs2())
    advance(store, SHARD, Clock(), SITE)
    assert pending(store, NOW + timedelta(seconds=wait)).shards == found


def test_it_takes_one_round_trip_however_many_shards_there_are(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    trips: list[int] = []
    pipeline = store.redis.pipeline

    def counted(**more: Any) -> Any:
        pipe = pipeline(**more)
        execute = pipe.execute
        pipe.execute = lambda: trips.append(len(pipe.command_stack)) or execute()
        return pipe

    monkeypatch.setattr(store.redis, "pipeline", counted)
    pending(store, NOW)
    assert len(trips) == 1


# -- as a worker runs it ---------------------------------------------------------------------------

Sent = list[tuple[str, tuple[Any, ...]]]


@pytest.fixture
def sent(store: Store, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sent:
    found: Sent = []
    run = Runtime(Settings(health_file=tmp_path / "healthy"), SITE, store, clock)
    monkeypatch.setattr(module, "runtime", lambda: run)
    monkeypatch.setattr(app, "send_task", lambda name, arguments=(), **_: found.append((name, tuple(arguments))))
    monkeypatch.setattr(module, "_queue_length", lambda *_: 0)
    monkeypatch.setattr("worker.monitoring.stalled_consumer.consumer_watch", ConsumerWatch())
    return found


def test_it_wakes_what_waits(redis: Redis, store: Store, sent: Sent) -> None:
    owe(redis, page())
    send(store, crs2("P2"))
    tick(app)
    assert sent == [("advance", (KEYS.of("P2").number,)), ("deliver", (PARTITION,))]


def test_of_many_workers_one_wakes_what_is_due_in_a_second(redis: Redis, sent: Sent) -> None:
    """After an outage each partition would be in the queues as often as there are workers, each second anew."""
    owe(redis, page(), page("e8.1", urgency="critical"))
    tick(app)
    tick(app)
    assert sent == [("deliver", (PARTITION,))]
    assert 0 < redis.pttl(KEYS.tick_claimed("due")) < 1000 * EVERY_SECONDS, "the next second somebody wakes it again"


def test_it_says_that_this_worker_lives(store: Store, sent: Sent) -> None:
    tick(app)
    [name] = beats.read(store.redis, KEYS, NOW)
    assert name == f"{socket.gethostname()}:{os.getpid()}"
    assert beats.read(store.redis, KEYS, NOW + timedelta(seconds=11)) == {}
    assert sent == []


@pytest.mark.parametrize("stuck", ["advance", "deliver"])
def test_a_queue_nobody_takes_from_is_not_filled(
    store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch, stuck: str
) -> None:
    """As when the deliverers are down for a weekend: each tick would add to the broker's memory."""
    owe(store.redis, page())
    send(store, crs2("P2"))
    monkeypatch.setattr(module, "_is_consumed", lambda _, queue: queue != stuck)
    tick(app)
    assert {name for name, _ in sent} == {"advance", "deliver"} - {stuck}


def test_a_busy_queue_gets_no_wake_up_that_stands_in_it_already(
    store: Store, sent: Sent, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a flood each tick queued every shard once more, and a page waited for all of them."""
    send(store, [*crs2("P1"), *crs2("P2")])
    monkeypatch.setattr(module, "_queue_length", lambda *_: len(KEYS.advanced()))
    tick(app)
    assert sent == [], "whoever appended has sent them"
    redis.delete(KEYS.of("P2").wakeup_pending, KEYS.tick_claimed("due"))  # as after two seconds
    tick(app)
    assert sent == [("advance", (KEYS.of("P2").number,))]


def fails(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", [RedisConnectionError("gone"), OSError("gone"), RuntimeError("no clock")])
@pytest.mark.usefixtures("sent")
def test_a_store_that_is_gone_is_looked_for_again_at_the_next_tick(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    monkeypatch.setattr(store.redis, "pipeline", fails(error))
    tick(app)
    assert "cannot be reached" in caplog.text


@pytest.mark.usefixtures("sent")
def test_a_broker_that_is_gone_is_looked_for_again_at_the_next_tick(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "send_task", fails(OperationalError("gone")))
    send(store, crs2())
    tick(app)
    assert "cannot be reached" in caplog.text


@pytest.mark.usefixtures("sent")
def test_no_error_whatever_ends_the_ticking(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that leaves the timer's function may end the worker's whole event loop."""
    monkeypatch.setattr(app, "send_task", fails(KeyError("a surprise of the transport")))
    send(store, crs2())
    tick(app)
    assert "KeyError" in caplog.text


# -- several workers, and receipts -----------------------------------------------------------------


def test_of_the_ticks_of_several_workers_one_looks(store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen shards looked at by eight idle workers each second were most of what the idle service costs."""
    send(store, crs2())
    looks: list[object] = []
    read = backlog.read
    monkeypatch.setattr(backlog, "read", lambda *asked, **how: looks.append(asked) or read(*asked, **how))
    for _ in range(3):
        tick(app)
    assert sent == [("advance", (SHARD.number,))]
    assert len(looks) == 1


def test_an_idle_tick_costs_two_trips(store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each trip to the store is a tenth of what an idle worker costs."""
    tick(app)
    trips: list[object] = []
    send_command, execute = type(store.redis).execute_command, type(store.redis.pipeline()).execute
    monkeypatch.setattr(type(store.redis), "execute_command", lambda *a, **k: trips.append(a) or send_command(*a, **k))
    monkeypatch.setattr(type(store.redis.pipeline()), "execute", lambda *a, **k: trips.append(a) or execute(*a, **k))
    tick(app)
    assert len(trips) == 2, "the beat, and the leases of processes that died"
    assert sent == []


def test_while_a_page_rings_at_a_provider_one_worker_asks_every_five_seconds(store: Store, sent: Sent) -> None:
    tick(app)
    assert ("follow", ()) not in sent
    store.redis.hset(KEYS.followed, "e7.1", "{}")
    store.redis.delete(KEYS.tick_claimed(module.FOLLOW))
    for _ in range(2):
        tick(app)
    assert sent.count(("follow", ())) == 1


def test_a_worker_that_cannot_wake_leaves_it_to_the_next(
    store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that reaches the store and not the broker would else win the claim each second."""
    send(store, crs2())
    with monkeypatch.context() as broken:
        broken.setattr(app, "send_task", fails(OperationalError("gone")))
        tick(app)
    tick(app)
    assert sent == [("advance", (SHARD.number,))]


def test_a_worker_that_fails_without_the_claim_leaves_it_to_the_one_that_has_it(
    store: Store, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick(app)
    monkeypatch.setattr(module, "_wake_due", fails(OperationalError("gone")))
    tick(app)
    assert store.redis.exists(KEYS.tick_claimed("due"))
    assert sent == []


def test_receipts_alone_wait_until_it_is_their_shards_run(store: Store, sent: Sent, clock: Clock) -> None:
    send(store, crs2())
    store.redis.set(SHARD.receipts, 3)
    assert pending(store, NOW) == Pending([], [], (SHARD.number,))
    woken = []
    for _ in range(2 * RECEIPT_SECONDS):
        tick(app)
        store.redis.delete(KEYS.tick_claimed("due"))
        woken.append(len(sent))
        clock.forward(seconds=1)
    assert woken[-1] == 2, "once in so many seconds"


def test_a_message_beside_receipts_is_not_kept_waiting(store: Store) -> None:
    send(store, crs2())
    store.redis.set(SHARD.receipts, 2)
    assert pending(store, NOW).shards == [SHARD.number]


# -- how its container says that it works ------------------------------------------------------------


@pytest.fixture
def healthy(sent: Sent, tmp_path: Path) -> Callable[[], bool]:
    """Tick once; whether the health file was touched."""
    assert sent == []
    file = tmp_path / "healthy"

    def ticked(pool_lives: bool = True) -> bool:
        file.unlink(missing_ok=True)
        tick(app, lambda: pool_lives)
        return file.exists()

    return ticked


def test_a_worker_that_works_touches_its_health_file(healthy: Callable[[], bool]) -> None:
    assert healthy()


def test_one_without_a_health_file_touches_none(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "runtime", lambda: Runtime(Settings(), SITE, store, clock))
    monkeypatch.setattr(module, "_queue_length", lambda *_: 0)
    monkeypatch.setattr("pathlib.Path.touch", fails(AssertionError("touched")))
    tick(app)


def test_one_that_misses_a_process_of_its_pool_does_not(healthy: Callable[..., bool]) -> None:
    assert not healthy(pool_lives=False)


def test_one_that_does_not_reach_the_store_does_not(
    store: Store, healthy: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.redis, "pipeline", fails(RedisConnectionError("gone")))
    assert not healthy()


def test_one_that_does_not_reach_the_broker_does_not(
    healthy: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_queue_length", fails(OperationalError("gone")))
    assert not healthy()


def test_a_store_that_is_full_or_an_audit_that_fails_is_no_fault_of_this_worker(
    store: Store, healthy: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all would be unhealthy for one cause that no restart cures."""
    monkeypatch.setattr(module, "run_watchdog", fails(KeyError("a surprise")))
    assert healthy()
    monkeypatch.setattr(store.redis, "pipeline", fails(OutOfMemoryError("OOM command not allowed")))
    assert healthy()


def test_a_health_file_that_cannot_be_written_does_not_end_the_ticking(
    healthy: Callable[[], bool], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pathlib.Path.touch", fails(PermissionError(13, "Permission denied")))
    assert not healthy()
    assert "Permission denied" in caplog.text


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.usefixtures("sent")
def test_a_worker_that_takes_nothing_from_its_queue_ends_whatever_the_queue(
    queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    ended: list[str] = []
    monkeypatch.setattr("worker.monitoring.stalled_consumer.time.monotonic", lambda: now[0])
    monkeypatch.setattr(module, "_queues", lambda _: [queue])
    monkeypatch.setattr(module, "_queue_length", lambda _, name: int(name == queue))
    monkeypatch.setattr("worker.monitoring.stalled_consumer.end", ended.append)
    for _ in range(int(STALLED_AFTER_SECONDS / LISTENS_EVERY)):
        tick(app)
        now[0] += LISTENS_EVERY
    assert ended == []
    tick(app)
    assert ended == [queue]


# -- a store of a newer version --------------------------------------------------------------------


@pytest.fixture
def celery_state(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    found = SimpleNamespace(should_stop=None)
    monkeypatch.setattr(module, "worker_state", found)
    return found


def test_a_worker_ends_once_a_newer_version_has_written_to_the_store(
    store: Store, sent: Sent, celery_state: SimpleNamespace
) -> None:
    send(store, crs2("P2"))
    store.redis.set(KEYS.schema, schema.VERSION + 1)
    tick(app)
    assert celery_state.should_stop == os.EX_CONFIG
    assert sent == []
    assert not store.redis.exists(KEYS.watchdog_claim)


@pytest.mark.parametrize("written_by", [None, b"0", b"%d" % schema.VERSION, b"no version"])
def test_it_stays_where_none_has(
    store: Store, sent: Sent, celery_state: SimpleNamespace, written_by: bytes | None
) -> None:
    if written_by is not None:
        store.redis.set(KEYS.schema, written_by)
    send(store, crs2("P2"))
    tick(app)
    assert celery_state.should_stop is None
    assert sent == [("advance", (KEYS.of("P2").number,))]
