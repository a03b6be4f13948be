"""A patient nobody has registered: what would be grade 2 pages at once, and becomes the ordinary episode."""

from datetime import timedelta

from tests.support.ward import INFUSED, Ward, changed, message
from tests.support.wording import english


def test_what_would_be_crs_grade_2_pages_at_once_and_urgently() -> None:
    ward = Ward()
    ward.vitals(temp=39.0, sbp=84)
    page = ward.page()
    assert (page.urgency, page.reason, page.condition, page.to) == ("high", "new", "crs", "haematologist-1")
    assert "(not registered) · would be CRS 2" in page.title
    assert "systolic pressure 84" in page.text
    assert "temperature 39" in page.text
    assert "cartwatch register" in page.text
    assert ward.grade("crs") is None, "no grade is issued before the registration"
    assert ward.events == [event for event in ward.events if event["kind"] == "page"]


def test_it_climbs_the_ladder_until_it_is_acknowledged() -> None:
    ward = Ward()
    ward.vitals(temp=39.0, sbp=84)
    first = ward.page()
    ward.jump(minutes=10)
    assert ward.page().reason == "repeat"
    ward.ack(first)
    ward.jump(hours=1)
    assert ward.notified() == []
    assert ward.episode("crs").acknowledged_by == "haematologist-1"


def test_the_registration_makes_it_the_ordinary_episode_and_pages_nobody_again() -> None:
    ward = Ward()
    ward.vitals(temp=39.0, sbp=84)
    page = ward.page()
    ward.jump(minutes=2)
    ward.send(ward.registration())
    assert ward.notified() == []
    episode = ward.episode("crs")
    assert (episode.id, english(episode.title)) == (page.episode, "CRS grade 2: fever plus hypotension")
    assert ward.grade("crs") == "2"
    ward.ack(page)
    ward.jump(hours=1)
    assert ward.notified() == []


def test_a_grade_that_is_critical_pages_high_and_once_more_when_it_is_known_to_be_so() -> None:
    ward = Ward()
    ward.vitals(temp=39.0, sbp=84)
    ward.start("norepinephrine")
    assert {page.urgency for page in ward.new_pages()} == {"high"}
    ward.jump(minutes=2)
    ward.send(ward.registration())
    page = ward.page()
    assert (page.urgency, page.reason, page.episode) == ("critical", "worse", ward.episode("crs").id)


def test_a_falling_ice_and_a_count_of_grade_4_page_no_more_urgently_than_if_registered() -> None:
    ward = Ward()
    ward.ice(10)
    ward.jump(hours=6)
    ward.ice(8)
    assert [(page.condition, page.urgency) for page in ward.new_pages()] == [("icans", "high")]
    ward.lab(platelets=18)
    assert [(page.condition, page.urgency) for page in ward.new_pages()] == [("cytopenia", "medium")]
    ward.jump(minutes=5)
    ward.send(ward.registration())
    assert ward.notified() == []


def test_what_is_less_than_grade_2_or_of_low_urgency_pages_nobody() -> None:
    ward = Ward()
    ward.normal(temp=38.5)
    ward.lab(platelets=60, igg=300, ldh=900, crp=200)
    ward.ice(9)
    ward.jump(hours=30)
    assert ward.notified() == []


def test_it_ends_by_itself_when_the_sets_are_clear() -> None:
    ward = Ward()
    ward.normal(temp=39.0, sbp=84)
    ward.ack(ward.page())
    ward.jump(hours=2)
    ward.normal()
    ward.jump(hours=7)
    ward.normal()
    ward.jump(hours=24)
    assert not ward.is_open("crs")
    assert ward.new_pages() == []


def test_a_correction_that_removes_the_reason_says_so() -> None:
    ward = Ward()
    [temperature, _] = ward.vitals(temp=39.0, sbp=70)
    ward.page()
    ward.correct(temperature, 36.9)
    assert not ward.is_open("crs")
    assert [page.reason for page in ward.new_pages()] == ["retracted"]


def test_an_infusion_that_is_still_to_come_ends_it() -> None:
    ward = Ward()
    ward.vitals(temp=39.0, sbp=84)
    ward.page()
    ward.jump(minutes=5)
    ward.send(changed(ward.registration(), infused=INFUSED.replace(day=20)))
    assert not ward.is_open("crs")


def test_a_discharge_takes_the_patient_off_the_list_of_the_unregistered() -> None:
    ward = Ward()
    ward.vitals(temp=39.0, sbp=84)
    ward.page()
    ward.discharge()
    assert ward.state().unregistered is None
    assert not ward.is_open("crs")


def test_a_merge_moves_what_was_charted_to_the_patient_it_belongs_to() -> None:
    ward = Ward()
    ward.vitals(temp=38.5)
    ward.send(message("merge", ward.now, into="P2", source="ehr"))
    assert ward.state().unregistered is None


def test_a_value_that_cannot_be_used_counts_as_well() -> None:
    ward = Ward()
    ward.vitals(temp=88)
    assert ward.state().unregistered is not None


def test_what_was_charted_long_before_the_registration_is_judged_with_it() -> None:
    """A fever of four hours ago pages nobody while unregistered; with the registration it does."""
    ward = Ward()
    ward.normal(temp=38.5)
    ward.jump(hours=4)
    ward.lab(platelets=18)
    assert [page.condition for page in ward.new_pages()] == ["cytopenia"]
    ward.send(ward.registration())
    assert [(page.condition, page.urgency) for page in ward.new_pages() if page.urgency != "low"] == [("crs", "medium")]


def test_without_a_date_of_birth_an_ice_is_graded_and_a_capd_alone_leaves_icans_undetermined() -> None:
    ward = Ward()
    ward.send(ward.registration())
    ward.code("capd", 10)
    assert ward.grade("icans") is None
    ward.jump(hours=1)
    ward.ice(5)
    assert ward.grade("icans") == "2"


def test_a_registration_that_is_entered_in_error_registers_nobody_and_says_what_to_send() -> None:
    ward = Ward()
    ward.vitals(temp=38.5)
    ward.send(changed(ward.registration(), status="entered_in_error", received=ward.now))
    assert not ward.state().registered
    assert [record.why for record in ward.dead_letters] == ["a registration is not withdrawn; send the right one"]


def test_an_infusion_a_year_ahead_registers_nobody_and_silences_nothing() -> None:
    ward = Ward()
    mistyped = changed(ward.registration(), infused=ward.now + timedelta(days=365))
    ward.send(mistyped)
    [record] = ward.dead_letters
    assert record.why == "the infusion lies too far ahead; correct its date"
    assert {page.urgency for page in ward.new_pages()} == {"technical"}
    ward.vitals(temp=39.0, sbp=70, spo2=85)
    assert (ward.page().urgency, ward.state().registered) == ("high", False)
    ward.send(changed(mistyped, infused=INFUSED))
    assert ward.state().registered


def test_an_infusion_that_is_planned_within_30_days_registers() -> None:
    ward = Ward()
    ward.send(changed(ward.registration(), infused=ward.registration().effective + timedelta(days=29)))
    assert (ward.dead_letters, ward.state().registered) == ([], True)
