"""The ICE score (immune effector cell encephalopathy), ASTCT 2019, and which assessment of several is read.

Lee DW et al., Biol Blood Marrow Transplant 2019;25:625-638, table 4. 0 to 10 points:

    orientation to year, month, city, hospital      1 each
    naming 3 objects                                1 each
    following one simple command                    1
    writing a standard sentence                     1
    attention: counting back from 100 by 10         1
"""

from datetime import datetime
from decimal import Decimal

from alerts.chart.chart import Chart
from alerts.chart.entry import ABSENT, Entry
from alerts.grading.axis import evidence
from alerts.grading.inputs import clock, name_missing, number, span
from alerts.grading.result import Points
from config.site import Site
from config.vocabulary import label

SYSTEM = "ICE"
VERSION = "ASTCT 2019"


def score(chart: Chart, at: datetime, site: Site) -> Points:
    """The ICE score, 0 to 10 points, of the latest assessment that still holds.

    None where none holds or the latest says why it was not done; of two charted for one time the lower counts.
    """
    entry = min(latest_scores(chart, "ice", at, site), key=points_of, default=None)
    if entry is None or entry.value is None:
        return _not_assessed(chart, at, site, entry)
    because = [f"ICE {number(entry.value)} of 10 ({_assessed(entry, site)})"]
    flags, conventions = [], ["icans.assessment_holds"]
    baseline = _baseline(chart, at, site)
    if baseline is not None:
        window = span(site.conventions.chart.baseline_window.value)
        because.append(f"baseline {number(baseline)}, the median of the {window} before infusion")
        conventions.append("chart.baseline_window")
        if entry.value < baseline:
            flags.append(f"below the baseline of {number(baseline)}")
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
    missing = name_missing(chart, "ice", at, site.conventions.icans.assessment_holds.value, site.zone)
    return Points(
        system=SYSTEM,
        version=VERSION,
        at=at,
        score=None,
        because=(f"no ICE assessment holds: {missing}",),
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


def _assessed(entry: Entry, site: Site) -> str:
    """When and by whom, and the items where they were sent."""
    return ", ".join(part for part in (clock(entry.effective, site.zone), label(entry.by), entry.note) if part)


def latest_scores(chart: Chart, kind: str, at: datetime, site: Site) -> list[Entry]:
    """The assessments charted for the latest time that holds; the reason for an absent one only if it stands alone."""
    holds = site.conventions.icans.assessment_holds.value
    held = [entry for entry in chart.between(kind, at - holds, at) if entry.value is not None or entry.code == ABSENT]
    last = [entry for entry in held if entry.effective == held[-1].effective]
    return [entry for entry in last if entry.value is not None] or last


def points_of(entry: Entry) -> Decimal:
    return entry.value or Decimal(0)
