"""How state is packed for the store: MessagePack of the same structures the judgement works on.

A patient's state is compressed as well: thirty days of a monitor are 166 kB of MessagePack and 30 kB compressed.
"""

import logging
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from alerts.pages.page import Page
from alerts.state import PatientState, SetAside, Unregistered

log = logging.getLogger(__name__)

T = TypeVar("T")
Key = TypeVar("Key")


Reported = Literal["", "failed", "unknown", "undeliverable"]
"""What was told of a page that is still owed."""


class UnreadableError(ValueError):
    """What the store holds is not what was packed: it was cut short, or another program wrote it."""


class Owed(Struct, frozen=True, kw_only=True):
    """A page that has not been delivered yet, after so many attempts; `reported` is what the judgement was told of it.

    `address` and `written` say which version of its channel it was made under, `left_since` (ms) since when senders
    with an older one leave it to others: see `worker.delivery.agreement`.
    """

    page: Page
    attempts: int = 0
    reported: Reported = ""
    address: str = ""
    written: int = 0
    left_since: int = 0


_FAST = 1

_encoder = msgspec.msgpack.Encoder()
_watch = msgspec.msgpack.Decoder(PatientState)
_owed = msgspec.msgpack.Decoder(Owed)
_set_aside = msgspec.msgpack.Decoder(SetAside)
_unregistered = msgspec.msgpack.Decoder(Unregistered)


def pack(value: PatientState | Owed | SetAside | Unregistered) -> bytes:
    """To bytes."""
    packed = _encoder.encode(value)
    return zlib.compress(packed, _FAST) if isinstance(value, PatientState) else packed


def unpack_state(packed: bytes) -> PatientState:
    """A patient's state.

    Raises:
        UnreadableError: it is none, as every function here does.
    """
    try:
        return _watch.decode(zlib.decompress(packed))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise UnreadableError(f"a patient's state cannot be read ({type(error).__name__})") from error


def unpack_owed(packed: bytes) -> Owed:
    """A page that is owed."""
    return decode(_owed, packed)


def unpack_set_aside(packed: bytes) -> SetAside:
    """A message that was set aside."""
    return decode(_set_aside, packed)


def unpack_unregistered(packed: bytes) -> Unregistered:
    """What is noted of a patient nobody has registered."""
    return decode(_unregistered, packed)


def decode(decoder: "msgspec.msgpack.Decoder[T]", packed: bytes) -> T:
    """Anything packed, by a decoder for its type."""
    try:
        return decoder.decode(packed)
    except msgspec.MsgspecError as error:
        raise UnreadableError(f"what is stored cannot be read ({type(error).__name__})") from error


def readable(unpack: Callable[[bytes], T], packed: Iterable[tuple[Key, bytes]]) -> Iterator[tuple[Key, T]]:
    """What can be read of many, each with its key: one that cannot takes nothing of the others away."""
    for key, value in packed:
        try:
            yield key, unpack(value)
        except UnreadableError as error:
            log.error("%s", error)
