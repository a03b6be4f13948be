"""Thinning: how a chart stays bounded, whatever senders send.

Every entry belongs to one bucket of time; the older, the wider. Of each bucket a choice is kept. The choice is
idempotent: made again on the kept entries it is the same, so that a chart does not depend on the order or the batches
of its messages.

- Within `FULL_RESOLUTION`, of each kind, sender, code and minute: the first, last, lowest and highest value. The last
  minutes (`FRESH`) are kept by ten seconds, with the last five values of each, so that thinning delays no confirmation.
  Of more than `SENDERS_KEPT` senders those first by name are kept so, and all senders together.
- Within `FULL_RESOLUTION` also every value that a person charted or corrected, and every dose: in each minute the
  first and the last `BY_HAND_KEPT` of a code.
- Beyond it, of each code, and of each hour, quarter-day or day: the first, last, lowest and highest. Doses are counted,
  so none of them is dropped there.

A kept pressure keeps the others of its set (one source, time and way of measuring), which show a contradiction. This
alone depends on the batches, and only if the parts of one set come in different ones.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter, is_not
from typing import TypeVar

from msgspec.structs import replace

from alerts.chart.buckets import Bucket, Scale, Series
from alerts.chart.entry import EFFECTIVE, Entry
from alerts.message_fields import Status
from config.vocabulary import DRUGS, PRESSURES

CODE = attrgetter("code")
SENDER = attrgetter("source", "by")
SET = attrgetter("effective", "source", "by")

BY_HAND_KEPT = 10
"""The most values charted by a person, or doses, of one kind and code, kept from each end of a minute."""

ALWAYS_KEPT = 2
"""Entries of a kind and bucket of which each is the first or the last."""

SENDERS_KEPT = 8
"""The most sources, or ways of measuring of one source, of which a kind is kept separately."""


def thinned(
    entries: Mapping[str, Series], newest: datetime, before: datetime | None, touched: Iterable[tuple[str, datetime]]
) -> dict[str, Series]:
    """The series that thinning changes, at the `newest` charted time.

    `before`: the newest time at the last thinning. `touched`: kinds and times charted since. Other buckets are skipped.
    """
    scale = Scale(newest)
    wanted = _touched(touched, scale)
    for since, until in scale.widened(before):
        for kind, series in entries.items():
            if since is None or series[-1].effective >= since:
                wanted[_together(kind)].update(scale.within(series, since, until))
    found: dict[str, Series] = {}
    for kinds, buckets in wanted.items():
        found |= _thin({kind: entries[kind] for kind in kinds if kind in entries}, sorted(buckets))
    return found


def kept_by_the_minute(
    entries: Mapping[str, Series], newest: datetime, placed: Iterable[tuple[str, datetime]]
) -> set[tuple[str, datetime]]:
    """The kinds and times of which an entry would be kept if the last minutes were kept by the minute."""
    placed = set(placed)
    found: set[tuple[str, datetime]] = set()
    for kinds, buckets in _touched(placed, Scale(newest, fresh=False)).items():
        for bucket, members, _ in _split({kind: entries[kind] for kind in kinds if kind in entries}, sorted(buckets)):
            for kind, kept in _kept(members, bucket.last).items():
                found |= {(kind, entry.effective) for entry in kept}
    return found & placed


def _touched(placed: Iterable[tuple[str, datetime]], scale: Scale) -> dict[tuple[str, ...], set[Bucket]]:
    wanted: dict[tuple[str, ...], set[Bucket]] = defaultdict(set)
    for kind, at in placed:
        wanted[_together(kind)].add(scale.of(at))
    return wanted


def _together(kind: str) -> tuple[str, ...]:
    """The kinds that are thinned together: the pressures, which form sets."""
    return PRESSURES if kind in PRESSURES else (kind,)


def _thin(series: Mapping[str, Series], buckets: Iterable[Bucket]) -> dict[str, Series]:
    """Some series with only the chosen entries of some buckets, which stand in their order."""
    parts: dict[str, list[tuple[int, int, Sequence[Entry]]]] = {kind: [] for kind in series}
    for bucket, members, ends in _split(series, buckets):
        for kind, kept in _kept(members, bucket.last).items():
            of_kind = members[kind]
            if kept is not of_kind and (len(kept) != len(of_kind) or any(map(is_not, kept, of_kind))):
                parts[kind].append((ends[kind] - len(of_kind), ends[kind], kept))
    return {kind: _spliced(series[kind], changes) for kind, changes in parts.items() if changes}


def _split(
    series: Mapping[str, Series], buckets: Iterable[Bucket]
) -> Iterator[tuple[Bucket, dict[str, Series], dict[str, int]]]:
    """Each bucket with its entries by kind, and where they end in their series. The buckets stand in their order."""
    ends = dict.fromkeys(series, 0)
    for bucket in buckets:
        members: dict[str, Series] = {}
        for kind, entries in series.items():
            first = ends[kind]
            if first < len(entries) and entries[first].effective < bucket.start:
                first = bisect_left(entries, bucket.start, lo=first, key=EFFECTIVE)
            end = first
            while end < len(entries) and entries[end].effective < bucket.end:
                end += 1
            ends[kind] = end
            if first < end:
                members[kind] = entries[first:end]
        yield bucket, members, ends


def _spliced(series: Series, changes: Iterable[tuple[int, int, Sequence[Entry]]]) -> Series:
    made: list[Entry] = []
    spot = 0
    for first, end, kept in changes:
        made += series[spot:first]
        made += kept
        spot = end
    return (*made, *series[spot:])


def _kept(members: Mapping[str, Series], last: int) -> Mapping[str, Sequence[Entry]]:
    """The kept entries of one bucket, by kind."""
    if last and all(len(entries) <= ALWAYS_KEPT for entries in members.values()):
        return members
    chosen = {kind: _chosen(kind, entries, last) for kind, entries in members.items()}
    if len(members) > 1:
        _choose_sets(members, chosen)
    kept = {kind: [entry for entry in entries if id(entry) in chosen[kind]] for kind, entries in members.items()}
    if last:
        return kept
    return {kind: list(map(_lasting, entries)) if kind not in DRUGS else entries for kind, entries in kept.items()}


def _lasting(entry: Entry) -> Entry:
    """An entry beyond the full resolution: without its time of receipt."""
    return replace(entry, received=None) if entry.received is not None else entry


def _chosen(kind: str, members: Series, last: int) -> set[int]:
    """The identities of the entries of one kind and bucket that are kept for themselves."""
    if len(members) <= ALWAYS_KEPT or (kind in DRUGS and not last):
        return set(map(id, members))
    chosen: set[int] = set()
    for same in _grouped(members, CODE).values():
        chosen |= _chosen_near(kind, same, last) if last else _ends(same)
    return chosen


def _chosen_near(kind: str, same: list[Entry], last: int) -> set[int]:
    by_hand = [entry for entry in same if kind in DRUGS or _is_by_hand(entry)]
    chosen = _ends(by_hand, BY_HAND_KEPT, BY_HAND_KEPT)
    streams = [entry for entry in same if kind not in DRUGS and not _is_by_hand(entry)]
    chosen |= _ends(streams, 1, last)
    senders = _grouped(streams, SENDER)
    for sender in sorted(senders)[:SENDERS_KEPT]:
        chosen |= _ends(senders[sender], 1, last)
    return chosen


def _is_by_hand(entry: Entry) -> bool:
    return entry.by == "person" or entry.status == Status.CORRECTED


def _choose_sets(members: Mapping[str, Series], chosen: dict[str, set[int]]) -> None:
    """Choose with each pressure the others of its set; of several of one kind its ends."""
    sets = {SET(entry) for kind, entries in members.items() for entry in entries if id(entry) in chosen[kind]}
    for kind, entries in members.items():
        if len(chosen[kind]) < len(entries):
            for same in _grouped((entry for entry in entries if SET(entry) in sets), SET).values():
                chosen[kind] |= _ends(same)


def _ends(members: Collection[Entry], first: int = 1, last: int = 1) -> set[int]:
    """The identities of the first, last, lowest and highest of sorted entries."""
    listed = list(members)
    if len(listed) <= first + last:
        return set(map(id, listed))
    ends = (*listed[:first], *listed[-last:], min(listed, key=_measure), max(listed, key=_measure))
    return set(map(id, ends))


G = TypeVar("G", bound=Hashable)


def _grouped(members: Iterable[Entry], key: Callable[[Entry], G]) -> dict[G, list[Entry]]:
    groups: dict[G, list[Entry]] = defaultdict(list)
    for entry in members:
        groups[key(entry)].append(entry)
    return groups


def _measure(entry: Entry) -> tuple[bool, Decimal, datetime, str, str]:
    return entry.value is not None, entry.value or Decimal(0), *entry.place
