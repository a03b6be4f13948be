"""A grade of 2 or more that treatment has not lowered: medium, once for each dose of tocilizumab and once for steroids.

Each page names when the protocol allows the next dose.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from alerts.assessment.assessment import Assessment
from alerts.assessment.dose_ledger import ledger
from alerts.assessment.steroids import HOURS_APART, treating
from alerts.chart.entry import Entry
from alerts.grading import icans
from alerts.grading.result import Evidence, Grade
from alerts.rules.finding import Finding, RuleInput, RuleMemory
from alerts.wording.phrase import At, Phrase, joined, phrase
from config.vocabulary import STEROIDS

AT_LEAST = 2
"""The lowest grade for which the protocols give tocilizumab, and steroids in ICANS (ASCO)."""

NOTHING = Phrase("no CRS that tocilizumab has left as it was")
NO_STEROID_FAILED = Phrase("no grade that steroids have left as it was")


def no_response(inputs: RuleInput) -> Finding | None:
    """CRS still at its highest grade a while after the last tocilizumab, with the time of the next possible dose."""
    course, now = inputs.now.course, inputs.now.at
    doses = inputs.chart.given(("tocilizumab",), now)
    if not doses or course.opened_at is None:
        return _finding("no_response", 0, NOTHING) if doses else None
    _, dose = doses[-1]
    convention = inputs.site.conventions.crs.no_response_after
    grade, asked_at = inputs.now.crs.grade, dose.effective + convention.value
    if grade is None:
        return None
    better = course.better_at is not None and course.better_at >= dose.effective
    if better or dose.effective < course.opened_at or now < asked_at:
        return _finding("no_response", 0, NOTHING, due=None if better else asked_at)
    if grade < AT_LEAST or course.lower_since is not None:
        # Lower for a moment is no response: the notice of this dose stays, and pages no second time.
        return replace(_finding("no_response", 0, NOTHING), over=False)
    return _finding(
        "no_response",
        1,
        phrase("CRS {n} no better since tocilizumab on {at}", n=grade, at=At(dose.effective)),
        because=(ledger(inputs.chart, now, inputs.site).room(now), Phrase(convention.basis)),
        evidence=(*inputs.now.crs.evidence, Evidence("tocilizumab", dose)),
        conventions=("crs.no_response_after",),
        members=(dose.effective.isoformat(),),
    )


class _Treated(NamedTuple):
    """A grade that is as high as ever since it began, and the steroid doses since then."""

    name: str
    grade: Grade
    doses: list[tuple[str, Entry]]

    @property
    def first_at(self) -> datetime:
        return self.doses[0][1].effective

    @property
    def title(self) -> Phrase:
        text = "{name} {n} no better since a steroid on {at}"
        return phrase(text, name=self.name, n=self.grade.grade or 0, at=At(self.first_at))


def no_steroid_response(inputs: RuleInput) -> Finding | None:
    """CRS or ICANS still at its highest grade a while after the first steroid dose for it."""
    if not any(drug in inputs.chart.entries for drug in STEROIDS):
        return None
    now, convention = inputs.now.at, inputs.site.conventions.steroids.no_response_after
    treated = list(_treated(inputs))
    waits = [one.first_at + convention.value for one in treated]
    due = min((at for at in waits if at > now), default=None)
    failed = [one for one, at in zip(treated, waits, strict=True) if at <= now]
    if not failed:
        if inputs.now.crs.grade is None or inputs.now.icans.grade is None:
            return None
        return _finding("steroid_no_response", 0, NO_STEROID_FAILED, due=due)
    return _finding(
        "steroid_no_response",
        1,
        joined([one.title for one in failed], ", "),
        because=(_next_steroid(failed[0].doses, now), Phrase(convention.basis)),
        evidence=tuple(item for one in failed for item in (*one.grade.evidence, Evidence(*one.doses[0]))),
        conventions=("steroids.no_response_after",),
        members=tuple(f"{one.name} {one.first_at.isoformat()}" for one in failed),
        due=due,
    )


def _treated(inputs: RuleInput) -> Iterator[_Treated]:
    """CRS and ICANS of grade 2 or more that have not been lower since they began, if a steroid was given since.

    A steroid that was begun in ICANS of grade 2 or more treats that: whether it lowers CRS is not asked.
    """
    crs, neurological, course = inputs.now.crs, inputs.now.icans, inputs.now.course
    since, highest = icans_run(inputs.before, inputs.now)
    began = [
        ("CRS", crs, course.opened_at if (crs.grade or 0) >= AT_LEAST and course.lower_since is None else None),
        ("ICANS", neurological, since if (neurological.grade or 0) >= highest else None),
    ]
    for name, grade, at in began:
        doses = treating(inputs.chart, inputs.now.at, inputs.site, at) if at is not None else []
        if doses and not (name == "CRS" and _is_for_icans(inputs, doses[0][1].effective)):
            yield _Treated(name, grade, doses)


def _is_for_icans(inputs: RuleInput, at: datetime) -> bool:
    return (icans.grade(inputs.chart, at, inputs.site).grade or 0) >= AT_LEAST


def _next_steroid(doses: list[tuple[str, Entry]], now: datetime) -> Phrase:
    next_at = doses[-1][1].effective + timedelta(hours=HOURS_APART)
    if next_at <= now:
        return Phrase("the next dose of dexamethasone now")
    return phrase("the next dose of dexamethasone from {at}", at=At(next_at))


def icans_run(before: RuleMemory, now: Assessment) -> tuple[datetime | None, int]:
    """Since when ICANS is of grade 2 or more, and its highest grade since; an undetermined grade changes nothing."""
    grade = now.icans.grade
    if grade is None:
        return before.icans_since, before.icans_highest
    if grade < AT_LEAST:
        return None, 0
    newest = max((item.entry.effective for item in now.icans.evidence), default=now.at)
    return before.icans_since or newest, max(before.icans_highest, grade)


def _finding(condition: str, level: int, title: Phrase, **more: object) -> Finding:
    return Finding(condition=condition, level=level, urgency="medium", title=title, over=not level, **more)  # type: ignore[arg-type]
