"""The packing of stored values: the schema version (`schema.py`), then MessagePack or JSON, compressed if large.

Thirty days of a patient on a monitor are 166 kB of MessagePack and 30 kB compressed. Of a chart little changes at each
commit: the other entries are packed in parts by themselves, and only when they change.
"""

import zlib
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain, pairwise, zip_longest
from operator import is_
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Struct, structs

from alerts.assessment.course_history import CourseHistory
from alerts.assessment.result_cache import ResultCache
from alerts.chart.buckets import FRESH, Series, horizon
from alerts.chart.chart import Chart
from alerts.chart.entry import EFFECTIVE
from alerts.pages.page import Page
from alerts.state import DeadLetter, PatientState, Unregistered
from worker.store import schema
from worker.store.schema import UnreadableError

T = TypeVar("T")
Key = TypeVar("Key")

PATIENTS_KEPT = 256
"""Patients of whom what was packed last is kept: as many as `state_cache` holds."""

WORTH_PACKING_ALONE = 50
"""Fewer settled entries of a kind are packed with the recent ones: a part of few entries compresses badly."""


Reported = Literal["", "failed", "unknown", "undeliverable"]
"""The last reported receipt of a page that is still owed."""


class Owed(Struct, frozen=True, kw_only=True):
    """An undelivered page with its number of attempts; `reported` is the last receipt of it.

    `address` and `written` say which version of its channel it was made under, `behind_since` (ms) since when senders
    with an older one leave it to others: see `worker.delivery.agreement`.
    """

    page: Page
    attempts: int = 0
    reported: Reported = ""
    address: str = ""
    written: int = 0
    behind_since: int = 0


def compressed(encoded: bytes) -> bytes:
    """Compressed quickly: states are packed at every commit."""
    return zlib.compress(encoded, 1)


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
        return schema.seal(compressed(encoded) if self._compressed else encoded)

    def unpack(self, packed: bytes) -> T:
        """Decode a value that this or an older version encoded.

        Raises:
            TooNewError: a newer version packed them.
            UnreadableError: they are cut short, or another program wrote them.
        """
        version, payload = schema.open_sealed(packed)
        try:
            if version == schema.VERSION:
                return self._decode(payload)
            value: T = self._decoder.decode(self._encoder.encode(self._migrated(payload, version)))
        except _NOT_PACKED as error:
            raise UnreadableError(f"it is damaged ({type(error).__name__})") from error
        return value

    def _decode(self, payload: memoryview) -> T:
        value: T = self._decoder.decode(self._opened(payload))
        return value

    def _decode_plain(self, payload: memoryview) -> Any:
        return self._plain.decode(self._opened(payload))

    def _opened(self, payload: memoryview) -> Any:
        return zlib.decompress(payload) if self._compressed else payload

    def _migrated(self, payload: memoryview, version: int) -> Any:
        try:
            return schema.migrate(self.kind, self._decode_plain(payload), version)
        except Exception as error:  # a migration may raise anything on a value that it was not written for
            raise UnreadableError(f"it cannot be migrated from version {version} ({type(error).__name__})") from error


class _PackedState(Struct, frozen=True, array_like=True):
    """A state without its cached results and the settled entries of its chart; these; and those of each kind in parts.

    All are compressed MessagePack.
    """

    state: bytes
    results: bytes
    settled: dict[str, list[bytes]]


class _Part(NamedTuple):
    """Settled entries of one kind, and the same packed."""

    entries: Series
    packed: bytes

    def is_of(self, entries: Series) -> bool:
        """Whether these very entries were packed."""
        return len(self.entries) == len(entries) and all(map(is_, self.entries, entries))


class _PackedResults(NamedTuple):
    """The cached results without the course, and the same packed."""

    results: ResultCache
    packed: bytes


class _Kept(NamedTuple):
    """The parts of a patient that were packed last."""

    results: _PackedResults
    settled: dict[str, list[_Part]]


class StateCodec(Codec[PatientState]):
    """The packing of states. Most entries of a chart are settled: they have not changed since it was packed last.

    So they are packed in parts, and the parts are kept for the patients that were packed last. The cached results of
    the laboratory are a part too: of the cache only the course of CRS changes at every assessment.
    """

    def __init__(self) -> None:
        super().__init__("state", PatientState, compressed=True)
        self._packed = msgspec.msgpack.Decoder(_PackedState)
        self._series = msgspec.msgpack.Decoder(Series)
        self._results = msgspec.msgpack.Decoder(ResultCache)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def pack(self, value: PatientState) -> bytes:
        """Encode a state."""
        known = self._kept.pop(value.patient, None)
        settled: dict[str, list[_Part]] = {}
        recent: dict[str, Series] = {}
        for kind, (*parts, last) in _cut(value.chart):
            recent[kind] = last
            if parts:
                before = known.settled.get(kind, []) if known is not None else []
                settled[kind] = [self._part(*pair) for pair in zip_longest(parts, before[: len(parts)])]
        results = self._packed_results(value.result_cache, known)
        self._kept[value.patient] = _Kept(results, settled)
        while len(self._kept) > PATIENTS_KEPT:
            self._kept.popitem(last=False)
        course = ResultCache(course=value.result_cache.course)
        short = structs.replace(value, chart=structs.replace(value.chart, entries=recent), result_cache=course)
        packed = {kind: [part.packed for part in parts] for kind, parts in settled.items()}
        state = _PackedState(compressed(self._encoder.encode(short)), results.packed, packed)
        return schema.seal(self._encoder.encode(state))

    def _packed_results(self, cache: ResultCache, known: _Kept | None) -> _PackedResults:
        results = structs.replace(cache, course=CourseHistory())
        if known is not None and _are_same(results, known.results.results):
            return known.results
        return _PackedResults(results, compressed(self._encoder.encode(results)))

    def _part(self, entries: Series, known: _Part | None) -> _Part:
        if known is not None and known.is_of(entries):
            return known
        return _Part(entries, compressed(self._encoder.encode(entries)))

    def _decode(self, payload: memoryview) -> PatientState:
        packed = self._packed.decode(payload)
        short: PatientState = self._decoder.decode(zlib.decompress(packed.state))
        entries: dict[str, Series] = {}
        for kind, recent in short.chart.entries.items():
            parts = (self._series.decode(zlib.decompress(part)) for part in packed.settled.get(kind, ()))
            entries[kind] = (*chain.from_iterable(parts), *recent)
        results = self._results.decode(zlib.decompress(packed.results))
        return structs.replace(
            short,
            chart=structs.replace(short.chart, entries=entries),
            result_cache=structs.replace(results, course=short.result_cache.course),
        )

    def _decode_plain(self, payload: memoryview) -> Any:
        packed = self._packed.decode(payload)
        plain = self._plain.decode(zlib.decompress(packed.state))
        results = self._plain.decode(zlib.decompress(packed.results))
        if cache := {**results, **plain.get("result_cache", {})}:
            plain["result_cache"] = cache
        for kind, parts in packed.settled.items():
            entries = plain["chart"]["entries"]
            opened = (self._plain.decode(zlib.decompress(part)) for part in parts)
            entries[kind] = [*chain.from_iterable(opened), *entries[kind]]
        return plain


def _are_same(one: ResultCache, other: ResultCache) -> bool:
    """Whether two caches without the course hold the very same results."""
    pairs = zip(structs.astuple(one), structs.astuple(other), strict=True)
    return all(result is earlier or isinstance(result, str | CourseHistory) for result, earlier in pairs) and (
        one.config_digest == other.config_digest
    )


def _cut(chart: Chart) -> Iterator[tuple[str, list[Series]]]:
    """The entries of each kind in parts: those before the full resolution, those before the last quarters, the rest."""
    starts = (horizon(chart.newest), _quarter(chart.newest - FRESH)) if chart.newest is not None else ()
    for kind, entries in chart.entries.items():
        cuts = [0]
        for start in starts:
            spot = bisect_left(entries, start, lo=cuts[-1], key=EFFECTIVE)
            if spot - cuts[-1] >= WORTH_PACKING_ALONE:
                cuts.append(spot)
        yield kind, [entries[first:end] for first, end in pairwise([*cuts, len(entries)])]


def _quarter(at: datetime) -> datetime:
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)


_state = StateCodec()
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
