"""One patient's chart: what was read, stated and given, by kind and effective time.

Folding is a pure function of the *set* of messages: any order, any batching and any repetition of
the same messages ends in the same chart. Three rules make it so:

1. An entry is placed by its effective time, then by source and id.
2. Of two versions of one message (same source and id) the higher status holds, then the one received later.
3. Old entries are thinned to the lowest, highest, first and last of a bucket of time: a choice that can
   be made again on a thinned bucket and gives the same answer. Doses are counted, so none is ever dropped.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from alerts.messages import Status
from alerts.vocabulary import DRUGS

FULL_RESOLUTION = timedelta(hours=4)
"""Entries younger than this, counted from the newest, are all kept."""

BUCKETS = ((timedelta(days=2), timedelta(hours=1)), (timedelta(days=7), timedelta(hours=6)))
"""Beyond `FULL_RESOLUTION`: hourly buckets up to two days, six-hourly up to a week, daily after that."""

UNUSED_KEPT = 20
VERSIONS_KEPT = 500


class Entry(Struct, frozen=True, array_like=True, omit_defaults=True):
    """One charted value, statement or dose, in canonical units.

    `comparator` makes `value` a bound. `low` and `high` are the laboratory's limits, converted like the value.
    `sent` is what the sender wrote where it was converted; `note` keeps a reason or the items of a score.
    """

    effective: datetime
    source: str
    id: str
    value: Decimal | None = None
    code: str = ""
    status: int = Status.FINAL
    comparator: str = ""
    by: str = ""
    low: Decimal | None = None
    high: Decimal | None = None
    unit: str = ""
    sent: str = ""
    note: str = ""

    @property
    def is_true(self) -> bool:
        """Whether a statement says that it is so."""
        return self.code == "true"

    def below(self, bound: Decimal) -> bool | None:
        """Whether the value is < `bound`; None where a censored value leaves it open."""
        if self.value is None:
            return None
        if self.comparator == "<":
            return True if self.value <= bound else None
        if self.comparator == "<=":
            return True if self.value < bound else None
        if self.comparator in (">", ">="):
            return False if self.value >= bound else None
        return self.value < bound

    def above(self, bound: Decimal) -> bool | None:
        """Whether the value is > `bound`; None where a censored value leaves it open."""
        if self.value is None:
            return None
        if self.comparator == ">":
            return True if self.value >= bound else None
        if self.comparator == ">=":
            return True if self.value > bound else None
        if self.comparator in ("<", "<="):
            return False if self.value <= bound else None
        return self.value > bound

    def at_least(self, bound: Decimal) -> bool | None:
        """Whether the value is >= `bound`; None where a censored value leaves it open."""
        below = self.below(bound)
        return None if below is None else not below


def _place(entry: Entry) -> tuple[datetime, str, str]:
    return entry.effective, entry.source, entry.id


def _measure(entry: Entry) -> tuple[bool, Decimal, datetime, str, str]:
    return entry.value is not None, entry.value or Decimal(0), *_place(entry)


class Unused(Struct, frozen=True, array_like=True):
    """A value that came in and is shown but never computed with, and why."""

    effective: datetime
    kind: str
    sent: str
    why: str
    source: str
    id: str


class Admission(Struct, frozen=True):
    """Who the patient is to this software: the latest registration."""

    effective: datetime
    infused: datetime | None = None
    product: str = ""
    born: date | None = None
    ward: str = ""
    bed: str = ""
    team: str = ""

    def age(self, at: datetime) -> int | None:
        """Completed years at a time; None where the date of birth is not known."""
        if self.born is None:
            return None
        return at.year - self.born.year - ((at.month, at.day) < (self.born.month, self.born.day))


class Version(Struct, frozen=True, array_like=True):
    """The highest status seen of a message that was corrected, withdrawn or superseded."""

    status: int
    received: datetime


class Chart(Struct, frozen=True):
    """The chart itself. Every method that changes it returns a new one."""

    entries: dict[str, tuple[Entry, ...]] = {}
    versions: dict[str, Version] = {}
    unused: tuple[Unused, ...] = ()
    admission: Admission | None = None
    newest: datetime | None = None

    # -- folding -------------------------------------------------------------------------------

    def fold(self, kind: str, entry: Entry, *, received: datetime, supersedes: str = "") -> "Chart":
        """Place one entry, replace what it corrects, and thin what has grown old."""
        chart = self._reach(entry.effective)
        if supersedes:
            chart = chart._withdraw(entry.source, supersedes, Version(Status.ENTERED_IN_ERROR, received))
        known = chart.versions.get(_key(entry.source, entry.id))
        if entry.status == Status.FINAL:
            if known is not None and known.status > entry.status:
                return chart
            if known is not None and known.status == Status.PRELIMINARY:
                chart = chart._withdraw(entry.source, entry.id, Version(Status.FINAL, received))
            return chart._insert(kind, entry)
        if chart._held_higher(entry, known, received):
            return chart
        chart = chart._withdraw(entry.source, entry.id, Version(entry.status, received))
        return chart if entry.status == Status.ENTERED_IN_ERROR else chart._insert(kind, entry)

    def _reach(self, effective: datetime) -> "Chart":
        """Note the newest time any message speaks of, used or not, and thin what it makes old."""
        if self.newest is not None and effective <= self.newest:
            return self
        chart = replace(self, newest=effective)
        if self.newest is None or _horizon(effective) == _horizon(self.newest):
            return chart
        return replace(chart, entries={name: _thin(held, effective) for name, held in self.entries.items()})

    def _held_higher(self, entry: Entry, known: Version | None, received: datetime) -> bool:
        """Whether a version of this message that outranks `entry` is already held."""
        rank = (entry.status, received)
        if known is not None and (known.status, known.received) > rank:
            return True
        for series in self.entries.values():
            for held in series:
                if held.id == entry.id and held.source == entry.source:
                    tied = known is not None and (known.status, known.received) == rank
                    return held.status > entry.status or (tied and _content(held) >= _content(entry))
        return known is not None and (known.status, known.received) == rank

    def _withdraw(self, source: str, message: str, version: Version) -> "Chart":
        entries = dict(self.entries)
        for kind, series in self.entries.items():
            kept = tuple(entry for entry in series if entry.id != message or entry.source != source)
            if not kept:
                del entries[kind]
            elif len(kept) != len(series):
                entries[kind] = kept
        versions = {**self.versions}
        known = versions.pop(_key(source, message), None)
        if known is None or (known.status, known.received) < (version.status, version.received):
            known = version
        versions[_key(source, message)] = known
        while len(versions) > VERSIONS_KEPT:
            del versions[next(iter(versions))]
        return replace(self, entries=entries, versions=versions)

    def _insert(self, kind: str, entry: Entry) -> "Chart":
        series = self.entries.get(kind, ())
        spot = bisect_left(series, _place(entry), key=_place)
        if spot < len(series) and _place(series[spot]) == _place(entry):
            if series[spot] == entry or _content(series[spot]) >= _content(entry):
                return self
            series = (*series[:spot], *series[spot + 1 :])
        series = (*series[:spot], entry, *series[spot:])
        chart = replace(self, entries={**self.entries, kind: series})
        return chart._thin_one(kind, entry.effective)

    def _thin_one(self, kind: str, effective: datetime) -> "Chart":
        if self.newest is None or effective >= _horizon(self.newest):
            return self
        return replace(self, entries={**self.entries, kind: _thin(self.entries[kind], self.newest)})

    def admit(self, admission: Admission) -> "Chart":
        """Keep the registration with the latest effective time."""
        if self.admission is not None and self.admission.effective > admission.effective:
            return self
        return replace(self, admission=admission)

    def set_aside(self, unused: Unused) -> "Chart":
        """Keep, for showing only, a value that must not be computed with."""
        if unused in self.unused:
            return self
        ordered = sorted((*self.unused, unused), key=lambda item: (item.effective, item.source, item.id))
        return replace(self, unused=tuple(ordered[-UNUSED_KEPT:]))

    # -- reading -------------------------------------------------------------------------------

    def until(self, kind: str, at: datetime) -> tuple[Entry, ...]:
        """All entries of a kind up to and including a time, oldest first."""
        series = self.entries.get(kind, ())
        if not series or series[-1].effective <= at:
            return series
        return series[: bisect_right(series, at, key=lambda entry: entry.effective)]

    def between(self, kind: str, start: datetime, at: datetime) -> tuple[Entry, ...]:
        """Entries of a kind from `start` to `at`, both included, oldest first."""
        series = self.until(kind, at)
        return series[bisect_left(series, start, key=lambda entry: entry.effective) :]

    def latest(self, kind: str, at: datetime, holds: timedelta | None = None) -> Entry | None:
        """The last entry with a value up to a time, unless it is older than `holds`."""
        for entry in reversed(self.until(kind, at)):
            if holds is not None and at - entry.effective > holds:
                return None
            if entry.value is not None or entry.code:
                return entry
        return None

    def says(self, statement: str, at: datetime, holds: timedelta | None = None) -> bool | None:
        """What the latest statement says; None where none was made or it has lapsed."""
        entry = self.latest(statement, at, holds)
        return None if entry is None else entry.is_true

    def given(self, drugs: Iterable[str], at: datetime) -> list[tuple[str, Entry]]:
        """Doses given and infusions started of any of `drugs` up to a time, oldest first."""
        doses = [(drug, entry) for drug in drugs for entry in self.until(drug, at) if entry.code != "stopped"]
        return sorted(doses, key=lambda dose: (_place(dose[1]), dose[0]))

    def running(self, drugs: Iterable[str], at: datetime, single_dose_holds: timedelta) -> list[tuple[str, Entry]]:
        """Infusions that run at a time; a dose charted as given runs for `single_dose_holds`."""
        found = []
        for drug in drugs:
            entry = self.latest(drug, at)
            if entry is None or entry.code == "stopped":
                continue
            if entry.code == "given" and at - entry.effective > single_dose_holds:
                continue
            found.append((drug, entry))
        return found

    def baseline(self, kind: str, window: timedelta) -> Decimal | None:
        """Median of a kind in the window before infusion; None where there is none."""
        infused = self.admission.infused if self.admission else None
        if infused is None:
            return None
        before = [
            entry.value
            for entry in self.between(kind, infused - window, infused)
            if entry.value is not None and not entry.comparator and entry.effective < infused
        ]
        return median(before) if before else None

    def day(self, at: datetime, zone: ZoneInfo) -> int | None:
        """Days since infusion in the hospital's calendar: day 0 is the calendar day of infusion."""
        infused = self.admission.infused if self.admission else None
        if infused is None:
            return None
        return (at.astimezone(zone).date() - infused.astimezone(zone).date()).days

    def times(self, kinds: Iterable[str], at: datetime, after: datetime | None = None) -> list[datetime]:
        """Distinct effective times of any of `kinds` later than `after` and up to a time, in order."""
        found: set[datetime] = set()
        for kind in kinds:
            for entry in reversed(self.until(kind, at)):
                if after is not None and entry.effective <= after:
                    break
                found.add(entry.effective)
        return sorted(found)


def _key(source: str, message: str) -> str:
    return f"{source}\x1f{message}"


def _content(entry: Entry) -> tuple[str, ...]:
    return tuple(str(getattr(entry, field)) for field in entry.__struct_fields__)


def _horizon(newest: datetime) -> datetime:
    """Start of the hour before which entries are thinned."""
    return _floor(newest - FULL_RESOLUTION, timedelta(hours=1))


def _floor(at: datetime, step: timedelta) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return day + (at - day) // step * step


def _bucket(effective: datetime, newest: datetime) -> datetime | None:
    if effective >= _horizon(newest):
        return None
    for age, width in BUCKETS:
        if effective >= _floor(newest - age, timedelta(days=1)):
            return _floor(effective, width)
    return _floor(effective, timedelta(days=1))


def _thin(series: tuple[Entry, ...], newest: datetime) -> tuple[Entry, ...]:
    """The entries kept of a series: of each old bucket the lowest, highest, first and last of each code."""
    if not series or series[0].effective >= _horizon(newest):
        return series
    kept: list[Entry] = []
    for bucket, members in _buckets(series, newest):
        kept.extend(members if bucket is None else _representatives(members))
    return series if len(kept) == len(series) else tuple(kept)


def _buckets(series: tuple[Entry, ...], newest: datetime) -> Iterator[tuple[datetime | None, list[Entry]]]:
    members: list[Entry] = []
    current: datetime | None = None
    for entry in series:
        bucket = _bucket(entry.effective, newest)
        if members and bucket != current:
            yield current, members
            members = []
        current = bucket
        members.append(entry)
    if members:
        yield current, members


def _representatives(members: list[Entry]) -> list[Entry]:
    if len(members) <= 2:
        return members
    chosen: set[Entry] = set()
    for code in {entry.code for entry in members}:
        same = [entry for entry in members if entry.code == code]
        chosen |= {min(same, key=_measure), max(same, key=_measure), same[0], same[-1]}
    return [entry for entry in members if entry in chosen]
