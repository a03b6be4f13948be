"""The file of a backup: a line that names the format, a header, compressed keys, and a checksum of all that.

It holds every patient of the service and the secret that signs links, so only its owner can read it.
"""

import gzip
import hashlib
import os
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
from msgspec import Struct

from worker.store import schema
from worker.store.snapshot import CopiedKey, Snapshot

FORMAT = b"cartwatch backup 1\n"

_TRAILER = len(b"sha256 ") + 64 + 1
_LENGTH = 4


class BackupHeader(Struct, frozen=True):
    """The store that was copied: schema version, release that copied it, namespace, number of shards, the moment."""

    schema: int
    release: str
    namespace: str
    shards: int
    at: datetime


class BadBackupError(Exception):
    """A file is no backup, is damaged, or was made by a newer cartwatch. The text says which."""


class _Hashed:
    """A file that is written, and the digest of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def write_backup(path: Path, snapshot: Snapshot, namespace: str, shards: int) -> int:
    """Write a backup; it takes its name once it is whole and on the disk. Returns its length in bytes.

    Raises:
        OSError: it cannot be written.
    """
    new = path.with_name(f".{path.name}.new")
    header = BackupHeader(schema.VERSION, version("cartwatch"), namespace, shards, snapshot.at)
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            hashed = _Hashed(file)
            hashed.write(FORMAT + msgspec.json.encode(header) + b"\n")
            with gzip.GzipFile("", "wb", 3, cast(Any, hashed), mtime=0) as packed:
                for key in snapshot.keys:
                    encoded = msgspec.msgpack.encode(key)
                    packed.write(len(encoded).to_bytes(_LENGTH, "big") + encoded)
            file.write(f"sha256 {hashed.digest.hexdigest()}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path.stat().st_size


def read_header(path: Path) -> BackupHeader:
    """Check a whole backup, and read its header.

    Raises:
        BadBackupError: it cannot be restored by this cartwatch.
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if file.read(len(FORMAT)) != FORMAT:
            raise BadBackupError(f"{path} is no backup of cartwatch, or of a newer form")
        left = path.stat().st_size - _TRAILER
        file.seek(0)
        while left > 0 and (data := file.read(min(left, 1 << 20))):
            digest.update(data)
            left -= len(data)
        if file.read() != f"sha256 {digest.hexdigest()}\n".encode():
            raise BadBackupError(f"{path} is damaged: it is cut short, or was changed")
        file.seek(len(FORMAT))
        header = msgspec.json.decode(file.readline(), type=BackupHeader)
    if header.schema > schema.VERSION:
        raise BadBackupError(
            f"{path} holds stored data of version {header.schema}, written by cartwatch {header.release}, and this "
            f"cartwatch knows version {schema.VERSION} at most: install that one"
        )
    return header


def read_keys(path: Path) -> Iterator[CopiedKey]:
    """The keys of a backup that was checked."""
    keys = msgspec.msgpack.Decoder(CopiedKey)
    with path.open("rb") as file:
        file.seek(len(FORMAT))
        file.readline()
        body = _Bounded(file, path.stat().st_size - _TRAILER)
        with gzip.GzipFile("", "rb", fileobj=cast(Any, body)) as packed:
            while length := packed.read(_LENGTH):
                yield keys.decode(packed.read(int.from_bytes(length, "big")))


class _Bounded:
    """A file that ends before its trailer."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file = file
        self._end = end

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._end - self._file.tell())
        return self._file.read(left if size < 0 else min(size, left))
