"""Stores that were recorded when a schema version was current: today's version reads them and goes on as if it had
written them itself."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from redis import Redis

from tests.support.recorded_store import (
    FOLDER,
    RecordedWard,
    Said,
    first_part,
    fresh,
    load,
    packed_values,
    recorded_files,
    second_part,
)
from tests.support.stored_shapes import shapes
from tests.support.stored_ward import KEYS, Clock
from worker.store import schema, unreadable
from worker.store.codec import Codec, compressed, unpack_state

TOO_LARGE = 100 * 1024

CHANGED = f"""The shape of what is stored is not that of schema version {schema.VERSION} any more.
An older store would be read wrongly:
1. raise VERSION in worker/store/schema.py;
2. add a migration to MIGRATIONS there for each kind that changed, with a test;
3. record the new version: python -m tests.support.recorded_store
Before the first release nobody has such a store: record it again with --again instead."""


@pytest.fixture(scope="module")
def without_a_break() -> list[Said]:
    """The pages of the second part where nothing was stopped in between."""
    ward = RecordedWard(fresh(), Clock())
    first_part(ward)
    return second_part(ward)


@pytest.fixture(params=["in memory", pytest.param("real", marks=pytest.mark.server)])
def empty(request: pytest.FixtureRequest) -> Iterator[Redis]:
    """An empty store."""
    if request.param == "in memory":
        yield fresh()
        return
    with Redis.from_url(request.getfixturevalue("redis_url")) as client:
        yield client


def test_every_version_is_recorded_and_small() -> None:
    files = recorded_files()
    assert set(files) == set(range(1, schema.VERSION + 1))
    assert all(path.stat().st_size < TOO_LARGE for path in files.values())


def test_the_shape_of_what_is_stored_is_that_of_the_current_version() -> None:
    recorded = (FOLDER / f"v{schema.VERSION}.shapes").read_text(encoding="utf-8")
    assert shapes() == recorded, CHANGED


@pytest.mark.parametrize("version", recorded_files())
def test_a_recorded_store_goes_on_with_the_pages_there_would_have_been(
    version: int, empty: Redis, without_a_break: list[Said]
) -> None:
    load(empty, recorded_files()[version].read_bytes())
    ward = RecordedWard(empty, Clock())
    assert second_part(ward) == without_a_break
    assert unreadable.listed(empty, KEYS) == []
    assert version_of(empty, "P1") == schema.VERSION


@pytest.mark.parametrize("version", recorded_files())
def test_everything_in_a_recorded_store_can_be_read(version: int) -> None:
    redis = fresh()
    load(redis, recorded_files()[version].read_bytes())
    ward = RecordedWard(redis, Clock())
    assert len(ward.store.states(unregistered=True)) == sum(redis.hlen(shard.key("states")) for shard in KEYS.all())
    for shard in KEYS.all():
        assert len(ward.store.journal(shard)) == redis.xlen(shard.key("journal"))
    assert len(ward.store.dead_letters()) == redis.hlen(KEYS.dead_letters) > 0
    kinds = {name for name, _ in packed_values(redis)}
    assert {"states", "outbox", "journal", "exports", "refused", "dead_letters", "unregistered"} <= kinds


# -- a migration that is made up -------------------------------------------------------------------

RENAMED = {"state": ("registered", "known"), "owed page": ("page", "message")}
"""In each kind a field, and what an imagined version 1 called it."""


def renamed(plain: dict[str, Any], before: str, after: str) -> dict[str, Any]:
    return {after if name == before else name: value for name, value in plain.items()}


class PlainStates(Codec[dict[str, Any]]):
    """States as plain values, each in one part but for its results, of which there are none beside it."""

    def unpack(self, packed: bytes) -> dict[str, Any]:
        plain: dict[str, Any] = msgspec.to_builtins(unpack_state(packed), builtin_types=(datetime, Decimal))
        return plain

    def pack(self, value: dict[str, Any]) -> bytes:
        parts = (compressed(msgspec.msgpack.encode(part)) for part in (value, {}))
        return schema.seal(msgspec.msgpack.encode([*parts, {}]))


def aged(redis: Redis, key: str, kind: str) -> None:
    """Give values the shape of the imagined version 1, as that version would have written them."""
    form = PlainStates if kind == "state" else Codec[dict[str, Any]]
    old = form(kind, dict[str, Any])
    for shard in KEYS.advanced():
        for name, packed in redis.hgetall(shard.key(key)).items():
            redis.hset(shard.key(key), name, old.pack(renamed(old.unpack(packed), *RENAMED[kind])))


@pytest.fixture
def old_store() -> Redis:
    redis = fresh()
    first_part(RecordedWard(redis, Clock()))
    aged(redis, "states", "state")
    return redis


MIGRATIONS: dict[tuple[str, int], schema.Migration] = {
    (kind, 1): lambda plain, then=then, today=today: renamed(plain, then, today)
    for kind, (today, then) in RENAMED.items()
}


def version_of(redis: Redis, patient: str) -> int:
    packed: bytes = redis.hget(KEYS.of(patient).key("states"), patient) or b""
    return packed[1]


def test_an_older_store_is_migrated_as_it_is_read_and_written_back(
    old_store: Redis, without_a_break: list[Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    aged(old_store, "outbox", "owed page")
    monkeypatch.setattr(schema, "VERSION", 2)
    monkeypatch.setattr(schema, "MIGRATIONS", MIGRATIONS)
    assert second_part(RecordedWard(old_store, Clock())) == without_a_break
    assert version_of(old_store, "P1") == version_of(old_store, "P2") == 2
    assert version_of(old_store, "P9") == 1  # discharged: nothing has been written since
    assert old_store.get(KEYS.schema) == b"2"


def test_without_the_migration_patients_would_be_lost_without_an_error(
    old_store: Redis, without_a_break: list[Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "VERSION", 2)
    assert second_part(RecordedWard(old_store, Clock())) != without_a_break
    assert unreadable.listed(old_store, KEYS) == []
