"""The geometry of the report's plots, in the units of their view box. The template draws it, and escapes all text."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from worker.quality.cohort import PatientTruth
from worker.quality.measures import Measures
from worker.quality.policies import OURS, StayOutcome
from worker.report.palette import URGENCIES

WIDTH, HEIGHT = 680.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 190.0, 14.0, 42.0

SEVERE = ("crs >= 2", "icans >= 2")
"""The conditions that the plots are about: those for which somebody must come."""

BEDS = 10
HOURS = 24
LONGEST_SHOWN = 240.0
"""Minutes of the axis of delays."""


class AxisTick(NamedTuple):
    """A mark on an axis."""

    at: float
    text: str


class PolicyDot(NamedTuple):
    """One policy in the plane of burden and sensitivity. `number` chooses its colour and shape."""

    number: int
    name: str
    x: float
    y: float
    label_y: float
    words: str


class Curve(NamedTuple):
    """The share paged within a delay, as the points of a line."""

    number: int
    name: str
    points: str
    label_y: float


class GradeCell(NamedTuple):
    """An hour at a true grade."""

    x: float
    width: float
    grade: int
    words: str


class PageMark(NamedTuple):
    """A page on the time axis of a bed."""

    x: float
    urgency: str
    words: str


class Bed(NamedTuple):
    """One patient of the ward on one day."""

    name: str
    y: float
    crs: list[GradeCell]
    icans: list[GradeCell]
    marks: list[PageMark]


class WardDay(NamedTuple):
    """A day of a ward: its title, its hours, and its beds."""

    day: str
    height: float
    ticks: list[AxisTick]
    beds: list[Bed]
    pages: int


class Scatter(NamedTuple):
    """Burden against sensitivity."""

    dots: list[PolicyDot]
    x_ticks: list[AxisTick]
    y_ticks: list[AxisTick]


class Curves(NamedTuple):
    """Delays from the true onset."""

    curves: list[Curve]
    x_ticks: list[AxisTick]
    y_ticks: list[AxisTick]


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


Y_TICKS = [AxisTick(_y(share), f"{100 * share:.0f} %") for share in (0, 0.25, 0.5, 0.75, 1)]


def pooled_sensitivity(one: Measures) -> float | None:
    """Of the charted onsets of grade 2 or more of CRS and ICANS, the share that was paged."""
    found = [one.condition(name) for name in SEVERE] if one.conditions else []
    charted = sum(of.charted for of in found)
    return sum(of.paged for of in found) / charted if charted else None


def scatter(found: Mapping[str, Measures]) -> Scatter | None:
    """Each policy by its pages per 100 patient-days (logarithmic) and its sensitivity; None without a truth."""
    known = [(name, 100 * one.burden.per_day(), pooled_sensitivity(one)) for name, one in found.items()]
    points = [(name, pages, share) for name, pages, share in known if share is not None and pages > 0]
    if not points:
        return None
    low = math.floor(math.log10(min(pages for _, pages, _ in points)))
    high = max(math.ceil(math.log10(max(pages for _, pages, _ in points))), low + 1)

    def across(pages: float) -> float:
        return _x((math.log10(pages) - low) / (high - low))

    labels = _apart([_y(share) for _, _, share in points])
    dots = [
        PolicyDot(number, name, across(pages), _y(share), at, f"{name}: {pages:.0f} pages, {100 * share:.0f} % paged")
        for number, ((name, pages, share), at) in enumerate(zip(points, labels, strict=True))
    ]
    ticks = [AxisTick(across(10.0**power), f"{10**power:g}") for power in range(low, high + 1)]
    return Scatter(dots, ticks, Y_TICKS)


def _apart(wanted: Sequence[float], least: float = 15.0) -> list[float]:
    """Heights of labels near those wanted, none on another."""
    placed: dict[int, float] = {}
    last = -math.inf
    for index in sorted(range(len(wanted)), key=lambda one: wanted[one]):
        last = placed[index] = max(wanted[index], last + least)
    over = max(last - (HEIGHT - BOTTOM), 0.0)
    return [round(placed[index] - over, 1) for index in range(len(wanted))]


def delays(found: Mapping[str, Measures]) -> Curves | None:
    """For each policy the share of charted onsets of grade 2 or more that is paged within so many minutes."""
    curves, ends = [], []
    for number, (name, one) in enumerate(found.items()):
        of = [one.condition(condition) for condition in SEVERE] if one.conditions else []
        charted = sum(condition.charted for condition in of)
        if not charted:
            continue
        already = sum(condition.already for condition in of)
        points = list(_steps(sorted(delay for condition in of for delay in condition.delays), already, charted))
        ends.append(points[-1][1])
        text = " ".join(f"{_x(x / LONGEST_SHOWN)},{_y(y)}" for x, y in points)
        curves.append(Curve(number, name, text, 0.0))
    if not curves:
        return None
    labels = _apart([_y(end) for end in ends])
    placed = [curve._replace(label_y=at) for curve, at in zip(curves, labels, strict=True)]
    ticks = [AxisTick(_x(minutes / LONGEST_SHOWN), f"{minutes:.0f}") for minutes in (0, 60, 120, 180, 240)]
    return Curves(placed, ticks, Y_TICKS)


def _steps(delays: Sequence[float], already: int, charted: int) -> Iterator[tuple[float, float]]:
    count = already
    yield 0.0, count / charted
    for delay in delays:
        if delay > LONGEST_SHOWN:
            break
        yield delay, count / charted
        count += 1
        yield delay, count / charted
    yield LONGEST_SHOWN, count / charted


# -- a day of a ward -----------------------------------------------------------------------------------

ROW = 30.0
WARD_LEFT, WARD_TOP = 92.0, 26.0


def ward(outcomes: Sequence[StayOutcome], truths: Mapping[str, PatientTruth], zone: ZoneInfo) -> WardDay | None:
    """The first ten patients on the day on which most pages were sent for them."""
    beds = outcomes[:BEDS]
    days = [page.at.astimezone(zone).date() for one in beds for page in one.pages[OURS]]
    if not days:
        return None
    day = max(sorted(set(days)), key=days.count)
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    rows = [_bed(one, truths.get(one.patient), start, WARD_TOP + ROW * number) for number, one in enumerate(beds)]
    ticks = [AxisTick(_hour(hour), f"{hour:02}:00") for hour in range(0, HOURS + 1, 4)]
    return WardDay(f"{day:%d %B}", WARD_TOP + ROW * len(rows) + 8, ticks, rows, sum(len(row.marks) for row in rows))


def _hour(hour: float) -> float:
    return round(WARD_LEFT + hour / HOURS * (WIDTH - WARD_LEFT - 24), 1)


def _bed(one: StayOutcome, truth: PatientTruth | None, start: datetime, y: float) -> Bed:
    pages = [page for page in one.pages[OURS] if start <= page.at < start + timedelta(days=1)]
    marks = [
        PageMark(
            _hour((page.at - start) / timedelta(hours=1)),
            page.urgency,
            f"{page.at.astimezone(start.tzinfo):%H:%M} {page.urgency}: {page.condition} ({page.reason}) to {page.to}",
        )
        for page in sorted(pages, key=lambda page: list(URGENCIES).index(page.urgency), reverse=True)
    ]
    if truth is None:
        return Bed(one.patient, y, [], [], marks)
    return Bed(
        one.patient, y, _cells(truth, truth.crs, start, "CRS"), _cells(truth, truth.icans, start, "ICANS"), marks
    )


def _cells(truth: PatientTruth, series: Sequence[int], start: datetime, name: str) -> list[GradeCell]:
    """Runs of hours of one grade; hours at 0 are left empty."""
    first = round((start - truth.begins) / timedelta(hours=1))
    found: list[GradeCell] = []
    width = round(_hour(1) - _hour(0), 2)
    for hour in range(HOURS):
        index = first + hour
        grade = series[index] if 0 <= index < len(series) else 0
        if grade:
            found.append(GradeCell(_hour(hour), width, grade, f"{hour:02}:00 true {name} {grade}"))
    return found
