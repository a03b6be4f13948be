"""A CRS of grade 2 or more that tocilizumab has not lowered: medium, once for each dose."""

from alerts.chart.dose_ledger import ledger
from alerts.grading.result import Evidence
from alerts.rules.finding import Finding, RuleInput
from alerts.wording.phrase import At, Phrase, phrase

AT_LEAST = 2
"""The lowest grade for which the protocols give tocilizumab (ASCO)."""

NOTHING = Phrase("no CRS that tocilizumab has left as it was")


def no_response(inputs: RuleInput) -> Finding | None:
    """CRS still at its highest grade a while after the last tocilizumab, with the time of the next possible dose."""
    course, now = inputs.now.course, inputs.now.at
    doses = inputs.chart.given(("tocilizumab",), now)
    if not doses or course.opened_at is None:
        return _finding(0, NOTHING) if doses else None
    _, dose = doses[-1]
    convention = inputs.site.conventions.crs.no_response_after
    grade, asked_at = inputs.now.crs.grade, dose.effective + convention.value
    if grade is None:
        return None
    unchanged = grade >= AT_LEAST and course.lower_since is None and dose.effective >= course.opened_at
    if not unchanged or now < asked_at:
        return _finding(0, NOTHING, due=asked_at if unchanged else None)
    return _finding(
        1,
        phrase("CRS {n} no better since tocilizumab on {at}", n=grade, at=At(dose.effective)),
        because=(ledger(inputs.chart, now).room(now), Phrase(convention.basis)),
        evidence=(*inputs.now.crs.evidence, Evidence("tocilizumab", dose)),
        conventions=("crs.no_response_after",),
        members=(dose.effective.isoformat(),),
    )


def _finding(level: int, title: Phrase, **more: object) -> Finding:
    return Finding(condition="no_response", level=level, urgency="medium", title=title, over=not level, **more)  # type: ignore[arg-type]
