"""The panels of the picture. Each draws one subject onto axes whose x is days since infusion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from worker.report.course import Course, Sample
from worker.report.lanes import draw_lane, lane_name, lanes
from worker.report.palette import GRADES, URGENCIES, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEVER = 38.0
"""Fever, the one temperature that the CRS consensus names (Lee et al. 2019)."""

INK = "#1f2933"
SOFT = "#5d6770"
HAIRLINE = "#d9dfe4"
GRADED = {
    "crs": ("CRS", "ASTCT"),
    "icans": ("ICANS", "ASTCT"),
    "ctcae.anemia": ("anaemia", "CTCAE"),
    "ctcae.platelets": ("platelets", "CTCAE"),
    "ctcae.neutrophils": ("neutrophils", "CTCAE"),
}
"""The systems shown as bands: the label of each, and the source of its table."""

ICE_BANDS = ((-1.6, 2.5, 3), (2.5, 6.5, 2), (6.5, 9.5, 1))
"""The ranges in which the ICE row of the ICANS table gives a grade: 0-2 is 3, 3-6 is 2, 7-9 is 1."""

ROOM_FOR_A_NUMBER = 0.24
"""Days. A narrower band of a grade shows its colour only."""


class Panel(NamedTuple):
    """A strip of the picture: its height (inches) and the function that draws it."""

    height: float
    draw: Callable[[Axes, Course], None]


def panels(course: Course) -> list[Panel]:
    """The panels of a course, from top to bottom. A panel without values is left out."""
    readings = (
        (0.8, draw_temperature, ("temperature",)),
        (0.8, draw_pressure, ("systolic_bp", "mean_bp")),
        (0.62, draw_saturation, ("spo2",)),
        (0.68, draw_ice, ("ice",)),
    )
    found = [Panel(0.165 * len(URGENCIES), draw_pages), Panel(0.185 * len(GRADED), draw_grades)]
    found += [Panel(height, draw) for height, draw, names in readings if any(map(course.samples.get, names))]
    if any(change.value for change in course.changes.get("m_easix", ())):
        found.append(Panel(0.72, draw_m_easix))
    if lanes(course):
        found.append(Panel(0.165 * len(lanes(course)), draw_treatments))
    return found


def _rows(ax: Axes, names: Sequence[str]) -> None:
    """One labelled row for each name, the first on top."""
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", length=0)


def _title(ax: Axes, text: str) -> None:
    ax.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=7.5, color=INK)
    ax.yaxis.set_label_coords(-0.052, 0.5)


def _at_right(ax: Axes, text: str, y: float, colour: str) -> None:
    ax.annotate(text, (1.008, y), xycoords=("axes fraction", "data"), va="center", fontsize=7, color=colour)


def _line(ax: Axes, course: Course, samples: Iterable[Sample], colour: str, shape: str = "o") -> None:
    points = [(course.position(sample.at), float(sample.value)) for sample in samples]
    ax.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color=colour,
        linewidth=1.0,
        marker=shape,
        markersize=1.9,
    )


def _extreme(
    ax: Axes,
    course: Course,
    samples: Sequence[Sample],
    colour: str,
    which: Callable[[Iterable[Decimal]], Decimal],
    lift: float = -4,
) -> None:
    """Write the highest or lowest shown value beside its first point."""
    shown = [sample for sample in samples if course.position(sample.at) >= ax.get_xlim()[0]]
    if not shown:
        return
    value = which(sample.value for sample in shown)
    first = next(sample for sample in shown if sample.value == value)
    ax.annotate(
        f"{value}",
        (course.position(first.at), float(value)),
        xytext=(-3, lift),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=7,
        color=colour,
    )


def _scale(ax: Axes, ticks: Sequence[float], low: float, high: float) -> None:
    ax.set_ylim(low, high)
    ax.set_yticks([tick for tick in ticks if low <= tick <= high])
    ax.grid(axis="y", color=HAIRLINE, linewidth=0.5)


def _values(course: Course, *names: str) -> list[float]:
    return [float(sample.value) for name in names for sample in course.samples.get(name, ())]


def mark_urgent(ax: Axes, course: Course) -> None:
    """A thin line through a panel at each new page of high or critical urgency."""
    for page in course.pages:
        if page.urgency in ("critical", "high") and not page.repeats:
            colour = URGENCIES[page.urgency].colour
            ax.axvline(course.position(page.at), color=colour, linewidth=0.7, alpha=0.45, zorder=0.5)


def draw_pages(ax: Axes, course: Course) -> None:
    """A mark for each page and a dot for each repeat, one row for each urgency; their number at the right end."""
    _rows(ax, list(URGENCIES))
    for row, (urgency, mark) in enumerate(URGENCIES.items()):
        sent = [page for page in course.pages if page.urgency == urgency]
        news = [course.position(page.at) for page in sent if not page.repeats]
        repeats = [course.position(page.at) for page in sent if page.repeats]
        ax.axhline(row, color=HAIRLINE, linewidth=0.5, zorder=1)
        ax.scatter(repeats, [row] * len(repeats), marker=".", s=5, color=mark.colour, linewidths=0, zorder=2)
        ax.scatter(news, [row] * len(news), marker=mark.shape, s=26, color=mark.colour, zorder=3)
        if sent:
            _at_right(ax, f"{len(sent)} sent", row, mark.colour)


def draw_grades(ax: Axes, course: Course) -> None:
    """Each system's grade as a coloured band, with the number in it if it fits."""
    _rows(ax, [name for name, _ in GRADED.values()])
    for row, (system, (_, table)) in enumerate(GRADED.items()):
        _at_right(ax, table, row, SOFT)
        for since, until, grade in bands(course, system):
            _band(ax, row, max(since, ax.get_xlim()[0]), until, grade)


def _band(ax: Axes, row: int, since: float, until: float, grade: int | None) -> None:
    if until <= since:
        return
    colours = tint(grade)
    ax.broken_barh(
        [(since, until - since)],
        (row - 0.41, 0.82),
        facecolors=colours.fill,
        edgecolor="#b9c2ca" if grade is None else "white",
        linewidth=0.3,
        hatch="/////" if grade is None else None,
    )
    if grade and until - since > ROOM_FOR_A_NUMBER:
        ax.annotate(
            str(grade),
            ((since + until) / 2, row),
            ha="center",
            va="center_baseline",
            fontsize=7,
            fontweight="bold",
            color=colours.ink,
        )


def bands(course: Course, system: str) -> list[tuple[float, float, int | None]]:
    """Start, end (days since infusion) and grade of each band; none while the system is not applicable."""
    changes = course.changes.get(system, ())
    end = course.position(course.end)
    starts = [min(course.position(change.at), end) for change in changes]
    found: list[tuple[float, float, int | None]] = []
    for change, since, until in zip(changes, starts, [*starts[1:], end], strict=False):
        if not change.applicable or until <= since:
            continue
        if found and found[-1][1:] == (since, change.grade):
            since = found.pop()[0]
        found.append((since, until, change.grade))
    return found


def draw_temperature(ax: Axes, course: Course) -> None:
    """Temperature in °C, with the 38.0 that the CRS consensus calls fever."""
    found = _values(course, "temperature")
    _title(ax, "temperature\n°C")
    _scale(ax, (34, 35, 36, 37, 38, 39, 40, 41), min(*found, 36) - 0.3, max(*found, 39) + 0.6)
    ax.axhline(FEVER, color=GRADES[3].fill, linewidth=0.9, linestyle=(0, (4, 2)))
    _at_right(ax, "fever 38.0", FEVER, GRADES[3].fill)
    _line(ax, course, course.samples["temperature"], "#a8320a")
    _extreme(ax, course, course.samples["temperature"], "#a8320a", max, lift=4)


def draw_pressure(ax: Axes, course: Course) -> None:
    """Systolic and mean pressure in mmHg. If no mean was charted, it is computed from the cuff's two values."""
    systolic, mean = course.samples.get("systolic_bp", ()), mean_pressure(course)
    found = [float(sample.value) for sample in (*systolic, *mean)]
    _title(ax, "pressure\nmmHg")
    _scale(ax, (30, 60, 90, 120, 150, 180), min(*found, 60) - 10, max(*found, 120) + 8)
    for samples, colour, name, shape in (
        (systolic, "#0b5394", "systolic", "o"),
        (mean, "#5b9bd5", "mean", "s"),
    ):
        if samples:
            _line(ax, course, samples, colour, shape)
            _at_right(ax, name, float(samples[-1].value), colour)
    _extreme(ax, course, systolic, "#0b5394", min, lift=3.5)


def mean_pressure(course: Course) -> tuple[Sample, ...]:
    """The charted mean pressure; else diastolic plus a third of the difference, if both were measured at once."""
    charted = course.samples.get("mean_bp", ())
    if charted:
        return charted
    diastolic = {sample.at: sample.value for sample in course.samples.get("diastolic_bp", ())}
    return tuple(
        Sample(high.at, diastolic[high.at] + (high.value - diastolic[high.at]) / Decimal(3))
        for high in course.samples.get("systolic_bp", ())
        if high.at in diastolic
    )


def draw_saturation(ax: Axes, course: Course) -> None:
    """SpO2 in per cent."""
    _title(ax, "SpO2\n%")
    _scale(ax, (80, 84, 88, 92, 96, 100), min(*_values(course, "spo2"), 90) - 3, 101.5)
    _line(ax, course, course.samples["spo2"], "#00795a")
    _extreme(ax, course, course.samples["spo2"], "#00795a", min)


def draw_ice(ax: Axes, course: Course) -> None:
    """ICE over the bands of the ICANS table."""
    _title(ax, "ICE\n0-10")
    _scale(ax, (0, 3, 7, 10), -1.6, 11)
    for low, high, grade in ICE_BANDS:
        ax.axhspan(low, high, color=GRADES[grade].fill, alpha=0.28, linewidth=0, zorder=0)
        _at_right(ax, f"ICANS {grade}", (max(low, 0) + high) / 2, SOFT)
    _line(ax, course, course.samples["ice"], "#5e2d8a")
    _extreme(ax, course, course.samples["ice"], "#5e2d8a", min)


def draw_m_easix(ax: Axes, course: Course) -> None:
    """m-EASIX on a logarithmic scale. A hollow mark: a treatment has changed its inputs."""
    scored = [change for change in course.changes["m_easix"] if change.value]
    points = [(course.position(change.at), float(change.value or 0)) for change in scored]
    hollow = [any("confounded" in flag for flag in change.flags) for change in scored]
    highest = max(points, key=lambda point: point[1])
    _title(ax, "m-EASIX\nlog scale")
    ax.set_yscale("log", base=2)
    ax.plot([x for x, _ in points], [y for _, y in points], color="#8a949e", linewidth=0.8, zorder=2)
    fills = ["white" if confounded else INK for confounded in hollow]
    ax.scatter([x for x, _ in points], [y for _, y in points], s=14, c=fills, edgecolors=INK, linewidths=0.8, zorder=3)
    ax.set_ylim(min(y for _, y in points) / 1.6, highest[1] * 1.9)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.grid(axis="y", color=HAIRLINE, linewidth=0.5)
    ax.annotate(f"{highest[1]:.1f}", highest, xytext=(4, 3), textcoords="offset points", fontsize=7, color=INK)
    if any(hollow):
        _at_right(ax, "○ confounded", points[-1][1], SOFT)


def draw_treatments(ax: Axes, course: Course) -> None:
    """A lane for each treatment."""
    names = lanes(course)
    _rows(ax, [lane_name(name) for name in names])
    for row, name in enumerate(names):
        ax.axhline(row, color=HAIRLINE, linewidth=0.5, zorder=0)
        draw_lane(ax, course, name, row)
