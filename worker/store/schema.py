"""The schema version of stored data: each packed value begins with the version that wrote it.

One number counts for every kind of value. A struct that is stored as a map ignores unknown keys and defaults missing
ones: without a version a renamed field would lose a patient's state silently. A value of an older version is migrated
when it is read, and the next commit writes it in the new form. A value of a newer version is left untouched.

To change the shape of a stored value: raise `VERSION`, add a migration for each kind that changes, and record the new
version's fixture (`python -m tests.support.recorded_store`).
"""

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any, cast

from redis import Redis
from redis.exceptions import WatchError

from alerts.wording.catalogue import in_english
from alerts.wording.phrase import phrase
from worker.store.keys import Keys

VERSION = 1
"""The version that this program writes."""

Migration = Callable[[Any], Any]
"""From the plain decoded value of a version to that of the next one."""

MIGRATIONS: Mapping[tuple[str, int], Migration] = {}
"""By kind of value and the version that it migrates from. A kind without a migration did not change."""

MARK = 0xC1
"""The first byte of a packed value: MessagePack never uses it, and no text of ours begins with it."""


class UnreadableError(ValueError):
    """A stored value is not what was packed. It was truncated, or another program wrote it."""


class TooNewError(UnreadableError):
    """A newer version of cartwatch wrote a value."""


class NewerStoreError(Exception):
    """A newer version of cartwatch has written to the store. This one leaves everything in it untouched."""

    def __init__(self, found: int) -> None:
        text = "the stored data has version {n}, and this cartwatch knows version {n2} at most"
        self.said = phrase(text, n=found, n2=VERSION)
        super().__init__(in_english(self.said, UTC))


def seal(payload: bytes) -> bytes:
    """A payload preceded by the version that writes it."""
    return bytes((MARK, VERSION)) + payload


def open_sealed(packed: bytes) -> tuple[int, memoryview]:
    """The version that wrote a value, and its payload.

    Raises:
        TooNewError: a newer version wrote it.
        UnreadableError: it is none of ours.
    """
    if len(packed) < 2 or packed[0] != MARK or not packed[1]:
        raise UnreadableError("it is cut short, or another program wrote it")
    version = packed[1]
    if version > VERSION:
        raise TooNewError(f"version {version} of cartwatch's stored data wrote it, and {VERSION} is the newest known")
    return version, memoryview(packed)[2:]


def migrate(kind: str, plain: Any, version: int) -> Any:
    """The plain decoded value of an older version, migrated step by step to this one."""
    for step in range(version, VERSION):
        migration = MIGRATIONS.get((kind, step))
        plain = plain if migration is None else migration(plain)
    return plain


def newest_writer(value: bytes | None) -> int:
    """The newest version that has written to a store, by the value of `Keys.schema`; 0 if there is none."""
    return int(value) if value is not None and value.isdigit() else 0


def refuse_newer(redis: Redis, keys: Keys) -> None:
    """Return if no newer version has written to the store.

    Raises:
        NewerStoreError: one has.
    """
    found = newest_writer(cast("bytes | None", redis.get(keys.schema)))
    if found > VERSION:
        raise NewerStoreError(found)


def record_version(redis: Redis, keys: Keys) -> None:
    """Record that this version writes to the store, before it does; older versions then stop.

    Raises:
        NewerStoreError: a newer one does already.
    """
    with redis.pipeline(transaction=True) as pipe:
        while True:
            try:
                pipe.watch(keys.schema)  # type: ignore[no-untyped-call]
                found = newest_writer(cast("bytes | None", pipe.get(keys.schema)))
                if found > VERSION:
                    raise NewerStoreError(found)
                if found == VERSION:
                    return
                pipe.multi()
                pipe.set(keys.schema, VERSION)
                pipe.execute()
                return
            except WatchError:
                continue
