"""How full the store is: who is refused, when the store is asked again, and what is counted of what waits."""

from collections.abc import Callable

import pytest
from redis import Redis

from tests.support.stored_ward import KEYS, NOW, SITE, Clock, raw, reading
from worker.processing.advance import advance
from worker.store import capacity as module
from worker.store.capacity import FULL, TOO_MUCH_WAITS, Capacity, Memory, memory_of, reset_waiting_bytes
from worker.store.inbox import accept
from worker.store.shard import Store

Say = Callable[[int, int], None]


@pytest.mark.parametrize(("used", "why"), [(0, ""), (8_400, ""), (8_600, FULL), (20_000, FULL)])
def test_intake_stops_before_the_store_is_full(redis: Redis, memory: Say, used: int, why: str) -> None:
    memory(used, 10_000)
    assert Capacity(redis, KEYS).refusal("lab", 1) == why


def test_what_was_taken_in_since_the_last_look_counts_twice(redis: Redis, memory: Say) -> None:
    memory(8_000, 10_000)
    capacity = Capacity(redis, KEYS)
    assert [capacity.refusal("lab", size) for size in (300, 200)] == [FULL, ""]


def test_a_store_that_does_not_say_takes_everything(redis: Redis) -> None:
    redis.hset(KEYS.waiting_bytes, "lab", 10**12)
    assert Capacity(redis, KEYS).refusal("lab", 10**9) == ""


def test_the_store_is_not_asked_at_each_message(redis: Redis, memory: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    memory(10, 10**9)
    looks: list[int] = []
    real = Capacity._refresh
    monkeypatch.setattr(Capacity, "_refresh", lambda self: (looks.append(1), real(self)))
    capacity = Capacity(redis, KEYS)
    for _ in range(1000):
        assert not capacity.refusal("lab", 100)
    assert len(looks) < 5
    capacity.refusal("lab", 10**7)
    before = len(looks)
    capacity.refusal("lab", 1)
    assert len(looks) == before + 1, "much was taken in"


def test_what_waits_of_a_source_is_counted_until_it_was_evaluated(store: Store, memory: Say) -> None:
    memory(6_000, 10_000)
    texts = [raw(reading("crp", number)) for number in range(10)]
    accept(store.redis, KEYS, texts, NOW, "lab", capacity=None)
    assert int(store.redis.hget(KEYS.waiting_bytes, "lab") or 0) == sum(map(len, texts))
    assert Capacity(store.redis, KEYS).refusal("lab", 1_000) == TOO_MUCH_WAITS
    advance(store, KEYS.of("P1"), Clock(), SITE)
    assert int(store.redis.hget(KEYS.waiting_bytes, "lab") or 0) == 0
    assert Capacity(store.redis, KEYS).refusal("lab", 1_000) == ""


def test_where_nothing_waits_the_count_begins_anew(store: Store) -> None:
    accept(store.redis, KEYS, [raw(reading("crp", 85))], NOW, "lab")
    reset_waiting_bytes(store.redis, KEYS)
    assert store.redis.hget(KEYS.waiting_bytes, "lab")
    store.redis.delete(KEYS.of("P1").inbox)
    reset_waiting_bytes(store.redis, KEYS)
    assert not store.redis.exists(KEYS.waiting_bytes)


@pytest.mark.parametrize(
    ("info", "memory"),
    [
        ({"used_memory": 5, "maxmemory": 10, "total_system_memory": 100}, Memory(5, 10)),
        ({"used_memory": 5, "maxmemory": 0, "total_system_memory": 100}, Memory(5, 50)),
        ({"used_memory": 5}, Memory(5, 0)),
        (ValueError(), Memory()),
    ],
)
def test_without_maxmemory_half_of_the_machine_counts(info: object, memory: Memory) -> None:
    assert memory_of(info) == memory


@pytest.mark.parametrize(
    ("sizes", "total", "level"), [([1, 2, 3], 10, 10), ([10, 10, 10], 15, 5), ([1, 1, 100], 12, 10), ([], 5, 5)]
)
def test_the_small_ones_lose_nothing(sizes: list[int], total: int, level: int) -> None:
    assert module._level(sizes, total) == level
    if sum(sizes) > total:
        assert sum(min(size, level) for size in sizes) <= total
