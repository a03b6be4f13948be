"""A store in memory."""

from collections.abc import Iterator

import pytest
from fakeredis import FakeRedis, FakeServer
from redis import Redis

from tests.unit.worker.ward import KEYS, Clock
from worker.store import Store


@pytest.fixture
def redis() -> Iterator[Redis]:
    with FakeRedis(server=FakeServer(version=(7,))) as client:
        yield client


@pytest.fixture
def store(redis: Redis) -> Store:
    return Store(redis, KEYS, batch=500, lease_seconds=5, journal_length=1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()
