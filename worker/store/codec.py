"""The packing of stored values: the schema version (`schema.py`), then MessagePack or JSON, compressed if large.

Thirty days of a patient on a monitor are 166 kB of MessagePack and 30 kB compressed.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from alerts.pages.page import Page
from alerts.state import DeadLetter, PatientState, Unregistered
from worker.store import schema
from worker.store.schema import UnreadableError

T = TypeVar("T")
Key = TypeVar("Key")


Reported = Literal["", "failed", "unknown", "undeliverable"]
"""The last reported receipt of a page that is still owed."""


class Owed(Struct, frozen=True, kw_only=True):
    """A page that has not been delivered yet, after so many attempts; `reported` is the last receipt of it.

    `address` and `written` say which version of its channel it was made under, `behind_since` (ms) since when senders
    with an older one leave it to others: see `worker.delivery.agreement`.
    """

    page: Page
    attempts: int = 0
    reported: Reported = ""
    address: str = ""
    written: int = 0
    behind_since: int = 0


_FAST = 1

_NOT_PACKED = (zlib.error, msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Codec(Generic[T]):
    """The packing of one kind of value. `as_json`: for values that other programs may read."""

    def __init__(self, kind: str, type_: type[T], *, compressed: bool = False, as_json: bool = False) -> None:
        form: Any = msgspec.json if as_json else msgspec.msgpack
        self.kind = kind
        self.type = type_
        self._compressed = compressed
        self._encoder = form.Encoder()
        self._decoder = form.Decoder(type_)
        self._plain = form.Decoder()

    def pack(self, value: T) -> bytes:
        encoded: bytes = self._encoder.encode(value)
        return schema.seal(zlib.compress(encoded, _FAST) if self._compressed else encoded)

    def unpack(self, packed: bytes) -> T:
        """Decode a value that this or an older version encoded.

        Raises:
            TooNewError: a newer version packed them.
            UnreadableError: they are cut short, or another program wrote them.
        """
        version, payload = schema.open_sealed(packed)
        try:
            encoded: Any = zlib.decompress(payload) if self._compressed else payload
            if version != schema.VERSION:
                encoded = self._encoder.encode(self._migrated(encoded, version))
            value: T = self._decoder.decode(encoded)
        except _NOT_PACKED as error:
            raise UnreadableError(f"it is damaged ({type(error).__name__})") from error
        return value

    def _migrated(self, encoded: Any, version: int) -> Any:
        try:
            return schema.migrate(self.kind, self._plain.decode(encoded), version)
        except Exception as error:  # a migration may raise anything on a value that it was not written for
            raise UnreadableError(f"it cannot be migrated from version {version} ({type(error).__name__})") from error


_state = Codec("state", PatientState, compressed=True)
_unregistered = Codec("unregistered", Unregistered)
_owed = Codec("owed page", Owed)
_dead_letter = Codec("refused", DeadLetter)
_journal: Codec[dict[str, Any]] = Codec("journal", dict[str, Any], compressed=True, as_json=True)
_export: Codec[list[dict[str, Any]]] = Codec("export", list[dict[str, Any]], compressed=True, as_json=True)

_of_type: dict[type, Codec[Any]] = {codec.type: codec for codec in (_state, _unregistered, _owed, _dead_letter)}


def pack(value: PatientState | Owed | DeadLetter | Unregistered) -> bytes:
    """Encode a value of any kind."""
    return _of_type[type(value)].pack(value)


unpack_state = _state.unpack
unpack_owed = _owed.unpack
unpack_dead_letter = _dead_letter.unpack
unpack_unregistered = _unregistered.unpack
pack_journal, unpack_journal = _journal.pack, _journal.unpack
pack_export, unpack_export = _export.pack, _export.unpack


def readable(unpack: Callable[[bytes], T], packed: Iterable[tuple[Key, bytes]]) -> Iterator[tuple[Key, T]]:
    """The readable ones of many values, each with its key. One that cannot be read does not affect the others."""
    for key, value in packed:
        try:
            yield key, unpack(value)
        except UnreadableError:
            continue
