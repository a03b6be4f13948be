"""The lanes of treatment: what was given when, and what ran for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.vocabulary import DRUGS, STEROIDS, label
from worker.report.course import Course
from worker.report.stay import total

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OXYGEN = "oxygen"
COLOURS = {
    OXYGEN: "#009e73",
    "tocilizumab": "#0072b2",
    "dexamethasone": "#7b3294",
    "levetiracetam": "#56676f",
    "filgrastim": "#a06a00",
    "red_cell_transfusion": "#b3001b",
    "platelet_transfusion": "#c98a00",
}
OTHER = "#56676f"
SHORT = {"red_cell_transfusion": "red cells", "platelet_transfusion": "platelet units"}


def lanes(course: Course) -> list[str]:
    """What gets a lane: oxygen, then every drug that was given or started, in the vocabulary's order."""
    used = {dose.drug for dose in course.doses} | {span.name for span in course.spans}
    return [name for name in (OXYGEN, *DRUGS) if name in used]


def draw_lane(ax: Axes, course: Course, name: str, row: int) -> None:
    """A bar for what ran, a tick for each dose, and at the right end what it came to."""
    colour = COLOURS.get(name, OTHER)
    for span in course.spans:
        if span.name == name:
            since, until = course.position(span.since), course.position(span.until or course.end)
            ax.broken_barh([(since, until - since)], (row - 0.25, 0.5), facecolors=colour, alpha=0.75)
    at = [course.position(dose.at) for dose in course.given(name)]
    ax.vlines(at, row - 0.36, row + 0.36, color=colour, linewidth=1.6)
    ax.annotate(
        summary(course, name),
        (1.008, row),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=7,
        color=colour,
    )


def lane_name(name: str) -> str:
    """How a lane is labelled; short, for the margin is narrow."""
    return SHORT.get(name, label(name))


def summary(course: Course, name: str) -> str:
    """What is counted: milligrams of a steroid, the number of doses of anything else."""
    doses = course.given(name)
    amount, unit = total(doses)
    if name in STEROIDS and amount is not None:
        return f"{amount.normalize():f} {unit}"
    return f"{len(doses)} ×" if doses else ""
