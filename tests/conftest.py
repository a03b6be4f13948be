"""What more than one kind of test needs: a real Redis, a hypothesis profile, and how tests run side by side."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, settings

from worker.standalone.embedded_redis import EmbeddedRedis, NoRedisError

pytest.register_assert_rewrite("tests.support")

# How long an example takes to draw or to run says something of the machine, not of the property: it fails no test. What
# says something of the strategy (too much filtered, too large) still fails. CI draws the same examples each time; a
# failure elsewhere prints how to run its example again.
settings.register_profile(
    "cartwatch",
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
)
settings.load_profile("cartwatch")

SERIAL = "one after another"
"""The group of what measures, or fills both cores: one process of pytest-xdist runs all of it (`-n`, loadgroup)."""
_SERIAL_FILES = frozenset({"test_benchmarks.py", "test_short.py", "test_ten_providers.py"})


def pytest_configure(config: pytest.Config) -> None:
    # Apprise looks for this module of Python < 3.13 when it loads its plugins, and does without it.
    config.addinivalue_line("filterwarnings", "ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `--dist loadgroup` a file of tests on real servers stays in one process: its tests share an installation.

    Pure tests have no group and are dealt out one by one.
    """
    for item in items:
        if item.get_closest_marker("server"):
            name = item.path.name
            item.add_marker(pytest.mark.xdist_group(SERIAL if name in _SERIAL_FILES else name))


@pytest.fixture(scope="session", autouse=True)
def _no_file_is_shared_with_another_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Service discovery and the records of outages lie in a folder of this process, never in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        folder: Path = tmp_path_factory.mktemp("runtime")
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        yield


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """One real server for this process, on a temporary folder; without one, skip here and fail in CI."""
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
