"""The disk of the store fills up: what was accepted is there when it has room again, what was not had an error."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.hospital import registration
from worker.runtime.runtime import connect
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.store.inbox import accept
from worker.store.keys import Keys

pytestmark = pytest.mark.server

KEYS = Keys("full", 4)


def mount(*arguments: str) -> bool:
    """Whether it could be mounted: that takes a privilege most users do not have."""
    try:
        return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0  # noqa: S603, S607
    except OSError:
        return False


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    if not mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)):
        pytest.skip("needs the privilege to mount a file system")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)  # noqa: S603, S607


def message(number: int) -> dict[str, Any]:
    return registration(f"P{number}", datetime.now(UTC), product="x" * 200)


def fill(store: redis.Redis, accepted: list[str]) -> None:
    """Send one message after another, for ever; whatever returns is accepted."""
    for number in count():
        body = message(number)
        accept(store, KEYS, [json.dumps(body).encode()], datetime.now(UTC))
        accepted.append(body["id"])


def test_what_was_accepted_before_the_disk_was_full_is_there_afterwards(small_disk: Path) -> None:
    accepted: list[str] = []
    with EmbeddedRedis(small_disk / "data") as server, connect(server.url) as store:
        with pytest.raises(redis.RedisError):
            fill(store, accepted)
        assert len(accepted) > 100
        server.kill()  # Redis ends by itself where it can no longer write what it has promised
        assert mount("-o", "remount,size=64m", str(small_disk))
        server.start()
        found = [json.loads(fields[b"m"])["id"] for shard in KEYS.all() for _, fields in store.xrange(shard.inbox)]
    assert len(found) == len(set(found))
    assert set(accepted) <= set(found)
    assert len(found) - len(accepted) <= 1, "at most the one whose sender had no answer"
