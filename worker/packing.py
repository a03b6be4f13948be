"""How state is packed for the store: MessagePack of the same structures the judgement works on.

A patient's state is compressed as well: thirty days of a monitor are 166 kB of MessagePack and 30 kB compressed.
"""

import zlib

import msgspec
from msgspec import Struct

from alerts.page import Page
from alerts.watch import SetAside, Unregistered, Watch
from worker.delivery.outcomes import Said


class Owed(Struct, frozen=True, kw_only=True):
    """A page that has not been delivered yet, after so many attempts; `said` is what the judgement was told of it.

    `address` and `written` say which version of its channel it was made under, `left_since` (ms) since when senders
    with an older one leave it to others: see `worker.delivery.agreement`.
    """

    page: Page
    attempts: int = 0
    said: Said = ""
    address: str = ""
    written: int = 0
    left_since: int = 0


_FAST = 1

_encoder = msgspec.msgpack.Encoder()
_watch = msgspec.msgpack.Decoder(Watch)
_owed = msgspec.msgpack.Decoder(Owed)
_set_aside = msgspec.msgpack.Decoder(SetAside)
_unregistered = msgspec.msgpack.Decoder(Unregistered)


def pack(value: Watch | Owed | SetAside | Unregistered) -> bytes:
    """To bytes."""
    packed = _encoder.encode(value)
    return zlib.compress(packed, _FAST) if isinstance(value, Watch) else packed


def unpack_watch(packed: bytes) -> Watch:
    """A patient's state."""
    return _watch.decode(zlib.decompress(packed))


def unpack_owed(packed: bytes) -> Owed:
    """A page that is owed."""
    return _owed.decode(packed)


def unpack_set_aside(packed: bytes) -> SetAside:
    """A message that was set aside."""
    return _set_aside.decode(packed)


def unpack_unregistered(packed: bytes) -> Unregistered:
    """What is noted of a patient nobody has registered."""
    return _unregistered.decode(packed)
