"""The CRS grade at a moment that changes the course itself: it is read from the course as it is afterwards."""

from datetime import datetime

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading import crs
from tests.support.charts import NOW, SITE, Item, chart, dose, hours, reading
from tests.support.wording import english


def by_monitor(kind: str, value: object, at: datetime) -> Item:
    name, entry = reading(kind, value, at, source="monitor")
    return name, Entry(at, "monitor", entry.id, value=entry.value, by="monitor")


def read_afterwards(folded: Chart, at: datetime) -> object:
    return crs.grade(folded, at, SITE, crs.course(folded, at, SITE))


def test_a_dose_charted_together_with_the_signs_already_waives_the_fever() -> None:
    fever = [reading("temperature", 38.6, NOW - hours(8)), reading("spo2", 97, NOW - hours(8))]
    folded = chart(*fever, reading("temperature", 36.8), reading("systolic_bp", 82), dose("dexamethasone"))
    grade = crs.followed(folded, NOW, SITE).grade
    assert grade.grade == 2
    assert grade == read_afterwards(folded, NOW)


def test_the_one_low_pressure_of_a_monitor_counts_in_the_set_that_opens_an_episode_under_the_waiver() -> None:
    """What opens it is the hypoxia; from then on the patient is one with CRS, in whom every low pressure counts."""
    early = [reading("temperature", 38.6, NOW - hours(20)), dose("tocilizumab", NOW - hours(19))]
    clear = [
        item
        for age in (14, 8)
        for item in (
            reading("temperature", 36.8, NOW - hours(age)),
            reading("systolic_bp", 118, NOW - hours(age)),
            reading("spo2", 97, NOW - hours(age)),
        )
    ]
    again = [reading("temperature", 36.9), reading("spo2", 89), by_monitor("systolic_bp", 86, NOW)]
    folded = chart(*early, *clear, *again)
    assert not crs.course(folded, NOW - hours(8), SITE).is_open
    course, grade, *_ = crs.followed(folded, NOW, SITE)
    assert course.opened_at == NOW
    assert grade.rows == ("hypotension", "hypoxia")
    assert grade == read_afterwards(folded, NOW)


def test_a_set_with_a_low_pressure_closes_nothing_and_is_read_as_that_of_an_open_episode() -> None:
    """Resolved is CRS when the hypotension is gone too; the one low value of a monitor counts while it is open."""
    early = [reading("temperature", 38.6, NOW - hours(12)), reading("systolic_bp", 118, NOW - hours(12))]
    clear = [reading("temperature", 36.8, NOW - hours(7)), reading("spo2", 97, NOW - hours(7))]
    closing = [reading("temperature", 36.7), reading("spo2", 97), by_monitor("systolic_bp", 86, NOW)]
    folded = chart(*early, *clear, *closing)
    course, grade, *_ = crs.followed(folded, NOW, SITE)
    assert course.is_open
    assert english(grade.flags) == ("hypotension without fever: not CRS by the table",)
    assert grade == read_afterwards(folded, NOW)


def test_a_low_pressure_without_fever_is_still_flagged_when_a_grade_is_asked_for_after_the_signs() -> None:
    signs = [reading("temperature", 36.8, NOW - hours(1)), by_monitor("systolic_bp", 70, NOW - hours(1))]
    grade = crs.followed(chart(*signs, reading("spo2", 97, NOW - hours(1))), NOW, SITE).grade
    assert (grade.grade, english(grade.flags)) == (0, ("hypotension without fever: not CRS by the table",))
