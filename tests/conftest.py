"""What more than one kind of test needs: a real Redis."""

import os
from collections.abc import Iterator

import pytest
import redis
from hypothesis import HealthCheck, settings

from worker.standalone.embedded_redis import EmbeddedRedis, NoRedisError

pytest.register_assert_rewrite("tests.support")

# How long an example takes says something of the machine, not of the property: a busy machine fails no test. What says
# something of the strategy (too much filtered, too large) still fails. A failure prints how to run its example again.
settings.register_profile(
    "cartwatch", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("cartwatch")


def pytest_configure(config: pytest.Config) -> None:
    # Apprise looks for this module of Python < 3.13 when it loads its plugins, and does without it.
    config.addinivalue_line("filterwarnings", "ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """One real server for the whole run, on a temporary folder; without one, skip here and fail in CI."""
    server = EmbeddedRedis()
    try:
        server.start()
    except NoRedisError as error:
        server.close()
        (pytest.fail if os.environ.get("CI") else pytest.skip)(" ".join(str(error).split()))
    yield server
    server.close()


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """The address of the real server, running and empty."""
    redis_server.start()
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url
