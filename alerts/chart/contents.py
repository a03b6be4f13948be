"""The contents of a chart, and every question that graders and rules ask of it."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from itertools import islice
from statistics import median
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct

from alerts.chart.admission import Admission
from alerts.chart.entry import ABSENT, EFFECTIVE, Entry
from alerts.wording.phrase import Phrase

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""A time before all others."""


class RejectedValue(Struct, frozen=True, array_like=True):
    """A value that is shown but never computed with, and the reason."""

    effective: datetime
    kind: str
    sent: str
    why: Phrase
    source: str
    id: str


class Version(Struct, frozen=True, array_like=True):
    """The highest status of a message that was corrected, withdrawn or superseded."""

    status: int
    received: datetime


class Leaving(Struct, frozen=True, order=True, array_like=True):
    """A discharge: when, and to which setting; empty: for good."""

    at: datetime
    to: str = ""


class Setting(NamedTuple):
    """The setting of care: `inpatient`, `outpatient` or `follow_up`, and since when, if known."""

    name: str
    since: datetime | None = None


class ChartContents(Struct, frozen=True, dict=True):
    """Everything charted of one patient, by kind and effective time. `alerts/chart/chart.py` changes it."""

    entries: dict[str, tuple[Entry, ...]] = {}
    versions: dict[str, Version] = {}
    rejected: tuple[RejectedValue, ...] = ()
    registrations: tuple[Admission, ...] = ()
    admission: Admission | None = None
    discharges: tuple[Leaving, ...] = ()
    newest: datetime | None = None

    @property
    def infused(self) -> datetime | None:
        """The time of the infusion, past or planned; None if unknown."""
        return self.admission.infused if self.admission else None

    def knows_version(self, source: str, message: str) -> bool:
        """Whether a version of a message other than the final one is known."""
        return version_key(source, message) in self.versions

    def until(self, kind: str, at: datetime) -> tuple[Entry, ...]:
        """All entries of a kind up to and including a time, oldest first."""
        series = self.entries.get(kind, ())
        if not series or series[-1].effective <= at:
            return series
        return series[: bisect_right(series, at, key=EFFECTIVE)]

    def newest_first(self, kind: str, at: datetime) -> Iterator[Entry]:
        """The same, newest first, without a copy: most readers need only the end of a long series."""
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
        count = len(series)
        while end < count and series[end].effective == moment:
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
        return max((left.at for left in self.discharges if left.at <= at), default=None) if self.discharges else None

    def setting(self, at: datetime) -> Setting:
        """The setting of care at a time, by registrations and discharges."""
        return next(setting for since, setting in reversed(self._course_of_setting) if since <= at)

    @cached_property
    def _course_of_setting(self) -> list[tuple[datetime, Setting]]:
        """Every setting and the time from which it holds, in order.

        A registration that does not say leaves the setting as it was; the first, and one after a discharge for good,
        then mean `inpatient`.
        """
        first = Setting((self.registrations[0].setting if self.registrations else "") or "inpatient")
        found, name = [(BEGINNING, first)], ""
        for when, known, said in self.settings():
            if said is None:
                name = ""
                found.append((when, Setting("inpatient")))
            elif (said or name or "inpatient") != name:
                name = said or name or "inpatient"
                found.append((when, Setting(name, known)))
        return found

    def settings(self) -> list[tuple[datetime, datetime, str | None]]:
        """Every statement of the setting: its time, when it was known, and the setting; None: a discharge for good."""
        said: list[tuple[datetime, datetime, str | None]] = [
            (left.at, left.at, left.to or None) for left in self.discharges
        ]
        said += [(one.effective, one.known_from, one.setting) for one in self.registrations]
        return sorted(said, key=lambda item: item[0])

    def says(self, statement: str, at: datetime, holds: timedelta | None = None) -> bool | None:
        """The latest statement; None if there is none, or if it has lapsed."""
        entry = self.latest(statement, at, holds)
        return None if entry is None else entry.is_true

    def given(self, drugs: Iterable[str], at: datetime) -> list[tuple[str, Entry]]:
        """Doses given and infusions started of any of `drugs` up to a time, oldest first."""
        doses = [(drug, entry) for drug in drugs for entry in self.until(drug, at) if entry.code != "stopped"]
        return sorted(doses, key=lambda dose: (dose[1].place, dose[0]))

    def running(self, drugs: Iterable[str], at: datetime, single_dose_holds: timedelta) -> list[tuple[str, Entry]]:
        """Infusions running at a time. A dose charted as given counts as running for `single_dose_holds`.

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
        """The baseline: median of the last value of each day in the window before infusion; None without any.

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
        return (date_in(zone, at) - date_in(zone, infused)).days

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


@lru_cache(maxsize=4096)
def date_in(zone: ZoneInfo, at: datetime) -> date:
    """The date of a time in the hospital's calendar. Every grader of a moment asks for it."""
    return at.astimezone(zone).date()


def version_key(source: str, message: str) -> str:
    """The key of a message in `versions`."""
    return f"{source}\x1f{message}"
