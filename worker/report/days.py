"""The table of days: the computed worst of each day, beside the statements of the published report."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

from msgspec import Struct

from worker.report.course import Course
from worker.report.events import GradeChange

REFERENCE_PATIENT = "REF-1"
"""The patient of the shipped reference case, the only one with a published report to compare."""

SYSTEMS = ("crs", "icans", "ctcae.anemia", "ctcae.platelets", "ctcae.neutrophils")

REPORTED: Mapping[int, str] = {
    1: "Lasting fever begins.",
    2: "Low blood pressure joins the fever; tocilizumab, two doses in all, and a quick recovery.",
    3: "m-EASIX elevated; no number is given.",
    5: (
        "Second CRS, grade 2, with desaturation. Motor aphasia, ICE 1 of 10: ICANS grade 3. EEG with "
        "epileptiform anomalies, MRI clear. Dexamethasone and levetiracetam start."
    ),
    6: "ICE and EEG better after two doses of dexamethasone.",
    7: "EEG better again; CAR-T peak 222.05 cells/µL.",
    8: "Full neurological recovery: CRS 0, ICANS 0. The steroid is tapered.",
    10: "CT: pneumonia on both sides, no pathogen; not graded as CRS.",
    11: "Steroid ends, 170 mg dexamethasone in all.",
    15: "Discharge: Hb 9.6 g/dL, platelets 26 000, neutrophils 6 700, leucocytes 7 600 per mm³.",
}
"""The published report's statement about each day, in our own words."""

STATED_GRADES: Mapping[int, Mapping[str, int]] = {
    1: {"crs": 1},
    2: {"crs": 2},
    5: {"crs": 2, "icans": 3},
    8: {"crs": 0, "icans": 0},
    15: {"ctcae.anemia": 2, "ctcae.platelets": 3, "ctcae.neutrophils": 0},
}
"""The grades that the report's statements imply for a day."""


class DayGrade(Struct, frozen=True):
    """A system's worst grade of a day, and its last; None if undetermined."""

    worst: int | None
    last: int | None


class DayRow(Struct, frozen=True):
    """One day. If the report states no grade for it, `agrees` is None."""

    day: int
    date: date
    grades: dict[str, DayGrade]
    m_easix: Decimal | None
    confounded: bool
    reported: str
    agrees: bool | None


def days(course: Course) -> list[DayRow]:
    """One row for each day from infusion to the end of the course."""
    return [_row(course, day) for day in range(course.last_day + 1)]


def _row(course: Course, day: int) -> DayRow:
    grades = {system: _day_grade(course, system, day) for system in SYSTEMS}
    score = _highest_score(course, day)
    known = course.patient == REFERENCE_PATIENT
    return DayRow(
        day=day,
        date=course.day_zero + timedelta(days=day),
        grades=grades,
        m_easix=score.value if score else None,
        confounded=bool(score and any("confounded" in flag for flag in score.flags)),
        reported=REPORTED.get(day, "") if known else "",
        agrees=_agrees(grades, STATED_GRADES.get(day)) if known else None,
    )


def _day_grade(course: Course, system: str, day: int) -> DayGrade:
    """The grades of a day. The grade carried into the day counts: it was valid in the first minute."""
    held = [c for c in course.changes.get(system, ()) if c.at <= course.end and course.day(c.at) <= day]
    carried = [c for c in held if course.day(c.at) < day][-1:]
    of_day = [*carried, *(c for c in held if course.day(c.at) == day)]
    grades = [change.grade for change in of_day if change.grade is not None]
    return DayGrade(max(grades, default=None), held[-1].grade if held else None)


def _highest_score(course: Course, day: int) -> GradeChange | None:
    scored = [
        change
        for change in course.changes.get("m_easix", ())
        if change.value is not None and course.day(change.at) == day
    ]
    return max(scored, key=lambda change: change.value or Decimal(0), default=None)


def _agrees(grades: Mapping[str, DayGrade], stated: Mapping[str, int] | None) -> bool | None:
    """Whether each stated grade was the worst or the last one of the day."""
    if not stated:
        return None
    return all(grade in (grades[system].worst, grades[system].last) for system, grade in stated.items())
