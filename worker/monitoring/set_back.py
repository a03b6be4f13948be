"""A store that was set back is noticed: an old file was started, or a replica that lagged behind became the primary.

Each run of the watchdog raises a count and draws a mark for it. Every worker remembers the newest that it has read,
beside a file that its machine's processes share. If the store then shows an older count, or the same count with another
mark, it has lost what was written since. Nobody can say what that was, so the sources have to send it again. A store
that shows none has lost everything: it was emptied, or began on another disk. `cartwatch restore` marks what it
restores, also on a machine that has seen nothing.
"""

import contextlib
import logging
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2s

import msgspec

from alerts.wording.phrase import At, Phrase, phrase
from config.settings import Settings
from worker.runtime.private_folder import open_private, private_folder
from worker.store.keys import Keys
from worker.store.shard import Store

log = logging.getLogger(__name__)

FIELDS = ("last_run", "runs", "mark")
"""The fields of the watchdog's hash that are read with each beat."""

REPORTED_FOR = timedelta(minutes=10)
CONDITION = "store set back"

_LENGTH = 200


class Epoch(msgspec.Struct, frozen=True):
    """A run of the watchdog: its number, its mark, and when it ran."""

    runs: int
    mark: str
    at: datetime


class NewestSeen:
    """The newest run that this process or, before its start, another process of this machine has seen."""

    def __init__(self, settings: Settings) -> None:
        place = settings.redis_url.rpartition("@")[2].encode()
        digest = blake2s(place, digest_size=6).hexdigest()
        self._name = f"cartwatch-epoch-{settings.namespace}-{digest}"
        self.newest = self._read()

    def keep(self, epoch: Epoch | None) -> None:
        """Remember a run; None: the store has none."""
        if epoch == self.newest:
            return
        self.newest = epoch
        with contextlib.suppress(OSError):
            file = open_private(private_folder() / self._name, os.O_RDWR | os.O_CREAT)
            try:
                os.pwrite(file, msgspec.json.encode(epoch).ljust(_LENGTH), 0)
            finally:
                os.close(file)

    def _read(self) -> Epoch | None:
        try:
            file = open_private(private_folder() / self._name, os.O_RDONLY)
        except OSError:
            return None
        try:
            return msgspec.json.decode(os.pread(file, _LENGTH, 0), type=Epoch | None)
        except msgspec.MsgspecError:
            return None
        finally:
            os.close(file)


def epoch_of(fields: Sequence[bytes | None]) -> Epoch | None:
    """The run that the store shows, from the values of `FIELDS`; None if it never ran."""
    last_run, runs, mark = fields
    if last_run is None or runs is None:
        return None
    return Epoch(int(runs), (mark or b"").decode(), datetime.fromisoformat(last_run.decode()))


def notice(store: Store, memory: NewestSeen, shown: Epoch | None) -> None:
    """Compare the run that the store shows with the newest that was seen, and record it if the store was set back."""
    seen = memory.newest
    if seen is not None and _is_older(shown, seen):
        log.error("the store was set back from run %d of the watchdog to run %d", seen.runs, shown.runs if shown else 0)
        span = msgspec.json.encode((shown and shown.at, seen.at))
        store.redis.set(_key(store), span, px=REPORTED_FOR, nx=True)
    memory.keep(shown)


def _is_older(shown: Epoch | None, seen: Epoch) -> bool:
    return shown is None or shown.runs < seen.runs or (shown.runs == seen.runs and shown.mark != seen.mark)


def found(store: Store) -> dict[str, Phrase]:
    """The incident of a store that was set back lately, by its condition; empty if it was not."""
    pipe = store.redis.pipeline(transaction=False)
    pipe.get(_key(store))
    pipe.get(_restored_key(store.keys))
    # The time runs from the first look: the service may be started long after it was restored.
    pipe.pexpire(_restored_key(store.keys), REPORTED_FOR, nx=True)
    span, restored, _ = pipe.execute()
    if restored is not None:
        text = (
            "restored from the backup of {at}: what was accepted since may be missing; have the sources send it again"
        )
        return {CONDITION: phrase(text, at=At(msgspec.json.decode(restored, type=datetime)))}
    if span is None:
        return {}
    begins, ends = msgspec.json.decode(span, type=tuple[datetime | None, datetime])
    if begins is None:
        text = "the store was emptied: what was accepted until {b} is missing; have the sources send it again"
        return {CONDITION: phrase(text, b=At(ends))}
    text = (
        "the store was set back: what was accepted between {a} and {b} may be missing; have the sources send it again"
    )
    return {CONDITION: phrase(text, a=At(begins), b=At(ends))}


def restored_mark(keys: Keys, at: datetime) -> tuple[str, bytes]:
    """The key, and its value, by which a store says that it was restored from a backup of this time."""
    return _restored_key(keys), msgspec.json.encode(at)


def _restored_key(keys: Keys) -> str:
    return f"{keys.watchdog}:restored"


def _key(store: Store) -> str:
    return f"{store.keys.watchdog}:set_back"
