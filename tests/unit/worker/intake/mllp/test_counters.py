"""What is counted of a peer, written to the store and read back."""

from redis import Redis

from tests.support.stored_ward import KEYS
from worker.intake.mllp.counters import MOST_PEERS, OTHERS, Counters, read, write


def test_what_was_counted_is_added_to_what_the_store_holds(redis: Redis) -> None:
    counters = Counters()
    for _ in range(2):
        counters.add("10.0.0.1", {"received": 3, "stored": 2, "refused": 0}, at_ms=5)
        counters.add("10.0.0.2", {"received": 1}, at_ms=7)
        write(redis, KEYS, "lab", counters.take())
    assert read(redis, KEYS, "lab") == {
        "10.0.0.1": {"received": 6, "stored": 4, "last_seen": 5},
        "10.0.0.2": {"received": 2, "last_seen": 7},
    }
    assert read(redis, KEYS, "monitors") == {}


def test_nothing_counted_is_nothing_written(redis: Redis) -> None:
    write(redis, KEYS, "lab", Counters().take())
    assert redis.keys() == []


def test_what_could_not_be_written_is_not_lost() -> None:
    counters = Counters()
    counters.add("10.0.0.1", {"received": 3}, at_ms=5)
    change = counters.take()
    counters.add("10.0.0.1", {"received": 1}, at_ms=9)
    counters.put_back(change)
    assert counters.take() == ({("10.0.0.1", "received"): 4}, {"10.0.0.1": 9})


def test_nobody_fills_the_store_by_connecting() -> None:
    counters = Counters()
    for number in range(MOST_PEERS + 20):
        counters.add(f"peer {number}", {"connections_rejected": 1})
    amounts = counters.take().amounts
    assert len(amounts) == MOST_PEERS + 1
    assert amounts[OTHERS, "connections_rejected"] == 20
