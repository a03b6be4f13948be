"""A store that would lose what it is given: nothing that takes or judges begins on it, and says why."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from config.settings import Settings
from tests.support.hospital import cartwatch, impatient
from worker.runtime.runtime import connect, keys_of
from worker.standalone.embedded_redis import EmbeddedRedis

pytestmark = pytest.mark.server


@pytest.fixture
def server(redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A server of the test's own, whose settings it may spoil."""
    assert redis_server.running
    with EmbeddedRedis(tmp_path / "data") as made:
        yield made


def environment(server: EmbeddedRedis, folder: Path) -> dict[str, str]:
    """Of a site that has a listener of MLLP."""
    impatient(folder)
    (folder / "intake.yaml").write_text("listeners: {lab: {port: 0}}\n", encoding="utf-8")
    settings = Settings(redis_url=server.url, receiver_url="json://127.0.0.1:9", clock="store", config_dir=folder)
    return {"XDG_RUNTIME_DIR": str(folder), "PATH": "/usr/bin:/bin", **settings.as_environment()}


@pytest.mark.parametrize("command", ["worker", "up", "gateway", "mllp"])
@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("maxmemory-policy", "allkeys-lru", "set maxmemory-policy noeviction"),
        ("appendonly", "no", "set appendonly yes"),
        ("maxmemory", "1", "raise maxmemory"),
    ],
)
def test_it_is_refused_with_the_setting_and_the_fix(
    server: EmbeddedRedis, tmp_path: Path, command: str, setting: str, value: str, says: str
) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.config_set(setting, value)
    ended = cartwatch(command, environment=environment(server, tmp_path))
    assert ended.returncode == 1
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["worker", "gateway", "mllp"])
def test_a_read_only_replica_is_refused(server: EmbeddedRedis, tmp_path: Path, command: str) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.replicaof("127.0.0.1", "1")
    ended = cartwatch(command, environment=environment(server, tmp_path))
    assert ended.returncode == 1
    assert "address of the primary" in ended.stderr


@pytest.mark.parametrize("command", ["gateway", "mllp"])
def test_another_number_of_shards_is_refused(server: EmbeddedRedis, tmp_path: Path, command: str) -> None:
    with connect(server.url) as client:
        client.set(keys_of(Settings()).shard_count, 8)
    ended = cartwatch(command, environment=environment(server, tmp_path))
    assert ended.returncode == 1
    assert "CARTWATCH_SHARDS=8" in ended.stderr


def test_a_celery_worker_started_by_hand_refuses_too(server: EmbeddedRedis, tmp_path: Path) -> None:
    """Also the one of another number of shards, whose patients would not be found."""
    settings = Settings(redis_url=server.url)
    with connect(server.url) as client:
        client.set(keys_of(settings).shard_count, 8)
    command = [sys.executable, "-m", "celery", "--app", "worker.app", "worker", "--pool", "solo"]
    ended = subprocess.run(  # noqa: S603
        command, env=environment(server, tmp_path), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode != 0
    assert "CARTWATCH_SHARDS=8" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
