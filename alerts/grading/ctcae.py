"""Common Terminology Criteria for Adverse Events, version 5.0 (National Cancer Institute, 27 November 2017).

Blood and lymphatic terms and counts. Bands are half-open: "<10.0 - 8.0" means 8.0 <= x < 10.0, so a
haemoglobin of 9.95 g/dL is grade 2. Grade 1 begins at the laboratory's own lower limit (LLN), which travels
with the result; from the second band on the printed numbers decide. A number alone never gives a grade whose
cell says "life-threatening consequences": that needs a clinician's statement.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from alerts.chart import Chart, Entry
from alerts.grading.axis import Axis, evidence
from alerts.grading.bands import Cut, Levels, Reference, cell, levels
from alerts.grading.inputs import (
    PROVISIONAL,
    amount,
    latest_number,
    name_missing,
    number,
    passed_over,
    span,
    told,
)
from alerts.grading.result import Grade
from alerts.messages import Status
from alerts.vocabulary import label
from config.site import Site

VERSION = "CTCAE v5.0"


class Row(NamedTuple):
    """One term: the reading it grades, its cells, and the statement that alone makes it grade 4."""

    kind: str
    cuts: tuple[Cut, ...]
    life_threatening: str = ""


def _below_limit(text: str) -> Cut:
    return Cut(1, "<", Decimal(1), text, Reference.LOW)


def _below(level: int, bound: str, text: str) -> Cut:
    return Cut(level, "<", Decimal(bound), text)


COUNTS = {
    "anemia": Row(
        "hemoglobin",
        (_below_limit("<LLN - 10.0"), _below(2, "10.0", "<10.0 - 8.0"), _below(3, "8.0", "<8.0")),
        life_threatening="anemia_life_threatening",
    ),
    "platelets": Row(
        "platelets",
        (
            _below_limit("<LLN - 75"),
            _below(2, "75", "<75 - 50"),
            _below(3, "50", "<50 - 25"),
            _below(4, "25", "<25"),
        ),
    ),
    "neutrophils": Row(
        "neutrophils",
        (
            _below_limit("<LLN - 1.5"),
            _below(2, "1.5", "<1.5 - 1.0"),
            _below(3, "1.0", "<1.0 - 0.5"),
            _below(4, "0.5", "<0.5"),
        ),
    ),
    "white_cells": Row(
        "white_cells",
        (
            _below_limit("<LLN - 3.0"),
            _below(2, "3.0", "<3.0 - 2.0"),
            _below(3, "2.0", "<2.0 - 1.0"),
            _below(4, "1.0", "<1.0"),
        ),
    ),
    "lymphocytes": Row(
        "lymphocytes",
        (
            _below_limit("<LLN - 0.8"),
            _below(2, "0.8", "<0.8 - 0.5"),
            _below(3, "0.5", "<0.5 - 0.2"),
            _below(4, "0.2", "<0.2"),
        ),
    ),
}
"""g/dL for haemoglobin, 10^9/L for the others."""

FEBRILE_NEUTROPENIA = "febrile_neutropenia"
FEBRILE_NEUTROPENIA_GRADE = 3
FEBRILE_BELOW = Decimal("1.0")
"""ANC in 10^9/L."""
FEVER_ONCE = Decimal("38.3")
"""Degrees Celsius: one temperature above it is enough."""
FEVER_SUSTAINED = Decimal("38.0")
"""Degrees Celsius: at least this for longer than `SUSTAINED_FOR`."""
SUSTAINED_FOR = timedelta(hours=1)
LIFE_THREATENING = 4

TERMS = (*COUNTS, FEBRILE_NEUTROPENIA)
"""Every term this file grades."""


def grades(chart: Chart, at: datetime, site: Site) -> dict[str, Grade]:
    """The grade of every term at a time."""
    return {term: grade(term, chart, at, site) for term in TERMS}


def grade(term: str, chart: Chart, at: datetime, site: Site) -> Grade:
    """The grade of one of `TERMS` at a time; None where the table cannot decide.

    A preliminary result gives a provisional grade.
    """
    if term == FEBRILE_NEUTROPENIA:
        axis = _febrile_neutropenia(chart, at, site)
    else:
        axis = _count(COUNTS[term], chart, at, site)
    return Grade(
        system=f"CTCAE {term.replace('_', ' ')}",
        version=VERSION,
        at=at,
        grade=axis.level,
        provisional=axis.provisional,
        because=(axis.because,),
        evidence=axis.evidence,
        missing=axis.missing,
        flags=axis.flags,
        proxies=axis.proxies,
    )


# -- terms with bands ------------------------------------------------------------------------------


def _count(row: Row, chart: Chart, at: datetime, site: Site) -> Axis:
    holds = site.proxies.chart.laboratory_holds.value
    stated = _stated(row.life_threatening, chart, at)
    if stated is not None:
        return stated
    entry = latest_number(chart, row.kind, at, holds)
    if entry is None:
        missing = name_missing(chart, row.kind, at, holds, site.zone)
        return Axis(None, f"no result holds: {missing}", missing=(missing,), proxies=("chart.laboratory_holds",))
    found = levels(entry, row.cuts)
    flags = [*passed_over(chart, row.kind, entry, at), *_within_limits(entry, found)]
    preliminary = entry.status == Status.PRELIMINARY
    if preliminary:
        flags.append(PROVISIONAL)
    decided = found.decided or found.lowest > 0
    return Axis(
        found.lowest if decided else None,
        f"{told(row.kind, entry, site.zone)}: {_reading_of(entry, row, found)}",
        evidence((row.kind, entry)),
        provisional=decided and (preliminary or not found.decided),
        missing=_open(row, entry, found),
        flags=tuple(flags),
        proxies=("chart.laboratory_holds",),
    )


def _stated(statement: str, chart: Chart, at: datetime) -> Axis | None:
    """Grade 4 by a clinician's statement, which holds until it is taken back."""
    said = chart.latest(statement, at) if statement else None
    if said is None or not said.is_true:
        return None
    text = f"{label(statement)} by a clinician's statement: grade {LIFE_THREATENING}"
    return Axis(LIFE_THREATENING, text, evidence((statement, said)))


def _reading_of(entry: Entry, row: Row, found: Levels) -> str:
    if not found.decided:
        if found.lowest:
            return f"at least grade {found.lowest} ({cell(found.lowest, row.cuts)}), could be {found.highest}"
        return f"grade unknown, but could be over 0 (up to {found.highest})"
    if found.lowest:
        return f"grade {found.lowest} ({cell(found.lowest, row.cuts)})"
    return f"grade 0 (lower limit {number(entry.low)})" if entry.low is not None else "grade 0"


def _open(row: Row, entry: Entry, found: Levels) -> tuple[str, ...]:
    """What would have to be known for the table to decide."""
    if found.decided:
        return ()
    missing = []
    if entry.comparator:
        missing.append(f"{row.kind} (only a bound: {amount(row.kind, entry)})")
    missing.extend(
        f"{row.kind}: {cut.of}"
        for cut in row.cuts
        if cut.of is not None and cut.level > found.lowest and cut.bound_for(entry) is None
    )
    return tuple(missing)


def _within_limits(entry: Entry, found: Levels) -> tuple[str, ...]:
    if found.lowest and entry.low is not None and entry.at_least(entry.low):
        return (f"within the laboratory's own limits (from {number(entry.low)}): the printed band decides",)
    return ()


# -- febrile neutropenia ---------------------------------------------------------------------------


NO, NOT_YET, YES = 0, 1, 2
"""How far a half of the definition is met; fever can be there and not yet be high or long enough."""


def _febrile_neutropenia(chart: Chart, at: datetime, site: Site) -> Axis:
    """Grade 3 where both halves of the definition are met, 0 where one surely is not."""
    stated = _stated("febrile_neutropenia_life_threatening", chart, at)
    if stated is not None:
        return stated
    fever, neutropenia = _fever(chart, at, site), _neutropenia(chart, at, site)
    halves = (fever, neutropenia)
    unknown = [half for half in halves if half.level is None]
    flags = [flag for half in halves for flag in half.flags]
    level: int | None = 0
    if fever.level != NO and neutropenia.level != NO:
        met = fever.level == YES and neutropenia.level == YES
        level = None if unknown else FEBRILE_NEUTROPENIA_GRADE if met else 0
        if not unknown and not met:
            flags.append("febrile and neutropenic, the fever not yet by definition: measure again")
    shown = "undetermined" if level is None else f"grade {level}"
    return Axis(
        level,
        f"{'; '.join(half.because for half in halves)}: {shown}",
        tuple(item for half in halves for item in half.evidence),
        provisional=level is not None and neutropenia.provisional,
        missing=tuple(name for half in unknown for name in half.missing) if level is None else (),
        flags=tuple(flags),
        proxies=("chart.temperature_holds", "chart.laboratory_holds"),
    )


def _fever(chart: Chart, at: datetime, site: Site) -> Axis:
    """One temperature > 38.3 °C, or >= 38.0 °C for more than 1 h, in the febrile run that ends at the latest."""
    holds = site.proxies.chart.temperature_holds.value
    latest = latest_number(chart, "temperature", at, holds)
    febrile = latest.at_least(FEVER_SUSTAINED) if latest else None
    if latest is None or febrile is None:
        missing = name_missing(chart, "temperature", at, holds, site.zone)
        if latest is not None:
            missing = f"temperature (only a bound: {amount('temperature', latest)})"
        return Axis(None, f"no temperature decides: {missing}", missing=(missing,))
    if not febrile:
        return Axis(
            NO, f"{told('temperature', latest, site.zone)} < {FEVER_SUSTAINED}", evidence(("temperature", latest))
        )
    run = _febrile_run(chart, latest, holds)
    high = [entry for entry in run if entry.above(FEVER_ONCE)]
    lasted = latest.effective - run[0].effective
    if high:
        text = f"{told('temperature', high[-1], site.zone)} > {FEVER_ONCE}"
        shown = dict.fromkeys((high[-1], latest))
    else:
        text = f"{told('temperature', latest, site.zone)}, >= {FEVER_SUSTAINED} for {span(lasted)}"
        shown = dict.fromkeys((run[0], latest))
    level = YES if high or lasted > SUSTAINED_FOR else NOT_YET
    return Axis(level, text, evidence(*(("temperature", entry) for entry in shown)))


def _febrile_run(chart: Chart, latest: Entry, holds: timedelta) -> list[Entry]:
    """The consecutive readings >= 38.0 that end at the latest, oldest first, without a gap longer than `holds`."""
    run = [latest]
    for entry in reversed(chart.until("temperature", latest.effective)):
        if entry.value is None:
            continue
        if not entry.at_least(FEVER_SUSTAINED) or run[-1].effective - entry.effective > holds:
            break
        run.append(entry)
    return run[::-1]


def _neutropenia(chart: Chart, at: datetime, site: Site) -> Axis:
    """ANC < 1.0 x 10^9/L."""
    holds = site.proxies.chart.laboratory_holds.value
    entry = latest_number(chart, "neutrophils", at, holds)
    if entry is None:
        missing = name_missing(chart, "neutrophils", at, holds, site.zone)
        return Axis(None, f"no neutrophil count holds: {missing}", missing=(missing,))
    below = entry.below(FEBRILE_BELOW)
    flags = passed_over(chart, "neutrophils", entry, at)
    preliminary = entry.status == Status.PRELIMINARY
    if preliminary:
        flags = (*flags, PROVISIONAL)
    row = Axis(None, told("neutrophils", entry, site.zone), evidence(("neutrophils", entry)), preliminary, flags=flags)
    if below is None:
        return row._replace(missing=(f"neutrophils (only a bound: {amount('neutrophils', entry)})",))
    sign = "<" if below else ">="
    return row._replace(level=YES if below else NO, because=f"{row.because} {sign} {FEBRILE_BELOW}")
