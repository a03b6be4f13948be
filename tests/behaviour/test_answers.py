"""What people answer: acknowledgements, silences, closures; and the discharge."""

from datetime import timedelta

import pytest

from tests.support.ward import OTHER, Ward, answer, changed, message

# -- acknowledgements ------------------------------------------------------------------------------


def test_an_acknowledgement_older_than_the_last_worsening_takes_nothing(ward: Ward) -> None:
    ward.normal(temp=38.5)
    fever = ward.page()
    ward.to("10:10")
    ward.normal(temp=38.5, sbp=84)
    ward.new_pages()
    ward.to("10:11")
    ward.ack(fever, at=ward.at("10:05"))
    assert ward.episode("crs").acknowledged_by == ""
    ward.to("10:20")
    assert ward.notified() == [("10:20", "haematologist-1", "repeat")]


def test_an_acknowledgement_that_comes_together_with_a_worsening_takes_nothing(ward: Ward) -> None:
    ward.normal(temp=38.5)
    fever = ward.page()
    ward.to("10:10")
    ward.send(ward.vital("sbp", 84), answer(fever, ward.now))
    assert ward.page().urgency == "high"
    assert ward.episode("crs").acknowledged_by == ""


def test_an_old_acknowledgement_takes_nothing_after_the_page_was_handed_over(ward: Ward) -> None:
    ward.normal(temp=38.5)
    fever = ward.page()
    ward.to("10:10")
    ward.normal(temp=38.5, sbp=84)
    ward.to("10:14")
    ward.receipt(ward.page(), "undeliverable")
    ward.ack(fever, at=ward.at("10:05"))
    assert ward.episode("crs").acknowledged_by == ""


def test_an_acknowledgement_of_an_unknown_episode_is_rejected(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.send(changed(answer(ward.page(), ward.now), episode="no-such-episode"))
    (aside,) = ward.dead_letters
    assert "no such episode" in aside.why
    assert ward.episode("crs").acknowledged_by == ""


def test_an_acknowledgement_of_another_patients_episode_is_rejected(ward: Ward) -> None:
    ward.admit(OTHER)
    ward.normal(temp=38.5)
    ward.send(changed(answer(ward.page(), ward.now), patient=OTHER))
    assert [aside.patient for aside in ward.dead_letters] == [OTHER]
    assert ward.episode("crs").acknowledged_by == ""


def test_an_acknowledgement_of_an_episode_that_is_over_changes_nothing(ward: Ward) -> None:
    ward.normal(temp=38.5)
    page = ward.page()
    ward.close(page)
    before = ward.state()
    ward.ack(page)
    assert ward.state() == before
    assert ward.dead_letters == []


def test_the_first_who_acknowledges_holds_the_episode(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    page = ward.page()
    ward.ack(page, by="haematologist-1")
    ward.jump(minutes=1)
    ward.ack(page, by="haematologist-2")
    assert ward.episode("crs").acknowledged_by == "haematologist-1"
    assert [event["by"] for event in ward.events if event["kind"] == "acknowledged"] == ["haematologist-1"]


def test_an_acknowledgement_cancels_the_pages_not_yet_sent(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    first = ward.page()
    ward.receipt(first, "sent")
    ward.to("10:10")
    second = ward.page()
    ward.ack(first)
    assert ward.cancelled == [second.id]


# -- silences --------------------------------------------------------------------------------------


def test_a_silenced_episode_is_not_repeated_until_then(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.silence(ward.page(), until=ward.at("12:00"))
    ward.to("11:59")
    assert ward.notified() == []
    ward.to("12:10")
    assert ward.notified() == [("12:00", "haematologist-1", "repeat"), ("12:10", "haematologist-2", "repeat")]


def test_a_worsening_breaks_through_a_silence(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.silence(ward.page(), until=ward.at("20:00"))
    ward.to("11:00")
    ward.normal(temp=38.5, sbp=84)
    ward.to("11:10")
    assert ward.notified() == [("11:00", "haematologist-1", "worse"), ("11:10", "haematologist-1", "repeat")]


def test_another_condition_breaks_through_a_silence(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.silence(ward.page(), until=ward.at("20:00"))
    ward.jump(minutes=10)
    ward.code("seizure", "brief")
    assert ward.page().condition == "icans"


def test_a_page_that_cannot_be_delivered_does_not_break_a_silence(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    page = ward.page()
    ward.silence(page, until=ward.at("12:00"))
    ward.to("10:05")
    ward.receipt(page, "undeliverable")
    assert [notified for notified in ward.new_pages() if notified.condition == "crs"] == []


def test_a_silence_of_an_unknown_episode_is_rejected(ward: Ward) -> None:
    ward.send(
        message("silence", ward.now, episode="none", until=ward.now + timedelta(hours=1), by="haematologist-1", why="-")
    )
    (aside,) = ward.dead_letters
    assert "no such episode" in aside.why


# -- closures --------------------------------------------------------------------------------------


def test_a_person_can_close_an_episode(ward: Ward) -> None:
    ward.normal(temp=38.5)
    page = ward.page()
    ward.close(page)
    assert not ward.is_open("crs")
    assert ward.cancelled == [page.id]
    ends = [event for event in ward.events if event["kind"] == "closed" and event["condition"] == "crs"]
    assert [(event["reason"], event["by"]) for event in ends] == [("resolved", "haematologist-1")]
    ward.jump(hours=3)
    assert ward.notified() == []


def test_an_episode_closed_by_a_person_does_not_reopen_at_the_same_level(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.close(ward.page())
    for _ in range(5):
        ward.jump(hours=1)
        ward.normal(temp=39.4)
    assert not ward.is_open("crs")
    assert ward.notified() == []


def test_an_episode_closed_by_a_person_reopens_when_it_is_higher(ward: Ward) -> None:
    ward.normal(temp=38.5)
    first = ward.page()
    ward.close(first)
    ward.jump(hours=1)
    ward.normal(temp=38.5, sbp=84)
    page = ward.page()
    assert (page.urgency, page.reason) == ("high", "recurrent")
    assert page.episode != first.episode


def test_a_falling_ice_pages_after_a_person_closed_the_episode_at_that_grade(ward: Ward) -> None:
    ward.ice(6)
    ward.close(ward.page())
    ward.jump(hours=2)
    ward.ice(3)
    assert ward.page().urgency == "critical"


def test_a_seizure_pages_after_a_person_closed_the_episode_at_that_grade(ward: Ward) -> None:
    ward.ice(2)
    ward.close(ward.page())
    ward.jump(hours=2)
    ward.code("seizure", "brief")
    assert ward.page().urgency == "critical"


def test_crs_2_with_icans_1_is_critical_after_a_person_closed_the_crs(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.close(ward.page())
    ward.jump(hours=2)
    ward.normal(temp=38.5, sbp=84)
    ward.ice(8)
    assert ward.page().urgency == "critical"


def test_another_grade_4_count_pages_after_a_person_closed_the_first(ward: Ward) -> None:
    ward.lab(platelets=20)
    ward.close(ward.page())
    ward.jump(hours=2)
    ward.statement("anemia_life_threatening")
    assert ward.page().urgency == "medium"


def test_closing_one_episode_leaves_a_page_owed_that_also_notifies_of_another(ward: Ward) -> None:
    ward.send(ward.vital("temp", 38.5), message("reading", ward.now, reading="seizure", value="brief", by="person"))
    page = ward.page()
    ward.send(changed(answer(page, ward.now), type="closure", episode=ward.episode("crs").id, why="not CRS"))
    assert not ward.is_open("crs")
    assert ward.episode("icans").acknowledged_by == ""
    assert page.id not in ward.cancelled


# -- discharge -------------------------------------------------------------------------------------


def test_a_discharge_closes_every_episode_and_nobody_is_paged_any_more(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.lab(platelets=10)
    pages = ward.new_pages()
    ward.discharge()
    assert ward.notified() == [("10:00", "haematologist-1", "ended")]
    assert ward.state().episodes == {}
    assert {page.id for page in pages} <= set(ward.cancelled)
    ward.jump(hours=24)
    ward.normal(temp=39.5, sbp=70)
    ward.code("seizure", "brief")
    ward.jump(hours=24)
    assert ward.notified() == []


def test_a_result_that_comes_after_the_discharge_is_still_charted(ward: Ward) -> None:
    ward.discharge()
    ward.jump(hours=2)
    ward.lab(platelets=10)
    assert [entry.value for entry in ward.charted("platelets")] == [10]


def test_a_patient_who_comes_back_is_watched_from_the_new_registration_on(ward: Ward) -> None:
    ward.discharge()
    ward.jump(hours=48)
    ward.send(changed(ward.registration(), effective=ward.now))
    ward.normal(temp=38.5)
    assert ward.page().condition == "crs"


def test_an_old_registration_that_comes_again_does_not_end_the_discharge() -> None:
    ward = Ward()
    registration = ward.admit()
    ward.discharge()
    ward.jump(hours=1)
    ward.send(registration)
    ward.normal(temp=38.5)
    assert ward.notified() == []


def test_a_discharge_that_is_retracted_lets_the_watch_go_on(ward: Ward) -> None:
    left = message("discharge", ward.now, source="ehr")
    ward.send(left)
    ward.jump(minutes=10)
    ward.send(changed(left, status="entered_in_error", received=ward.now))
    ward.normal(temp=38.5)
    assert ward.page().condition == "crs"


def test_only_the_discharge_that_holds_can_be_retracted(ward: Ward) -> None:
    mistaken = message("discharge", ward.ago(hours=1), source="ehr")
    ward.discharge()
    ward.send(changed(mistaken, status="entered_in_error", received=ward.now))
    ward.jump(minutes=10)
    ward.normal(temp=38.5)
    assert ward.notified() == []


def test_a_discharge_entered_in_error_ends_nothing(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.send(message("discharge", ward.now, source="ehr", status="entered_in_error"))
    assert ward.is_open("crs")


@pytest.mark.parametrize("type_", ["acknowledgement", "closure"])
def test_technical_episodes_are_answered_like_any_other(ward: Ward, type_: str) -> None:
    ward.fault("feed of the laboratory")
    page = ward.new_pages()[0]
    why = "known" if type_ == "closure" else None
    ward.send(
        message(type_, ward.now, patient="~site", source="gateway", episode=page.episode, by="technician-1", why=why)
    )
    ward.jump(hours=3)
    assert ward.notified() == []
