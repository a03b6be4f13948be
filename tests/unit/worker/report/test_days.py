"""The table of days beside the published report."""

from decimal import Decimal
from typing import Any

import pytest

from alerts.messages import AnyMessage
from tests.support.replayed_case import ROME, grade, replayed
from worker.report.course import Course, course_from
from worker.report.days import REPORTED, SYSTEMS, DayGrade, DayRow, days


def rows(messages: list[AnyMessage], *events: dict[str, Any]) -> list[DayRow]:
    return days(course_from(messages, events, ROME))


def test_there_is_a_row_from_infusion_to_discharge(course: Course) -> None:
    assert [row.day for row in days(course)] == list(range(16))
    assert days(course)[15].date.isoformat() == "2024-06-27"


@pytest.mark.parametrize(
    ("day", "worst"),
    [
        (0, (0, 0, 2, 1, 1)),
        (1, (1, 0, 2, 1, 1)),
        (2, (2, 0, 2, 1, 1)),
        (3, (0, 0, 3, 2, 2)),
        (5, (2, 3, 3, 3, 4)),
        (8, (0, 1, 3, 4, 4)),
        (9, (0, 0, 4, 4, 4)),
        (15, (0, 0, 2, 3, 0)),
    ],
)
def test_a_row_holds_the_worst_grade_of_its_day(course: Course, day: int, worst: tuple[int, ...]) -> None:
    row = days(course)[day]
    assert tuple(row.grades[system].worst for system in SYSTEMS) == worst


def test_a_grade_holds_on_the_days_on_which_no_line_was_printed(messages: list[AnyMessage]) -> None:
    table = rows(messages, grade("crs", 2, "08:00", 2), grade("crs", 5, "09:00", 0))
    assert [row.grades["crs"].worst for row in table[1:7]] == [None, 2, 2, 2, 2, 0]


def test_the_grade_carried_into_a_day_counts_towards_its_worst(messages: list[AnyMessage]) -> None:
    table = rows(messages, grade("icans", 7, "16:00", 1), grade("icans", 8, "08:00", 0))
    assert table[8].grades["icans"] == DayGrade(worst=1, last=0)


def test_an_undetermined_grade_is_not_zero(messages: list[AnyMessage]) -> None:
    table = rows(messages, grade("icans", 1, "08:00", 0), grade("icans", 3, "08:00", None))
    assert table[3].grades["icans"] == DayGrade(worst=0, last=None)
    assert table[4].grades["icans"] == DayGrade(worst=None, last=None)


def test_a_line_after_discharge_changes_no_day(messages: list[AnyMessage]) -> None:
    table = rows(messages, grade("crs", 14, "08:00", 0), grade("crs", 15, "12:00", 4))
    assert table[15].grades["crs"] == DayGrade(worst=0, last=0)


def test_m_easix_is_the_highest_of_the_day_and_blank_where_none_was_computed(course: Course) -> None:
    table = days(course)
    assert (table[3].m_easix, table[3].confounded) == (Decimal("61.2"), True)
    assert (table[2].m_easix, table[2].confounded) == (Decimal("45.4"), False)
    assert table[9].m_easix is None


def test_the_report_stands_beside_the_days_it_speaks_of(course: Course) -> None:
    assert {row.day: row.reported for row in days(course) if row.reported} == dict(REPORTED)


def test_the_replay_agrees_wherever_the_report_states_a_grade(course: Course) -> None:
    assert {row.day for row in days(course) if row.agrees} == {1, 2, 5, 8, 15}
    assert not any(row.agrees is False for row in days(course))


def test_a_grade_the_report_contradicts_is_shown_as_such(messages: list[AnyMessage]) -> None:
    without = [line for line in replayed() if line.get("system") != "icans"]
    table = rows(messages, *without, grade("icans", 5, "07:30", 2))
    assert table[5].agrees is False


def test_another_patient_is_never_set_beside_the_report(messages: list[AnyMessage]) -> None:
    others = [message.model_copy(update={"patient": "P9"}) for message in messages]
    table = days(course_from(others, [], ROME))
    assert not any(row.reported or row.agrees is not None for row in table)
