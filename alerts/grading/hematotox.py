"""CAR-HEMATOTOX: risk of haematological toxicity, scored before lymphodepletion.

Rejeski K et al., Blood 2021;138:2499:

                        0        1          2
    platelets, 10^9/L   > 175    75-175     < 75
    ANC, /uL            > 1200   < 1200
    haemoglobin, g/dL   > 9.0    < 9.0
    CRP, mg/dL          < 3.0    > 3.0
    ferritin, ng/mL     < 650    650-2000   > 2000

0-1 is low risk, 2 or more is high. A tie that the print does not define scores 0 and is flagged.

- When lymphodepletion began is not charted: a value counts until a day before infusion (`hematotox.not_later_than_day`)
  has ended by the hospital's calendar. What was drawn later is not used, and where nothing else was, it is said.
- A component that is missing gives no score. That the risk is high is still said where the others alone make it so.
"""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading.axis import evidence
from alerts.grading.bands import Cut, Levels, cell, levels
from alerts.grading.dependencies import Dependencies
from alerts.grading.inputs import (
    INSTANT,
    PROVISIONAL,
    amount,
    latest_number,
    name_missing,
    only_a_bound,
    passed_over,
    with_time,
)
from alerts.grading.result import Points
from alerts.message_fields import Status
from alerts.wording.phrase import Listed, Name, Phrase, joined, named, phrase
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

WITHOUT_INFUSION = Phrase("no time of infusion: the latest values are used")

KINDS = frozenset(COMPONENTS)
"""Everything that can change the score."""


def dependencies(site: Site) -> Dependencies:
    """The dependencies of the score."""
    return Dependencies(KINDS, (site.conventions.chart.baseline_window.value,))


def score(chart: Chart, at: datetime, site: Site) -> Points:
    """Points and risk from the latest values of before lymphodepletion, or up to `at` before that.

    If a component is missing there is no score. The risk is still given if the others alone decide it.
    """
    before = _latest_use(chart, site)
    until = at if before is None else min(at, before)
    holds = _holds(chart, until, before, site)
    found = {kind: latest_number(chart, kind, until, holds) for kind in COMPONENTS}
    charted = {kind: entry for kind, entry in found.items() if entry is not None}
    given = {kind: levels(entry, COMPONENTS[kind]) for kind, entry in charted.items()}
    missing = (
        *(_absent(kind, chart, until, at, holds, site) for kind, entry in found.items() if entry is None),
        *(only_a_bound(kind, entry) for kind, entry in charted.items() if not given[kind].decided),
    )
    lowest = sum(points.lowest for points in given.values())
    because = [_row(kind, entry, given[kind]) for kind, entry in charted.items()]
    flags = _flags(charted, chart, until)
    return Points(
        system=SYSTEM,
        version=VERSION,
        at=at,
        score=None if missing else lowest,
        risk=_risk(lowest, missing),
        because=(*because, _sum(lowest, missing)),
        evidence=evidence(*charted.items()),
        missing=missing,
        flags=flags if before or not charted else (*flags, WITHOUT_INFUSION),
        conventions=("chart.baseline_window", "hematotox.not_later_than_day"),
    )


def _latest_use(chart: Chart, site: Site) -> datetime | None:
    """The last instant of the last day whose values count; None if the day of infusion is unknown."""
    infused = chart.infused
    if infused is None:
        return None
    day = infused.astimezone(site.zone).date() + timedelta(days=site.conventions.hematotox.not_later_than_day.value + 1)
    return datetime.combine(day, time(), site.zone).astimezone(UTC) - INSTANT


def _holds(chart: Chart, until: datetime, before: datetime | None, site: Site) -> timedelta:
    """The age up to which a value counts at `until`: back to the start of the baseline days, if those are over."""
    window = site.conventions.chart.baseline_window.value
    infused = chart.infused
    return window if infused is None or until != before else window - (infused.astimezone(UTC) - until)


def _absent(kind: str, chart: Chart, until: datetime, at: datetime, holds: timedelta, site: Site) -> Phrase:
    """The name of a component that was not charted in time, and the reason."""
    name = name_missing(chart, kind, until, holds)
    infused = chart.infused
    if name == named(kind) and infused is not None and latest_number(chart, kind, min(at, infused)):
        last = site.conventions.hematotox.not_later_than_day.value
        return phrase("{what} (charted only after day {n})", what=Name(kind), n=last)
    return name


def _risk(lowest: int, missing: tuple[Phrase, ...]) -> str | None:
    if lowest >= HIGH_RISK:
        return "high"
    return None if missing else "low"


def _row(kind: str, entry: Entry, points: Levels) -> Phrase:
    value = with_time(kind, entry)
    if not points.decided:
        text = "{what}: {n} to {n2} points, the bound leaves it open"
        return phrase(text, what=value, n=points.lowest, n2=points.highest)
    printed = cell(points.lowest, COMPONENTS[kind]) or ZERO[kind]
    return phrase("{what}: {n} ({cell})", what=value, n=points.lowest, cell=printed)


def _sum(lowest: int, missing: tuple[Phrase, ...]) -> Phrase:
    if not missing:
        low, high = (
            "{n} points: low risk (0-1 low, 2 or more high)",
            "{n} points: high risk (0-1 low, 2 or more high)",
        )
        return phrase(high if lowest >= HIGH_RISK else low, n=lowest)
    without = phrase("no score without {list}", list=Listed(missing))
    return joined([without, phrase("at least {n} points: high risk", n=lowest)]) if lowest >= HIGH_RISK else without


def _flags(charted: dict[str, Entry], chart: Chart, until: datetime) -> tuple[Phrase, ...]:
    flags: list[Phrase] = []
    for kind, entry in charted.items():
        flags.extend(passed_over(chart, kind, entry, until))
        if entry.value == UNDEFINED_TIES.get(kind) and not entry.comparator:
            text = "{what} exactly {amount}: the table does not say, counted as 0 points"
            flags.append(phrase(text, what=Name(kind), amount=amount(kind, entry)))
    if any(entry.status == Status.PRELIMINARY for entry in charted.values()):
        flags.append(PROVISIONAL)
    return tuple(flags)
