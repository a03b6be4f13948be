"""When ICANS pages: a grade, a seizure, and a falling ICE even inside one grade."""

from datetime import datetime
from decimal import Decimal

from alerts.chart.chart import Chart
from alerts.chart.entry import ABSENT, Entry
from alerts.rules.finding import Finding, RuleInput, of_result
from alerts.wording.phrase import Arg, Name, Phrase, phrase
from config.site import Urgency, higher

REPEAT_ICE = "{what}: repeat the ICE in 1-2 h"
"""The title of an ICE that must be repeated before it pages."""

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
    fall, fell = _ice_fall(inputs)
    events = tuple(event for event in (fell, _new_seizure(inputs)) if event is not None)
    if fall is not None and higher(fall, urgency):
        urgency = fall
    held_back = _repeat_until(inputs)
    if held_back is not None and inputs.now.at < held_back:
        urgency = "low"
        events = ()
    score = inputs.now.ice.score
    title = phrase("ICANS grade {n}", n=grade)
    if score is not None:
        title = phrase("ICANS grade {n}, ICE {n2}/10", n=grade, n2=score)
    if urgency == "low":
        title = phrase(REPEAT_ICE, what=title)
    result = inputs.now.icans
    return of_result(
        result,
        "icans",
        grade,
        urgency,
        title,
        because=(*result.because, *events),
        events=events,
        conventions=(*result.conventions, *(("confirmation.ice_repeat_within",) if held_back is not None else ())),
        provisional=result.provisional,
        assessed_at=_assessed_at(inputs),
    )


def _assessed_at(inputs: RuleInput) -> datetime | None:
    """When the ICE was assessed. An assessment of another domain alone does not show that ICANS is over."""
    return next((item.entry.effective for item in inputs.now.ice.evidence), None)


def repeat_awaited_until(inputs: RuleInput) -> datetime | None:
    """When an ICE that waits to be repeated pages without it; None if none waits."""
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


def _new_seizure(inputs: RuleInput) -> Phrase | None:
    """A new seizure. It pages again within a known ICANS."""
    seizure = last_seizure(inputs.chart, inputs.now.at)
    known = inputs.before.seizure_at
    if seizure is None or (known is not None and seizure.effective <= known):
        return None
    holds = inputs.site.conventions.icans.assessment_holds.value
    what = phrase("{name}: {what}", name=Name("seizure"), what=Name(seizure.code))
    return what if inputs.now.at - seizure.effective <= holds else None


def _ice_fall(inputs: RuleInput) -> tuple[Urgency | None, Phrase | None]:
    """The fall of a newly charted ICE, from the one before it and from the baseline."""
    score = inputs.now.ice.score
    if score is None or not inputs.now.ice.evidence:
        return None, None
    at = inputs.now.ice.evidence[0].entry.effective
    if at == inputs.before.ice_at and inputs.before.ice is not None and score >= inputs.before.ice:
        return None, None
    baseline = inputs.chart.baseline("ice", inputs.site.conventions.chart.baseline_window.value)
    last = _ice_before(inputs.chart, at)
    if last is None:
        last = baseline
    if last is None or score >= last or _only_as_low_as_lately(inputs, score, last, at):
        return None, None
    below = _newly_below(last if baseline is None else baseline, last, score)
    fell: dict[str, Arg] = {"n": f"{last - score:f}", "n2": f"{last:f}", "n3": score}
    text = phrase("ICE fell by {n}, from {n2} to {n3}", **fell)
    if last - score >= ICE_FALL_CRITICAL or score <= ICE_LOW < last:
        return "critical", text
    if baseline is not None:
        text = phrase("ICE fell by {n}, from {n2} to {n3} (baseline {n4})", **fell, n4=f"{baseline:f}")
    if below >= ICE_FALL_CRITICAL:
        return "critical", text
    if last - score >= ICE_FALL_HIGH or below >= ICE_FALL_HIGH:
        return "high", text
    return None, None


def _newly_below(baseline: Decimal, last: Decimal, score: int) -> Decimal:
    """Points by which an ICE is below the baseline; 0 if the ICE before it was as critically far below it already.

    Within a grade a point less then pages no more: the fall was paged. The next grade pages, and so does a fall by two
    points from one assessment to the next.
    """
    return baseline - score if baseline - last < ICE_FALL_CRITICAL else Decimal(0)


def _only_as_low_as_lately(inputs: RuleInput, score: int, last: Decimal, at: datetime) -> bool:
    """Whether an ICE only falls back to where it was a while before: it wavers by a point or two."""
    since = at - inputs.site.conventions.icans.ice_wavers_within.value
    lately = [entry.value for entry in inputs.chart.between("ice", since, at) if entry.effective < at]
    lowest = min((value for value in lately if value is not None), default=None)
    return lowest is not None and score >= lowest and last - score < ICE_FALL_CRITICAL


def _ice_before(chart: Chart, at: datetime) -> Decimal | None:
    """The last ICE assessed before a time, however long ago."""
    earlier = (entry for entry in reversed(chart.until("ice", at)) if entry.effective < at)
    return next((entry.value for entry in earlier if entry.value is not None), None)


def last_seizure(chart: Chart, at: datetime) -> Entry | None:
    """The latest seizure charted up to a time."""
    return next((entry for entry in reversed(chart.until("seizure", at)) if entry.code not in ("none", ABSENT)), None)
