"""The schema version: an older value is migrated when it is read; a newer one is refused, and a newer store too."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec import Struct
from redis import Redis

from alerts.state import PatientState
from tests.support.stored_ward import KEYS
from worker.store import schema
from worker.store.codec import Codec, pack, unpack_state
from worker.store.schema import NewerStoreError, TooNewError, UnreadableError


class Bed(Struct, frozen=True):
    """As the newest version has it: `number` was called `name` in version 1, and was a number in version 2."""

    number: str = ""


class NamedBed(Struct, frozen=True):
    """The same as version 1 had it."""

    name: int


BEDS = Codec("bed", Bed)
JSON_BEDS: Codec[dict[str, Any]] = Codec("bed", dict[str, Any], compressed=True, as_json=True)


def renamed(plain: dict[str, Any]) -> dict[str, Any]:
    return {"number": plain["name"]}


def as_text(plain: dict[str, Any]) -> dict[str, Any]:
    return {"number": str(plain["number"])}


@contextmanager
def version(number: int, migrations: dict[tuple[str, int], schema.Migration] | None = None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "VERSION", number)
        patch.setattr(schema, "MIGRATIONS", migrations or {})
        yield


MIGRATIONS: dict[tuple[str, int], schema.Migration] = {("bed", 1): renamed, ("bed", 2): as_text}


def test_an_older_value_is_migrated_step_by_step() -> None:
    old = Codec("bed", NamedBed).pack(NamedBed(12))
    with version(2, {("bed", 1): renamed}):
        middle = Codec("bed", dict[str, int]).pack({"number": 13})
    with version(3, MIGRATIONS):
        assert BEDS.unpack(old) == Bed("12")
        assert BEDS.unpack(middle) == Bed("13")
        assert BEDS.unpack(BEDS.pack(Bed("14"))) == Bed("14")


def test_without_the_version_the_rename_would_lose_the_value() -> None:
    assert BEDS.unpack(Codec("bed", NamedBed).pack(NamedBed(12))) == Bed("")


def test_a_kind_that_did_not_change_needs_no_migration() -> None:
    packed = BEDS.pack(Bed("12"))
    with version(3, {("another kind", 1): renamed}):
        assert BEDS.unpack(packed) == Bed("12")


def test_compressed_json_is_migrated_too() -> None:
    packed = JSON_BEDS.pack({"name": 12})
    with version(3, MIGRATIONS):
        assert JSON_BEDS.unpack(packed) == {"number": "12"}


def test_a_newer_value_is_refused_with_both_versions() -> None:
    with version(7):
        packed = pack(PatientState(patient="P1", registered=True))
    with pytest.raises(TooNewError, match=rf"version 7 .* {schema.VERSION} is the newest known"):
        unpack_state(packed)


def test_an_older_value_that_a_migration_fails_on_is_unreadable() -> None:
    packed = BEDS.pack(Bed("without a name"))
    with version(2, {("bed", 1): renamed}), pytest.raises(UnreadableError, match="migrated from version 1"):
        BEDS.unpack(packed)


# -- the store as a whole --------------------------------------------------------------------------


def claimed_by(redis: Redis, number: int) -> Callable[[], None]:
    def claim() -> None:
        with version(number):
            schema.record_version(redis, KEYS)

    return claim


def test_a_store_keeps_the_newest_version_that_has_written_to_it(redis: Redis) -> None:
    schema.refuse_newer(redis, KEYS)
    claimed_by(redis, 1)()
    claimed_by(redis, 3)()
    with pytest.raises(NewerStoreError, match=r"version 3.*version 2 at most"):
        claimed_by(redis, 2)()
    claimed_by(redis, 3)()
    assert redis.get(KEYS.schema) == b"3"
    with pytest.raises(NewerStoreError):
        schema.refuse_newer(redis, KEYS)
