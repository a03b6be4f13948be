"""The lanes of treatment: doses and infusions over time."""

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
    """The names of the lanes: oxygen, then every drug that was given or started, in the vocabulary's order."""
    used = {dose.drug for dose in course.doses} | {span.name for span in course.spans}
    return [name for name in (OXYGEN, *DRUGS) if name in used]


def draw_lane(ax: Axes, course: Course, name: str, row: int) -> None:
    """Draw a bar for each period, a tick for each dose, and the total at the right end."""
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
    """The label of a lane, short for the narrow margin."""
    return SHORT.get(name, label(name))


def summary(course: Course, name: str) -> str:
    """The total of a lane: milligrams of a steroid, the number of doses of any other drug."""
    doses = course.given(name)
    amount, unit = total(doses)
    if name in STEROIDS and amount is not None:
        return f"{amount.normalize():f} {unit}"
    return f"{len(doses)} ×" if doses else ""
