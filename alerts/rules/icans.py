"""When ICANS pages: a grade, a seizure, and a falling ICE even inside one grade."""

from datetime import datetime
from decimal import Decimal

from alerts.chart.chart import Chart
from alerts.chart.entry import ABSENT, Entry
from alerts.rules.finding import Finding, RuleInput, of_result
from config.site import Urgency, higher
from config.vocabulary import label

REPEAT_ICE = ": repeat the ICE in 1-2 h"
"""How the title of an ICE that is to be repeated before it pages ends."""

ICE_FALL_CRITICAL = 3
ICE_FALL_HIGH = 2
ICE_LOW = 2
ALMOST_WHOLE = 9
"""Points by which an ICE must fall, and the score at or below which it is critical to have fallen."""


def icans(inputs: RuleInput) -> Finding | None:
    """New or worse ICANS, and a falling ICE even inside one grade."""
    grade = inputs.now.icans.grade
    if grade is None:
        return None
    urgency: Urgency = "critical" if grade >= 3 else "high" if grade == 2 else "medium"
    fall, event = _ice_fall(inputs)
    if fall is not None and higher(fall, urgency):
        urgency = fall
    if seizure := _new_seizure(inputs):
        event = "; ".join(part for part in (event, seizure) if part)
    held_back = _repeat_until(inputs)
    if held_back is not None and inputs.now.at < held_back:
        urgency = "low"
        event = ""
    title = f"ICANS grade {grade}"
    if inputs.now.ice.score is not None:
        title += f", ICE {inputs.now.ice.score}/10"
    if urgency == "low":
        title += REPEAT_ICE
    result = inputs.now.icans
    because = (*result.because, event) if event else result.because
    return of_result(
        result,
        "icans",
        grade,
        urgency,
        title,
        because=because,
        event=event,
        conventions=(*result.conventions, *(("confirmation.ice_repeat_within",) if held_back is not None else ())),
        provisional=result.provisional,
        assessed_at=_assessed_at(inputs),
    )


def _assessed_at(inputs: RuleInput) -> datetime | None:
    """When the ICE was assessed: a look at one other row does not show that ICANS is over."""
    return next((item.entry.effective for item in inputs.now.ice.evidence), None)


def repeat_awaited_until(inputs: RuleInput) -> datetime | None:
    """Until when an ICE waits to be repeated before it pages; None where none does any more."""
    until = _repeat_until(inputs)
    return until if until is not None and inputs.now.at < until else None


def _repeat_until(inputs: RuleInput) -> datetime | None:
    """Until when a first ICE of 9 after a 10, with nothing else abnormal, was to be repeated before it paged."""
    entry = next((item.entry for item in inputs.now.ice.evidence), None)
    if entry is None or inputs.now.ice.score != ALMOST_WHOLE or inputs.now.icans.grade != 1:
        return None
    before = _ice_before(inputs.chart, entry.effective)
    until = entry.effective + inputs.site.conventions.confirmation.ice_repeat_within.value
    return until if before is not None and before > ALMOST_WHOLE else None


def _new_seizure(inputs: RuleInput) -> str:
    """A seizure that was not seen before; one in an ICANS that is known pages again."""
    seizure = last_seizure(inputs.chart, inputs.now.at)
    known = inputs.before.seizure_at
    if seizure is None or (known is not None and seizure.effective <= known):
        return ""
    holds = inputs.site.conventions.icans.assessment_holds.value
    return f"seizure: {label(seizure.code)}" if inputs.now.at - seizure.effective <= holds else ""


def _ice_fall(inputs: RuleInput) -> tuple[Urgency | None, str]:
    """How far a newly charted ICE fell, from the one before it and from the baseline."""
    score = inputs.now.ice.score
    if score is None or not inputs.now.ice.evidence:
        return None, ""
    at = inputs.now.ice.evidence[0].entry.effective
    if at == inputs.before.ice_at and inputs.before.ice is not None and score >= inputs.before.ice:
        return None, ""
    baseline = inputs.chart.baseline("ice", inputs.site.conventions.chart.baseline_window.value)
    last = _ice_before(inputs.chart, at)
    if last is None:
        last = baseline
    if last is None or score >= last:
        return None, ""
    below = (last if baseline is None else baseline) - score
    text = f"ICE fell by {last - score:f}, from {last:f} to {score}"
    if last - score >= ICE_FALL_CRITICAL or score <= ICE_LOW < last:
        return "critical", text
    if baseline is not None:
        text += f" (baseline {baseline:f})"
    if below >= ICE_FALL_CRITICAL:
        return "critical", text
    if last - score >= ICE_FALL_HIGH or below >= ICE_FALL_HIGH:
        return "high", text
    return None, ""


def _ice_before(chart: Chart, at: datetime) -> Decimal | None:
    """The last ICE assessed before a time, however long ago."""
    earlier = (entry for entry in reversed(chart.until("ice", at)) if entry.effective < at)
    return next((entry.value for entry in earlier if entry.value is not None), None)


def last_seizure(chart: Chart, at: datetime) -> Entry | None:
    """The latest seizure charted up to a time."""
    return next((entry for entry in reversed(chart.until("seizure", at)) if entry.code not in ("none", ABSENT)), None)
