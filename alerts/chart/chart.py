"""One patient's chart: what was read, stated and given, by kind and effective time.

Folding is a pure function of the *set* of messages: any order, any batching and any repetition of
the same messages ends in the same chart. Three rules make it so:

1. An entry is placed by its effective time, then by source and id.
2. Of two versions of one message (same source and id) the higher status holds, then the one received later; of one
   that was sent again with another effective time, too, only one is charted.
3. Entries are thinned (`alerts/chart/thinning.py`) by a choice that does not depend on the order they came in.

A correction of an entry cannot bring back what it hid while it was charted. So where something was dropped, of a
sender's minute with more than two values or beyond the full resolution, a corrected extreme leaves what was kept beside
it. Beyond the full resolution it is not known any more when a final version was received: two of one message and kind
are both charted where either is older.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from operator import attrgetter
from statistics import median
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from alerts.chart.admission import Admission, merged, with_registration
from alerts.chart.entry import ABSENT, Entry
from alerts.chart.thinning import horizon, kept_by_the_minute, thinned
from alerts.message_fields import Status

PLACE = attrgetter("place")
EFFECTIVE = attrgetter("effective")
ID = attrgetter("id")
NAME = attrgetter("source", "id")

REJECTED_KEPT = 20
VERSIONS_KEPT = 500
DISCHARGES_KEPT = 20


class RejectedValue(Struct, frozen=True, array_like=True):
    """A value that came in and is shown but never computed with, and why."""

    effective: datetime
    kind: str
    sent: str
    why: str
    source: str
    id: str


class Version(Struct, frozen=True, array_like=True):
    """The highest status seen of a message that was corrected, withdrawn or superseded."""

    status: int
    received: datetime


class Leaving(Struct, frozen=True, order=True, array_like=True):
    """When the patient left the ward, and the setting the discharge leads to; empty where it is for good."""

    at: datetime
    to: str = ""


class Setting(NamedTuple):
    """Where a patient is cared for: `inpatient`, `outpatient` or `follow_up`; `since` where it is known."""

    name: str
    since: datetime | None = None


class Ids:
    """The ids charted of each kind, gathered once for a batch: that a message is new is most often known at once."""

    def __init__(self) -> None:
        self._of: dict[str, set[tuple[str, str]] | None] = {}

    def may_hold(self, kind: str, series: tuple[Entry, ...], entry: Entry) -> bool:
        """Whether a version of an entry may be charted. The first question of a kind looks through the series."""
        if kind not in self._of:
            self._of[kind] = None
            return entry.id in map(ID, series)
        known = self._of[kind]
        if known is None:
            known = self._of[kind] = set(map(NAME, series))
        return (entry.source, entry.id) in known

    def add(self, kind: str, entry: Entry) -> None:
        """Note that an entry was placed."""
        if known := self._of.get(kind):
            known.add((entry.source, entry.id))


class Chart(Struct, frozen=True):
    """The chart itself. Every method that changes it returns a new one."""

    entries: dict[str, tuple[Entry, ...]] = {}
    versions: dict[str, Version] = {}
    rejected: tuple[RejectedValue, ...] = ()
    registrations: tuple[Admission, ...] = ()
    admission: Admission | None = None
    discharges: tuple[Leaving, ...] = ()
    newest: datetime | None = None

    # -- folding -------------------------------------------------------------------------------

    def fold(self, kind: str, entry: Entry, *, received: datetime, supersedes: str = "") -> "Chart":
        """Place one entry, replace what it corrects, and thin."""
        placed = self.place(kind, entry, received=received, supersedes=supersedes)
        return placed.thinned(self, [(kind, entry.effective)])

    def place(
        self, kind: str, entry: Entry, *, received: datetime, supersedes: str = "", ids: Ids | None = None
    ) -> "Chart":
        """The same without thinning, which is to follow once for all that comes together and shares `ids`."""
        ids = ids or Ids()
        placed = self._place(kind, entry, received, supersedes, ids)
        ids.add(kind, entry)
        return placed

    def _place(self, kind: str, entry: Entry, received: datetime, supersedes: str, ids: Ids) -> "Chart":
        chart = self._reach(entry.effective)
        if supersedes:
            chart = chart._withdraw(entry.source, supersedes, Version(Status.ENTERED_IN_ERROR, received))
        known = chart.versions.get(_key(entry.source, entry.id))
        if entry.status == Status.FINAL:
            if known is not None and known.status > entry.status:
                return chart
            if known is not None:
                chart = chart._forget_preliminary(entry)
            final = replace(entry, received=received) if received != entry.effective else entry
            return chart._place_final(kind, final, ids)
        if chart._held_higher(entry, known, received):
            return chart
        chart = chart._withdraw(entry.source, entry.id, Version(entry.status, received))
        return chart if entry.status == Status.ENTERED_IN_ERROR else chart._insert(kind, entry)

    def thinned(self, before: "Chart", touched: Iterable[tuple[str, datetime]]) -> "Chart":
        """The chart thinned (`thinning.py`) where something was placed since `before`, or has grown old."""
        changed = thinned(self.entries, self.newest, before.newest, touched) if self.newest is not None else {}
        return replace(self, entries={**self.entries, **changed}) if changed else self

    def worth_a_look(self, placed: Iterable[tuple[str, datetime]]) -> set[tuple[str, datetime]]:
        """Those of the kinds and times of what was placed that are kept by the minute: the others say no more."""
        return kept_by_the_minute(self.entries, self.newest, placed) if self.newest is not None else set()

    def _reach(self, effective: datetime) -> "Chart":
        """Note the newest time any message speaks of, used or not."""
        return self if self.newest is not None and effective <= self.newest else replace(self, newest=effective)

    def _held_higher(self, entry: Entry, known: Version | None, received: datetime) -> bool:
        """Whether a version of this message that outranks `entry` is already held."""
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
        """The final version has come: nothing of the preliminary one is kept."""
        chart = self._withdraw(final.source, final.id, Version(Status.PRELIMINARY, final.effective))
        versions = {**chart.versions}
        del versions[_key(final.source, final.id)]
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
        known = versions.pop(_key(source, message), None)
        if known is None or (known.status, known.received) < (version.status, version.received):
            known = version
        versions[_key(source, message)] = known
        while len(versions) > VERSIONS_KEPT:
            del versions[next(iter(versions))]
        return replace(self, entries=entries, versions=versions)

    def _place_final(self, kind: str, final: Entry, ids: Ids) -> "Chart":
        """Place a final version, unless one of the same message is held that was received later."""
        held = self._recent(kind, final, ids)
        if held is None:
            return self._insert(kind, final)
        if held == final or _version(held) >= _version(final):
            return self
        others = tuple(entry for entry in self.entries[kind] if entry is not held)
        return replace(self, entries={**self.entries, kind: others})._insert(kind, final)

    def _recent(self, kind: str, final: Entry, ids: Ids) -> Entry | None:
        """The version that is held of a message, within the full resolution."""
        series = self.entries.get(kind, ())
        start = horizon(self.newest or final.effective)
        if final.effective < start or not ids.may_hold(kind, series, final):
            return None
        first = bisect_left(series, start, key=EFFECTIVE)
        return next((held for held in series[first:] if held.id == final.id and held.source == final.source), None)

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
        """Take a registration; a later one that leaves a field out does not take it away."""
        held = with_registration(self.registrations, registration)
        return replace(self, registrations=held, admission=merged(held))

    def discharge(self, at: datetime, to: str = "") -> "Chart":
        """Note that the patient left, and for which setting."""
        left = self.undo_discharge(at).discharges
        return replace(self, discharges=tuple(sorted((*left, Leaving(at, to)))[-DISCHARGES_KEPT:]))

    def undo_discharge(self, at: datetime) -> "Chart":
        """Take back that the patient left."""
        return replace(self, discharges=tuple(left for left in self.discharges if left.at != at))

    def reject(self, rejected: RejectedValue) -> "Chart":
        """Keep, for showing only, a value that must not be computed with."""
        if rejected in self.rejected:
            return self
        ordered = sorted((*self.rejected, rejected), key=lambda item: (item.effective, item.source, item.id))
        return replace(self, rejected=tuple(ordered[-REJECTED_KEPT:]))

    def changed_since(self, before: "Chart") -> set[str]:
        """The kinds of which something may be charted, or set aside, otherwise than it was `before`.

        A series is kept as it is until it changes, so that it need not be read to be known as the same.
        """
        kinds = {kind for kind, series in self.entries.items() if before.entries.get(kind) is not series}
        kinds |= before.entries.keys() - self.entries.keys()
        if self.rejected is not before.rejected:
            kinds |= {item.kind for item in {*self.rejected} ^ {*before.rejected}}
        return kinds

    @property
    def infused(self) -> datetime | None:
        """When the cells were, or will be, infused, where that is known."""
        return self.admission.infused if self.admission else None

    def knows_version(self, source: str, message: str) -> bool:
        """Whether a version of a message is held, or was, that was not the final one."""
        return _key(source, message) in self.versions

    # -- reading -------------------------------------------------------------------------------

    def until(self, kind: str, at: datetime) -> tuple[Entry, ...]:
        """All entries of a kind up to and including a time, oldest first."""
        series = self.entries.get(kind, ())
        if not series or series[-1].effective <= at:
            return series
        return series[: bisect_right(series, at, key=EFFECTIVE)]

    def newest_first(self, kind: str, at: datetime) -> Iterator[Entry]:
        """The same, newest first. Nothing is copied: of a long series a reader mostly wants the end."""
        series = self.entries.get(kind, ())
        if not series or series[-1].effective <= at:
            return reversed(series)
        return islice(reversed(series), len(series) - bisect_right(series, at, key=EFFECTIVE), None)

    def between(self, kind: str, start: datetime, at: datetime) -> tuple[Entry, ...]:
        """Entries of a kind from `start` to `at`, both included, oldest first."""
        series = self.entries.get(kind, ())
        if not series or series[-1].effective < start:
            return ()
        end = len(series) if series[-1].effective <= at else bisect_right(series, at, key=EFFECTIVE)
        return series[bisect_left(series, start, hi=end, key=EFFECTIVE) : end]

    def at(self, kind: str, moment: datetime) -> tuple[Entry, ...]:
        """The entries of a kind of exactly one time."""
        series = self.entries.get(kind, ())
        if not series or series[-1].effective < moment:
            return ()
        first = end = bisect_left(series, moment, key=EFFECTIVE)
        while end < len(series) and series[end].effective == moment:
            end += 1
        return series[first:end]

    def back(self, kind: str, at: datetime, holds: timedelta) -> Iterator[Entry]:
        """Entries of a kind up to a time and at most `holds` old, newest first."""
        start = at - holds
        for entry in self.newest_first(kind, at):
            if entry.effective < start:
                return
            yield entry

    def latest(self, kind: str, at: datetime, holds: timedelta | None = None) -> Entry | None:
        """The last entry with a value up to a time, unless it is older than `holds`.

        An entry that only says why there is no value is passed over.
        """
        for entry in self.newest_first(kind, at):
            if holds is not None and at - entry.effective > holds:
                return None
            if entry.value is not None or entry.code not in ("", ABSENT):
                return entry
        return None

    def latest_of_stay(self, kind: str, at: datetime) -> Entry | None:
        """The last entry with a value up to a time, unless the patient has left since."""
        entry, since = self.latest(kind, at), self.stay_since(at)
        return None if entry is not None and since is not None and entry.effective <= since else entry

    def stay_since(self, at: datetime) -> datetime | None:
        """When the patient last left before a time."""
        return max((left.at for left in self.discharges if left.at <= at), default=None)

    def setting(self, at: datetime) -> Setting:
        """Where the patient is cared for at a time, and since when: as registrations and discharges say.

        A registration that does not say leaves the setting as it was; the first, and one after a discharge for good,
        then mean `inpatient`.
        """
        found = Setting((self.registrations[0].setting if self.registrations else "") or "inpatient")
        name = ""
        for when, known, said in self._settings():
            if when > at:
                break
            if said is None:
                name, found = "", Setting("inpatient")
            elif (said or name or "inpatient") != name:
                name = said or name or "inpatient"
                found = Setting(name, known)
        return found

    def _settings(self) -> list[tuple[datetime, datetime, str | None]]:
        """What was said of the setting, by time, and from when on it was known; None is a discharge for good."""
        said: list[tuple[datetime, datetime, str | None]] = [
            (left.at, left.at, left.to or None) for left in self.discharges
        ]
        said += [(one.effective, one.known_from, one.setting) for one in self.registrations]
        return sorted(said, key=lambda item: item[0])

    def says(self, statement: str, at: datetime, holds: timedelta | None = None) -> bool | None:
        """What the latest statement says; None where none was made or it has lapsed."""
        entry = self.latest(statement, at, holds)
        return None if entry is None else entry.is_true

    def given(self, drugs: Iterable[str], at: datetime) -> list[tuple[str, Entry]]:
        """Doses given and infusions started of any of `drugs` up to a time, oldest first."""
        doses = [(drug, entry) for drug in drugs for entry in self.until(drug, at) if entry.code != "stopped"]
        return sorted(doses, key=lambda dose: (dose[1].place, dose[0]))

    def running(self, drugs: Iterable[str], at: datetime, single_dose_holds: timedelta) -> list[tuple[str, Entry]]:
        """Infusions that run at a time; a dose charted as given runs for `single_dose_holds`.

        A bolus given while an infusion runs does not end it, however long ago.
        """
        runs = ((drug, self._runs(drug, at, single_dose_holds)) for drug in drugs)
        return [(drug, entry) for drug, entry in runs if entry is not None]

    def _runs(self, drug: str, at: datetime, single_dose_holds: timedelta) -> Entry | None:
        since = self.stay_since(at)
        bolus = None
        for entry in self.newest_first(drug, at):
            if entry.code == "stopped" or (since is not None and entry.effective <= since):
                break
            if entry.code == "started":
                return entry
            bolus = bolus or entry
        return bolus if bolus is not None and at - bolus.effective <= single_dose_holds else None

    def baseline(self, kind: str, window: timedelta, usable: Callable[[Entry], bool] | None = None) -> Decimal | None:
        """Median of the last value of each day in the window before infusion; None where there is none.

        The last value of a day is what thinning never drops, so a baseline does not drift as the stay goes on. A day
        whose last value is not `usable` is left out.
        """
        infused = self.infused
        if infused is None:
            return None
        last_of_day = {
            entry.effective.date(): entry
            for entry in self.between(kind, infused - window, infused)
            if entry.value is not None and not entry.comparator and entry.effective < infused
        }
        values = [entry.value for entry in last_of_day.values() if usable is None or usable(entry)]
        return median(value for value in values if value is not None) if values else None

    def day(self, at: datetime, zone: ZoneInfo) -> int | None:
        """Days since infusion in the hospital's calendar: day 0 is the calendar day of infusion."""
        infused = self.infused
        if infused is None:
            return None
        return (at.astimezone(zone).date() - infused.astimezone(zone).date()).days

    def times(self, kinds: Iterable[str], at: datetime, after: datetime | None = None) -> list[datetime]:
        """Distinct effective times of any of `kinds` later than `after` and up to a time, in order."""
        found: set[datetime] = set()
        for kind in kinds:
            series = self.entries.get(kind)
            if not series or (after is not None and series[-1].effective <= after):
                continue
            for entry in self.newest_first(kind, at):
                if after is not None and entry.effective <= after:
                    break
                found.add(entry.effective)
        return sorted(found)


def _key(source: str, message: str) -> str:
    return f"{source}\x1f{message}"


def _version(entry: Entry) -> tuple[int, datetime, tuple[str, ...]]:
    """Which of two versions of one message holds: of one status the one received later."""
    return entry.status, entry.received or entry.effective, _content(entry)


def _content(entry: Entry) -> tuple[str, ...]:
    return tuple(str(getattr(entry, field)) for field in entry.__struct_fields__)
