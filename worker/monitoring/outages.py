"""Outages that the processes of this machine page about directly, once for each outage, whoever notices it.

The record of an outage is a small file in the user's private folder, because the store may be what is gone. It has its
full length from the start, so that it can be written in place on a full disk. If the file cannot be used, each process
keeps its own record: a page sent several times is better than none.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

import msgspec

from worker.runtime.private_folder import open_private, private_folder

CONTINUES_SECONDS = 20.0
"""Reports of trouble that are no further apart belong to one trouble. A supervisor restarts a worker that refuses to
start well within this time."""

FORGOTTEN_SECONDS = 300.0
"""An outage that nobody has seen for this long is over, and not the one that is seen now."""

LOCK_SECONDS = 1.0
"""The time for which another process may lock the record. It may have been stopped meanwhile."""

_LENGTH = 160


class Record(msgspec.Struct):
    """Moments of the monotonic clock of this machine, which all its processes share; 0 means none."""

    first: float = 0
    """The start of the present trouble, as seen by any process."""
    seen: float = 0
    """When it was last seen."""
    paged: float = 0
    """When it was paged; 0 while no outage is open."""
    over: float = 0
    """When the last outage ended."""


class Outage:
    """One kind of outage of an installation, shared by the processes of this machine."""

    def __init__(self, installation: str, kind: str, *, after: float, quiet: float) -> None:
        """`after`: seconds that trouble lasts before it is paged. `quiet`: seconds without trouble until it is over."""
        self._name = f"cartwatch-outage-{installation}-{kind}"
        self._after = after
        self._quiet = quiet
        self._own = Record()
        with self._record(time.monotonic()):
            pass  # the file exists before the disk is full

    def trouble(self, since: float, now: float) -> bool:
        """Report trouble that this process has seen `since`; return whether this process must page about it."""
        with self._record(now) as record:
            continues = bool(record.seen) and now - record.seen <= CONTINUES_SECONDS
            record.first = min(record.first, since) if continues else since
            if record.paged and now - record.seen > FORGOTTEN_SECONDS:
                record.paged = 0
            # A process that is slow to notice the end of the last outage must not begin it anew.
            record.first = max(record.first, record.over)
            record.seen = max(record.seen, now)
            if record.paged or now - record.first < self._after:
                return False
            record.paged = now
            return True

    def well(self, now: float) -> float | None:
        """Report that there is no trouble. Return the length (s) of an outage whose end this process must report."""
        with self._record(now) as record:
            if not record.paged or now - record.seen < self._quiet:
                return None
            lasted = record.seen - record.first
            record.paged, record.over = 0, now
            return lasted

    def is_open(self, now: float) -> bool:
        """Whether an outage was paged and is not over."""
        with self._record(now) as record:
            return bool(record.paged)

    @contextlib.contextmanager
    def _record(self, now: float) -> Iterator[Record]:
        """The locked record; changes to it are written back."""
        file = self._open()
        try:
            record = _read(file, now) if file is not None else self._own
            before = msgspec.structs.astuple(record)
            yield record
            if file is not None and msgspec.structs.astuple(record) != before:
                self._own = record
                _write(file, record)
        finally:
            if file is not None:
                os.close(file)

    def _open(self) -> int | None:
        try:
            file = open_private(private_folder() / self._name, os.O_RDWR | os.O_CREAT)
        except OSError:
            return None
        try:
            if os.fstat(file).st_size != _LENGTH:
                _write(file, self._own)
            _lock(file)
        except OSError:
            os.close(file)
            return None
        return file


def _lock(file: int) -> None:
    """Lock the record. If another process keeps the lock for longer, that process was stopped: continue without it."""
    deadline = time.monotonic() + LOCK_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(0.01)


def _read(file: int, now: float) -> Record:
    """Read the record. A damaged one, or one older than the last start of this machine, counts as empty."""
    try:
        record = msgspec.json.decode(os.pread(file, _LENGTH, 0), type=Record)
    except msgspec.MsgspecError:
        return Record()
    # Another process may have written it after this one read the clock.
    return record if max(msgspec.structs.astuple(record)) <= max(now, time.monotonic()) else Record()


def _write(file: int, record: Record) -> None:
    with contextlib.suppress(OSError):
        os.pwrite(file, msgspec.json.encode(record).ljust(_LENGTH), 0)
