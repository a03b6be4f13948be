"""m-EASIX in a stream: its distribution by day, and the cut-offs that the stream itself suggests.

There is no accepted cut-off (CLINICAL, section 3). What is computed here is a local figure of one centre's past
patients: it was not validated on others, and the same patients chose it.
"""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median, quantiles
from typing import Any, NamedTuple

from msgspec import Struct

from config.site import Site
from worker.quality.answers import NOBODY
from worker.quality.drive import Driver
from worker.quality.stream import Stay, read

SEVERE = 3
"""The ICANS grade that is to be foreseen (ASTCT 2019)."""

FEWEST = 10
"""Patients with, and as many without, severe ICANS below which no cut-off by Youden is given: an assumption."""

DAYS = range(-1, 15)
SHARES = (75, 90)

WARNING = (
    "A local figure: it describes these patients only, was chosen by them, and is validated by none. There is no "
    "accepted m-EASIX cut-off. Put a value into `m_easix_thresholds` only with its basis and owner."
)


class Scored(Struct, frozen=True):
    """One patient: m-EASIX by day since infusion (the last value of a day), and the first day of ICANS >= 3."""

    patient: str
    values: dict[int, float]
    severe_from: int | None


class Youden(NamedTuple):
    """The cut-off with the largest sum of sensitivity and specificity, and the area under the curve."""

    cut_off: float
    sensitivity: float
    specificity: float
    area: float


class DayOfScores(NamedTuple):
    """The distribution on one day; `severe` and `others`: patients who did and did not have severe ICANS later."""

    day: int
    patients: int
    median: float
    low: float
    high: float
    cut_offs: tuple[float, ...]
    severe: int
    others: int
    youden: Youden | None


def scored(stay: Stay, site: Site) -> Scored | None:
    """m-EASIX and severe ICANS of a stay, as graded when each became known; None if the stay has no message."""
    found = read(stay)
    if not found.messages:
        return None
    driver = Driver(stay.patient, found.messages, site, NOBODY, 0)
    values: dict[int, float] = {}
    severe: int | None = None
    for _, effects in driver.run():
        for event in effects.events:
            _note(event, values)
            if severe is None and _is_severe(event):
                severe = event["day"]
    return Scored(stay.patient, values, severe)


def _note(event: dict[str, Any], values: dict[int, float]) -> None:
    graded = event["kind"] in ("grade", "regrade") and event["system"] == "m_easix"
    if graded and event["day"] is not None and event["value"] is not None:
        values[event["day"]] = event["value"]


def _is_severe(event: dict[str, Any]) -> bool:
    return event["kind"] == "grade" and event["system"] == "icans" and (event["grade"] or 0) >= SEVERE


def by_day(patients: Sequence[Scored]) -> Iterator[DayOfScores]:
    """The distribution of each day on which two patients or more have a value.

    A patient who has severe ICANS already is left out from that day on: nothing is to be foreseen any more.
    """
    for day in DAYS:
        of_day = [one for one in patients if day in one.values and (one.severe_from is None or one.severe_from > day)]
        if len(of_day) < 2:
            continue
        values = [one.values[day] for one in of_day]
        severe = [one.values[day] for one in of_day if one.severe_from is not None]
        others = [one.values[day] for one in of_day if one.severe_from is None]
        cuts = quantiles(values, n=100, method="inclusive")
        enough = min(len(severe), len(others)) >= FEWEST
        yield DayOfScores(
            day,
            len(values),
            median(values),
            cuts[24],
            cuts[74],
            tuple(cuts[share - 1] for share in SHARES),
            len(severe),
            len(others),
            youden(severe, others) if enough else None,
        )


def youden(severe: Sequence[float], others: Sequence[float]) -> Youden:
    """The cut-off above which severe ICANS is foreseen best. Of equal ones the lowest, which misses fewest."""
    best = Youden(0.0, 0.0, 0.0, area(severe, others))
    for cut in sorted({*severe, *others}):
        sensitivity = sum(value >= cut for value in severe) / len(severe)
        specificity = sum(value < cut for value in others) / len(others)
        if sensitivity + specificity > best.sensitivity + best.specificity:
            best = best._replace(cut_off=cut, sensitivity=sensitivity, specificity=specificity)
    return best


def area(severe: Sequence[float], others: Sequence[float]) -> float:
    """The share of pairs in which the severe patient has the higher value; equal ones count half."""
    wins = sum((one > other) + 0.5 * (one == other) for one in severe for other in others)
    return wins / (len(severe) * len(others))


HEAD = (
    "day",
    "patients",
    "median",
    "quartiles",
    *(f"{share} % below" for share in SHARES),
    "severe ICANS later",
    "Youden",
)


def rows(days: Iterable[DayOfScores]) -> list[tuple[str, ...]]:
    """The table of the command."""
    return [
        (
            f"{one.day:+}" if one.day else "0",
            str(one.patients),
            f"{one.median:.1f}",
            f"{one.low:.1f} to {one.high:.1f}",
            *(f"{cut:.1f}" for cut in one.cut_offs),
            f"{one.severe} of {one.severe + one.others}",
            "too few patients" if one.youden is None else _shown(one.youden),
        )
        for one in days
    ]


def _shown(one: Youden) -> str:
    rates = f"sensitivity {100 * one.sensitivity:.0f} %, specificity {100 * one.specificity:.0f} %"
    return f">= {one.cut_off:.1f}: {rates}, AUC {one.area:.2f}"
