"""Taking a batch of a shard: under a lease, in order, with what is due."""

from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from tests.support.shard_commits import NOTHING, SHARD, commit, taken
from tests.support.stored_ward import (
    KEYS,
    NOW,
    Clock,
    crs2,
    raw,
    reading,
    send,
    waiting,
)
from worker.clock import milliseconds
from worker.store.commit import Transaction
from worker.store.fair_shares import TimeBudget
from worker.store.lease import Lease
from worker.store.shard import Store
from worker.store.take import take


def test_what_waits_is_taken_in_order(store: Store) -> None:
    send(store, crs2())
    batch = taken(store)
    assert [item.raw for item in batch.waiting] == [raw(body) for body in crs2()]
    assert {item.received for item in batch.waiting} == {NOW}
    assert batch.due == []


def test_where_nothing_waits_there_is_no_batch_and_no_lease(redis: Redis, store: Store) -> None:
    assert store.take(SHARD, Clock()) is None
    assert not redis.exists(SHARD.lease)


def test_a_second_worker_gets_nothing_while_the_first_has_the_shard(store: Store) -> None:
    send(store, crs2())
    first = taken(store)
    assert store.take(SHARD, Clock()) is None
    commit(store, first)


def test_another_shard_is_free_meanwhile(store: Store) -> None:
    send(store, [*crs2("P1"), *crs2("P2")])
    taken(store)
    assert store.take(KEYS.of("P2"), Clock()) is not None


def test_the_lease_of_a_worker_that_hangs_runs_out(redis: Redis, store: Store) -> None:
    send(store, crs2())
    taken(store)
    assert 4000 < redis.pttl(SHARD.lease) <= 5000


def test_taking_leaves_everything_in_the_inbox(store: Store) -> None:
    send(store, crs2())
    taken(store)
    assert waiting(store) == 3


def test_no_more_is_taken_than_a_batch_holds(redis: Redis) -> None:
    small = Store(redis, KEYS, batch=2, lease_seconds=5, journal_length=0)
    send(small, crs2())
    assert len(taken(small).waiting) == 2


def test_only_the_commit_answers_the_wake_up(redis: Redis, store: Store) -> None:
    """Who appends before it is seen by the commit and need wake nobody; who appends after it wakes."""
    send(store, crs2())
    batch = taken(store)
    assert redis.exists(SHARD.wakeup_pending)
    with Transaction(store, batch) as transaction:
        transaction.states([])
        transaction.commit(batch, NOTHING, NOW)
    assert not redis.exists(SHARD.wakeup_pending)


@pytest.mark.parametrize(("wait", "due"), [(-1, []), (0, ["P1"]), (1, ["P1"])])
def test_a_timer_is_taken_from_its_moment_on(redis: Redis, store: Store, wait: int, due: list[str]) -> None:
    redis.zadd(SHARD.key("timers"), {"P1": milliseconds(NOW)})
    batch = store.take(SHARD, Clock(NOW + timedelta(milliseconds=wait)))
    assert (batch.due if batch else []) == due


# -- entries as producers append them --------------------------------------------------------------


def received(redis: Redis, store: Store, fields: dict[str, bytes], entry: str = "*") -> tuple[bytes, datetime]:
    redis.xadd(SHARD.inbox, fields, id=entry)
    item = taken(store).waiting[0]
    return item.raw, item.received


def test_an_entry_without_a_time_is_dated_by_its_id(redis: Redis, store: Store) -> None:
    assert received(redis, store, {"m": b"{}"}, "1718352000123-0") == (
        b"{}",
        datetime(2024, 6, 14, 8, 0, 0, 123000, tzinfo=UTC),
    )


@pytest.mark.parametrize("time", [b"yesterday", b"\xff", b"", b"2024-06-14T08:00:00"])
def test_an_entry_with_a_time_that_cannot_be_read_is_dated_by_its_id(redis: Redis, store: Store, time: bytes) -> None:
    assert received(redis, store, {"m": b"{}", "r": time}, "1718352000123-0")[1] == datetime(
        2024, 6, 14, 8, 0, 0, 123000, tzinfo=UTC
    )


def test_an_entry_whose_id_is_no_time_is_dated_now(redis: Redis, store: Store) -> None:
    assert received(redis, store, {"m": b"{}"}, "18446744073709551614-0")[1] == NOW


def test_an_entry_without_a_message_has_an_empty_text(redis: Redis, store: Store) -> None:
    assert received(redis, store, {"message": b"{}"})[0] == b""


def test_a_later_window_ends_at_the_newest_entry_of_the_taking(
    redis: Redis, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was appended after the lease may be on this server alone, and another message may have its id elsewhere."""
    monkeypatch.setattr("worker.store.fair_shares.OF_A_PATIENT", 1)
    few = Store(redis, KEYS, batch=4, lease_seconds=5, journal_length=0)
    send(store, [reading("crp", number) for number in range(20)])
    found = take(redis, KEYS, SHARD, Lease.of(SHARD.lease), 5000, 4, Clock())
    assert found is not None
    send(store, [reading("crp", 99)])
    selection = few._select(SHARD, found, NOW, TimeBudget(60, lambda: 0.0))
    assert found.last == redis.xrange(SHARD.inbox)[19][0]
    assert selection._cursor == b"(" + found.last
