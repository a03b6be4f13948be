"""Grades as a step issues them: each that changed, and those that a correction retracts or amends."""

from typing import Any

from msgspec.structs import replace

from alerts.assessment import issued_grades
from alerts.assessment.assessment import Assessment
from alerts.assessment.issued_grades import GradeToRecheck, IssuedGrade, grade_id, last_issued, next_number
from alerts.grading.result import Result
from alerts.step.journal_events import grade_event, regrade_event
from alerts.step.run import StepRun


def retract_grades(run: StepRun) -> None:
    """Retract recent grades that lost their evidence. Keep the others to recheck after the walk."""
    state = run.state
    for one in issued_grades.grades_to_recheck(
        state.issued_grades, state.chart, run.corrections, run.site, state.result_cache
    ):
        if not one.is_lost(run.state.chart):
            run.to_recheck.append(one)
            continue
        run.effects.events.append(regrade_event(_as_assessed_now(run, one), "entered_in_error"))
        gone = replace(one.issued, retracted=True)
        _replace(run, one, gone)


def _as_assessed_now(run: StepRun, one: GradeToRecheck) -> dict[str, Any]:
    """The journal line of an issued grade as it is assessed now, under the id with which it was issued."""
    number = one.issued.number
    id = grade_id(run.state.patient, one.system, one.issued.at, number)
    return grade_event(
        run.state.patient, one.system, one.result, one.issued.value, one.now, run.site, id=id, status="amended"
    )


def issue_grades(run: StepRun, assessment: Assessment) -> None:
    """Issue every grade and score that changed since it was last issued."""
    last = run.state.last_values
    changed = {system: value for system, value in assessment.shown_values().items() if last.get(system) != value}
    if changed:
        results = assessment.grades()
        for system in changed:
            _issue(run, system, results[system], assessment)
        run.state = replace(run.state, last_values={**last, **changed})


def _issue(run: StepRun, system: str, result: Result, assessment: Assessment) -> None:
    """Issue a grade that changed. A second grade of the same time amends the first, unless that was retracted."""
    state = run.state
    before = last_issued(state.issued_grades, system, assessment.at)
    number = next_number(before)
    amends = before is not None and not before.retracted
    event = grade_event(
        state.patient,
        system,
        result,
        state.last_values.get(system),
        assessment,
        run.site,
        id=grade_id(state.patient, system, assessment.at, number),
        status="amended" if amends else "final",
    )
    run.effects.events.append(event)
    grades = issued_grades.append(
        state.issued_grades, system, issued_grades.issued(event, result, assessment.at, number)
    )
    run.state = replace(state, issued_grades=grades)


def amend_grades(run: StepRun) -> None:
    """Amend the grades to recheck that differ now, unless the walk has issued them again."""
    for one in run.to_recheck:
        if last_issued(run.state.issued_grades, one.system, one.issued.at) != one.issued:
            continue
        event = _as_assessed_now(run, one)
        corrected = issued_grades.issued(event, one.result, one.issued.at, one.issued.number)
        if corrected != one.issued:
            run.effects.events.append(regrade_event(event, "amended"))
            _replace(run, one, corrected)


def _replace(run: StepRun, one: GradeToRecheck, by: IssuedGrade) -> None:
    grades = issued_grades.replace(run.state.issued_grades, one.system, one.issued, by)
    run.state = replace(run.state, issued_grades=grades)
