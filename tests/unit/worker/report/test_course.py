"""The course as it is built from messages and from what a replay prints."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from alerts.messages import MESSAGE, AnyMessage
from config.site import DEFAULTS
from config.tables import load_tables
from tests.support.replayed_case import ROME, acknowledged, grade, moment, page
from worker.report.course import Course, course_from

INFUSED = "2024-06-12T10:00:00+02:00"


def message(kind: str, day: int = 0, clock: str = "08:00", **fields: Any) -> AnyMessage:
    base = {"type": kind, "id": f"{kind}-{day}-{clock}", "source": "ward", "patient": "REF-1"}
    return MESSAGE.validate_python({**base, "effective": moment(day, clock), **fields})


def temperature(value: float, clock: str = "08:00", **fields: Any) -> AnyMessage:
    given = {"reading": "temperature", "value": value, "unit": "Cel", **fields}
    return message("reading", 1, clock, **given)


def test_day_zero_is_the_calendar_day_of_infusion_in_the_hospitals_zone(course: Course) -> None:
    last_minute = datetime(2024, 6, 12, 21, 59, tzinfo=UTC)
    assert course.day(last_minute) == 0
    assert course.day(last_minute + timedelta(minutes=1)) == 1


def test_every_day_is_as_wide_on_the_axis(course: Course) -> None:
    assert course.position(datetime.fromisoformat(moment(2, "12:00"))) == 2.5


def test_a_discharge_ends_the_course_whatever_is_charted_later(course: Course) -> None:
    assert course.end == datetime.fromisoformat(moment(15, "11:00"))
    assert course.notes[-1].at > course.end


def test_the_course_of_an_undischarged_patient_ends_with_the_last_that_was_charted() -> None:
    built = course_from([temperature(37.0), temperature(38.0, "12:00")], [], ROME)
    assert built.end == datetime.fromisoformat(moment(1, "12:00"))


def test_without_an_infusion_days_count_from_the_first_message() -> None:
    built = course_from([temperature(37.0)], [], ROME)
    assert built.infused is None
    assert built.day(built.start) == 0


def test_a_corrected_value_replaces_the_first_one() -> None:
    wrong = temperature(39.9, received=moment(1, "08:01"))
    right = temperature(36.9, status="corrected", received=moment(1, "09:00"))
    for order in ([wrong, right], [right, wrong]):
        built = course_from(order, [], ROME)
        assert [sample.value for sample in built.samples["temperature"]] == [Decimal("36.9")]


def test_a_value_entered_in_error_or_superseded_is_gone() -> None:
    wrong = temperature(39.9)
    gone = temperature(39.9, status="entered_in_error")
    assert course_from([wrong, gone], [], ROME).samples == {}
    instead = temperature(36.9, id="other", supersedes=wrong.id)
    assert len(course_from([wrong, instead], [], ROME).samples["temperature"]) == 1


def test_values_are_converted_as_on_intake_where_the_tables_are_given() -> None:
    fahrenheit = temperature(100.4, unit="[degF]")
    built = course_from([fahrenheit], [], ROME, load_tables(DEFAULTS))
    assert built.samples["temperature"][0].value == 38


@pytest.mark.parametrize("unit", ["[degF]", None])
def test_a_value_whose_unit_cannot_be_used_is_counted_and_not_drawn(unit: str | None) -> None:
    built = course_from([temperature(98.0, unit=unit)], [], ROME)
    assert built.samples == {}
    assert built.not_drawn == 1


def test_a_bound_is_not_drawn_as_a_value() -> None:
    bound = message("reading", reading="neutrophils", value="<0.1", unit="10*9/L")
    assert course_from([bound], [], ROME, load_tables(DEFAULTS)).not_drawn == 1


def test_oxygen_is_one_span_from_the_first_device_to_none(course: Course) -> None:
    oxygen = [span for span in course.spans if span.name == "oxygen"]
    assert [(course.day(span.since), course.day(span.until or course.end)) for span in oxygen] == [(5, 7)]


def test_an_infusion_without_an_end_goes_on(course: Course) -> None:
    assert [span.until for span in course.spans if span.name == "levetiracetam"] == [None]


def test_an_infusion_ends_where_it_was_stopped() -> None:
    start = message("treatment", 2, "09:00", drug="norepinephrine", action="started")
    stop = message("treatment", 2, "15:00", drug="norepinephrine", action="stopped")
    (span,) = course_from([start, stop], [], ROME).spans
    assert span.until == stop.effective


def test_a_page_knows_who_answered_it_and_after_how_long() -> None:
    events = [page(2, "08:00"), acknowledged(2, "08:09", "e1", "haematologist-1")]
    (sent,) = course_from([temperature(37.0)], events, ROME).pages
    assert sent.acknowledged_by == "haematologist-1"
    assert sent.answered_after == timedelta(minutes=9)


def test_an_answer_given_before_a_page_or_to_another_episode_does_not_count_for_it() -> None:
    events = [
        acknowledged(2, "07:59", "e1", "haematologist-1"),
        page(2, "08:00"),
        acknowledged(2, "08:01", "e2", "haematologist-1"),
    ]
    (sent,) = course_from([temperature(37.0)], events, ROME).pages
    assert sent.answered_after is None


def test_events_of_another_patient_are_left_out() -> None:
    events = [page(2, "08:00", patient="P2"), grade("crs", 2, "08:00", 4, patient="P2")]
    built = course_from([temperature(37.0)], events, ROME)
    assert (built.pages, built.changes) == ((), {})


def test_the_worst_grade_ignores_what_was_undetermined() -> None:
    events = [grade("icans", 1, "08:00", 1), grade("icans", 2, "08:00", None)]
    built = course_from([temperature(37.0)], events, ROME)
    assert built.worst("icans") == 1
    assert built.worst("crs") is None


def test_records_are_counted_by_where_they_come_from(course: Course, messages: list[AnyMessage]) -> None:
    assert sum(course.provenance.values()) == len(messages)
    assert set(course.provenance) == {"reported", "synthesised"}


def test_messages_about_two_patients_are_refused() -> None:
    with pytest.raises(ValueError, match="2 patients"):
        course_from([temperature(37.0), temperature(37.0, patient="P2")], [], ROME)


def test_no_messages_are_no_course() -> None:
    with pytest.raises(ValueError, match="0 patients"):
        course_from([], [], ROME)
