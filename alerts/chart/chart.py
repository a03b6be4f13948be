"""A patient's chart: how readings, statements and treatments are folded into it.

Folding is idempotent and independent of order: it is a function of the *set* of messages. Any order, batching and
repetition of the same messages gives the same chart. Three rules ensure this:

1. An entry is sorted by its effective time, then by source and id.
2. Of two versions of one message (same source and id) the higher status holds, then the one received later. A version
   with another effective time replaces the earlier one too.
3. Thinning (`alerts/chart/thinning.py`) chooses entries without regard to the order in which they came in.

Two limits remain. A correction cannot restore entries that thinning dropped because of the uncorrected value: then only
the kept neighbours of a corrected extreme are left. Beyond the full resolution the time of receipt of a final version
is not stored, so two versions of one message and kind are both charted if either is older.
"""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter

from msgspec.structs import replace

from alerts.chart.admission import Admission, merged, with_registration
from alerts.chart.buckets import horizon
from alerts.chart.contents import ChartContents, Leaving, RejectedValue, Version, version_key
from alerts.chart.entry import EFFECTIVE, Entry
from alerts.chart.thinning import kept_by_the_minute, thinned
from alerts.message_fields import Status

PLACE = attrgetter("place")
ID = attrgetter("id")

REJECTED_KEPT = 20
VERSIONS_KEPT = 500
DISCHARGES_KEPT = 20


class Chart(ChartContents, frozen=True):
    """A chart. Every method that changes it returns a new one."""

    def fold(self, kind: str, entry: Entry, *, received: datetime, supersedes: str = "") -> "Chart":
        """Place one entry, replace what it corrects, and thin."""
        placed = self.place(kind, entry, received=received, supersedes=supersedes)
        return placed.thinned(self, [(kind, entry.effective)])

    def place(self, kind: str, entry: Entry, *, received: datetime, supersedes: str = "") -> "Chart":
        """The same without thinning. Of the entries of a step most are placed by a `ChartDraft`."""
        chart = self._reach(entry.effective)
        if supersedes:
            chart = chart._withdraw(entry.source, supersedes, Version(Status.ENTERED_IN_ERROR, received))
        known = chart.versions.get(version_key(entry.source, entry.id))
        if entry.status == Status.FINAL:
            if known is not None and known.status > entry.status:
                return chart
            if known is not None:
                chart = chart._forget_preliminary(entry)
            final = replace(entry, received=received) if received != entry.effective else entry
            return chart._place_final(kind, final)
        if chart._held_higher(entry, known, received):
            return chart
        chart = chart._withdraw(entry.source, entry.id, Version(entry.status, received))
        return chart if entry.status == Status.ENTERED_IN_ERROR else chart._insert(kind, entry)

    def thinned(self, before: "Chart", touched: Iterable[tuple[str, datetime]]) -> "Chart":
        """The chart thinned wherever entries were placed since `before`, or became older."""
        changed = thinned(self.entries, self.newest, before.newest, touched) if self.newest is not None else {}
        return replace(self, entries={**self.entries, **changed}) if changed else self

    def worth_a_look(self, placed: Iterable[tuple[str, datetime]]) -> set[tuple[str, datetime]]:
        """Those of the placed kinds and times of which an entry is kept by the minute. Others need no assessment."""
        return kept_by_the_minute(self.entries, self.newest, placed) if self.newest is not None else set()

    def _reach(self, effective: datetime) -> "Chart":
        """Record the newest effective time of any message, used or not."""
        return self if self.newest is not None and effective <= self.newest else replace(self, newest=effective)

    def _held_higher(self, entry: Entry, known: Version | None, received: datetime) -> bool:
        """Whether a version of this message that outranks `entry` is charted already."""
        rank = (entry.status, received)
        if known is not None and (known.status, known.received) > rank:
            return True
        for series in self.entries.values():
            for held in series if entry.id in map(ID, series) else ():
                if held.id == entry.id and held.source == entry.source:
                    tied = known is not None and (known.status, known.received) == rank
                    return held.status > entry.status or (tied and _content(held) >= _content(entry))
        return known is not None and (known.status, known.received) == rank

    def _forget_preliminary(self, final: Entry) -> "Chart":
        """Remove the preliminary version once the final one has come."""
        chart = self._withdraw(final.source, final.id, Version(Status.PRELIMINARY, final.effective))
        versions = {**chart.versions}
        del versions[version_key(final.source, final.id)]
        return replace(chart, versions=versions)

    def _withdraw(self, source: str, message: str, version: Version) -> "Chart":
        entries = dict(self.entries)
        for kind, series in self.entries.items():
            if message not in map(ID, series):  # most often so, and much faster to find than below
                continue
            kept = tuple(entry for entry in series if entry.id != message or entry.source != source)
            if not kept:
                del entries[kind]
            elif len(kept) != len(series):
                entries[kind] = kept
        versions = {**self.versions}
        known = versions.pop(version_key(source, message), None)
        if known is None or (known.status, known.received) < (version.status, version.received):
            known = version
        versions[version_key(source, message)] = known
        while len(versions) > VERSIONS_KEPT:
            del versions[next(iter(versions))]
        return replace(self, entries=entries, versions=versions)

    def _place_final(self, kind: str, final: Entry) -> "Chart":
        """Place a final version, unless one of the same message that was received later is charted."""
        held = self._recent(kind, final)
        if held is None:
            return self._insert(kind, final)
        if held == final or _version(held) >= _version(final):
            return self
        others = tuple(entry for entry in self.entries[kind] if entry is not held)
        return replace(self, entries={**self.entries, kind: others})._insert(kind, final)

    def _recent(self, kind: str, final: Entry) -> Entry | None:
        """The charted version of a message, within the full resolution."""
        series = self.entries.get(kind, ())
        start = horizon(self.newest or final.effective)
        if final.effective < start:
            return None
        recent = series[bisect_left(series, start, key=EFFECTIVE) :]
        if final.id not in map(ID, recent):
            return None
        return next((held for held in recent if held.id == final.id and held.source == final.source), None)

    def _insert(self, kind: str, entry: Entry) -> "Chart":
        series = self.entries.get(kind, ())
        if not series or series[-1].effective < entry.effective:
            return replace(self, entries={**self.entries, kind: series + (entry,)})  # noqa: RUF005 - copies once
        spot = bisect_left(series, entry.place, key=PLACE)
        end = spot
        if spot < len(series) and series[spot].place == entry.place:
            if series[spot] == entry or _content(series[spot]) >= _content(entry):
                return self
            end += 1
        series = (*series[:spot], entry, *series[end:])
        return replace(self, entries={**self.entries, kind: series})

    def admit(self, registration: Admission) -> "Chart":
        """Add a registration. A later one without a field keeps the earlier value."""
        held = with_registration(self.registrations, registration)
        return replace(self, registrations=held, admission=merged(held))

    def discharge(self, at: datetime, to: str = "") -> "Chart":
        """Record a discharge, and the setting it leads to."""
        left = self.undo_discharge(at).discharges
        return replace(self, discharges=tuple(sorted((*left, Leaving(at, to)))[-DISCHARGES_KEPT:]))

    def undo_discharge(self, at: datetime) -> "Chart":
        """Retract a discharge."""
        return replace(self, discharges=tuple(left for left in self.discharges if left.at != at))

    def reject(self, rejected: RejectedValue) -> "Chart":
        """Keep a value that is shown but never computed with."""
        if rejected in self.rejected:
            return self
        ordered = sorted((*self.rejected, rejected), key=lambda item: (item.effective, item.source, item.id))
        return replace(self, rejected=tuple(ordered[-REJECTED_KEPT:]))

    def changed_since(self, before: "Chart") -> set[str]:
        """The kinds whose entries or rejected values may differ from those of an earlier chart.

        A series is kept as it is until it changes, so that it need not be read to be known as the same.
        """
        kinds = {kind for kind, series in self.entries.items() if before.entries.get(kind) is not series}
        kinds |= before.entries.keys() - self.entries.keys()
        if self.rejected is not before.rejected:
            kinds |= {item.kind for item in {*self.rejected} ^ {*before.rejected}}
        return kinds


def _version(entry: Entry) -> tuple[int, datetime, tuple[str, ...]]:
    """The rank of a version: of two, the higher holds."""
    return entry.status, entry.received or entry.effective, _content(entry)


def _content(entry: Entry) -> tuple[str, ...]:
    return tuple(str(getattr(entry, field)) for field in entry.__struct_fields__)
