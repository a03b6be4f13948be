"""The layout of the trend, designed for a phone held upright at night, at arm's length.

On top stand two rows of grades; then a panel for each subject and each sign, with its last value in large figures; then
a lane for each treatment. One time axis lies under all of them.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from math import floor, log10
from typing import NamedTuple
from zoneinfo import ZoneInfo

from alerts.chart.chart import Chart
from alerts.wording import catalogue
from alerts.wording.catalogue import say
from config.site import Language, Site
from config.vocabulary import label
from worker.report.palette import NIGHT, Theme, Tint
from worker.report.scene import Box, Dot, Path, Scene, Shape, Text, to_png, to_svg
from worker.report.subject import heading as subject_heading
from worker.report.subject import unit
from worker.report.trend import HIGHEST, Band, Lane, Point, Trend, gather, heading, in_words, plain

PIXELS = 1080

WIDTH = 720
LEFT = 172
RIGHT = 18
WORST_AT = 256
LARGE = 30
SIZE = 24
SMALL = 20

GAP = 18
GRADE_ROW = 46
LANE_ROW = 38
HEAD = 38

FEVER = 38.0
"""Fever, the one temperature that the CRS consensus names (Lee et al. 2019)."""

BREAK = timedelta(hours=13)
"""A longer time without a reading interrupts the line."""

SUBJECT_BREAK = timedelta(hours=49)
"""The same for values that a laboratory measures once a day."""

NOW_WIDTH = 32
"""The least width of the current grade: a grade that has just changed must be visible, with its number."""

STEPS = tuple(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12, 24))
LABELS = 7

SHORT = {
    "red_cell_transfusion": "red cells",
    "platelet_transfusion": "platelets",
    "methylprednisolone": "methylpred.",
    "immunoglobulin": "immunoglob.",
    "norepinephrine": "norepineph.",
    "dexamethasone": "dexameth.",
    "phenylephrine": "phenyleph.",
}


class Line(NamedTuple):
    """One curve of a panel."""

    kind: str
    colour: str
    name: str = ""


class TrendPanel(NamedTuple):
    """One sign: its name, its curves, its height, the least range of its scale, and the marked values."""

    title: str
    lines: tuple[Line, ...]
    height: int
    low: float
    high: float
    ticks: tuple[float, ...]
    decimals: int | None = 0
    gap: timedelta = BREAK

    def shown(self, value: Decimal) -> str:
        """A value in the format of the panel; without fixed decimals as few as needed."""
        return plain(value) if self.decimals is None else f"{value:.{self.decimals}f}"


def panels(theme: Theme, language: Language) -> tuple[TrendPanel, ...]:
    """The panels of the signs, from top to bottom."""
    return (
        TrendPanel(
            f"{say('temperature', language)} °C",
            (Line("temperature", theme.temperature),),
            132,
            36.0,
            39.4,
            (36, 37, 38, 39, 40, 41),
            1,
        ),
        TrendPanel(
            f"{say('pressure', language)} mmHg",
            (
                Line("systolic_bp", theme.systolic, say("sys", language)),
                Line("mean_bp", theme.mean, say("mean", language)),
            ),
            132,
            58,
            124,
            (40, 60, 80, 100, 120, 140, 160, 180, 200),
        ),
        TrendPanel("SpO2 %", (Line("spo2", theme.saturation),), 104, 88, 100.6, (70, 75, 80, 85, 90, 95, 100)),
        TrendPanel(say("ICE of 10", language), (Line("ice", theme.ice),), 104, -0.5, 10.5, (0, 3, 7, 10)),
    )


def subject_panels(trend: Trend, theme: Theme, language: Language) -> tuple[TrendPanel, ...]:
    """A panel for each subject of the page, scaled to its values."""
    found = []
    for kind in trend.subjects:
        values = [float(point.value) for point in trend.series[kind]]
        low, high = min(0.0, *values), max(values) or 1.0
        name = f"{say(subject_heading(kind), language)} {unit(kind)}".strip()
        line = Line(kind, theme.saturation)
        found.append(TrendPanel(name, (line,), 104, low, high * 1.1, (0, *_round_ticks(high)), None, SUBJECT_BREAK))
    return tuple(found)


def _round_ticks(high: float) -> tuple[float, ...]:
    """Two round ticks up to the highest value: one, two or five times a power of ten, and half of that."""
    power = 10.0 ** floor(log10(high))
    top = next(step * power for step in (5, 2, 1) if step * power <= high)
    return (top / 2, top)


class _Axis(NamedTuple):
    start: datetime
    end: datetime
    """The start of the strip that shows the present, `NOW_WIDTH` before the right edge."""

    def x(self, at: datetime) -> float:
        share = (at - self.start) / (self.end - self.start)
        return LEFT + share * (WIDTH - LEFT - RIGHT - NOW_WIDTH)


def scene(trend: Trend, zone: ZoneInfo, language: Language, theme: Theme, words: str) -> Scene:
    """The whole picture. `words` describe it."""
    axis = _Axis(trend.start, trend.end)
    shapes: list[Shape] = [*_heading(trend, zone, language, theme)]
    y: float = 58
    top = y
    for name, bands in trend.grades.items():
        shapes += _grade_row(name, bands, axis, y, theme)
        y += GRADE_ROW
    y += GAP
    for panel in (*subject_panels(trend, theme, language), *panels(theme, language)):
        curves = [(line, trend.series[line.kind]) for line in panel.lines if line.kind in trend.series]
        if curves:
            shapes += _panel(panel, curves, axis, y, theme)
            y += HEAD + panel.height + GAP
    for lane in trend.lanes:
        shapes += _lane(lane, axis, y, language, theme)
        y += LANE_ROW
    grid, names = _times(axis, zone, top, y + 4, language, theme)
    height = round(y + 74)
    return Scene(WIDTH, height, theme.ground, (*grid, *shapes, *names), words)


def _heading(trend: Trend, zone: ZoneInfo, language: Language, theme: Theme) -> list[Shape]:
    left = heading(trend.place, trend.day, language) or say("Trend", language)
    at = catalogue.clock(trend.end, language, zone)
    return [
        Text(16, 38, left, LARGE, theme.ink, bold=True),
        Text(WIDTH - RIGHT, 38, say("until {at}", language, at=at), SIZE, theme.soft, "end"),
    ]


def _grade_row(name: str, bands: tuple[Band, ...], axis: _Axis, y: float, theme: Theme) -> list[Shape]:
    shapes: list[Shape] = [Text(16, y + 31, name, SIZE, theme.ink, bold=True)]
    for band in bands:
        left, right = axis.x(band.since), axis.x(band.until) + (NOW_WIDTH if band is bands[-1] else 0)
        tint = Tint(theme.ground, theme.soft) if band.grade is None else theme.grades[min(max(band.grade, 0), 5)]
        shapes.append(Box(left, y + 3, max(right - left, 2), GRADE_ROW - 8, tint.fill, theme.hairline))
        shown = str(band.grade) if band.grade is not None else "?" if band.applicable else "–"
        if right - left > 20:
            shapes.append(Text((left + right) / 2, y + 31, shown, SIZE, tint.ink, "middle", bold=True))
    return shapes


def _panel(
    panel: TrendPanel, curves: list[tuple[Line, tuple[Point, ...]]], axis: _Axis, y: float, theme: Theme
) -> list[Shape]:
    values = [float(point.value) for _, points in curves for point in points]
    spread = (panel.high - panel.low) * 0.06
    low, high = min(panel.low, min(values) - spread), max(panel.high, max(values) + spread)
    base = y + HEAD + panel.height

    def height(value: float) -> float:
        return base - (value - low) / (high - low) * panel.height

    shapes: list[Shape] = [
        # The hour lines end here, so that no text crosses them.
        Box(LEFT - 2, y - 4, WIDTH - LEFT, HEAD, theme.ground),
        Text(16, y + 26, panel.title, SIZE, theme.ink),
        *_figures(panel, curves, y + 28, theme),
    ]
    last_label: float = base + 100
    for tick in panel.ticks:
        if low <= tick <= high:
            at = height(tick)
            shapes.append(Path(((LEFT, at), (WIDTH - RIGHT, at)), theme.hairline, 1.0))
            if last_label - at >= SMALL + 4:
                shapes.append(Text(LEFT - 12, at + 7, f"{tick:g}", SMALL, theme.soft, "end"))
                last_label = at
    if panel.lines[0].kind == "temperature":
        at = height(FEVER)
        shapes.append(Path(((LEFT, at), (WIDTH - RIGHT, at)), theme.fever, 2.0, dashed=True))
    for line, points in curves:
        shapes += _curve(points, line.colour, axis, height, panel.gap)
    return shapes


def _figures(panel: TrendPanel, curves: list[tuple[Line, tuple[Point, ...]]], y: float, theme: Theme) -> list[Shape]:
    """The last value of each curve, large and in its colour; and the worst value of the first curve."""
    first, values = curves[0][0], [point.value for point in curves[0][1]]
    which, worst = ("max", max(values)) if first.kind in HIGHEST else ("min", min(values))
    shapes: list[Shape] = [Text(WORST_AT, y, f"{which} {panel.shown(worst)}", SMALL, theme.soft)]
    right: float = WIDTH - RIGHT
    for line, points in reversed(curves):
        shown = panel.shown(points[-1].value)
        shapes.append(Text(right, y, shown, LARGE, line.colour, "end", bold=True))
        right -= 20 * len(shown) + 8
        if line.name:
            shapes.append(Text(right, y, line.name, SMALL, line.colour, "end"))
            right -= 13 * len(line.name) + 18
    return shapes


def _curve(
    points: tuple[Point, ...], colour: str, axis: _Axis, height: Callable[[float], float], gap: timedelta
) -> list[Shape]:
    shapes: list[Shape] = []
    run: list[tuple[float, float]] = []
    before: datetime | None = None
    for point in points:
        if before is not None and point.at - before > gap:
            shapes.append(Path(tuple(run), colour, 2.5))
            run = []
        run.append((axis.x(point.at), height(float(point.value))))
        before = point.at
    shapes.append(Path(tuple(run), colour, 2.5))
    if len(points) <= 60:
        shapes += [Dot(axis.x(point.at), height(float(point.value)), 4.0, colour) for point in points]
    last = points[-1]
    shapes.append(Dot(axis.x(last.at), height(float(last.value)), 6.0, colour))
    return shapes


def _lane(lane: Lane, axis: _Axis, y: float, language: Language, theme: Theme) -> list[Shape]:
    middle = y + LANE_ROW / 2
    shapes: list[Shape] = [
        Text(16, middle + 8, say(SHORT.get(lane.name, label(lane.name)), language), SMALL + 2, theme.ink),
        Path(((LEFT, middle), (WIDTH - RIGHT, middle)), theme.hairline, 1.0),
    ]
    for since, until in lane.ran:
        width = max(axis.x(until) - axis.x(since), 4)
        shapes.append(Box(axis.x(since), middle - 8, width, 16, theme.treatment))
    shapes += [Box(axis.x(at) - 3, middle - 14, 6, 28, theme.treatment) for at in lane.given]
    return shapes


def _times(
    axis: _Axis, zone: ZoneInfo, top: float, bottom: float, language: Language, theme: Theme
) -> tuple[list[Shape], list[Shape]]:
    """Vertical lines at round hours, and their labels: the hour, and at midnight the date."""
    span = axis.end - axis.start
    step = next((step for step in STEPS if span / step <= LABELS), STEPS[-1])
    at = axis.start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    grid: list[Shape] = []
    names: list[Shape] = []
    while at <= axis.end:
        if at >= axis.start:
            x = axis.x(at)
            midnight = at.hour == 0
            grid.append(Path(((x, top), (x, bottom)), theme.soft if midnight else theme.hairline, 1.0))
            if x <= WIDTH - 26:
                names.append(Text(x, bottom + 26, at.strftime("%H:%M"), SMALL, theme.soft, "middle"))
            if midnight and x <= WIDTH - 40:
                date = catalogue.date(at, language, zone)
                names.append(Text(x, bottom + 54, date, SMALL, theme.ink, "middle", bold=True))
        at += step
    return grid, names


def png(
    chart: Chart,
    at: datetime,
    site: Site,
    language: Language,
    about: tuple[str, ...] = (),
    width: int = PIXELS,
    theme: Theme = NIGHT,
) -> bytes:
    """The trend up to a time as PNG, for a phone at night. `about`: the subjects besides the signs."""
    return to_png(_scene(gather(chart, at, site, about), site, language, theme), width)


def svg(
    chart: Chart, at: datetime, site: Site, language: Language, about: tuple[str, ...] = (), theme: Theme = NIGHT
) -> str:
    """The trend as SVG, for a web page."""
    return to_svg(_scene(gather(chart, at, site, about), site, language, theme))


def describe(chart: Chart, at: datetime, site: Site, language: Language, about: tuple[str, ...] = ()) -> str:
    """The trend in words, for readers who cannot see it."""
    return in_words(gather(chart, at, site, about), site, language)


def _scene(trend: Trend, site: Site, language: Language, theme: Theme) -> Scene:
    return scene(trend, site.zone, language, theme, in_words(trend, site, language))
