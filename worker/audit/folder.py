"""The files of the audit: lines are appended and written to disk; full files are compressed and never change again.

One process writes at a time (`locked`). A file ends with its day, or when it is long. Its name holds the day of its
first line and that line's number. Its first line holds the place in every journal up to which the record goes, so the
files alone say where to continue.
"""

import fcntl
import gzip
import os
import secrets
from bisect import insort
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from worker.audit.chain import START, AuditLine, Kind, read_line, without_content, written

FILE_BYTES = 32 * 1024 * 1024
"""The length at which a file is ended."""

OVERLAP_MS = 5000
"""The milliseconds before the last recorded entry that are read again: by so much machines' clocks may differ."""

PLAIN, PACKED = ".ndjson", ".ndjson.gz"

_LOOKED_AT = 4 * 1024 * 1024


class AuditFile(NamedTuple):
    """One file: the day of its first line, and that line's number."""

    path: Path
    day: date
    first: int

    @property
    def is_packed(self) -> bool:
        return self.path.name.endswith(PACKED)

    def lines(self) -> Iterator[bytes]:
        """Its complete lines. A line that is being written has no end yet, and is left out."""
        with self._opened() as lines:
            yield from (line for line in lines if line.endswith(b"\n"))

    def _opened(self) -> Any:
        if self.is_packed:
            return gzip.open(self.path)
        try:
            return self.path.open("rb")
        except FileNotFoundError:  # it was compressed a moment ago
            return gzip.open(self.path.with_name(self.path.name + ".gz"))


class Tail(Struct):
    """The end of the record: the last number and hash, and what the last file says of it.

    `folder`: the id of this folder. `cursors`: by shard, the last journal entry. `recent`: by shard, those of the last
    seconds before it. `configuration`: the digest of the last configuration.
    """

    n: int = 0
    hash: str = START
    folder: str = ""
    cursors: dict[str, str] = {}
    recent: dict[str, list[str]] = {}
    configuration: str = ""

    def follow(self, line: AuditLine) -> None:
        """Go on by one line."""
        self.n, self.hash = line.link.n, line.hash
        body = (line.body or {}) if line.link.kind in ("file", "moved", "configuration") else {}
        self.folder = body.get("folder", self.folder)
        self.cursors |= body.get("cursors", {})
        self.recent |= body.get("recent", {})
        self.configuration = body.get("digest", self.configuration)
        if line.link.origin:
            shard, _, entry = line.link.origin.partition(" ")
            self._record(shard, entry)

    def _record(self, shard: str, entry: str) -> None:
        """Move the cursor of a shard on, and keep the entries shortly before it. They stay in order."""
        insort(self.recent.setdefault(shard, []), entry, key=place)
        cursor = self.cursors[shard] = max(self.cursors.get(shard, "0-0"), entry, key=place)
        while place(self.recent[shard][0]) < (place(cursor)[0] - OVERLAP_MS, 0):
            del self.recent[shard][0]

    def start(self, shard: str) -> str:
        """The entry from which a journal is read: the first one that is known to be recorded, shortly before the end.

        After a failover to a machine whose clock is behind, new entries have ids before the last recorded one.
        """
        recent = self.recent.get(shard)
        return recent[0] if recent else f"({self.cursors.get(shard, '0-0')}"


def place(entry: str) -> tuple[int, int]:
    """The order of the ids of a stream."""
    ms, _, number = entry.partition("-")
    return int(ms), int(number)


class AuditFolder:
    """A folder of audit files. Reading needs no lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tail = Tail()
        self._current: Path | None = None
        self._stamp: tuple[int, ...] = ()
        self._new = b""

    # -- reading ---------------------------------------------------------------------------------

    def files(self) -> list[AuditFile]:
        """All files, oldest first."""
        found: dict[int, AuditFile] = {}
        for path in sorted(self.path.glob("audit-*")):
            if path.name.endswith((PLAIN, PACKED)):
                _, day, first = path.name.removesuffix(".gz").removesuffix(PLAIN).split("-")
                # Of a file that was being compressed the packed one, which sorts later, is whole.
                found[int(first)] = AuditFile(path, date.fromisoformat(day), int(first))
        return [found[first] for first in sorted(found)]

    def lines(self) -> Iterator[tuple[str, int, bytes]]:
        """Every line with its file and its place in it."""
        for file in self.files():
            yield from ((file.path.name, number, line) for number, line in enumerate(file.lines(), 1))

    def found(
        self, needles: tuple[bytes, ...] = (), since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[AuditLine]:
        """The lines of a period whose content holds one of some texts, or all of them, oldest first."""
        first = since.astimezone(UTC).date() if since else date.min
        last = until.astimezone(UTC).date() if until else date.max
        for file in (file for file in self.files() if first <= file.day <= last):
            for raw in file.lines():
                if needles and not any(needle in raw for needle in needles):
                    continue
                line = read_line(raw)
                at = datetime.fromisoformat(line.link.at)
                if (since is None or at >= since) and (until is None or at < until):
                    yield line

    def end(self) -> Tail:
        """The end of the record, as far as it is written."""
        tail = Tail()
        for file in reversed(self.files()):
            for raw in file.lines():
                tail.follow(read_line(raw))
            if tail.n:
                break
        return tail

    # -- writing ---------------------------------------------------------------------------------

    @contextmanager
    def locked(self, now: datetime) -> Iterator[Tail | None]:
        """Lock the folder, which is made if it is missing, and read its end; None if another process writes."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _is_locked(lock):
                yield None
                return
            self._load(now)
            yield self._tail
        finally:
            if self._new:  # an error came between: the end is read again
                self._stamp, self._new = (), b""
            os.close(lock)

    def append(self, at: datetime, kind: Kind, body: object, origin: str = "") -> None:
        """Add a line; `flush` writes it."""
        tail = self._tail
        line, hash_ = written(tail.n + 1, at.astimezone(UTC).isoformat(), kind, body, tail.hash, origin)
        tail.follow(AuditLine(read_line(line).link, hash_, line.partition(b"\t")[2].rstrip(b"\n")))
        self._new += line

    def begin_if_due(self, at: datetime) -> None:
        """Begin a new file if there is none, or if the last one is long or of another day."""
        files = self.files()
        last = files[-1] if files else None
        if last is not None and not last.is_packed:
            if last.day == at.astimezone(UTC).date() and last.path.stat().st_size < FILE_BYTES:
                return
            _pack(last.path)
        tail = self._tail
        tail.folder = tail.folder or secrets.token_hex(8)
        self._current = self.path / f"audit-{at.astimezone(UTC):%Y%m%d}-{tail.n + 1:012}{PLAIN}"
        body = {"folder": tail.folder, "cursors": tail.cursors, "recent": tail.recent, "digest": tail.configuration}
        self.append(at, "file", body)

    def flush(self) -> None:
        """Write the new lines to disk. They are kept once this returns."""
        if not self._new or self._current is None:
            return
        is_new = not self._current.exists()
        file = os.open(self._current, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._stamp = ()  # after an error the end is read again
            new = memoryview(self._new)
            while new:
                new = new[os.write(file, new) :]
            os.fsync(file)
        finally:
            os.close(file)
        if is_new:
            _sync_folder(self.path)
        self._stamp, self._new = _stamp(self._current), b""

    def erase(self, concerns: Callable[[AuditLine], bool], needles: tuple[bytes, ...]) -> list[int]:
        """Erase the content of the lines that a function chooses among those that hold a text; return their numbers."""
        self.flush()
        numbers: list[int] = []
        for file in self.files():
            kept, changed = [], False
            for raw in file.lines():
                if any(needle in raw for needle in needles) and concerns(line := read_line(raw)):
                    numbers.append(line.link.n)
                    raw, changed = without_content(raw), True
                kept.append(raw)
            if changed:
                _replace(file.path, b"".join(kept))
        if self._current is not None:
            self._stamp = _stamp(self._current)
        return numbers

    def drop_before(self, day: date) -> list[AuditFile]:
        """Delete the files of earlier days, and return them. The last file stays."""
        old = [file for file in self.files()[:-1] if file.day < day]
        for file in old:
            file.path.unlink()
        return old

    # -- the end of the record -------------------------------------------------------------------

    def _load(self, now: datetime) -> None:
        """Read the end, unless it is where this process left it. An unfinished last line is cut off, and recorded."""
        for path in self.path.glob(f"audit-*{PACKED}"):
            path.with_name(path.name.removesuffix(".gz")).unlink(missing_ok=True)
        files = self.files()
        last = files[-1] if files else None
        if last is not None and _stamp(last.path) == self._stamp:
            return
        self._tail, self._current, self._stamp = Tail(), None, ()
        if last is None:
            return
        removed = 0 if last.is_packed else _cut_unfinished(last.path)
        if removed and not last.path.stat().st_size:
            last.path.unlink()  # nothing of it had been written
            self._load(now)
            return
        for raw in last.lines():
            self._tail.follow(read_line(raw))
        if not last.is_packed:
            self._current, self._stamp = last.path, _stamp(last.path)
        if removed:
            self.append(now, "cut", {"bytes": removed})
            self.flush()


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes if another process writes to a file, or replaces it."""
    found = path.stat()
    return found.st_size, found.st_ino, found.st_mtime_ns


def _is_locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _cut_unfinished(path: Path) -> int:
    """Cut what a crash left at the end of a file and is no line; return how many bytes that was."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _LOOKED_AT)
        file.seek(start)
        data = file.read()
        end = data.rfind(b"\n") + 1
        while end and not _is_end(data[data.rfind(b"\n", 0, end - 1) + 1 : end]):
            end = data.rfind(b"\n", 0, end - 1) + 1
        if len(data) == end:
            return 0
        file.truncate(start + end)
        os.fsync(file.fileno())
        return len(data) - end


def _is_end(raw: bytes) -> bool:
    """Whether a line may be the last one: the lines of a batch end with the one that names its journal entry."""
    try:
        link = read_line(raw).link
    except ValueError:
        return False
    return link.kind != "batch" or bool(link.origin)


def _pack(path: Path) -> None:
    with path.open("rb") as plain:
        _replace(path.with_name(path.name + ".gz"), plain.read())
    path.unlink()


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(f".{path.name}")
    packed = gzip.compress(data, 6, mtime=0) if path.name.endswith(PACKED) else data
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(packed)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
