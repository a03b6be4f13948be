"""The ICE score (immune effector cell encephalopathy), ASTCT 2019, and which assessment of several is read.

Lee DW et al., Biol Blood Marrow Transplant 2019;25:625-638, table 4. 0 to 10 points:

    orientation to year, month, city, hospital      1 each
    naming 3 objects                                1 each
    following one simple command                    1
    writing a standard sentence                     1
    attention: counting back from 100 by 10         1
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from alerts.chart.chart import Chart
from alerts.chart.entry import ABSENT, Entry
from alerts.grading.axis import evidence
from alerts.grading.inputs import in_baseline, name_missing
from alerts.grading.result import Points
from alerts.wording.phrase import Arg, At, Listed, Name, Number, phrase
from config.site import Site
from config.vocabulary import ICE_ITEMS

SYSTEM = "ICE"
VERSION = "ASTCT 2019"


def score(chart: Chart, at: datetime, site: Site) -> Points:
    """The ICE score, 0 to 10 points, of the latest valid assessment.

    None if no assessment is valid, or if the latest states why it was not done. Of two charted for one time the lower
    counts.
    """
    entry = min(latest_scores(chart, "ice", at, site), key=points_of, default=None)
    if entry is None or entry.value is None:
        return _not_assessed(chart, at, site, entry)
    because = [phrase("ICE {n} of 10 ({list})", n=Number(entry.value), list=_assessed(entry))]
    flags, conventions = [], ["icans.assessment_holds"]
    baseline = _baseline(chart, at, site)
    if baseline is not None:
        because.append(in_baseline(baseline, "ice", site))
        conventions.append("chart.baseline_window")
        if entry.value < baseline:
            flags.append(phrase("below the baseline of {n}", n=Number(baseline)))
    return Points(
        system=SYSTEM,
        version=VERSION,
        at=at,
        score=int(entry.value),
        because=tuple(because),
        evidence=evidence(("ice", entry)),
        flags=tuple(flags),
        conventions=tuple(conventions),
    )


def _not_assessed(chart: Chart, at: datetime, site: Site, entry: Entry | None) -> Points:
    missing = name_missing(chart, "ice", at, site.conventions.icans.assessment_holds.value)
    return Points(
        system=SYSTEM,
        version=VERSION,
        at=at,
        score=None,
        because=(phrase("no ICE assessment holds: {what}", what=missing),),
        evidence=evidence(*[("ice", entry)] if entry else []),
        missing=(missing,),
        conventions=("icans.assessment_holds",),
    )


def _baseline(chart: Chart, at: datetime, site: Site) -> Decimal | None:
    """The pre-infusion ICE; None before infusion, when it is still being taken."""
    infused = chart.infused
    if infused is None or at < infused:
        return None
    return chart.baseline("ice", site.conventions.chart.baseline_window.value)


def _assessed(entry: Entry) -> Listed:
    """The time and author of an assessment, and the items if they were sent."""
    by = (Name(entry.by),) if entry.by else ()
    return Listed((At(entry.effective), *by, *_items(entry.note)))


def _items(note: str) -> Iterator[Arg]:
    """The items of an ICE as they were charted, as in `year 1`; any other note is what somebody wrote."""
    for part in filter(None, note.split(", ")):
        item, _, points = part.partition(" ")
        yield phrase("{what} {n}", what=Name(item), n=points) if item in ICE_ITEMS else part


def latest_scores(chart: Chart, kind: str, at: datetime, site: Site) -> list[Entry]:
    """The assessments charted for the latest valid time; the reason for an absent one only if it stands alone."""
    holds = site.conventions.icans.assessment_holds.value
    held = [entry for entry in chart.between(kind, at - holds, at) if entry.value is not None or entry.code == ABSENT]
    last = [entry for entry in held if entry.effective == held[-1].effective]
    return [entry for entry in last if entry.value is not None] or last


def points_of(entry: Entry) -> Decimal:
    return entry.value or Decimal(0)
