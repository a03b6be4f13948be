"""How a row of CTCAE is read: the latest result that holds, looked up in the cells as printed.

Bands are half-open: "<10.0 - 8.0" means 8.0 <= x < 10.0, ">1.5 - 3" means 1.5 < x <= 3. Limits of the laboratory
travel with the result. A cell that says "life-threatening consequences" needs a clinician's statement.
"""

from datetime import datetime
from decimal import Decimal

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading.axis import Axis, evidence
from alerts.grading.bands import Cut, Levels, levels
from alerts.grading.inputs import PROVISIONAL, latest_number, name_missing, only_a_bound, passed_over, with_time
from alerts.message_fields import Status
from alerts.wording.phrase import Name, Number, Phrase, phrase
from config.site import Site

LIFE_THREATENING = 4
LIFE_THREATENING_CELL = "life-threatening consequences (clinical)"

LABORATORY = ("chart.laboratory_holds",)
"""The convention that every laboratory term depends on."""


def latest(kind: str, chart: Chart, at: datetime, site: Site) -> Entry | None:
    """The current result of a laboratory reading."""
    return latest_number(chart, kind, at, site.conventions.chart.laboratory_holds.value)


def no_result(kind: str, chart: Chart, at: datetime, site: Site) -> Axis:
    """An undetermined row without a valid result, with the reason."""
    missing = name_missing(chart, kind, at, site.conventions.chart.laboratory_holds.value)
    return Axis(None, (phrase("no result holds: {what}", what=missing),), missing=(missing,), conventions=LABORATORY)


def baseline(kind: str, chart: Chart, at: datetime, site: Site) -> Decimal | None:
    """The pre-infusion baseline; None before infusion, when it is still being taken."""
    infused = chart.infused
    if infused is None or at < infused:
        return None
    return chart.baseline(kind, site.conventions.chart.baseline_window.value)


def before_infusion(kind: str, chart: Chart, site: Site) -> tuple[Entry, ...]:
    """The results that the baseline may rest on, oldest first."""
    infused = chart.infused
    if infused is None:
        return ()
    found = chart.between(kind, infused - site.conventions.chart.baseline_window.value, infused)
    return tuple(entry for entry in found if entry.value is not None and entry.effective < infused)


def stated(statement: str, chart: Chart, at: datetime) -> Axis | None:
    """Grade 4 by a clinician's statement, which holds until it is withdrawn."""
    said = chart.latest(statement, at) if statement else None
    if said is None or not said.is_true:
        return None
    text = phrase("{what} by a clinician's statement: grade {n}", what=Name(statement), n=LIFE_THREATENING)
    return Axis(LIFE_THREATENING, (text,), evidence((statement, said)))


def read(
    kind: str,
    entry: Entry,
    cuts: tuple[Cut, ...],
    chart: Chart,
    at: datetime,
    conventions: tuple[str, ...] = LABORATORY,
) -> Axis:
    """The row of a value. A preliminary one gives a provisional grade."""
    found = levels(entry, cuts)
    flags = [*passed_over(chart, kind, entry, at), *_within_limits(entry, cuts, found)]
    preliminary = entry.status == Status.PRELIMINARY
    if preliminary:
        flags.append(PROVISIONAL)
    decided = found.decided or found.lowest > 0
    return Axis(
        found.lowest if decided else None,
        (phrase("{what}: {verdict}", what=with_time(kind, entry), verdict=_verdict(entry, cuts, found)),),
        evidence((kind, entry)),
        provisional=decided and (preliminary or not found.decided),
        missing=_open(kind, entry, cuts, found),
        flags=tuple(flags),
        conventions=conventions,
    )


def _verdict(entry: Entry, cuts: tuple[Cut, ...], found: Levels) -> Phrase:
    cell = Phrase(next((cut.cell for cut in cuts if cut.level == found.lowest and cut.reached(entry)), ""))
    if not found.decided:
        if found.lowest:
            text = "at least grade {n} ({what}), could be {n2}"
            return phrase(text, n=found.lowest, what=cell, n2=found.highest)
        return phrase("grade unknown, but could be over 0 (up to {n})", n=found.highest)
    if found.lowest:
        return phrase("grade {n} ({what})", n=found.lowest, what=cell)
    limit = limit_of(entry, cuts)
    if limit is None:
        return phrase("grade {n}", n=0)
    low, high = "grade 0 (lower limit {n})", "grade 0 (upper limit {n})"
    return phrase(low if falling(cuts) else high, n=Number(limit))


def falling(cuts: tuple[Cut, ...]) -> bool:
    """Whether the row grades low values."""
    return all(cut.sign.startswith("<") for cut in cuts)


def limit_of(entry: Entry, cuts: tuple[Cut, ...]) -> Decimal | None:
    """The laboratory's limit on the side that the row grades."""
    return entry.low if falling(cuts) else entry.high


def _open(kind: str, entry: Entry, cuts: tuple[Cut, ...], found: Levels) -> tuple[Phrase, ...]:
    """The missing information without which the table cannot decide."""
    if found.decided:
        return ()
    missing = []
    if entry.comparator:
        missing.append(only_a_bound(kind, entry))
    missing.extend(
        phrase("{what}: {what2}", what=Name(kind), what2=Phrase(str(cut.of)))
        for cut in cuts
        if cut.of is not None and cut.level > found.lowest and cut.bound_for(entry) is None
    )
    return tuple(dict.fromkeys(missing))


def _within_limits(entry: Entry, cuts: tuple[Cut, ...], found: Levels) -> tuple[Phrase, ...]:
    """A remark if the table grades a value that is normal for the laboratory."""
    limit = limit_of(entry, cuts)
    if not found.lowest or limit is None:
        return ()
    inside = entry.at_least(limit) if falling(cuts) else entry.above(limit) is False
    above = "within the laboratory's own limits (from {n}): the printed band decides"
    below = "within the laboratory's own limits (up to {n}): the printed band decides"
    return (phrase(above if falling(cuts) else below, n=Number(limit)),) if inside else ()
