"""The fever row of the ASTCT 2019 CRS table.

A temperature of at least 38.0 °C that no other cause explains is grade 1, whatever its height (Lee et al., Biol Blood
Marrow Transplant 2019;25:625-638, table 2). When a stream of temperatures counts is a convention of the site.
"""

from datetime import datetime
from decimal import Decimal

from alerts.chart import confirmation
from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading import statements
from alerts.grading.axis import Axis, evidence
from alerts.grading.hypotension import worse_pressure
from alerts.grading.hypoxia import worse_oxygen
from alerts.grading.inputs import amount, if_old, latest_number, numbers
from alerts.grading.result import Evidence
from alerts.wording.phrase import Amount, Name, Phrase, named, phrase
from config.site import Site

FEVER = Decimal("38.0")
"""Degrees Celsius, inclusive (Lee 2019, table 2)."""

OTHER_CAUSE = "fever_other_cause"

CONFIRMING_SHOWN = 3
"""Samples of a stream that a page shows as evidence."""


def fever(chart: Chart, at: datetime, site: Site) -> Axis:
    """The row: 1 with fever, 0 without, None if no temperature is charted."""
    axis = measured_fever(chart, at, site)
    if not axis.level:
        return axis
    cause = statements.other_cause(chart, OTHER_CAUSE, at, site)
    if cause is not None:
        worse = _worse(chart, cause, at, site)
        if worse is None:
            flag = Phrase("fever attributed to another cause")
            row = Axis(0, (flag,), flags=(flag,), conventions=(*axis.conventions, "crs.other_cause_holds"))
            return statements.outranking(row, OTHER_CAUSE, cause, axis, site)
        axis = statements.ended(axis, OTHER_CAUSE, cause, worse)
    infused = chart.infused
    if infused is not None and all(item.entry.effective < infused for item in axis.evidence):
        flag = Phrase("fever from before infusion: not CRS")
        return Axis(0, (flag,), axis.evidence, flags=(flag,), conventions=axis.conventions)
    return axis


def has_other_fever(chart: Chart, at: datetime, site: Site) -> bool:
    """Whether there is a fever that the row does not count because of a statement."""
    infused = chart.infused
    may_be_old = infused is not None and at - infused < site.conventions.chart.temperature_holds.value
    return (may_be_old or _has_other_cause(chart, at, site)) and bool(measured_fever(chart, at, site).level)


def _has_other_cause(chart: Chart, at: datetime, site: Site) -> bool:
    cause = statements.other_cause(chart, OTHER_CAUSE, at, site)
    return cause is not None and _worse(chart, cause, at, site) is None


def _worse(chart: Chart, cause: Entry, at: datetime, site: Site) -> Evidence | None:
    """What ends a statement on the fever: not its height, which the table leaves out, but what else CRS would do."""
    return worse_pressure(chart, cause, at, site) or worse_oxygen(chart, cause, at, site)


def measured_fever(chart: Chart, at: datetime, site: Site) -> Axis:
    """Fever of any cause, once it is confirmed."""
    holds = site.conventions.chart.temperature_holds.value
    latest = latest_number(chart, "temperature", at, holds)
    if latest is None:
        return Axis(None, missing=(named("temperature"),))
    if _febrile(latest) is None:
        return Axis(None, missing=(named("temperature"),), evidence=evidence(("temperature", latest)))
    decided = confirmation.decide(
        numbers(chart, "temperature", at, holds),
        _febrile,
        lambda entry: confirmation.temperature(chart, entry, _febrile, site),
    )
    flags = tuple(
        phrase("{amount} by {what}: not yet confirmed as fever", amount=amount("temperature", item), what=Name(item.by))
        for item in decided.unconfirmed[:1]
    )
    conventions = (
        *((decided.confirmed.convention,) if decided.confirmed.convention else ()),
        *if_old(decided.entry, at, site, "chart.temperature_holds"),
    )
    if decided.confirmed.counts:
        samples = evidence(*(("temperature", entry) for entry in decided.confirmed.samples[-CONFIRMING_SHOWN:]))
        highest = max(entry.value or FEVER for entry in decided.confirmed.samples)
        text = phrase("fever {amount} (>= {n})", amount=Amount("temperature", highest), n=str(FEVER))
        return Axis(1, (text,), samples, flags=flags, conventions=conventions)
    found = evidence(("temperature", decided.entry))
    low = phrase("no fever ({amount} < {n})", amount=amount("temperature", decided.entry), n=str(FEVER))
    return Axis(0, flags or (low,), found, flags=flags, conventions=conventions)


def _febrile(temperature: Entry) -> bool | None:
    return temperature.at_least(FEVER)
