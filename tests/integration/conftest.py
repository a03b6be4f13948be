"""Real servers, real workers, one installation a module."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import redis

from tests.support.hospital import Hospital
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.fake_phone import FakePhone

_numbers = count()
_DATABASES = 16


@pytest.fixture(scope="module")
def hospital(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """An installation on the shared server, in two databases of its own."""
    number = next(_numbers)
    base = redis_server.url.rpartition("/")[0]
    store, broker = (f"{base}/{2 + (2 * number + side) % (_DATABASES - 2)}" for side in (0, 1))
    for url in (store, broker):
        with redis.Redis.from_url(url) as client:
            client.flushdb()
    with FakePhone() as receiver:
        made = Hospital(store, broker, receiver, tmp_path_factory.mktemp("hospital"), f"hospital-{number}")
        yield made
        made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the test's own."""
    return tmp_path
