"""Who has not been looked at for too long: it stands on the board, is the ward's, and over as soon as somebody looks.

The doctor on call hears of it when an assessment is missing for twice its interval in a patient at risk.
"""

from datetime import time

import pytest

from alerts.rules import schedule
from tests.support.ward import INFUSED, SITE, WITH_WARD, Ward, message


@pytest.fixture
def seen() -> Ward:
    """On the day of infusion, vital signs and ICE taken just now."""
    ward = Ward(day=0, clock="12:00", site=WITH_WARD)
    ward.admit()
    ward.normal()
    ward.ice(10)
    assert ward.pages == []
    return ward


@pytest.fixture
def ward() -> Ward:
    """The same on day +1 at 10:00."""
    ward = Ward(day=1, clock="10:00", site=WITH_WARD)
    ward.admit()
    return ward


def test_vital_signs_are_overdue_5_hours_after_the_last_set(seen: Ward) -> None:
    seen.jump(hours=4, minutes=59)
    assert seen.listed("overdue_vitals") == []
    seen.jump(minutes=1)
    (page,) = seen.listed("overdue_vitals")
    assert (page.urgency, page.reason, page.at) == ("low", "new", seen.now)
    assert "overdue: last 12 Jun 12:00, to be charted every 4 h" in page.title


def test_of_a_febrile_patient_they_are_overdue_after_2_and_a_half_hours(seen: Ward) -> None:
    seen.normal(temp=38.5)
    seen.jump(hours=2, minutes=29)
    assert seen.listed("overdue_vitals") == []
    seen.jump(minutes=1)
    assert len(seen.listed("overdue_vitals")) == 1


def test_a_set_without_its_temperature_is_not_a_set(seen: Ward) -> None:
    seen.jump(hours=3)
    seen.vitals(sbp=120, spo2=97)
    seen.jump(hours=3)
    (page,) = seen.listed("overdue_vitals")
    assert "temperature overdue" in page.title


def test_a_value_that_was_rejected_does_not_count_as_one_that_came(seen: Ward) -> None:
    seen.jump(hours=3)
    seen.vitals(temp=99, sbp=0, spo2=101)
    seen.jump(hours=3)
    assert len(seen.listed("overdue_vitals")) == 1


def test_what_is_overdue_is_reported_once_and_wakes_nobody(seen: Ward) -> None:
    seen.jump(hours=24)
    assert len(seen.listed("overdue_vitals")) == 1
    assert seen.missing() == []


def test_what_is_overdue_is_over_as_soon_as_it_is_charted(seen: Ward) -> None:
    seen.jump(hours=7)
    assert seen.is_open("overdue_vitals")
    seen.normal()
    assert not seen.is_open("overdue_vitals")
    assert seen.notified() == []


def test_what_is_overdue_again_is_reported_again(seen: Ward) -> None:
    seen.jump(hours=7)
    seen.normal()
    seen.jump(hours=7)
    assert [page.reason for page in seen.listed("overdue_vitals")] == ["new", "recurrent"]


def test_an_ice_is_overdue_15_hours_after_the_last(seen: Ward) -> None:
    seen.jump(hours=14, minutes=59)
    assert seen.listed("overdue_ice") == []
    seen.jump(minutes=1)
    (page,) = seen.listed("overdue_ice")
    assert "ICE overdue: last 12 Jun 12:00, to be charted every 12 h" in page.title


def test_an_ice_is_overdue_sooner_where_m_easix_is_over_the_threshold(ward: Ward) -> None:
    ward.to("06:00", day=3)
    ward.ice(10)
    ward.lab(ldh=400, crp=90, platelets=40)
    before = len(ward.listed("overdue_ice"))
    ward.jump(hours=9, minutes=59)
    assert len(ward.listed("overdue_ice")) == before
    ward.jump(minutes=1)
    assert len(ward.listed("overdue_ice")) == before + 1


def test_an_ice_that_was_not_done_is_still_due(seen: Ward) -> None:
    seen.jump(hours=12)
    seen.send(message("reading", seen.now, reading="ice", absent="asleep", by="person"))
    seen.jump(hours=6)
    assert len(seen.listed("overdue_ice")) == 1


def test_of_a_patient_with_another_cause_of_fever_they_are_overdue_as_soon(seen: Ward) -> None:
    """Whatever the fever comes from, a febrile patient is looked at more often."""
    seen.statement("fever_other_cause")
    seen.normal(temp=38.5)
    seen.jump(hours=3)
    (page,) = seen.listed("overdue_vitals")
    assert "to be charted every 2 h" in page.title


def test_they_are_overdue_after_2_and_a_half_hours_where_m_easix_is_over_the_threshold(ward: Ward) -> None:
    ward.to("06:00", day=3)
    ward.normal()
    ward.lab(ldh=400, crp=90, platelets=40)
    before = len(ward.listed("overdue_vitals"))
    ward.jump(hours=2, minutes=29)
    assert len(ward.listed("overdue_vitals")) == before
    ward.jump(minutes=1)
    assert "to be charted every 2 h" in ward.listed("overdue_vitals")[before].title


def test_after_day_14_no_ice_is_due(seen: Ward) -> None:
    seen.to("14:00", day=14)
    seen.ice(10)
    before = len(seen.listed("overdue_ice"))
    seen.to("12:00", day=17)
    assert len(seen.listed("overdue_ice")) == before
    assert not seen.is_open("overdue_ice")
    assert seen.is_open("overdue_vitals")


def test_an_ice_that_fell_due_on_day_14_is_reported_on_day_15_and_until_it_is_done(seen: Ward) -> None:
    """What was to be done on day 14 is not done by midnight coming."""
    seen.to("10:00", day=14)
    seen.ice(10)
    before = len(seen.listed("overdue_ice"))
    seen.to("00:59", day=15)
    assert len(seen.listed("overdue_ice")) == before
    seen.to("01:00", day=15)
    assert len(seen.listed("overdue_ice")) == before + 1
    seen.to("12:00", day=15)
    assert seen.is_open("overdue_ice")
    seen.ice(10)
    assert not seen.is_open("overdue_ice")


def child() -> Ward:
    """A child of seven on the day of infusion."""
    ward = Ward(day=0, clock="12:00", site=WITH_WARD)
    ward.admit(ice=None)
    ward.send(message("registration", ward.now, source="ehr", born="2017-01-01"))
    ward.normal()
    return ward


def test_of_a_child_a_capd_is_due_and_no_ice() -> None:
    ward = child()
    ward.code("capd", 2)
    ward.jump(hours=14, minutes=59)
    assert ward.listed("overdue_ice") == []
    ward.jump(minutes=1)
    (page,) = ward.listed("overdue_ice")
    assert "CAPD overdue: last 12 Jun 12:00, to be charted every 12 h" in page.title


def test_a_child_whose_capd_is_charted_in_time_is_never_overdue() -> None:
    ward = child()
    for _ in range(4):
        ward.code("capd", 2)
        ward.jump(hours=12)
    assert ward.listed("overdue_ice") == []


def test_before_the_infusion_nothing_is_due() -> None:
    ward = Ward(day=-5)
    ward.send(ward.registration())
    ward.normal()
    ward.jump(hours=24)
    assert ward.now < INFUSED
    assert ward.listed("overdue_vitals") == ward.listed("overdue_ice") == []


def test_after_the_discharge_nothing_is_due(seen: Ward) -> None:
    seen.discharge()
    seen.jump(hours=48)
    assert seen.listed("overdue_vitals") == seen.listed("overdue_ice") == []


# -- nobody holds the role -----------------------------------------------------------------------------


def test_without_a_role_ward_it_stands_on_the_board_and_pages_nobody() -> None:
    ward = Ward(day=0, clock="12:00")
    ward.admit()
    ward.normal()
    ward.jump(hours=24)
    assert ward.pages == []
    assert ward.is_open("overdue_vitals")
    assert ward.is_open("overdue_ice")
    ward.normal()
    assert not ward.is_open("overdue_vitals")


# -- the doctor on call --------------------------------------------------------------------------------


def febrile(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())


def test_signs_missing_for_twice_their_interval_in_a_febrile_patient_page_the_doctor_on_call(seen: Ward) -> None:
    """Twice 4 h, and a grace of a quarter of that: a round that is left out does not page at the minute of the next."""
    febrile(seen)
    seen.jump(hours=9, minutes=59)
    assert seen.missing() == []
    seen.jump(minutes=1)
    (page,) = seen.missing()
    assert (page.condition, page.urgency, page.to) == ("overdue_vitals", "medium", "haematologist-1")
    assert "missing in a patient at risk: fever, CRS not over" in page.text
    assert "missing for twice 4 h" in page.text
    seen.normal(temp=38.5)
    assert not seen.is_open("overdue_vitals")


def test_signs_missing_as_long_in_a_patient_without_any_finding_stay_the_wards(seen: Ward) -> None:
    seen.jump(hours=40)
    assert seen.missing() == []
    assert seen.is_open("overdue_vitals")


def test_an_ice_missing_for_twice_its_interval_after_a_point_was_lost_pages_the_doctor_on_call(seen: Ward) -> None:
    seen.ice(6)
    seen.ack(seen.page())
    seen.stays_on_it()
    for _ in range(14):
        seen.jump(hours=2)
        seen.normal()
    assert seen.missing() == []
    seen.jump(hours=2)
    (page,) = seen.missing()
    assert (page.condition, page.urgency) == ("overdue_ice", "medium")
    assert "missing in a patient at risk: ICANS not over" in page.text


def test_a_patient_found_at_risk_while_an_ice_is_missing_pages_at_once(seen: Ward) -> None:
    for _ in range(10):
        seen.jump(hours=3)
        seen.normal()
    assert seen.missing() == []
    seen.normal(temp=38.5)
    assert {page.condition for page in seen.new_pages()} == {"crs"}
    assert seen.episode("overdue_ice").level == 2


# -- fixed rounds --------------------------------------------------------------------------------------


def by_rounds(*rounds: time) -> Ward:
    known = SITE.conventions.schedule
    changed = known.model_copy(update={"rounds": known.rounds.model_copy(update={"value": rounds})})
    ward = Ward(site=WITH_WARD._replace(conventions=SITE.conventions.model_copy(update={"schedule": changed})))
    ward.admit()
    return ward


ROUNDS = tuple(time(hour) for hour in (6, 10, 14, 18, 22))


@pytest.mark.parametrize(
    ("taken", "overdue"),
    [
        ("22:05", "07:00"),
        ("21:50", "07:00"),
        ("10:10", "15:10"),
        ("09:50", "15:00"),
        ("11:30", "19:00"),
    ],
)
def test_what_is_due_between_rounds_waits_for_the_next_one(taken: str, overdue: str) -> None:
    ward = by_rounds(*ROUNDS)
    start = ward.at(taken, 1)
    expected = ward.at(overdue, 2 if overdue < taken else 1)
    assert schedule.overdue_at(start, "vitals_every", ward.site) == expected
    assert schedule.on_call_at(start, "vitals_every", expected, ward.site) >= expected


def test_the_shorter_interval_of_a_febrile_patient_waits_for_no_round() -> None:
    ward = by_rounds(*ROUNDS)
    start = ward.at("22:05", 1)
    assert schedule.overdue_at(start, "vitals_every_when_febrile", ward.site) == ward.at("00:35", 2)
