"""A store that shows an older run of the watchdog than was seen was set back, and somebody hears of it."""

from datetime import timedelta

import pytest

from config.settings import Settings
from tests.support.stored_ward import KEYS, NOW
from tests.support.wording import english
from worker.monitoring import set_back
from worker.monitoring.set_back import CONDITION, Epoch, NewestSeen, epoch_of, found, notice
from worker.store.shard import Store

LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def memory() -> NewestSeen:
    made = NewestSeen(Settings(namespace="set-back"))
    made.keep(None)
    return made


def test_an_older_run_is_reported_with_the_time_that_is_missing(store: Store, memory: NewestSeen) -> None:
    notice(store, memory, Epoch(20, "a", LATER))
    notice(store, memory, Epoch(12, "b", NOW))
    [(condition, what)] = found(store).items()
    assert condition == CONDITION
    assert "between 14 Jun 10:00 and 14 Jun 10:05 may be missing" in english(what)


def test_another_run_of_the_same_number_is_another_history(store: Store, memory: NewestSeen) -> None:
    """Two primaries ran side by side, each with its workers."""
    notice(store, memory, Epoch(20, "a", NOW))
    notice(store, memory, Epoch(20, "b", LATER))
    assert found(store)


@pytest.mark.parametrize("shown", [Epoch(20, "a", NOW), Epoch(21, "c", LATER)])
def test_the_same_run_and_a_newer_one_are_no_news(store: Store, memory: NewestSeen, shown: Epoch) -> None:
    notice(store, memory, Epoch(20, "a", NOW))
    notice(store, memory, shown)
    assert not found(store)


def test_a_new_installation_is_no_news(store: Store, memory: NewestSeen) -> None:
    for shown in (None, None, Epoch(1, "a", NOW)):
        notice(store, memory, shown)
    assert not found(store)


def test_a_store_that_was_emptied_is_reported_once(store: Store, memory: NewestSeen) -> None:
    """FLUSHALL, or a server that began on an empty disk."""
    notice(store, memory, Epoch(20, "a", NOW))
    notice(store, memory, None)
    [(condition, what)] = found(store).items()
    assert condition == CONDITION
    assert "emptied: what was accepted until 14 Jun 10:00 is missing" in english(what)
    store.redis.delete(f"{KEYS.watchdog}:set_back")
    for shown in (None, Epoch(1, "b", LATER)):
        notice(store, memory, shown)
    assert not found(store)


def test_it_is_reported_once(store: Store, memory: NewestSeen) -> None:
    notice(store, memory, Epoch(20, "a", LATER))
    notice(store, memory, Epoch(12, "b", NOW))
    store.redis.delete(f"{KEYS.watchdog}:set_back")
    notice(store, memory, Epoch(13, "c", NOW))
    assert not found(store)


def test_a_process_knows_what_those_before_it_saw(memory: NewestSeen) -> None:
    """A store is restored while everything is stopped."""
    memory.keep(Epoch(20, "a", NOW))
    assert NewestSeen(Settings(namespace="set-back")).newest == Epoch(20, "a", NOW)
    assert NewestSeen(Settings(namespace="another")).newest is None


def test_a_file_that_cannot_be_read_is_no_memory(memory: NewestSeen) -> None:
    memory.keep(Epoch(20, "a", NOW))
    (set_back.private_folder() / memory._name).write_bytes(b"{")
    assert NewestSeen(Settings(namespace="set-back")).newest is None


def test_the_run_is_read_from_the_fields_of_the_watchdog() -> None:
    assert epoch_of([NOW.isoformat().encode(), b"20", b"a"]) == Epoch(20, "a", NOW)
    assert epoch_of([None, None, None]) is None
