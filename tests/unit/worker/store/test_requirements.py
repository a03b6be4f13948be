"""A store that may lose what it is given is refused at the start, with the setting and the fix."""

from typing import Any

import pytest
from redis import Redis
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from config.settings import Settings
from tests.support.stored_ward import KEYS
from worker.store import replication, schema
from worker.store.durable import NotCopiedError
from worker.store.keys import Keys
from worker.store.requirements import NewerDataError, UnfitStoreError, require_usable_store, violations

WELL: dict[str, dict[str, Any]] = {
    "server": {"redis_version": "7.0.15"},
    "memory": {"maxmemory_policy": "noeviction", "maxmemory": 0, "used_memory": 10},
    "persistence": {"aof_enabled": 1, "aof_last_write_status": "ok"},
    "replication": {"role": "master"},
}


@pytest.fixture
def said(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    answers = {section: dict(values) for section, values in WELL.items()}
    monkeypatch.setattr(redis, "info", lambda section: answers[section])
    return answers


@pytest.mark.usefixtures("said")
def test_a_store_as_it_must_be_is_used(redis: Redis) -> None:
    assert violations(redis, KEYS) == []
    require_usable_store(redis, KEYS, Settings())


@pytest.mark.parametrize(
    ("section", "key", "value", "names", "fix"),
    [
        ("server", "redis_version", "6.2.14", "Redis 6.2.14", "7 or newer"),
        ("memory", "maxmemory_policy", "allkeys-lru", "allkeys-lru", "maxmemory-policy noeviction"),
        ("memory", "maxmemory_policy", "volatile-ttl", "volatile-ttl", "maxmemory-policy noeviction"),
        ("persistence", "aof_enabled", 0, "appendonly no", "CARTWATCH_VOLATILE"),
        ("persistence", "aof_last_write_status", "err", "cannot be written", "free space"),
        ("replication", "role", "slave", "read-only replica", "primary"),
    ],
)
def test_what_is_not_so_is_refused_by_name(
    redis: Redis, said: dict[str, dict[str, Any]], section: str, key: str, value: object, names: str, fix: str
) -> None:
    said[section][key] = value
    with pytest.raises(UnfitStoreError) as refused:
        require_usable_store(redis, KEYS, Settings())
    assert names in str(refused.value)
    assert fix in str(refused.value)


def test_for_a_look_around_nothing_need_be_kept(redis: Redis, said: dict[str, dict[str, Any]]) -> None:
    said["persistence"]["aof_enabled"] = 0
    require_usable_store(redis, KEYS, Settings(volatile=True))


def test_memory_that_runs_short_is_said_and_refuses_nobody(redis: Redis, said: dict[str, dict[str, Any]]) -> None:
    parts = []
    for used in (69, 71, 86):
        said["memory"] |= {"maxmemory": 100, "used_memory": used}
        parts.append([violation.part for violation in violations(redis, KEYS)])
    assert parts == [[], ["store memory"], ["store memory", "intake"]]
    require_usable_store(redis, KEYS, Settings())


@pytest.mark.parametrize("when", ["everysec", "no"])
def test_a_store_that_answers_before_it_has_written_to_disk_is_refused(
    redis: Redis, said: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr(redis, "config_get", lambda name: {name: when})
    with pytest.raises(UnfitStoreError, match=f"appendfsync {when}: .*set appendfsync always"):
        require_usable_store(redis, KEYS, Settings())
    require_usable_store(redis, KEYS, Settings(volatile=True))
    said["persistence"]["aof_enabled"] = 0
    assert [violation.part for violation in violations(redis, KEYS, volatile=True)] == []


@pytest.mark.usefixtures("said")
def test_a_store_without_a_bound_on_its_memory_is_used_with_a_warning(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    require_usable_store(redis, KEYS, Settings())
    assert "store memory: maxmemory is not set" in caplog.text


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "store memory"),
        (ReadOnlyError("You can't write against a read only replica."), "store role"),
        (ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), "store durability"),
    ],
)
@pytest.mark.usefixtures("said")
def test_a_store_that_refuses_a_write_is_refused(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, error: Exception, part: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(redis, "set", refuse)
    with pytest.raises(UnfitStoreError, match=part):
        require_usable_store(redis, KEYS, Settings())


@pytest.mark.usefixtures("said")
def test_another_number_of_shards_on_the_same_installation_is_refused(redis: Redis) -> None:
    require_usable_store(redis, KEYS, Settings())
    require_usable_store(redis, KEYS, Settings())
    with pytest.raises(UnfitStoreError, match=f"CARTWATCH_SHARDS={KEYS.shards}"):
        require_usable_store(redis, Keys(KEYS.namespace, KEYS.shards * 2), Settings())
    require_usable_store(redis, Keys("another", KEYS.shards * 2), Settings())


def test_a_store_that_is_not_there_yet_is_waited_for(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: str) -> None:
        raise RedisConnectionError("refused")

    monkeypatch.setattr(redis, "info", gone)
    require_usable_store(redis, KEYS, Settings())


def test_a_store_that_is_being_read_from_disk_is_waited_for(redis: Redis, said: dict[str, dict[str, Any]]) -> None:
    """It then says that it has no append-only file."""
    said["persistence"] |= {"loading": 1, "aof_enabled": 0}
    require_usable_store(redis, KEYS, Settings())
    with pytest.raises(BusyLoadingError):
        violations(redis, KEYS)


@pytest.mark.usefixtures("said")
def test_looking_alone_changes_nothing(redis: Redis) -> None:
    violations(redis, KEYS, by_writing=False)
    assert list(redis.scan_iter("*")) == []


@pytest.mark.usefixtures("said")
def test_a_store_that_a_newer_version_has_written_to_is_refused_by_name(redis: Redis) -> None:
    redis.set(KEYS.schema, schema.VERSION + 1)
    newer = f"stored data: the stored data has version {schema.VERSION + 1}, and .* {schema.VERSION} at most; start the"
    with pytest.raises(NewerDataError, match=newer):
        require_usable_store(redis, KEYS, Settings())
    assert redis.get(KEYS.schema) == b"%d" % (schema.VERSION + 1)
    assert not redis.exists(KEYS.shard_count)


@pytest.mark.usefixtures("said")
def test_a_process_that_starts_records_its_version_and_one_that_only_looks_does_not(redis: Redis) -> None:
    violations(redis, KEYS, by_writing=False)
    assert not redis.exists(KEYS.schema)
    require_usable_store(redis, KEYS, Settings())
    assert redis.get(KEYS.schema) == b"%d" % schema.VERSION


# -- several machines ------------------------------------------------------------------------------


class Replica:
    """Answers as a replica does that keeps what it gets."""

    def __init__(self, aof: int = 1, fsync: str = "always", status: str = "ok") -> None:
        self._persistence = {"aof_enabled": aof, "aof_last_write_status": status}
        self._fsync = fsync

    def __enter__(self) -> "Replica":
        return self

    def __exit__(self, *_: object) -> None: ...

    def info(self, _: str) -> dict[str, Any]:
        return self._persistence

    def config_get(self, _: str) -> dict[str, str]:
        return {"appendfsync": self._fsync}


ONLINE = {"role": "master", "connected_slaves": 1, "slave0": {"ip": "h2", "port": 6379, "state": "online"}}


@pytest.fixture
def two_copies(redis: Redis, said: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Redis:
    monkeypatch.setattr(redis, "copies", 2, raising=False)
    monkeypatch.setattr(replication, "_direct", lambda *_: Replica())
    monkeypatch.setattr(replication, "accepting", lambda client, _: client.pipeline())
    said["replication"] |= ONLINE
    return redis


def test_a_store_with_its_copies_is_used(two_copies: Redis) -> None:
    assert violations(two_copies, KEYS) == []


def test_too_few_replicas_are_no_reason_to_stop_paging(two_copies: Redis, said: dict[str, dict[str, Any]]) -> None:
    said["replication"]["slave0"] = {"ip": "h2", "port": 6379, "state": "wait_bgsave"}
    [found] = violations(two_copies, KEYS)
    assert (found.part, found.fatal) == ("store copies", False)
    assert "0 of 1 needed replicas" in str(found)
    require_usable_store(two_copies, KEYS, Settings())


def test_a_replica_that_acknowledges_nothing_is_reported(two_copies: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its link may be up for long after its network is gone."""

    def refuse(*_: object) -> None:
        raise NotCopiedError(1, 2)

    pipe = two_copies.pipeline()
    monkeypatch.setattr(pipe, "execute", refuse)
    monkeypatch.setattr(replication, "accepting", lambda *_: pipe)
    assert [violation.part for violation in violations(two_copies, KEYS)] == ["store copies"]


@pytest.mark.parametrize(
    ("replica", "seen"),
    [
        (Replica(aof=0), "h2:6379 has appendonly no"),
        (Replica(fsync="everysec"), "h2:6379 has appendfsync everysec"),
        (Replica(status="err"), "h2:6379 cannot write its append-only file"),
    ],
)
def test_a_replica_that_keeps_nothing_is_no_copy(
    two_copies: Redis, monkeypatch: pytest.MonkeyPatch, replica: Replica, seen: str
) -> None:
    """WAIT counts it all the same."""
    monkeypatch.setattr(replication, "_direct", lambda *_: replica)
    [found] = violations(two_copies, KEYS)
    assert (found.part, found.fatal) == ("store replicas", False)
    assert seen in str(found)
