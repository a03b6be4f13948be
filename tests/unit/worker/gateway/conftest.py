"""A gateway on a store in memory, with a worker that can be run by hand."""

from collections.abc import Iterator

import pytest
from redis import Redis

from tests.support.desk import Desk
from tests.support.stored_ward import Clock
from worker.gateway import snapshot
from worker.monitoring.health import Check
from worker.store.shard import Store


@pytest.fixture(autouse=True)
def _examined(monkeypatch: pytest.MonkeyPatch) -> None:
    """How the service is found to be: a store in memory says nothing of itself, and nobody runs a worker."""
    checks = [Check("store", True, "master"), Check("workers", False, "0 ticking")]
    monkeypatch.setattr(snapshot, "examine", lambda *_: checks)


@pytest.fixture
def desk(redis: Redis, store: Store, clock: Clock) -> Iterator[Desk]:
    with Desk(redis, store, clock) as made:
        yield made
