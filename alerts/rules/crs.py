"""When CRS pages."""

from datetime import datetime

from alerts.grading.statements import is_statement
from alerts.rules.finding import Finding, RuleInput, of_result
from alerts.wording.phrase import Arg, Name, Phrase, phrase
from config.site import Urgency


def crs(inputs: RuleInput) -> Finding | None:
    """New, worse or recurrent CRS. Grade 2: high, with any ICANS critical. Grade 3 and more: critical.

    A return is high at grade 1 too, whether the episode before it ended by itself or a person closed it; so is the
    fever of an outpatient, whom nobody else sees. Fever alone that returns soon after CRS has cleared is no return: it
    comes and goes, and the episode rests meanwhile.
    """
    grade = inputs.now.crs.grade
    if grade is None:
        return _over_by_now(inputs)
    urgency: Urgency = "critical" if grade >= 3 else "high" if grade == 2 else "medium"
    flags = inputs.now.crs.flags
    if grade == 2 and inputs.now.icans.grade:
        urgency = "critical"
        flags = (*flags, phrase("CRS {n} together with ICANS {n2}", n=2, n2=inputs.now.icans.grade))
    if grade <= 1 and "crs" in inputs.returning:
        urgency = "high"
    conventions = inputs.now.crs.conventions
    if grade == 1 and _fever_at_home(inputs):
        urgency, conventions = "high", tuple(dict.fromkeys((*conventions, "outpatient.fever_at_once")))
    over = grade == 0 and not inputs.now.course.is_open
    until = rests_until(inputs) if over else None
    if until is not None:
        conventions = tuple(dict.fromkeys((*conventions, "crs.fever_returns_within")))
    return of_result(
        inputs.now.crs,
        "crs",
        grade,
        urgency,
        _title(grade, inputs.now.crs.rows),
        flags=flags,
        conventions=conventions,
        over=over and until is None,
        rests=until is not None,
        rested=over and until is None and not any(map(is_statement, flags)),
        provisional=inputs.now.crs.provisional,
    )


def _over_by_now(inputs: RuleInput) -> Finding | None:
    """The end of a CRS that has cleared and not returned, though its grade is undetermined by now; else None."""
    if inputs.now.course.closed_at is None or rests_until(inputs) is not None:
        return None
    return of_result(inputs.now.crs, "crs", 0, "medium", _title(0, ()), over=True, rested=True)


def rests_until(inputs: RuleInput) -> datetime | None:
    """Until when fever alone is no return of a CRS that has cleared; None if that is past.

    What a clinician's statement ended does not rest.
    """
    closed_at = inputs.now.course.closed_at
    if closed_at is None or any(map(is_statement, inputs.now.crs.flags)):
        return None
    until = closed_at + inputs.site.conventions.crs.fever_returns_within.value
    return until if inputs.now.at < until else None


def _title(grade: int, rows: tuple[str, ...]) -> Phrase:
    if not rows:
        return phrase("CRS grade {n}", n=grade)
    what: Arg = Name(rows[0])
    for row in rows[1:]:
        what = phrase("{what} plus {what2}", what=what, what2=Name(row))
    return phrase("CRS grade {n}: {what}", n=grade, what=what)


def _fever_at_home(inputs: RuleInput) -> bool:
    at_once = inputs.site.conventions.outpatient.fever_at_once.value
    return at_once and inputs.setting.name == "outpatient"
