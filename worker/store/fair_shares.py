"""Fair shares: which waiting messages are read into a batch, and in which order they are evaluated.

Neither a patient nor a source that sends much may delay the others of its shard. A scan reads the inbox in windows and
skips what exceeds a patient's share. The skipped messages are the backlog: they stay in the inbox, before the cursor,
and each batch takes some of them. The patients of a batch are evaluated in pieces, in rounds, live messages before late
ones, until the time budget is spent. All functions are pure, except for the monotonic clock of the budget.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import NamedTuple

import msgspec
from msgspec import Struct

from alerts.messages import AnyMessage

BUDGET_PART = 20
"""A run takes a 20th of the lease: 0.25 s of 5 s. New messages wait for its end, and a machine that is ten times slower
still keeps its lease."""

CROWDED_PART = 0.2
"""The part of the budget of a batch in which a source exceeded its share: the quiet ones come first in it, and the
other shards, where that source may send too, wait less."""

SCAN_PART = 0.75
"""The part of the budget that reading past the messages of one patient may take."""

PIECE = 100
"""The most messages of a patient that are evaluated together. The budget is checked between two pieces."""

OF_A_PATIENT = 200
"""The most messages of one patient and one rank in a batch."""

OF_A_SOURCE = 400
"""Messages of one source and one rank in a batch: whatever it sends, others behind them are seen in the same scan."""

OF_THE_BACKLOG = 200
"""The most messages of the backlog in a batch."""

PATIENTS = 100
"""The most patients in a batch, and patients whose timer is due: decoding a state that is not cached takes 3 ms."""

LATE = timedelta(minutes=10)
"""A reading that was older than this when it was accepted is late. It is evaluated after the live ones."""


class TimeBudget:
    """The time that a run may take, in seconds of a monotonic clock."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._began = monotonic()

    def is_spent(self, part: float = 1) -> bool:
        """Whether this part of the budget has passed."""
        return self._monotonic() - self._began >= self._seconds * part


class InboxEntry(NamedTuple):
    """One inbox entry: its id, the JSON text, when it was accepted, and patient and source if they can be read.

    A lower `rank` comes first. `sender` is the source whose share the entry counts against (`worker.store.capacity`).
    """

    entry: bytes
    raw: bytes
    received: datetime
    patient: str = ""
    source: str = ""
    rank: int = 0
    sender: str = ""

    @property
    def order(self) -> tuple[int, ...]:
        """Its place in the stream."""
        return tuple(map(int, self.entry.split(b"-")))


class _Route(Struct):
    type: str = ""
    patient: str = ""
    source: str = ""
    effective: str = ""


_route = msgspec.json.Decoder(_Route)


def routed(entry: bytes, raw: bytes, received: datetime) -> InboxEntry:
    """An entry with its patient and source; without them if it cannot be read."""
    try:
        route = _route.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return InboxEntry(entry, raw, received)
    return InboxEntry(entry, raw, received, route.patient, route.source, _rank(route, received))


def _rank(route: _Route, received: datetime) -> int:
    """Registrations, treatments and answers come first, because they change how readings count. Live readings,
    discharges and merges follow in their order, then late readings."""
    if route.type not in ("reading", "discharge", "merge"):
        return 0
    try:
        late = route.type == "reading" and datetime.fromisoformat(route.effective) < received - LATE
    except (ValueError, TypeError, OverflowError):
        late = False
    return 2 if late else 1


class Scan(NamedTuple):
    """The progress of a scan of the inbox.

    The first `backlog` messages of the batch are from the backlog. `longer`: the backlog holds more. `end`: the scan
    has reached the end of the inbox. `over`: patients and ranks whose messages it skipped. `crowded`: a source exceeded
    its share. The next scan begins at the `cursor`.
    """

    backlog: int = 0
    longer: bool = False
    end: bool = True
    over: frozenset[tuple[str, int]] = frozenset()
    cursor: bytes = b""
    crowded: bool = False

    def after(self, taken: Sequence[InboxEntry], done: Iterable[bytes]) -> bytes:
        """The cursor after those of the `taken` messages that are `done` have left the inbox; empty without backlog.

        It goes back to the first message that was not evaluated and whose patient did not exceed the share.
        """
        left = set(done)
        waits = [one.entry not in left for one in taken]
        if not (self.longer or self.over or any(waits[: self.backlog])):
            return b""
        fresh = zip(taken[self.backlog :], waits[self.backlog :], strict=True)
        first = (one.entry for one, waiting in fresh if waiting and (one.patient, one.rank) not in self.over)
        return next(first, self.cursor)

    def wanted(
        self, read: Sequence["ParsedEntry"], old: Collection[bytes]
    ) -> tuple[list["ParsedEntry"], list["ParsedEntry"]]:
        """The messages to evaluate now: the new ones, and the `old` ones of the backlog.

        Until the scan has reached the end, patients who exceeded their share wait: others may stand behind them.
        """
        fresh = [item for item in read if item.entry not in old]
        if self.end:
            return fresh, [item for item in read if item.entry in old]
        return [item for item in fresh if (item.message.patient, item.rank) not in self.over], []


class Selection:
    """Chooses the messages of one batch from the entries of an inbox, which are offered oldest first.

    What exceeds the share of its patient or its source is skipped. A source gets at most half of the batch if others
    wait as well.
    """

    def __init__(self, most: int, cursor: bytes = b"") -> None:
        self._most = most
        self._chosen: list[InboxEntry] = []
        self._spare: list[InboxEntry] = []
        self._over: set[tuple[str, int]] = set()
        self._shares: Counter[tuple[str, int]] = Counter()
        self._of_sources: Counter[tuple[str, int]] = Counter()
        self._sources: Counter[str] = Counter()
        self._patients: set[str] = set()
        self._cursor = cursor
        self._crowded = False
        self.end = False

    def offer(self, one: InboxEntry) -> None:
        """Choose an entry, skip it, or keep it in case room remains."""
        self._cursor = b"(" + one.entry
        share, of_source = (one.patient, one.rank), (one.source, one.rank)
        crowds = self._of_sources[of_source] >= OF_A_SOURCE
        if crowds or self._shares[share] >= OF_A_PATIENT:
            self._over.add(share)
            self._crowded = self._crowded or crowds
            return
        self._shares[share] += 1
        self._of_sources[of_source] += 1
        if self._has_room(one) and self._sources[one.source] < max(1, self._most // 2):
            self._choose(one)
        else:
            self._spare.append(one)

    def _has_room(self, one: InboxEntry) -> bool:
        return len(self._chosen) < self._most and (one.patient in self._patients or len(self._patients) < PATIENTS)

    def _choose(self, one: InboxEntry) -> None:
        self._chosen.append(one)
        self._sources[one.source] += 1
        self._patients.add(one.patient)

    @property
    def is_full(self) -> bool:
        """Whether more entries would not be chosen."""
        return max(len(self._chosen), len(self._spare)) >= self._most

    def close(self, backlog: Sequence[InboxEntry], *, longer: bool) -> tuple[list[InboxEntry], Scan]:
        """The batch's messages, those of the `backlog` first, and the progress of the scan."""
        left = None
        for one in self._spare:
            if self._has_room(one):
                self._choose(one)
            else:
                left = left or one.entry
        fresh = sorted(self._chosen, key=lambda one: one.order)
        scan = Scan(len(backlog), longer, self.end, frozenset(self._over), left or self._cursor, self._crowded)
        return [*backlog, *fresh], scan


class ParsedEntry(NamedTuple):
    """A parsed message and its inbox entry."""

    entry: bytes
    rank: int
    message: AnyMessage


class Piece(NamedTuple):
    """Messages of one patient that are evaluated together; none if only a timer is due."""

    patient: str
    messages: Sequence[ParsedEntry]


def rounds(
    fresh: Sequence[ParsedEntry], backlog: Sequence[ParsedEntry], due: Iterable[str], size: int = PIECE
) -> Iterator[list[Piece]]:
    """The work of a batch in order. Each round has a timer, a piece of the new messages and one of the backlog.

    None of the three starves. The first piece of each patient comes before the second of any. Live messages come before
    late ones, and those of a source that sent little before those of a source that sent much; so do patients.
    """
    sources = Counter(read.message.source for read in fresh)
    ranked = [
        ((round_, *_precedence(part, sources), len(messages)), patient, part)
        for patient, messages in _by_patient(fresh).items()
        for round_, part in enumerate(_cut(messages, size))
    ]
    ordered = [Piece(patient, part) for _, patient, part in sorted(ranked, key=lambda item: item[0])]
    have = {piece.patient for piece in ordered}
    timers = [Piece(patient, ()) for patient in due if patient not in have]
    old = [Piece(patient, part) for patient, messages in _by_patient(backlog).items() for part in _cut(messages, size)]
    return ([piece for piece in one if piece is not None] for one in zip_longest(timers, ordered, old))


def _precedence(part: Sequence[ParsedEntry], sources: Counter[str]) -> tuple[int, int]:
    """The least rank in a piece, and the fewest messages of one of its sources."""
    return min(read.rank for read in part), min(sources[read.message.source] for read in part)


def _by_patient(messages: Iterable[ParsedEntry]) -> dict[str, list[ParsedEntry]]:
    found: dict[str, list[ParsedEntry]] = defaultdict(list)
    for read in messages:
        found[read.message.patient].append(read)
    return found


def _cut(messages: list[ParsedEntry], size: int) -> Iterator[list[ParsedEntry]]:
    """Cut messages into pieces. A few keep their order; of many the live ones come first."""
    if len(messages) > size:
        messages = sorted(messages, key=lambda read: read.rank)
    return (messages[start : start + size] for start in range(0, len(messages), size))
