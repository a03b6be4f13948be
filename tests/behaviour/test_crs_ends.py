"""What ends a CRS and what does not: support that nobody charts again, a pressure that stays low, a dose long ago."""

from datetime import UTC

import pytest

from alerts.assessment.assessment import assess
from tests.behaviour.test_crs_course import treated_and_over
from tests.support.ward import INFUSED, PATIENT, Ward, message
from tests.support.wording import english

# -- support that nobody charts again --------------------------------------------------------------


def test_a_ventilated_patient_is_grade_4_though_nobody_has_charted_it_for_25_hours(ward: Ward) -> None:
    ward.normal(temp=38.5, device="invasive_ventilation")
    ward.ack(ward.page())
    ward.stays_on_it()
    ward.jump(hours=25)
    ward.normal(temp=38.5)
    assert ward.grade("crs") == "4"
    grade = assess(ward.state().chart, ward.now.astimezone(UTC), ward.site).crs
    assert grade.provisional
    assert "oxygen device last charted 25 h ago" in english(grade.flags)
    assert "chart.oxygen_holds" in grade.conventions


def test_a_ventilator_that_was_taken_off_no_longer_grades(ward: Ward) -> None:
    ward.normal(temp=38.5, device="invasive_ventilation")
    ward.stays_on_it()
    ward.jump(hours=25)
    ward.normal(temp=38.5, device="none")
    assert ward.grade("crs") == "1"


def test_what_was_on_when_the_patient_left_is_not_on_when_the_patient_returns(ward: Ward) -> None:
    ward.normal(temp=38.5, device="face_mask")
    ward.start("norepinephrine")
    ward.jump(hours=2)
    ward.discharge()
    ward.jump(hours=40)
    ward.send(message("registration", ward.now, source="ehr", infused=INFUSED))
    ward.normal(temp=38.5)
    assert ward.grade("crs") == "1"


def test_a_discharge_that_is_retracted_ended_nothing(ward: Ward) -> None:
    ward.normal(temp=38.5, device="face_mask")
    left = message("discharge", ward.now, source="ehr", id="left")
    ward.jump(minutes=1)
    ward.send(left)
    ward.send(message("discharge", left.effective, source="ehr", id="left", status="entered_in_error"))
    ward.normal(temp=38.5)
    assert ward.grade("crs") == "3"


def test_a_bolus_does_not_end_the_infusion_it_is_given_beside(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.start("norepinephrine")
    ward.jump(minutes=12)
    ward.give("norepinephrine")
    ward.jump(hours=13)
    ward.normal(temp=38.5)
    assert ward.grade("crs") == "3"


def test_a_bolus_before_the_infusion_was_stopped_does_not_outlive_it(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.start("norepinephrine")
    ward.give("norepinephrine")
    ward.jump(hours=1)
    ward.stop("norepinephrine")
    ward.normal(temp=38.5)
    assert ward.grade("crs") == "1"


# -- resolved is: no fever, no hypotension, no hypoxia ---------------------------------------------


@pytest.mark.parametrize("sign", [{"sbp": 82}, {"spo2": 88}], ids=["hypotension", "hypoxia"])
def test_crs_is_not_over_while_hypotension_or_hypoxia_lasts(ward: Ward, sign: dict[str, int]) -> None:
    ward.normal(temp=38.5, sbp=85)
    ward.ack(ward.page())
    for _ in range(10):
        ward.jump(hours=1.5)
        ward.normal(**{"temp": 37.0, **sign})
    assert ward.grade("crs") == "0"
    assert ward.is_open("crs")


def test_a_low_pressure_between_clear_sets_starts_the_count_again(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=85)
    ward.ack(ward.page())
    for hours, sbp in ((4, 120), (3, 84), (3.5, 120), (3, 120)):
        ward.jump(hours=hours)
        ward.normal(sbp=sbp)
    assert ward.is_open("crs")
    ward.jump(hours=3)
    ward.normal()
    ward.jump(hours=24)
    assert not ward.is_open("crs")


def test_a_set_without_its_pressure_is_not_a_clear_one(ward: Ward) -> None:
    ward.vitals(temp=38.5)
    ward.jump(hours=14)
    for _ in range(3):
        ward.vitals(temp=36.8, spo2=97)
        ward.jump(hours=7)
    assert ward.is_open("crs")


def test_a_low_pressure_with_another_cause_keeps_nothing_open(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=85)
    ward.statement("hypotension_other_cause")
    for _ in range(2):
        ward.jump(hours=6)
        ward.normal(sbp=85)
    assert not ward.is_open("crs")


# -- an episode under the waiver -------------------------------------------------------------------


def test_an_episode_that_opened_under_the_waiver_keeps_it_after_72_hours(ward: Ward) -> None:
    treated_and_over(ward)
    ward.to("06:00", day=4)
    ward.normal(spo2=88)
    assert ward.grade("crs") == "2"
    ward.jump(hours=13)
    ward.normal(device="face_mask")
    assert ward.grade("crs") == "3"


# -- back after a person closed it -----------------------------------------------------------------


def closed_by_a_person(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.close(ward.page())
    ward.jump(hours=2)


def test_fever_that_goes_on_after_a_person_closed_it_pages_nobody(ward: Ward) -> None:
    closed_by_a_person(ward)
    ward.normal(temp=38.6)
    assert ward.notified() == []


def test_crs_that_returns_after_a_person_closed_it_is_high_whatever_its_grade(ward: Ward) -> None:
    closed_by_a_person(ward)
    ward.normal()
    ward.jump(hours=2)
    ward.normal(temp=38.2)
    page = ward.page()
    assert (page.urgency, page.reason) == ("high", "recurrent")
    assert "CRS 1" in page.title


# -- before the infusion ---------------------------------------------------------------------------


@pytest.fixture
def before() -> Ward:
    """A patient three days before the infusion, which is registered."""
    ward = Ward(day=-3)
    ward.send(ward.registration())
    return ward


def test_fever_before_the_infusion_is_no_crs(before: Ward) -> None:
    before.normal(temp=38.9)
    assert before.notified() == []
    assert before.grade("crs") == "not applicable"
    grade = assess(before.state(PATIENT).chart, before.now.astimezone(UTC), before.site).crs
    assert (grade.grade, grade.applicable, english(grade.because)) == (None, False, ("before infusion",))


def test_fever_before_the_infusion_is_no_episode_and_its_treatment_waives_nothing(before: Ward) -> None:
    before.normal(temp=38.9)
    before.give("paracetamol")
    before.give("dexamethasone")
    before.to("12:00", day=0)
    before.normal(sbp=82)
    assert before.grade("crs") == "0"
    before.normal(temp=38.4)
    page = before.page()
    assert (page.urgency, page.reason) == ("medium", "new")


def test_a_fever_from_before_the_infusion_is_not_that_of_the_hours_after_it(before: Ward) -> None:
    before.to("09:00", day=0)
    before.normal(temp=38.4)
    before.to("11:00", day=0)
    before.vitals(sbp=118, spo2=97)
    assert before.notified() == []
    before.vitals(temp=38.4)
    assert before.page().condition == "crs"


def test_pressures_from_before_the_infusion_are_a_baseline_all_the_same(before: Ward) -> None:
    before.normal(sbp=130)
    before.to("12:00", day=0)
    before.normal(temp=38.5, sbp=99)
    assert before.grade("crs") == "2"


def test_without_a_known_infusion_fever_is_graded_as_ever() -> None:
    ward = Ward(day=-3)
    ward.send(message("registration", ward.now, source="ehr"))
    ward.normal(temp=38.5)
    assert ward.page().condition == "crs"


def test_a_drug_given_six_hours_after_a_clear_set_is_no_second_set(ward: Ward) -> None:
    """Sets of 14:00 and 17:00 are 3 h apart, whatever is charted at 20:30: CRS goes on, and what follows is grade 2."""
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    for clock in ("14:00", "17:00"):
        ward.to(clock)
        ward.normal()
    ward.to("20:30")
    ward.give("paracetamol", 1000, "mg")
    ward.to("21:00")
    ward.normal(sbp=78)
    page = ward.page()
    assert (page.condition, page.urgency, page.reason) == ("crs", "high", "worse")


def _cleared_at_half_past_eight(ward: Ward) -> None:
    """CRS 1, and two clear sets 6 h and more apart: it rests."""
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    for clock in ("14:00", "20:30"):
        ward.to(clock)
        ward.normal()


def test_a_dose_in_a_crs_that_rests_waives_fever_of_what_returns(ward: Ward) -> None:
    _cleared_at_half_past_eight(ward)
    ward.to("21:00")
    ward.give("paracetamol", 1000, "mg")
    ward.to("23:00")
    ward.normal(sbp=78)
    page = ward.page()
    assert (page.condition, page.urgency, page.reason) == ("crs", "high", "worse")


def test_a_dose_in_a_crs_that_a_statement_ended_waives_nothing(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.jump(hours=1)
    ward.statement("fever_other_cause")
    for clock in ("14:00", "20:30"):
        ward.to(clock)
        ward.normal()
    ward.to("21:00")
    ward.give("paracetamol", 1000, "mg")
    ward.to("23:00")
    ward.normal(sbp=78)
    assert ward.grade("crs") == "0"


def test_one_low_cuff_pressure_counts_at_once_while_a_treated_crs_rests(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.give("paracetamol", 1000, "mg")
    for clock in ("14:00", "20:30"):
        ward.to(clock)
        ward.normal()
    ward.to("23:00")
    ward.sample("cuff", temp=36.8, sbp=84, spo2=98)
    page = ward.page()
    assert (page.condition, page.urgency, page.reason) == ("crs", "high", "worse")


def test_a_dose_before_the_first_charted_fever_waives_nothing(ward: Ward) -> None:
    """The definition asks that CRS was diagnosed before, however soon the fever follows."""
    ward.give("paracetamol", 1000, "mg")
    ward.jump(minutes=30)
    ward.normal(temp=38.8)
    ward.ack(ward.page())
    ward.to("14:00")
    ward.normal(sbp=84)
    assert ward.grade("crs") == "0"
