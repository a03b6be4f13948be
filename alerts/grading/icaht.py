"""Immune effector cell-associated haematotoxicity (ICAHT), early and late: how long and how low the neutrophils are.

EHA/EBMT consensus, Rejeski K et al., Blood 2023;142:865-877:

    early, day 0-30             1           2           3          4
    days with ANC <= 500/uL     1-6         7-13        >= 14      never above 500
    days with ANC <= 100/uL     -           -           >= 7       >= 14

    late, after day 30, on      <= 1500/uL  <= 1000/uL  <= 500/uL  <= 100/uL
    two or more counts

"<=" here, where CTCAE has "<". Days are those of the hospital's calendar, day 0 the day of infusion.

- Of several counts of one day the lowest holds. The day that is not over is counted once it has a count.
- All days of the window are counted together, consecutive or not; where they are not, that is flagged.
- A day without a count is filled only between two counts of the same band: as <= 100 between two that are, as <= 500
  between two that are (whether also <= 100 is open, if only one of them was), as above 500 between two that are. The
  neighbours may lie outside the window. Any other day is unknown; it may count or not.
- "Never above 500" can be said only of all 31 days, so not before day 30 has its count.
- Late: the worst level that at least two counts, drawn at different times, have reached since day 31.
"""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading.axis import Axis, evidence
from alerts.grading.bands import Cut, Levels, cell, levels
from alerts.grading.dependencies import Dependencies
from alerts.grading.inputs import PROVISIONAL, only_a_bound, with_time
from alerts.grading.result import Grade
from alerts.message_fields import Status
from alerts.wording.phrase import Name, Phrase, phrase, plural
from config.site import Site

EARLY_SYSTEM = "ICAHT early"
LATE_SYSTEM = "ICAHT late"
VERSION = "EHA/EBMT 2023"

KIND = "neutrophils"
KINDS = frozenset((KIND,))
"""Everything that can change a grade."""

LAST_EARLY_DAY = 30
"""Day 0 to this day is early; after it is late."""

SEVERE, PROFOUND = 1, 2
BANDS = (Cut(SEVERE, "<=", Decimal("0.5"), "<= 500/µL"), Cut(PROFOUND, "<=", Decimal("0.1"), "<= 100/µL"))
"""The two bands that early days are counted in, in 10^9/L."""


class Duration(NamedTuple):
    """A grade, and the least number of days in a band that give it."""

    grade: int
    band: int
    days: int
    cell: str


EARLY = (
    Duration(1, SEVERE, 1, "1-6 days <= 500/µL"),
    Duration(2, SEVERE, 7, "7-13 days <= 500/µL"),
    Duration(3, SEVERE, 14, ">= 14 days <= 500/µL"),
    Duration(3, PROFOUND, 7, ">= 7 days <= 100/µL"),
    Duration(4, SEVERE, LAST_EARLY_DAY + 1, "never above 500/µL"),
    Duration(4, PROFOUND, 14, ">= 14 days <= 100/µL"),
)

LATE = (
    Cut(1, "<=", Decimal("1.5"), "<= 1500/µL"),
    Cut(2, "<=", Decimal("1.0"), "<= 1000/µL"),
    Cut(3, "<=", Decimal("0.5"), "<= 500/µL"),
    Cut(4, "<=", Decimal("0.1"), "<= 100/µL"),
)
"""10^9/L."""
COUNTS_NEEDED = 2


class DayCounts(NamedTuple):
    """The counts of one day, or of one time, taken together: the levels that they allow, and the lowest count."""

    allows: Levels
    lowest: Entry


def dependencies(_site: Site) -> Dependencies:
    """The dependencies of both grades. No count is ever too old."""
    return Dependencies(KINDS)


def both(chart: Chart, at: datetime, site: Site) -> tuple[Grade, Grade]:
    """The early and the late grade."""
    return early(chart, at, site), late(chart, at, site)


def early(chart: Chart, at: datetime, site: Site) -> Grade:
    """The early grade so far, from the days 0 to 30 up to `at`.

    If unknown days could change it, the grade is "at least" a grade, or undetermined.
    """
    today = chart.day(at, site.zone)
    if today is None:
        return _result(EARLY_SYSTEM, at, _without_infusion())
    counted = _by_day(chart, at, site)
    last = min(today if today in counted else today - 1, LAST_EARLY_DAY)
    if not any(0 <= number <= last for number in counted):
        missing = phrase("{what} from day {n} on", what=Name(KIND), n=0)
        because = phrase("no count of days {cell} yet", cell=f"0-{LAST_EARLY_DAY}")
        return _result(EARLY_SYSTEM, at, Axis(None, (because,), missing=(missing,)))
    return _result(EARLY_SYSTEM, at, _early(counted, last))


def late(chart: Chart, at: datetime, site: Site) -> Grade:
    """The late grade: the worst level that two counts after day 30 have reached."""
    today = chart.day(at, site.zone)
    if today is None:
        return _result(LATE_SYSTEM, at, _without_infusion())
    counts = _by_time(chart, at, site)
    axis = _late(counts) if len(counts) >= COUNTS_NEEDED else _too_few(counts, today)
    return _result(LATE_SYSTEM, at, axis)


def _without_infusion() -> Axis:
    because = Phrase("days are counted from infusion, and none is charted")
    return Axis(None, (because,), missing=(Phrase("infusion date"),))


def _result(system: str, at: datetime, axis: Axis) -> Grade:
    """The grade; a preliminary count makes it provisional."""
    preliminary = any(item.entry.status == Status.PRELIMINARY for item in axis.evidence)
    return Grade(
        system=system,
        version=VERSION,
        at=at,
        grade=axis.level,
        provisional=axis.provisional or (preliminary and axis.level is not None),
        because=axis.because,
        evidence=axis.evidence,
        missing=axis.missing,
        flags=(*axis.flags, PROVISIONAL) if preliminary else axis.flags,
    )


def _counts(chart: Chart, at: datetime) -> list[Entry]:
    return [entry for entry in chart.until(KIND, at) if entry.value is not None]


def _together(entries: list[Entry], cuts: tuple[Cut, ...]) -> DayCounts:
    """Several counts taken together: a level that one of them reached is reached."""
    found = [levels(entry, cuts) for entry in entries]
    allows = Levels(max(item.lowest for item in found), max(item.highest for item in found))
    return DayCounts(allows, min(entries, key=lambda entry: (entry.value or Decimal(0), not entry.comparator)))


# -- early -----------------------------------------------------------------------------------------


def _by_day(chart: Chart, at: datetime, site: Site) -> dict[int, DayCounts]:
    """Every day with a count, including days before 0 and after 30, which are neighbours of days without one."""
    entries: dict[int, list[Entry]] = {}
    for entry in _counts(chart, at):
        number = chart.day(entry.effective, site.zone)
        if number is not None:
            entries.setdefault(number, []).append(entry)
    return {number: _together(found, BANDS) for number, found in entries.items()}


def _early(counted: dict[int, DayCounts], last: int) -> Axis:
    days = [_band(number, counted) for number in range(last + 1)]
    sure = _reached([day.lowest for day in days])
    possible = _reached([day.highest for day in days])
    grade, could_be = (sure.grade if sure else 0), (possible.grade if possible else 0)
    unknown = [number for number, day in enumerate(days) if not day.decided]
    names = _unknown(unknown, counted)
    filled = sum(day.decided and number not in counted for number, day in enumerate(days))
    because = [phrase("{what}: {verdict}", what=_days_in_bands(days, last), verdict=_verdict(sure, could_be))]
    if filled:
        because.append(phrase("of {what} without a count both neighbours are in one band", what=_days(filled)))
    if last < LAST_EARLY_DAY:
        because.append(phrase("so far: day {n} is not reached", n=LAST_EARLY_DAY))
    open_ = grade != could_be
    return Axis(
        None if open_ and not grade else grade,
        tuple(because),
        evidence(*((KIND, counted[number].lowest) for number in _rests_on(counted, last))),
        provisional=open_ and grade > 0,
        missing=names if open_ else (),
        flags=(*_gaps(days), *(_no_matter(name) for name in names if not open_)),
    )


def _no_matter(name: Phrase) -> Phrase:
    return phrase("{what}: cannot change the grade", what=name)


def _band(number: int, counted: dict[int, DayCounts]) -> Levels:
    """The bands that a day may be in: by its count, or filled from its neighbours, or any."""
    if number in counted:
        return counted[number].allows
    before = max((day for day in counted if day < number), default=None)
    after = min((day for day in counted if day > number), default=None)
    if before is not None and after is not None:
        around = counted[before].allows, counted[after].allows
        lowest, highest = min(band.lowest for band in around), max(band.highest for band in around)
        if lowest >= SEVERE or highest == 0:
            return Levels(lowest, highest)
    return Levels(0, PROFOUND)


def _reached(bands: list[int]) -> Duration | None:
    """The worst cell that this many days in these bands reach; of equals the first printed one."""
    reached = [row for row in EARLY if sum(band >= row.band for band in bands) >= row.days]
    return max(reached, key=lambda row: row.grade, default=None)


def _rests_on(counted: dict[int, DayCounts], last: int) -> list[int]:
    """The days with a count in the window, and the neighbours that a day at its ends is filled from."""
    first = max((day for day in counted if day <= 0), default=0)
    end = min((day for day in counted if day >= last), default=last)
    return sorted(day for day in counted if first <= day <= end)


def _days_in_bands(days: list[Levels], last: int) -> Phrase:
    severe = sum(day.lowest >= SEVERE for day in days)
    profound = sum(day.lowest >= PROFOUND for day in days)
    text = "ANC <= 500/µL on {n} and <= 100/µL on {n2} of days {cell}"
    return phrase(text, n=severe, n2=profound, cell=f"0-{last}")


def _verdict(sure: Duration | None, could_be: int) -> Phrase:
    return verdict(sure.grade if sure else 0, could_be, sure.cell if sure else "")


def verdict(grade: int, could_be: int, printed: str) -> Phrase:
    """The grade with its cell as printed, and the possible grades if it is open."""
    if grade != could_be:
        if not grade:
            return phrase("grade unknown, could be up to {n}", n=could_be)
        return phrase("at least grade {n} ({what}), could be {n2}", n=grade, what=Phrase(printed), n2=could_be)
    return phrase("grade {n} ({what})", n=grade, what=Phrase(printed)) if grade else phrase("grade {n}", n=0)


def _unknown(unknown: list[int], counted: dict[int, DayCounts]) -> tuple[Phrase, ...]:
    """The number of unknown days, and the reason."""
    bounds = sum(number in counted for number in unknown)
    empty = len(unknown) - bounds
    names = []
    if empty:
        names.append(phrase("{what} ({what2} without a count)", what=Name(KIND), what2=_days(empty)))
    if bounds:
        names.append(phrase("{what} ({what2} with only a bound)", what=Name(KIND), what2=_days(bounds)))
    return tuple(names)


def _gaps(days: list[Levels]) -> tuple[Phrase, ...]:
    """A remark if a day above 500 lies between days that are not."""
    severe = [number for number, day in enumerate(days) if day.lowest >= SEVERE]
    if severe and any(day.highest == 0 for day in days[severe[0] : severe[-1]]):
        return (phrase("the {what} <= 500/µL are not consecutive", what=_days(len(severe))),)
    return ()


def _days(number: int) -> Phrase:
    return plural("1 day", "{n} days", n=number)


# -- late ------------------------------------------------------------------------------------------


def _by_time(chart: Chart, at: datetime, site: Site) -> list[DayCounts]:
    """The counts after day 30; several charted for one time are one count."""
    entries: dict[datetime, list[Entry]] = {}
    for entry in _counts(chart, at):
        number = chart.day(entry.effective, site.zone)
        if number is not None and number > LAST_EARLY_DAY:
            entries.setdefault(entry.effective, []).append(entry)
    return [_together(found, LATE) for found in entries.values()]


def _too_few(counts: list[DayCounts], today: int) -> Axis:
    if counts:
        found = evidence((KIND, counts[0].lowest))
        one = phrase("only one count after day {n}", n=LAST_EARLY_DAY)
        return Axis(None, (one,), found, missing=(Phrase("a second count"),))
    text = phrase("no count after day {n}, this is day {n2}", n=LAST_EARLY_DAY, n2=today)
    return Axis(None, (text,), missing=(phrase("{what} after day {n}", what=Name(KIND), n=LAST_EARLY_DAY),))


def _late(counts: list[DayCounts]) -> Axis:
    second = COUNTS_NEEDED - 1
    grade = sorted((count.allows.lowest for count in counts), reverse=True)[second]
    could_be = sorted((count.allows.highest for count in counts), reverse=True)[second]
    worst = sorted(counts, key=lambda count: (*count.allows, count.lowest.effective), reverse=True)[:COUNTS_NEEDED]
    one, other = (with_time(KIND, count.lowest) for count in worst)
    shown = phrase("{what} and {what2}", what=one, what2=other)
    bounds = [count.lowest for count in counts if count.allows.highest > max(grade, count.allows.lowest)]
    text = phrase("the two lowest since day {n}, {what}", n=LAST_EARLY_DAY + 1, what=shown)
    return Axis(
        None if grade != could_be and not grade else grade,
        (phrase("{what}: {verdict}", what=text, verdict=verdict(grade, could_be, cell(grade, LATE))),),
        evidence(*((KIND, count.lowest) for count in worst)),
        provisional=grade != could_be and grade > 0,
        missing=tuple(dict.fromkeys(only_a_bound(KIND, entry) for entry in bounds)) if grade != could_be else (),
    )
