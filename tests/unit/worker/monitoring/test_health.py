"""Health: which part is ill, in words."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, reading, send
from tests.support.workers import ticking
from worker.clock import milliseconds
from worker.monitoring import incidents
from worker.monitoring.health import CONSUMED, Check, examine
from worker.monitoring.overdue import OVERDUE
from worker.monitoring.unregistered import CONDITION
from worker.processing.advance import advance
from worker.store import channel_queues
from worker.store.inbox import accept
from worker.store.keys import Keys
from worker.store.shard import Store

SHARD = KEYS.of("P1")
WELL: dict[str, dict[str, Any]] = {
    "server": {"redis_version": "7.0.15"},
    "memory": {"maxmemory_policy": "noeviction"},
    "persistence": {"aof_enabled": 1, "aof_last_write_status": "ok"},
    "replication": {"role": "master"},
}


@pytest.fixture
def said(store: Store, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What the server says of itself; a store in memory says nothing."""
    answers = {section: dict(values) for section, values in WELL.items()}
    monkeypatch.setattr(store.redis, "info", lambda section: answers[section])
    ticking(store, CONSUMED, NOW)
    store.redis.hset(KEYS.watchdog, "last_run", NOW.isoformat())
    return answers


def check(store: Store, part: str, now: datetime = NOW) -> Check:
    [found] = [item for item in examine(store, now) if item.part == part]
    return found


@pytest.mark.usefixtures("said")
def test_an_empty_store_with_a_worker_is_well(store: Store) -> None:
    assert [item.part for item in examine(store, NOW) if not item.well] == []


@pytest.mark.parametrize(
    ("section", "key", "value", "part", "seen"),
    [
        ("memory", "maxmemory_policy", "allkeys-lru", "store eviction", "maxmemory-policy allkeys-lru drops keys; set"),
        ("persistence", "aof_enabled", 0, "store durability", "appendonly no"),
        ("persistence", "aof_last_write_status", "err", "store durability", "cannot be written"),
        ("replication", "role", "slave", "store role", "slave"),
    ],
)
def test_a_setting_that_endangers_messages_is_said(
    store: Store, said: dict[str, dict[str, Any]], section: str, key: str, value: object, part: str, seen: str
) -> None:
    said[section][key] = value
    found = check(store, part)
    assert not found.well
    assert seen in found.seen
    assert [item.part for item in examine(store, NOW) if not item.well] == [part]


@pytest.mark.usefixtures("said")
def test_without_a_worker_that_ticks_it_is_ill(store: Store) -> None:
    store.redis.delete(KEYS.workers)
    assert check(store, "workers") == Check("workers", False, "0 ticking")


@pytest.mark.usefixtures("said")
def test_the_workers_of_another_installation_do_not_count(redis: Redis, store: Store) -> None:
    ticking(Store(redis, Keys("other", 4), batch=1, lease_seconds=5, journal_length=1), CONSUMED, NOW)
    redis.delete(KEYS.workers)
    assert not check(store, "workers").well


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("queue", CONSUMED)
def test_what_nobody_does_is_named(store: Store, queue: str) -> None:
    ticking(store, [name for name in CONSUMED if name != queue], NOW)
    assert [item.part for item in examine(store, NOW) if not item.well] == [f"workers {CONSUMED[queue]}"]


@pytest.mark.usefixtures("said")
def test_a_watchdog_that_runs_no_more_is_ill(store: Store) -> None:
    assert check(store, "watchdog", NOW + timedelta(minutes=1)).well
    assert not check(store, "watchdog", NOW + timedelta(seconds=61)).well
    store.redis.delete(KEYS.watchdog)
    assert check(store, "watchdog") == Check("watchdog", False, "has never run")


@pytest.mark.usefixtures("said")
def test_open_incidents_are_shown(store: Store) -> None:
    store.redis.hset(KEYS.watchdog, "incidents", incidents.pack({"canary": incidents.Incident(1, 1, True)}))
    assert [item.part for item in examine(store, NOW) if not item.well] == ["watchdog", "canary"]


@pytest.mark.usefixtures("said")
def test_a_heartbeat_that_cannot_be_sent_is_said(store: Store) -> None:
    assert check(store, "heartbeat").well
    store.redis.hset(KEYS.watchdog, "heartbeat_sent", NOW.isoformat())
    assert check(store, "heartbeat").seen.startswith("sent at")
    store.redis.hset(KEYS.watchdog, "heartbeat_failed", (NOW + timedelta(seconds=1)).isoformat())
    found = check(store, "heartbeat")
    assert not found.well
    assert found.seen.startswith("FAILED at")


@pytest.mark.usefixtures("said")
def test_a_ladder_nobody_climbs_is_overdue(store: Store) -> None:
    send(store, crs2())
    advance(store, SHARD, Clock(), SITE)
    store.redis.delete(*channel_queues.names(store.redis, KEYS))
    due = NOW + timedelta(minutes=10)
    assert check(store, "overdue", due + OVERDUE - timedelta(milliseconds=1)).well
    found = check(store, "overdue", due + OVERDUE)
    assert not found.well
    assert "1 ladder(s)" in found.seen


@pytest.mark.usefixtures("said")
def test_a_page_nobody_tries_is_overdue(redis: Redis, store: Store) -> None:
    redis.zadd(KEYS.partition(1).agenda, {"queue:phone-1": milliseconds(NOW)})
    assert check(store, "overdue", NOW + OVERDUE - timedelta(milliseconds=1)).well
    found = check(store, "overdue", NOW + OVERDUE)
    assert not found.well
    assert "1 page(s)" in found.seen


@pytest.mark.usefixtures("said")
def test_a_message_nobody_takes_is_overdue_by_the_store_s_own_clock(redis: Redis, store: Store) -> None:
    seconds, _ = redis.time()
    redis.xadd(SHARD.inbox, {"m": b"{}"}, id=f"{(seconds - 8) * 1000}-0")
    assert check(store, "overdue").well
    redis.delete(SHARD.inbox)
    redis.xadd(SHARD.inbox, {"m": b"{}"}, id=f"{(seconds - 11) * 1000}-0")
    found = check(store, "overdue")
    assert not found.well
    assert "1 shard(s)" in found.seen


@pytest.mark.usefixtures("said")
def test_a_backlog_that_is_worked_off_is_not_overdue_but_what_stands_behind_it_is(redis: Redis, store: Store) -> None:
    seconds, _ = redis.time()
    for age in (30, 20):
        redis.xadd(SHARD.inbox, {"m": b"{}"}, id=f"{(seconds - age) * 1000}-0")
    redis.set(SHARD.key("cursor"), f"({(seconds - 20) * 1000}-0")
    assert check(store, "overdue").well
    redis.set(SHARD.crashes, 2)
    assert not check(store, "overdue").well, "nothing is committed"
    redis.delete(SHARD.crashes)
    redis.xadd(SHARD.inbox, {"m": b"{}"}, id=f"{(seconds - 11) * 1000}-0")
    assert not check(store, "overdue").well


@pytest.mark.usefixtures("said")
def test_dead_letters_are_counted_and_are_no_illness(store: Store) -> None:
    accept(store.redis, KEYS, [b"{", b"["], NOW)
    found = check(store, "dead letters")
    assert found.well
    assert found.seen == "2 message(s), 0.0 of 64 MiB; see `cartwatch dead-letters`"


@pytest.mark.usefixtures("said")
def test_dead_letters_that_are_dropped_are_said(store: Store, memory: Callable[[int, int], None]) -> None:
    memory(10, 100_000)
    for letter in range(10):
        accept(store.redis, KEYS, [f"junk {letter}".encode()], NOW, "monitor-7")
    found = check(store, "dead letters")
    assert (found.well, found.seen.partition("MiB; ")[2][:6]) == (False, "6 olde")


@pytest.mark.parametrize("error", [RedisConnectionError("refused"), BusyLoadingError("loading")])
def test_a_store_that_cannot_be_reached_is_the_only_thing_said(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(store.redis, "ping", fail)
    assert examine(store, NOW) == [Check("store", False, f"cannot be reached ({type(error).__name__})")]


@pytest.mark.usefixtures("said")
def test_unregistered_patients_are_counted_with_their_sources_and_ill_once_they_were_paged(store: Store) -> None:
    send(store, [reading("temperature", 37, source="monitor-7")])
    advance(store, SHARD, Clock(), SITE)
    assert check(store, "unregistered") == Check(
        "unregistered", True, f"1 patient(s) since {Clock().now():%d %b %H:%M} UTC, from monitor-7"
    )
    known = {f"{CONDITION}2024-06-14 08:00": incidents.Incident(0, milliseconds(NOW), notified=True)}
    store.redis.hset(KEYS.watchdog, "incidents", incidents.pack(known))
    assert not check(store, "unregistered").well


@pytest.mark.usefixtures("said")
def test_stored_data_that_cannot_be_read_is_counted_and_names_nobody(store: Store, clock: Clock) -> None:
    store.redis.hset(SHARD.key("states"), "P1", b"damaged")
    send(store, crs2())
    advance(store, SHARD, clock, SITE)
    found = check(store, "unreadable data")
    assert (found.well, found.seen) == (False, "1 state(s); see `cartwatch unreadable`")


@pytest.mark.usefixtures("said")
def test_a_store_of_a_newer_version_is_not_well(store: Store) -> None:
    store.redis.set(KEYS.schema, 99)
    assert not check(store, "stored data").well
