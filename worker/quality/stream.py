"""A stream: native messages, one JSON object a line, plain or gzip. One stay is the messages of one patient."""

import gzip
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2s
from pathlib import Path
from typing import IO, NamedTuple, cast

import msgspec

from alerts.message_json import BadMessage, read_message
from alerts.messages import AnyMessage


class StayLine(msgspec.Struct):
    """The part of a line that names its stay."""

    patient: str


class Stay(NamedTuple):
    """The lines of one patient, in the order of the stream."""

    patient: str
    lines: Sequence[bytes]


class Read(NamedTuple):
    """The messages of a stay, and how many of its lines are none."""

    messages: list[AnyMessage]
    unread: int


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file of lines to be read, through gzip if its name ends so."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        yield cast("IO[bytes]", lines)


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A gzip file of lines to be written. The same lines give the same bytes."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
        yield cast("IO[bytes]", packed)


def read_stays(path: Path) -> list[Stay]:
    """The stays of a stream, in the order of their first lines. A line without a patient belongs to none."""
    known = msgspec.json.Decoder(StayLine)
    found: dict[str, list[bytes]] = {}
    with opened(path) as lines:
        for line in lines:
            if text := line.strip():
                found.setdefault(_patient(known, text), []).append(text)
    found.pop("", None)
    return [Stay(patient, lines) for patient, lines in found.items()]


def _patient(known: msgspec.json.Decoder[StayLine], line: bytes) -> str:
    try:
        return known.decode(line).patient
    except msgspec.DecodeError:
        return ""


def digest(stays: Iterable[Stay]) -> str:
    """What distinguishes a stream from every other: a baseline holds for one stream only."""
    found = blake2s(digest_size=8)
    for stay in stays:
        for line in stay.lines:
            found.update(line + b"\n")
    return found.hexdigest()


def read(stay: Stay) -> Read:
    """The messages of a stay; people's answers are left out, because the evaluation gives its own."""
    messages, unread = [], 0
    for line in stay.lines:
        try:
            message = read_message(line)
        except BadMessage:
            unread += 1
        else:
            if message.type not in RESPONSES:
                messages.append(message)
    return Read(messages, unread)


RESPONSES = ("acknowledgement", "hand_over", "silence", "closure", "receipt", "fault")


def arrival(message: AnyMessage) -> datetime:
    """When a message came in: its received time, else its effective time."""
    return (message.received or message.effective).astimezone(UTC)
