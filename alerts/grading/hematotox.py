"""CAR-HEMATOTOX: risk of haematological toxicity, scored before lymphodepletion.

Rejeski K et al., Blood 2021;138:2499:

                        0        1          2
    platelets, 10^9/L   > 175    75-175     < 75
    ANC, /uL            > 1200   < 1200
    haemoglobin, g/dL   > 9.0    < 9.0
    CRP, mg/dL          < 3.0    > 3.0
    ferritin, ng/mL     < 650    650-2000   > 2000

0-1 is low risk, 2 or more is high. A tie that the print does not define scores 0 and is noted.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from alerts.chart import Chart
from alerts.entry import Entry
from alerts.fields import Status
from alerts.grading.axis import evidence
from alerts.grading.bands import Cut, Levels, cell, levels
from alerts.grading.inputs import PROVISIONAL, amount, latest_number, name_missing, passed_over, told
from alerts.grading.result import Points
from alerts.vocabulary import label
from config.site import Site

SYSTEM = "CAR-HEMATOTOX"
VERSION = "Rejeski 2021"

HIGH_RISK = 2
"""Points from which the risk is high."""

# In the chart's units: ANC in 10^9/L (1200/uL is 1.2), CRP in mg/L (3.0 mg/dL is 30), ferritin in ug/L (= ng/mL).
COMPONENTS = {
    "platelets": (Cut(1, "<=", Decimal(175), "75-175"), Cut(2, "<", Decimal(75), "< 75")),
    "neutrophils": (Cut(1, "<", Decimal("1.2"), "< 1200/µL"),),
    "hemoglobin": (Cut(1, "<", Decimal("9.0"), "< 9.0 g/dL"),),
    "crp": (Cut(1, ">", Decimal(30), "> 3.0 mg/dL"),),
    "ferritin": (Cut(1, ">=", Decimal(650), "650-2000"), Cut(2, ">", Decimal(2000), "> 2000")),
}
ZERO = {
    "platelets": "> 175",
    "neutrophils": "> 1200/µL",
    "hemoglobin": "> 9.0 g/dL",
    "crp": "< 3.0 mg/dL",
    "ferritin": "< 650",
}
"""The cells worth 0 points, as printed."""

UNDEFINED_TIES = {"neutrophils": Decimal("1.2"), "hemoglobin": Decimal("9.0"), "crp": Decimal(30)}
"""Values that stand in no printed cell."""


def score(chart: Chart, at: datetime, site: Site) -> Points:
    """Points and risk from the latest values up to infusion, or up to `at` before it.

    No score where a component is missing; the risk is still said where the others alone decide it.
    """
    infused = chart.admission.infused if chart.admission else None
    until = at if infused is None or at < infused else infused
    holds = site.proxies.chart.baseline_window.value
    found = {kind: latest_number(chart, kind, until, holds) for kind in COMPONENTS}
    charted = {kind: entry for kind, entry in found.items() if entry is not None}
    given = {kind: levels(entry, COMPONENTS[kind]) for kind, entry in charted.items()}
    missing = _missing(found, given, chart, until, site)
    lowest = sum(points.lowest for points in given.values())
    because = [_row(kind, entry, given[kind], site) for kind, entry in charted.items()]
    return Points(
        system=SYSTEM,
        version=VERSION,
        at=at,
        score=None if missing else lowest,
        risk=_risk(lowest, missing),
        because=(*because, _sum(lowest, missing)),
        evidence=evidence(*charted.items()),
        missing=missing,
        flags=_flags(charted, chart, until),
        proxies=("chart.baseline_window",),
    )


def _missing(
    found: dict[str, Entry | None], given: dict[str, Levels], chart: Chart, until: datetime, site: Site
) -> tuple[str, ...]:
    holds: timedelta = site.proxies.chart.baseline_window.value
    missing = []
    for kind, entry in found.items():
        if entry is None:
            missing.append(name_missing(chart, kind, until, holds, site.zone))
        elif not given[kind].decided:
            missing.append(f"{kind} (only a bound: {amount(kind, entry)})")
    return tuple(missing)


def _risk(lowest: int, missing: tuple[str, ...]) -> str | None:
    if lowest >= HIGH_RISK:
        return "high"
    return None if missing else "low"


def _row(kind: str, entry: Entry, points: Levels, site: Site) -> str:
    value = told(kind, entry, site.zone)
    if not points.decided:
        return f"{value}: {points.lowest} to {points.highest} points, the bound leaves it open"
    printed = cell(points.lowest, COMPONENTS[kind]) or ZERO[kind]
    return f"{value}: {points.lowest} ({printed})"


def _sum(lowest: int, missing: tuple[str, ...]) -> str:
    if not missing:
        return f"{lowest} points: {_risk(lowest, missing)} risk (0-1 low, {HIGH_RISK} or more high)"
    without = f"no score without {', '.join(missing)}"
    return f"{without}; at least {lowest} points: high risk" if lowest >= HIGH_RISK else without


def _flags(charted: dict[str, Entry], chart: Chart, until: datetime) -> tuple[str, ...]:
    flags: list[str] = []
    for kind, entry in charted.items():
        flags.extend(passed_over(chart, kind, entry, until))
        if entry.value == UNDEFINED_TIES.get(kind) and not entry.comparator:
            flags.append(f"{label(kind)} exactly {amount(kind, entry)}: the table does not say, taken as 0 points")
    if any(entry.status == Status.PRELIMINARY for entry in charted.values()):
        flags.append(PROVISIONAL)
    return tuple(flags)
