"""A store in memory, and the commands run against it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakeredis import FakeRedis, FakeServer
from redis import Redis

from tests.support.stored_ward import KEYS, Clock
from worker.client import Client
from worker.store.capacity import Memory
from worker.store.shard import Store

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def redis() -> Iterator[Redis]:
    with FakeRedis(server=FakeServer(version=(7,))) as client:
        yield client


@pytest.fixture
def store(redis: Redis) -> Store:
    return Store(redis, KEYS, batch=500, lease_seconds=5, journal_length=1000)


@pytest.fixture(autouse=True)
def _runs_are_not_cut_by_a_slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run has minutes; what is about the budget of a run brings a clock of its own."""
    monkeypatch.setattr("worker.store.shard.BUDGET_PART", 0.01)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Says how many bytes the store uses, of how many: one in memory does not know."""

    monkeypatch.setattr("worker.store.capacity.LEAST_MEMORY", 0)

    def say(used: int, limit: int) -> None:
        for module in ("worker.store.capacity", "worker.store.dead_letters"):
            monkeypatch.setattr(f"{module}.memory_of", lambda _: Memory(used, limit))

    return say


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def command_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment in which commands find no service of anybody's."""
    monkeypatch.setenv("CARTWATCH_REDIS_URL", NOWHERE)
    monkeypatch.setenv("CARTWATCH_NAMESPACE", KEYS.namespace)
    monkeypatch.setenv("CARTWATCH_SHARDS", str(KEYS.shards))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def service(command_environment: None, store: Store, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store that the commands find; nobody is woken."""
    del command_environment
    monkeypatch.setattr("worker.runtime.runtime.connect", lambda *_, **__: redis)
    monkeypatch.setattr("worker.client.connect", lambda *_, **__: redis)
    monkeypatch.setattr(Client, "wake", lambda *_: None)
    return store
