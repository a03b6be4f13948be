"""Common Terminology Criteria for Adverse Events (CTCAE), National Cancer Institute.

Version 5.0 of 27 November 2017, or 6.0 where the site says so (`ctcae_version`); the version stands in every
result. The rows stand by subject in `ctcae_counts`, `ctcae_fever` and `ctcae_chemistry`. CTCAE's own term
"cytokine release syndrome" is not ASTCT's and is not graded.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from alerts.chart.chart import Chart
from alerts.grading import ctcae_chemistry, ctcae_counts, ctcae_fever, ctcae_rows
from alerts.grading.axis import Axis
from alerts.grading.bands import Cut
from alerts.grading.dependencies import Dependencies
from alerts.grading.result import Grade
from config.site import Site

_GRADERS: Mapping[str, Callable[[Chart, datetime, Site], Axis]] = {
    **{term: partial(ctcae_counts.count, term) for term in ctcae_counts.TERMS},
    "febrile_neutropenia": ctcae_fever.febrile_neutropenia,
    "fever": ctcae_fever.fever,
    **ctcae_chemistry.GRADERS,
}

TERMS = tuple(_GRADERS)
"""Every term that is graded."""


def grades(chart: Chart, at: datetime, site: Site, laboratory: Mapping[str, Grade] | None = None) -> dict[str, Grade]:
    """The grade of every term at a time. `laboratory`: valid cached grades of `laboratory_grades`, if any."""
    known = laboratory_grades(chart, at, site) if laboratory is None else laboratory
    return {term: replace(known[term], at=at) if term in known else grade(term, chart, at, site) for term in TERMS}


def laboratory_grades(chart: Chart, at: datetime, site: Site) -> dict[str, Grade]:
    """The grades of the terms that no vital sign can change."""
    return {term: grade(term, chart, at, site) for term in LABORATORY_TERMS}


def grade(term: str, chart: Chart, at: datetime, site: Site) -> Grade:
    """The present grade of one of `TERMS`; None if the table cannot decide.

    A preliminary result gives a provisional grade. So does a result that only leaves open how much worse it is.
    """
    axis = _GRADERS[term](chart, at, site)
    return Grade(
        system=f"CTCAE {term.replace('_', ' ')}",
        version=f"CTCAE v{site.conventions.ctcae_version}",
        at=at,
        grade=axis.level,
        provisional=axis.provisional,
        because=axis.because,
        evidence=axis.evidence,
        missing=axis.missing,
        flags=axis.flags,
        conventions=axis.conventions,
    )


KINDS: Mapping[str, tuple[str, ...]] = {
    **{
        term: (row.kind, *((row.life_threatening,) if row.life_threatening else ()))
        for term, row in ctcae_counts.ROWS.items()
    },
    "febrile_neutropenia": ("temperature", "neutrophils", "febrile_neutropenia_life_threatening"),
    "fever": ("temperature",),
    **{term: (term,) for term in ctcae_chemistry.GRADERS},
}
"""The readings that can change the grade of each term."""

LABORATORY_TERMS = tuple(term for term in TERMS if "temperature" not in KINDS[term])
LABORATORY_KINDS = frozenset(kind for term in LABORATORY_TERMS for kind in (*KINDS[term], *ctcae_chemistry.STATEMENTS))


def laboratory_dependencies(site: Site) -> Dependencies:
    """The dependencies of `laboratory_grades`."""
    return Dependencies(LABORATORY_KINDS, (site.conventions.chart.laboratory_holds.value,))


def printed(term: str, site: Site) -> tuple[tuple[int, str], ...]:
    """The row of a term in the version that the site uses: each grade and its cell, as printed."""
    if term in ctcae_counts.TERMS:
        row = ctcae_counts.row(term, site)
        stated = ((ctcae_rows.LIFE_THREATENING, ctcae_rows.LIFE_THREATENING_CELL),) if row.life_threatening else ()
        return *_cells(row.cuts), *stated
    if term == "fever":
        return _cells((*ctcae_fever.FEVER, ctcae_fever.LASTING))
    if term == "febrile_neutropenia":
        return ctcae_fever.FEBRILE_NEUTROPENIA_ROW
    return _cells(ctcae_chemistry.ROWS[term])


def _cells(cuts: Iterable[Cut]) -> tuple[tuple[int, str], ...]:
    return tuple((cut.level, cut.cell) for cut in cuts)


def worst(term: str, chart: Chart, at: datetime, site: Site) -> int | None:
    """The worst grade of a term since infusion, up to a time; None if it was never determined.

    Thinning keeps the lowest and the highest value of every period, so the worst is never lost.
    """
    infused = chart.infused
    if infused is None or at < infused:
        return None
    moments = [infused, *(moment for moment in chart.times(KINDS[term], at, after=infused)), at]
    found = [grade(term, chart, moment, site).grade for moment in moments]
    return max((level for level in found if level is not None), default=None)
