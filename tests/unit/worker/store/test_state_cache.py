"""What a process remembers of patients is only ever used where it is what the store holds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as LostConnection

from alerts.state import PatientState
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, reading, send
from worker.processing.advance import advance
from worker.store import state_cache as module
from worker.store.codec import unpack_state
from worker.store.commit import Commit, LostLeaseError, Transaction
from worker.store.shard import Store
from worker.store.state_cache import StateCache

SHARD = KEYS.of("P1")


def process(redis: Redis) -> Store:
    """The store as another process has it: nothing is remembered there yet."""
    return Store(redis, KEYS, batch=500, lease_seconds=5, journal_length=1000)


@contextmanager
def unpacked() -> Iterator[list[bytes]]:
    """What is fetched and decoded meanwhile."""
    found: list[bytes] = []

    def spy(packed: bytes) -> PatientState:
        found.append(packed)
        return unpack_state(packed)

    with patch.object(module, "unpack_state", spy):
        yield found


@pytest.fixture
def evaluated(store: Store, clock: Clock) -> Callable[..., None]:
    """Have a store take what waits for P1."""

    def judge(by: Store = store, *bodies: dict[str, Any]) -> None:
        send(by, bodies)
        assert advance(by, SHARD, clock, SITE).messages == len(bodies)

    return judge


def of(state: PatientState) -> Commit:
    return Commit(states={"P1": state})


def charted(store: Store, kind: str) -> list[str]:
    state = store.state("P1")
    assert state is not None
    return [str(entry.value) for entry in state.chart.entries[kind]]


def test_what_this_process_committed_is_not_fetched_again(store: Store, evaluated: Callable[..., None]) -> None:
    evaluated(store, *crs2())
    with unpacked() as fetched:
        evaluated(store, reading("crp", 85))
    assert fetched == []
    assert charted(store, "crp") == ["85"]
    assert charted(store, "temperature") == ["38.9"]


def test_what_another_process_changed_is_fetched(redis: Redis, store: Store, evaluated: Callable[..., None]) -> None:
    other = process(redis)
    evaluated(store, *crs2())
    evaluated(other, reading("crp", 85))
    with unpacked() as fetched:
        evaluated(store, reading("crp", 90, at=NOW.replace(minute=1)))
    assert len(fetched) == 1
    assert charted(store, "crp") == ["85", "90"]


def test_two_processes_in_run_lose_nothing(redis: Redis, store: Store, evaluated: Callable[..., None]) -> None:
    other = process(redis)
    evaluated(store, *crs2())
    for minute in range(5):
        evaluated((store, other)[minute % 2], reading("crp", minute, at=NOW.replace(minute=minute)))
    assert charted(store, "crp") == [str(minute) for minute in range(5)]


def test_a_commit_without_an_answer_leaves_nothing_wrong(store: Store, evaluated: Callable[..., None]) -> None:
    """It may have happened or not: here it has, and the state remembered from before is not used any more."""
    evaluated(store, *crs2())
    send(store, [reading("crp", 85)])
    batch = store.take(SHARD, Clock())
    assert batch is not None
    with Transaction(store, batch) as transaction:
        state = transaction.states(["P1"])["P1"]
        execute = transaction._pipe.execute

        def unanswered(*args: Any, **more: Any) -> Any:
            execute(*args, **more)
            raise LostConnection

        with patch.object(transaction._pipe, "execute", unanswered), pytest.raises(LostConnection):
            transaction.commit(batch, of(PatientState(patient="P1", registered=True)), NOW)
    assert state.episodes
    assert store.state("P1") == PatientState(patient="P1", registered=True)
    with unpacked() as fetched:
        evaluated(store, reading("crp", 90))
    assert len(fetched) == 1


def test_a_commit_that_lost_its_lease_is_not_remembered(
    redis: Redis, store: Store, evaluated: Callable[..., None]
) -> None:
    evaluated(store, *crs2())
    send(store, [reading("crp", 85)])
    batch = store.take(SHARD, Clock())
    assert batch is not None
    with Transaction(store, batch) as transaction:
        transaction.states(["P1"])
        redis.set(SHARD.lease, "another")
        with pytest.raises(LostLeaseError):
            transaction.commit(batch, of(PatientState(patient="P1")), NOW)
    redis.delete(SHARD.lease)
    assert advance(store, SHARD, Clock(), SITE).messages == 1
    assert charted(store, "temperature") == ["38.9"]


def test_a_store_that_was_set_back_is_believed(redis: Redis, store: Store, evaluated: Callable[..., None]) -> None:
    evaluated(store, *crs2())
    before = {key: redis.dump(SHARD.key(key)) for key in ("states", "revisions")}
    evaluated(store, reading("crp", 85))
    for key, value in before.items():
        redis.restore(SHARD.key(key), 0, value, replace=True)
    evaluated(store, reading("crp", 90, at=NOW.replace(minute=1)))
    assert charted(store, "crp") == ["90"]


def test_a_state_of_before_there_were_revisions_is_fetched(
    redis: Redis, store: Store, evaluated: Callable[..., None]
) -> None:
    evaluated(store, *crs2())
    redis.delete(SHARD.key("revisions"))
    evaluated(store, reading("crp", 85))
    assert charted(store, "temperature") == ["38.9"]
    with unpacked() as fetched:
        evaluated(store, reading("crp", 90, at=NOW.replace(minute=1)))
    assert fetched == []


def test_what_was_used_longest_ago_is_forgotten() -> None:
    remembered = StateCache(most=2)
    for patient in ("P1", "P2", "P1", "P3"):
        remembered.keep(patient, b"1", PatientState(patient=patient))
    assert list(remembered._states) == ["P1", "P3"]
    assert len(remembered) == 2


def test_more_patients_than_are_remembered_are_all_read(redis: Redis, store: Store) -> None:
    store.state_cache = StateCache(most=2)
    patients = [name for name in (f"P{number}" for number in range(40)) if KEYS.of(name) == SHARD]
    for minute in (0, 1):
        send(store, [reading("crp", 1, patient, NOW.replace(minute=minute)) for patient in patients])
        advance(store, SHARD, Clock(), SITE)
    states = [store.state(patient) for patient in patients]
    assert [len(state.chart.entries["crp"]) for state in states if state] == [2] * len(patients)
    assert redis.hlen(SHARD.key("revisions")) == len(patients)
