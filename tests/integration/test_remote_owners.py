"""The leases of a process in another container are released once its connections have ended, and not before."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from config.settings import Settings
from tests.support.hospital import eventually
from tests.support.stored_ward import crs2, send
from worker.runtime.runtime import connect, make
from worker.store import lease
from worker.store.lease import RemoteOwners, process_name
from worker.store.orphans import release_orphans
from worker.store.shard import Store

pytestmark = pytest.mark.server

HOLDER = """
import sys
from worker.store import lease
from worker.clock import StoreClock
lease._machine = lambda: "0123456789ab"  # as another container would be
from config.settings import Settings
from worker.runtime.runtime import make
run = make(Settings())
batch = run.store.take(run.store.keys.of("P1"), StoreClock(run.store.redis))
print(batch.token, flush=True)
input()
"""


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def store(redis: Redis, redis_url: str) -> Store:
    return make(Settings(redis_url=redis_url), redis).store


@pytest.fixture
def holder(store: Store, redis_url: str) -> Iterator["subprocess.Popen[str]"]:
    """A worker in another container that has the lease of a shard."""
    send(store, crs2())
    settings = Settings(redis_url=redis_url, lease=600)
    environment = {**settings.as_environment(), "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", HOLDER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline().startswith("0123456789ab-")
        yield started
        started.kill()


def released(store: Store, owners: RemoteOwners) -> bool:
    """Whether the shard is free after one more check."""
    release_orphans(store, owners)
    return not store.redis.exists(store.keys.of("P1").lease)


def is_connected(redis: Redis, name: str) -> bool:
    return any(client["name"].startswith(name) for client in redis.client_list())


def test_a_connection_bears_the_name_of_its_process(redis: Redis) -> None:
    assert is_connected(redis, process_name())


def test_the_shard_of_a_killed_worker_in_another_container_is_released_soon(
    redis: Redis, store: Store, holder: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "KNOWN_AFTER_SECONDS", 0)
    owners = RemoteOwners()
    assert [released(store, owners) for _ in range(3)] == [False, False, False], "it is there"
    holder.kill()
    eventually(lambda: not is_connected(redis, "0123456789ab"), "the store has seen its connection end")
    assert released(store, owners)


def test_a_worker_that_has_only_just_reached_the_store_declares_nobody_dead(
    redis: Redis, store: Store, holder: "subprocess.Popen[str]"
) -> None:
    """The store may have been restarted: a process that has asked nothing since then is not connected."""
    holder.kill()
    eventually(lambda: not is_connected(redis, "0123456789ab"), "the store has seen its connection end")
    owners = RemoteOwners()
    assert [released(store, owners) for _ in range(3)] == [False, False, False]
