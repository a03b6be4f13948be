"""The journal: what came in and what followed, batch by batch."""

import pytest
from redis import Redis

from tests.support.shard_commits import SHARD, commit, committed, evaluated, outcome, taken
from tests.support.stored_ward import (
    KEYS,
    NOW,
    crs2,
    raw,
    send,
)
from worker.clock import milliseconds
from worker.store.codec import unpack_journal
from worker.store.journal import journal_record
from worker.store.shard import Store


def test_the_journal_keeps_what_came_in_and_what_followed(store: Store) -> None:
    send(store, crs2())
    result = evaluated()
    commit(store, taken(store), result)
    [(_, record)] = store.journal(SHARD)
    assert record["at"] == NOW.isoformat()
    assert [item["message"].encode() for item in record["in"]] == [raw(body) for body in crs2()]
    assert {item["received"] for item in record["in"]} == {NOW.isoformat()}
    assert record["events"] == result.effects.events


def test_a_journal_record_survives_bytes_that_are_no_text(redis: Redis, store: Store) -> None:
    redis.xadd(SHARD.inbox, {"m": b"\xff{"})
    record = unpack_journal(journal_record(taken(store).waiting, [], NOW))
    assert record["in"][0]["message"] == "�{"


def test_the_journal_is_read_on_from_where_one_stood(store: Store) -> None:
    committed(store, outcome(events=[{"kind": "one"}]))
    [(place, _)] = store.journal(SHARD)
    committed(store, outcome(events=[{"kind": "two"}]))
    assert [record["events"] for _, record in store.journal(SHARD, place)] == [[{"kind": "two"}]]
    assert len(store.journal(SHARD)) == 2


def test_a_due_timer_after_which_nothing_happens_is_not_journalled(redis: Redis, store: Store) -> None:
    redis.zadd(SHARD.key("timers"), {"P1": milliseconds(NOW)})
    commit(store, taken(store))
    assert store.journal(SHARD) == []


@pytest.mark.parametrize(("length", "kept"), [(0, range(1)), (100, range(100, 250))], ids=["none", "about a hundred"])
def test_the_journal_is_kept_to_its_length(redis: Redis, length: int, kept: range) -> None:
    store = Store(redis, KEYS, batch=500, lease_seconds=5, journal_length=length)
    for number in range(400):
        committed(store, outcome(events=[{"number": number}]))
    assert len(store.journal(SHARD)) in kept
