"""On the ward, at home, in follow-up, and discharged for good: what is expected, and what a result does."""

from datetime import timedelta

import pytest

from alerts.step.merging import charted_again
from tests.support.ward import INFUSED, PATIENT, WITH_WARD, Ward, changed, message
from tests.support.wording import english


def leave(ward: Ward, to: str | None = None) -> None:
    ward.send(message("discharge", ward.now, source="ehr", to=to))


@pytest.fixture
def home() -> Ward:
    """A patient who goes home on day +3 at 10:00, seen that morning."""
    ward = Ward(day=3, clock="09:00", site=WITH_WARD)
    ward.admit()
    ward.normal()
    ward.ice(10)
    ward.lab(platelets=90, hemoglobin=10)
    ward.to("10:00")
    leave(ward, "outpatient")
    ward.new_pages()
    return ward


def seen_at_home(ward: Ward, temp: float = 36.7) -> None:
    ward.vitals(temp=temp)
    ward.ice(10)


# -- at home -----------------------------------------------------------------------------------------


def test_one_febrile_sample_of_an_outpatient_is_high_without_a_second(home: Ward) -> None:
    home.jump(hours=2)
    home.sample("patch", temp=38.0)
    page = home.page()
    assert (page.condition, page.urgency) == ("crs", "high")
    assert "at home" in page.text


def test_the_same_sample_on_the_ward_waits_for_others(ward: Ward) -> None:
    ward.sample("patch", temp=38.0)
    assert ward.new_pages() == []


def test_the_wards_schedule_ends_at_home(home: Ward) -> None:
    home.jump(hours=7, minutes=59)
    assert home.new_pages() == []
    assert not home.is_open("overdue_vitals")
    assert not home.is_open("overdue_ice")


def test_a_check_in_that_is_not_answered_is_medium_after_2_hours(home: Ward) -> None:
    home.to("19:59")
    assert home.new_pages() == []
    home.to("20:00")
    page = home.page()
    assert (page.condition, page.urgency) == ("overdue_check_in", "medium")
    assert "no check-in: temperature" in page.title
    assert "temperature: none since 15 Jun 10:00, due every 8 h" in page.text
    seen_at_home(home)
    assert not home.is_open("overdue_check_in")


def test_nobody_is_asked_at_night(home: Ward) -> None:
    home.to("18:00")
    seen_at_home(home)
    home.to("09:59", day=4)
    assert home.new_pages() == []
    home.to("10:00", day=4)
    assert home.page().condition == "overdue_check_in"


def test_after_day_7_twice_a_day_is_enough(home: Ward) -> None:
    home.to("20:00", day=8)
    home.new_pages()
    seen_at_home(home)
    home.to("08:30", day=9)
    seen_at_home(home)
    home.new_pages()
    home.to("21:59", day=9)
    assert home.new_pages() == []


def test_after_day_14_and_in_follow_up_nothing_is_expected(home: Ward) -> None:
    home.to("21:00", day=14)
    seen_at_home(home)
    home.new_pages()
    home.to("12:00", day=17)
    assert home.new_pages() == []
    leave(home, "follow_up")
    home.to("12:00", day=90)
    assert home.new_pages() == []


def test_whoever_comes_back_is_an_inpatient_again_and_overdue_from_then_on(home: Ward) -> None:
    home.to("12:00", day=5)
    home.new_pages()
    home.send(message("registration", home.now, source="ehr", infused=INFUSED, setting="inpatient"))
    home.jump(hours=4, minutes=59)
    assert not home.is_open("overdue_vitals")
    home.jump(minutes=1)
    page = home.listed("overdue_vitals")[-1]
    assert "none since 17 Jun 12:00" in page.title


def test_a_registration_that_does_not_say_the_setting_leaves_it(home: Ward) -> None:
    home.send(message("registration", home.now, source="ehr", infused=INFUSED, bed="14"))
    assert home.state().chart.setting(home.now).name == "outpatient"


def test_an_open_episode_goes_on_at_home(ward: Ward) -> None:
    ward.vitals(temp=38.6, sbp=82)
    leave(ward, "outpatient")
    assert ward.is_open("crs")


# -- follow-up ---------------------------------------------------------------------------------------


def test_in_follow_up_everything_is_graded_and_paged_by_the_same_rules(home: Ward) -> None:
    leave(home, "follow_up")
    home.to("09:00", day=62)
    home.new_pages()
    home.lab(igg=350)
    assert len(home.listed("low_igg")) == 1
    home.ice(3)
    page = home.page()
    assert (page.condition, page.urgency) == ("icans", "critical")


# -- discharged for good -----------------------------------------------------------------------------


@pytest.fixture
def gone() -> Ward:
    ward = Ward(day=15, clock="09:00")
    ward.admit()
    ward.normal()
    ward.ice(10)
    ward.lab(platelets=26)
    leave(ward)
    ward.new_pages()
    return ward


def test_results_after_a_discharge_for_good_make_one_low_notice_each_condition(gone: Ward) -> None:
    gone.to("09:00", day=61)
    gone.lab(igg=350)
    (notice,) = gone.listed("after_discharge")
    assert notice.urgency == "low"
    assert "after discharge, would be IgG below 400 mg/dL" in english(notice.title)
    gone.lab(igg=340)
    gone.lab(igg=345)
    assert len(gone.listed("after_discharge")) == 1
    gone.to("09:00", day=62)
    gone.ice(3)
    (_, second) = gone.listed("after_discharge")
    assert "after discharge, would be ICANS grade 2, ICE 3/10" in english(second.title)
    assert gone.new_pages() == []


def test_an_unremarkable_result_after_the_discharge_makes_none(gone: Ward) -> None:
    gone.to("09:00", day=16)
    gone.lab(igg=800)
    assert gone.listed("after_discharge") == []


def test_a_result_that_was_drawn_before_the_discharge_and_comes_after_it_makes_one(gone: Ward) -> None:
    drawn = gone.now - timedelta(minutes=30)
    gone.jump(hours=1)
    gone.lab_at(drawn, neutrophils="0.3")
    (notice,) = gone.listed("after_discharge")
    assert "after discharge, would be CTCAE grade 4: neutrophils" in english(notice.title)


def test_whoever_is_registered_again_has_no_notice_of_before(gone: Ward) -> None:
    gone.to("09:00", day=61)
    gone.lab(igg=350)
    gone.jump(hours=1)
    gone.send(message("registration", gone.now, source="ehr", infused=INFUSED))
    assert not gone.is_open("after_discharge")
    gone.jump(hours=4)
    assert not gone.is_open("overdue_vitals")


# -- a new registration pages nothing stale ----------------------------------------------------------


def test_car_hematotox_is_silent_once_day_0_has_passed() -> None:
    ward = Ward(day=3)
    drawn = INFUSED - timedelta(days=6)
    values = {"platelets": 60, "neutrophils": "0.9", "hemoglobin": 8, "crp": 80, "ferritin": 2500}
    ward.send(*(ward.result(kind, value, drawn) for kind, value in values.items()))
    ward.send(ward.registration())
    assert ward.grade("hematotox") is not None
    assert ward.listed("hematotox") == []


def test_nothing_is_overdue_before_a_late_registration_was_known() -> None:
    ward = Ward(day=20, clock="12:00", site=WITH_WARD)
    ward.send(ward.vital("temp", 36.8, ward.at("12:00", day=15)))
    ward.send(changed(ward.registration(), received=ward.now))
    ward.jump(hours=4, minutes=59)
    assert ward.listed("overdue_vitals") == []
    ward.jump(minutes=1)
    assert len(ward.listed("overdue_vitals")) == 1


def test_the_settings_are_those_of_the_messages_in_any_order() -> None:
    registration = message("registration", INFUSED, infused=INFUSED, setting="inpatient", source="ehr")
    home = message("discharge", INFUSED + timedelta(days=3), to="outpatient", source="ehr")
    back = message("registration", INFUSED + timedelta(days=5), setting="inpatient", source="ehr")
    found = []
    for order in ((registration, home, back), (back, home, registration), (home, back, registration)):
        ward = Ward(day=10)
        for item in order:
            ward.send(item)
        chart = ward.state(PATIENT).chart
        found.append([chart.setting(INFUSED + timedelta(days=day)) for day in (1, 4, 6)])
    assert found[0] == found[1] == found[2]
    assert [setting.name for setting in found[0]] == ["inpatient", "outpatient", "inpatient"]


def test_two_records_that_are_merged_keep_the_setting(home: Ward) -> None:
    home.jump(hours=1)
    theirs = Ward(day=3, clock="11:00")
    theirs.send(*charted_again(home.state().chart, "P2", home.now))
    assert theirs.state("P2").chart.setting(home.now) == home.state().chart.setting(home.now)
