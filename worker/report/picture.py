"""The course as one PNG: panels above each other that share one axis of days."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from alerts.wording.catalogue import DISCLAIMER
from worker.report.course import Course
from worker.report.palette import GRADES, UNDETERMINED
from worker.report.panels import INK, SOFT, Panel, mark_urgent, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.0
DOTS_PER_INCH = 200
LEFT, RIGHT = 1.02, 0.82
TOP, BOTTOM, GAP = 0.58, 0.44, 0.1
"""Inches. At 200 dots per inch the text is readable on a phone held upright and zoomed once."""

FIRST_DAY = -1


def draw(course: Course) -> bytes:
    """The picture as PNG. It needs no display and leaves matplotlib's global state alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    strips = panels(course)
    height = TOP + BOTTOM + sum(strip.height for strip in strips) + GAP * (len(strips) - 1)
    figure = Figure(figsize=(WIDTH, height), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    _heading(figure, course, height)
    top = height - TOP
    for index, strip in enumerate(strips):
        _strip(figure, course, strip, top, height, first=index == 0, last=index == len(strips) - 1)
        top -= strip.height + GAP
    _grade_key(figure)
    png = BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def _heading(figure: Figure, course: Course, height: float) -> None:
    product = course.admission.product if course.admission and course.admission.product else "CAR-T"
    day_zero = f"D0 is {course.day_zero:%d %B %Y}" if course.infused else "no infusion charted"
    left, right, line = LEFT / WIDTH, 1 - RIGHT / WIDTH, 0.18 / height
    figure.text(left, 1 - line, f"{course.patient}, {product}", fontsize=9.5, weight="bold", color=INK)
    figure.text(right, 1 - line, day_zero, fontsize=7.5, ha="right", color=SOFT)
    figure.text(left, 1 - 1.9 * line, DISCLAIMER, fontsize=6.5, color=SOFT)
    synthesised = course.provenance.get("synthesised")
    if synthesised:
        text = f"{synthesised} of {sum(course.provenance.values())} records synthesised"
        figure.text(right, 1 - 1.9 * line, text, fontsize=6.5, ha="right", color=SOFT)


def _strip(figure: Figure, course: Course, strip: Panel, top: float, height: float, *, first: bool, last: bool) -> None:
    box = (LEFT / WIDTH, (top - strip.height) / height, 1 - (LEFT + RIGHT) / WIDTH, strip.height / height)
    ax = figure.add_axes(box)
    ax.set_xlim(FIRST_DAY, course.last_day + 1)
    mark_urgent(ax, course)
    strip.draw(ax, course)
    ax.set_xlim(FIRST_DAY, course.last_day + 1)
    ax.tick_params(axis="y", labelsize=7.5, labelcolor=INK, length=2, width=0.5, pad=2)
    for side in ax.spines.values():
        side.set_linewidth(0.5)
        side.set_color("#aab3bb")
    _days(ax, course, top=first, bottom=last)


def _days(ax: Axes, course: Course, *, top: bool, bottom: bool) -> None:
    """Shade every other day and centre its name: D0 lasts from midnight to midnight."""
    days = range(FIRST_DAY, course.last_day + 1)
    for day in days:
        if day % 2 == 0:
            ax.axvspan(day, day + 1, color="#f3f5f7", linewidth=0, zorder=-5)
    ax.set_axisbelow(True)
    every = 1 + len(days) // 20
    named = [day for day in days if day % every == 0]
    ax.set_xticks([day + 0.5 for day in named], [_day_name(day) for day in named])
    ax.tick_params(axis="x", length=0, labelsize=7, labeltop=top, labelbottom=bottom, pad=2, labelcolor=INK)


def _day_name(day: int) -> str:
    return f"{day:+d}".replace("-", "−") if day else "D0"


def _grade_key(figure: Figure) -> None:
    from matplotlib.patches import Patch

    keys = [
        Patch(facecolor=tint.fill, edgecolor="#b9c2ca", linewidth=0.5, label=f"grade {grade}")
        for grade, tint in GRADES.items()
        if grade < 5
    ]
    keys.append(
        Patch(facecolor=UNDETERMINED.fill, edgecolor="#b9c2ca", linewidth=0.5, hatch="/////", label="undetermined")
    )
    figure.legend(
        handles=keys,
        loc="lower center",
        ncols=len(keys),
        bbox_to_anchor=(0.5, 0.0),
        fontsize=7.5,
        frameon=False,
        handlelength=1.4,
        columnspacing=1.3,
    )
