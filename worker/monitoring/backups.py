"""Scheduled backups: one process writes a backup to a folder from time to time, and the oldest ones are deleted."""

import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from alerts.wording.phrase import Phrase, phrase
from config.settings import Settings
from worker.runtime.runtime import Runtime, connect_patiently
from worker.store.backup_file import write_backup
from worker.store.keys import Keys
from worker.store.lease import Lease
from worker.store.shard import Store
from worker.store.snapshot import TooMuchWaitsError, take_snapshot

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0

LEASE = timedelta(minutes=10)

CONDITION = "backup"

NAME = "cartwatch-*.backup"


def back_up(settings: Settings, keys: Keys, path: Path) -> int:
    """Write a backup of the store of some settings; return its length in bytes.

    Raises:
        TooMuchWaitsError: a flood is being worked off.
        OSError: the file cannot be written.
    """
    with connect_patiently(settings) as redis:
        return write_backup(path, take_snapshot(redis, keys), keys.namespace, keys.shards)


def back_up_if_due(run: Runtime) -> None:
    """Write the scheduled backup, if the last one is old enough and no other process is about it."""
    folder, store, now = run.settings.backup_dir, run.store, run.clock.now()
    if folder is None or not _is_due(_last(store), now, run.settings):
        return
    lease = Lease.acquire(store.redis, f"{store.keys.namespace}:backup_lease", LEASE)
    if lease is None:
        return
    try:
        if not _is_due(_last(store), now, run.settings):
            return
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"cartwatch-{now:%Y%m%dT%H%M%SZ}.backup"
        size = back_up(run.settings, store.keys, path)
        store.redis.set(_key(store), now.isoformat())
        log.info("backup written: %s (%d bytes)", path.name, size)
        for old in sorted(folder.glob(NAME))[: -run.settings.backup_keep]:
            old.unlink()
    except TooMuchWaitsError as error:
        log.warning("backup: %s", error)
    finally:
        lease.release(store.redis)


def late(store: Store, settings: Settings, now: datetime) -> dict[str, Phrase]:
    """The incident of a scheduled backup that was missed twice, by its condition; empty if none was."""
    if settings.backup_dir is None:
        return {}
    last = _last(store)
    if last is None:
        # The first one is due at once. Until then its delay counts from now on.
        store.redis.set(_key(store), (now - _every(settings)).isoformat(), nx=True)
        return {}
    if now - last <= 2 * _every(settings):
        return {}
    text = "the last backup is {hours} h old: check that its folder can be written to"
    return {CONDITION: phrase(text, hours=(now - last) // timedelta(hours=1))}


def _is_due(last: datetime | None, now: datetime, settings: Settings) -> bool:
    return last is None or now - last >= _every(settings)


def _every(settings: Settings) -> timedelta:
    return timedelta(hours=settings.backup_every)


def _last(store: Store) -> datetime | None:
    value = cast("bytes | None", store.redis.get(_key(store)))
    return datetime.fromisoformat(value.decode()) if value is not None else None


def _key(store: Store) -> str:
    return f"{store.keys.namespace}:backup"
