"""On call: channels in order, shifts, takings that run out, silences, storms; with a clock that jumps."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.messages import SITE_SUBJECT
from alerts.pages.page import Page
from config.rota import Role
from config.site import Site
from tests.support.ward import NORMAL, OTHER, SITE, Ward, answer, changed, message

ON_CALL, SECOND, CONSULTANT = "haematologist-1", "haematologist-2", "consultant-1"


def site_with(roles: dict[str, Any] | None = None, channels: dict[str, tuple[str, ...]] | None = None) -> Site:
    """The shipped site with other holders of some roles, or other channels of some people."""
    on_call = SITE.on_call
    people = {
        name: person.model_copy(update={"channels": (channels or {}).get(name, person.channels)})
        for name, person in on_call.people.items()
    }
    held = {**on_call.roles, **{name: Role.model_validate(role) for name, role in (roles or {}).items()}}
    return SITE._replace(on_call=on_call.model_copy(update={"roles": held, "people": people}))


def ward_with(site: Site, clock: str = "10:00", day: int = 1) -> Ward:
    ward = Ward(day=day, clock=clock, site=site)
    ward.admit()
    return ward


def clinical(ward: Ward) -> list[tuple[str, str, str]]:
    """Who was notified of patients since this was last asked: clock time, person and channel."""
    return [
        (f"{page.at.astimezone(ward.site.zone):%H:%M}", page.to, page.channel)
        for page in ward.new_pages()
        if page.patient != SITE_SUBJECT
    ]


def critical(ward: Ward) -> Page:
    """A critical page, just written."""
    ward.code("seizure", "brief")
    return ward.page()


# -- the ladder ------------------------------------------------------------------------------------


def test_an_unacknowledged_critical_page_reaches_the_consultant_at_minute_15(ward: Ward) -> None:
    critical(ward)
    ward.to("10:14")
    assert CONSULTANT not in {who for _, who, _ in ward.notified()}
    ward.to("10:15")
    assert ("10:15", CONSULTANT, "repeat") in ward.notified()


def test_an_edited_ladder_does_not_strand_an_episode_that_climbs_the_old_one(ward: Ward) -> None:
    critical(ward)
    ladder = SITE.on_call.ladders["critical"]
    shorter = ladder.model_copy(update={"steps": ladder.steps[:1], "repeat_every": None})
    on_call = SITE.on_call.model_copy(update={"ladders": {**SITE.on_call.ladders, "critical": shorter}})
    ward.site = SITE._replace(on_call=on_call)
    ward.to("10:15")
    assert [who for _, who, _ in ward.notified()] == [ON_CALL, SECOND, CONSULTANT]


def test_a_role_that_is_taken_out_of_the_rota_is_still_notified_by_an_episode_that_planned_it(ward: Ward) -> None:
    critical(ward)
    roles = {name: role for name, role in SITE.on_call.roles.items() if name != "second_on_call"}
    ward.site = SITE._replace(on_call=SITE.on_call.model_copy(update={"roles": roles}))
    ward.to("10:10")
    assert [who for _, who, _ in clinical(ward)] == [ON_CALL, SECOND]


def test_a_person_who_is_taken_out_of_the_configuration_is_replaced_by_the_last_resort(ward: Ward) -> None:
    critical(ward)
    people = {name: person for name, person in SITE.on_call.people.items() if name != SECOND}
    ward.site = SITE._replace(on_call=SITE.on_call.model_copy(update={"people": people}))
    ward.to("10:05")
    ward.new_pages()
    ward.to("10:10")
    assert [who for _, who, _ in ward.notified()] == [CONSULTANT]


# -- the rota --------------------------------------------------------------------------------------


TWO_SHIFTS = {"rotations": [{"people": [ON_CALL, SECOND], "from": "2024-06-10T08:00", "every": "1 d"}]}
"""The first has Monday, Wednesday, Friday from 08:00; the second the days between."""


def test_a_shift_change_in_the_middle_of_a_ladder_notifies_whoever_is_on_duty_by_then() -> None:
    ward = ward_with(site_with({"on_call": TWO_SHIFTS, "second_on_call": [CONSULTANT]}), clock="07:57", day=2)
    first = critical(ward)
    assert first.to == SECOND
    ward.to("08:02")
    assert ward.notified() == [("08:02", ON_CALL, "repeat")]


def test_after_the_last_step_those_are_notified_who_are_on_duty_by_then() -> None:
    ward = ward_with(site_with({"on_call": TWO_SHIFTS, "second_on_call": [CONSULTANT]}), clock="07:40", day=2)
    critical(ward)
    ward.to("08:09")
    ward.new_pages()
    ward.to("08:10")
    assert {who for _, who, _ in ward.notified()} == {ON_CALL, CONSULTANT}


def test_a_role_that_nobody_holds_falls_to_the_last_resort_and_says_so() -> None:
    nights = {"rotations": [{"people": [ON_CALL], "from": "2024-06-10T20:00", "every": "7 d", "hours": "20:00-08:00"}]}
    ward = ward_with(site_with({"on_call": nights}))
    ward.code("seizure", "brief")
    notified = ward.new_pages()
    assert [page.to for page in notified if page.patient != SITE_SUBJECT] == [CONSULTANT]
    technical = next(page for page in notified if page.patient == SITE_SUBJECT and page.to == "technician-1")
    assert technical.condition == "rota on_call"


@pytest.mark.parametrize("day", ["2024-10-27", "2024-03-31"], ids=["autumn", "spring"])
def test_a_ladder_keeps_its_minutes_when_the_clocks_change(day: str) -> None:
    """Minutes are minutes: the hour that comes twice, or never, neither repeats a step nor skips one."""
    ward = Ward(day=1)
    ward.now = datetime.fromisoformat(f"{day}T01:55").replace(tzinfo=ward.site.zone)
    ward.send(message("registration", ward.now - timedelta(hours=20), infused=ward.now - timedelta(hours=19)))
    ward.code("seizure", "brief")
    began = ward.now.astimezone(UTC)
    ward.now = began
    ward.jump(minutes=20)
    climbed = [((page.at - began) // timedelta(minutes=1), page.to) for page in ward.new_pages()]
    assert climbed == [(0, ON_CALL), (5, ON_CALL), (10, SECOND), (15, CONSULTANT)]


# -- channels --------------------------------------------------------------------------------------


TWO_PHONES = site_with(channels={ON_CALL: ("phone-1", "phone-4")})


def test_a_channel_that_fails_hands_over_to_the_persons_next_channel_at_once() -> None:
    ward = ward_with(TWO_PHONES)
    page = critical(ward)
    ward.jump(seconds=5)
    ward.receipt(page, "failed")
    assert clinical(ward) == [("10:00", ON_CALL, "phone-4")]


@pytest.mark.parametrize("outcome", ["failed", "unknown", "undeliverable"])
def test_when_every_channel_of_a_person_fails_the_next_person_is_notified_at_once(outcome: str) -> None:
    ward = ward_with(TWO_PHONES)
    ward.receipt(critical(ward), outcome)
    (second,) = [page for page in ward.new_pages() if page.patient != SITE_SUBJECT]
    ward.receipt(second, outcome)
    assert clinical(ward) == [("10:00", SECOND, "phone-2")]


def test_a_page_that_got_through_on_another_channel_is_not_tried_on_the_first_any_more() -> None:
    ward = ward_with(TWO_PHONES)
    page = critical(ward)
    ward.receipt(page, "failed")
    (second,) = ward.new_pages()
    ward.receipt(second, "sent")
    assert ward.cancelled == [page.id]


def test_a_page_that_keeps_failing_falls_through_once() -> None:
    ward = ward_with(TWO_PHONES)
    page = critical(ward)
    for outcome in ("failed", "unknown", "undeliverable"):
        ward.receipt(page, outcome)
    assert clinical(ward) == [("10:00", ON_CALL, "phone-4")]


def test_when_nobody_of_the_ladder_can_be_reached_the_last_resort_is_notified() -> None:
    ward = ward_with(SITE)
    ward.normal(temp=38.5, sbp=84)
    ward.receipt(ward.page(), "failed")
    (second,) = ward.new_pages()
    assert second.to == SECOND
    ward.receipt(second, "failed")
    assert clinical(ward) == [("10:00", CONSULTANT, "phone-3")]


def test_a_failure_of_a_worklist_wakes_nobody(ward: Ward) -> None:
    ward.lab(igg=390)
    (listed,) = ward.listed("low_igg")
    ward.receipt(listed, "failed")
    assert ward.notified() == []


def test_the_episode_says_what_became_of_each_page() -> None:
    ward = ward_with(TWO_PHONES)
    page = critical(ward)
    ward.receipt(page, "unknown")
    (second,) = ward.new_pages()
    ward.receipt(second, "sent")
    ward.ack(second)
    states = [(notified.channel, notified.state) for notified in ward.episode("icans").deliveries]
    assert states == [("phone-1", "cancelled"), ("phone-4", "acknowledged")]


# -- a taking runs out -----------------------------------------------------------------------------


def test_whoever_has_a_critical_page_is_asked_after_4_hours_whether_they_are_still_on_it(ward: Ward) -> None:
    ward.ack(critical(ward))
    ward.to("13:59")
    assert ward.notified() == []
    ward.to("14:00")
    asked = ward.pages[-1]
    assert ward.notified() == [("14:00", ON_CALL, "still_on_it")]
    assert asked.urgency == "medium"


def test_without_an_answer_the_ladder_starts_again(ward: Ward) -> None:
    ward.ack(critical(ward))
    ward.to("14:21")
    assert ward.notified() == [
        ("14:00", ON_CALL, "still_on_it"),
        ("14:05", ON_CALL, "repeat"),
        ("14:10", ON_CALL, "repeat"),
        ("14:15", SECOND, "repeat"),
        ("14:20", CONSULTANT, "repeat"),
    ]


@pytest.mark.parametrize(("hour", "asked"), [("13:30", False), ("09:30", True)], ids=["since", "before"])
def test_whoever_treats_is_not_asked_whether_they_are_still_on_it(ward: Ward, hour: str, *, asked: bool) -> None:
    ward.ack(critical(ward))
    ward.to("13:30")
    ward.give("dexamethasone", 10, "mg", at=ward.at(hour))
    ward.to("14:00")
    assert bool(questions(ward)) == asked


def questions(ward: Ward) -> list[tuple[str, str, str]]:
    return [notified for notified in ward.notified() if notified[2] == "still_on_it"]


def test_a_yes_lasts_a_day(ward: Ward) -> None:
    ward.ack(critical(ward))
    ward.to("14:02")
    ward.ack(ward.page())
    ward.to("09:59", day=2)
    assert questions(ward) == []
    assert ward.episode("icans").next_at == ward.at("14:02", day=2)


def test_a_yes_after_the_ladder_has_started_again_lasts_as_long(ward: Ward) -> None:
    ward.ack(critical(ward))
    ward.to("14:05")
    ward.ack(ward.pages[-1])
    ward.new_pages()
    assert ward.episode("icans").ack_renewals == 1
    ward.to("09:00", day=2)
    assert questions(ward) == []


def test_what_is_over_is_not_asked_about(ward: Ward) -> None:
    page = critical(ward)
    ward.ack(page)
    ward.close(page)
    ward.jump(hours=12)
    assert ward.notified() == []


def test_less_than_critical_is_taken_until_it_worsens(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.ack(ward.page())
    ward.jump(hours=48)
    assert ward.notified() == []


def test_a_taking_by_somebody_who_is_no_longer_configured_runs_out_into_the_ladder(ward: Ward) -> None:
    ward.ack(critical(ward), by="locum-9")
    ward.to("14:00")
    assert ward.notified() == [("14:00", ON_CALL, "repeat")]


# -- clear -----------------------------------------------------------------------------------------


def clear_after(ward: Ward, minutes: int) -> None:
    """A full set without any finding, so many minutes later."""
    ward.jump(minutes=minutes)
    ward.normal()


def test_while_the_newest_set_is_clear_no_ladder_climbs(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    clear_after(ward, 5)
    ward.new_pages()
    ward.to("13:00")
    assert ward.notified() == []
    assert ward.episode("crs").acknowledged_by == ""


def test_an_abnormal_set_after_a_clear_one_pages_at_once_what_was_due_meanwhile(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    clear_after(ward, 5)
    ward.new_pages()
    ward.to("10:25")
    ward.normal(temp=38.5, sbp=84)
    assert ward.notified() == [("10:25", ON_CALL, "repeat"), ("10:25", SECOND, "repeat")]


def test_an_abnormal_set_before_the_next_step_leaves_the_ladder_as_it_was(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    clear_after(ward, 3)
    ward.new_pages()
    ward.to("10:06")
    ward.normal(temp=38.5, sbp=84)
    ward.to("10:10")
    assert ward.notified() == [("10:10", ON_CALL, "repeat")]


def test_while_it_is_clear_nobody_is_asked_whether_they_are_still_on_it(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.vitals(device="high_flow_nasal_cannula")
    ward.ack(ward.pages[-1])
    ward.jump(minutes=30)
    ward.vitals(device="none")
    ward.normal()
    ward.new_pages()
    ward.to("15:00")
    assert ward.notified() == []
    ward.normal(temp=38.5)
    ward.vitals(device="high_flow_nasal_cannula")
    assert ward.notified() == [("15:00", ON_CALL, "still_on_it")]


def test_whoever_has_it_is_not_asked_while_it_is_lower_than_it_was(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.vitals(device="high_flow_nasal_cannula")
    ward.ack(ward.pages[-1])
    ward.jump(minutes=30)
    ward.vitals(device="none")
    ward.normal(temp=38.5)
    ward.new_pages()
    ward.to("15:00")
    assert ward.notified() == []
    ward.vitals(device="high_flow_nasal_cannula")
    assert ward.notified() == [("15:00", ON_CALL, "still_on_it")]


def test_what_was_charted_late_and_is_clear_by_now_is_paged_once(ward: Ward) -> None:
    ward.to("12:00")
    abnormal = [ward.vital(name, value, ward.at("11:00")) for name, value in {"temp": 38.5, "sbp": 84}.items()]
    ward.send(*abnormal, *(ward.vital(name, value) for name, value in NORMAL.items()))
    ward.to("18:00")
    assert [(at, who) for at, who, _ in ward.notified()] == [("12:00", ON_CALL)]


def test_a_first_page_that_fails_goes_to_the_next_person_though_it_is_clear_by_now() -> None:
    ward = ward_with(SITE)
    ward.normal(temp=38.5, sbp=84)
    page = ward.page()
    clear_after(ward, 1)
    ward.receipt(page, "failed")
    assert clinical(ward) == [("10:01", SECOND, "phone-2")]


# -- handed over -------------------------------------------------------------------------------------


def test_of_a_page_handed_over_the_next_person_is_notified_at_once(ward: Ward) -> None:
    page = critical(ward)
    ward.jump(minutes=1)
    ward.hand_over(page)
    assert "handed over by Haematologist on call" in ward.pages[-1].text
    assert ward.notified() == [("10:01", SECOND, "handed_over")]


def test_of_a_page_handed_over_by_name_that_person_is_notified_and_without_an_answer_the_next(ward: Ward) -> None:
    page = critical(ward)
    ward.jump(minutes=1)
    ward.hand_over(page, to=CONSULTANT)
    assert "handed over by Haematologist on call" in ward.pages[-1].text
    ward.to("10:06")
    assert ward.notified() == [("10:01", CONSULTANT, "handed_over"), ("10:06", SECOND, "repeat")]


def test_whoever_it_was_handed_over_to_can_take_it(ward: Ward) -> None:
    ward.hand_over(critical(ward), to=CONSULTANT)
    assert ward.episode("icans").handed_over_by == ON_CALL
    ward.ack(ward.page(), by=CONSULTANT)
    ward.to("10:30")
    assert ward.notified() == []
    assert (ward.episode("icans").acknowledged_by, ward.episode("icans").handed_over_by) == (CONSULTANT, "")


def test_a_page_that_was_taken_can_still_be_handed_over(ward: Ward) -> None:
    page = critical(ward)
    ward.ack(page)
    ward.jump(minutes=20)
    ward.hand_over(page)
    assert (ward.notified(), ward.episode("icans").acknowledged_by) == ([("10:20", SECOND, "handed_over")], "")


def test_a_hand_over_to_nobody_known_is_rejected_and_the_ladder_goes_on(ward: Ward) -> None:
    ward.hand_over(critical(ward), to="nobody")
    (aside,) = ward.dead_letters
    assert "nobody in site.yaml" in aside.why
    ward.to("10:05")
    assert ("10:05", ON_CALL, "repeat") in ward.notified()


def test_whoever_handed_over_is_left_out_until_one_pace_of_repeats_has_passed(ward: Ward) -> None:
    page = critical(ward)
    ward.jump(minutes=1)
    ward.hand_over(page)
    ward.to("10:21")
    assert ward.notified() == [
        ("10:01", SECOND, "handed_over"),
        ("10:06", CONSULTANT, "repeat"),
        ("10:21", ON_CALL, "repeat"),
        ("10:21", SECOND, "repeat"),
        ("10:21", CONSULTANT, "repeat"),
    ]


def test_whoever_hands_over_is_not_paged_again_though_everybody_holds_the_role() -> None:
    everybody = [ON_CALL, SECOND, CONSULTANT]
    ward = ward_with(site_with(roles=dict.fromkeys(("on_call", "second_on_call", "consultant"), everybody)))
    ward.code("seizure", "brief")
    (page,) = [page for page in ward.new_pages() if page.to == ON_CALL]
    ward.jump(minutes=1)
    ward.hand_over(page)
    assert [(who, why) for _, who, why in ward.notified()] == [(SECOND, "handed_over"), (CONSULTANT, "handed_over")]
    ward.to("10:15")
    assert ON_CALL not in {who for _, who, _ in ward.notified()}


def test_whoever_is_handed_it_and_hands_it_over_does_not_send_it_back(ward: Ward) -> None:
    ward.hand_over(critical(ward))
    second = ward.new_pages()[-1]
    ward.hand_over(second, by=SECOND)
    assert [who for _, who, _ in ward.notified()] == [CONSULTANT]


def test_where_nobody_else_is_left_a_hand_over_changes_nothing() -> None:
    alone = {role: [CONSULTANT] for role in ("on_call", "second_on_call", "consultant")}
    ward = ward_with(site_with(roles=alone))
    page = critical(ward)
    before = ward.episode("icans")
    ward.hand_over(page, by=CONSULTANT)
    assert ward.episode("icans") == before
    ward.to("10:05")
    assert ward.notified()[-1] == ("10:05", CONSULTANT, "repeat")


def test_what_somebody_has_nobody_else_can_hand_over(ward: Ward) -> None:
    page = critical(ward)
    ward.ack(page)
    ward.hand_over(page, by=SECOND)
    assert (ward.notified(), ward.episode("icans").acknowledged_by) == ([], ON_CALL)


# -- taken over ------------------------------------------------------------------------------------


def take_over(ward: Ward, page: Page, by: str, of: str) -> None:
    ward.send(changed(answer(page, ward.now, by), take_over_from=of))


def test_somebody_else_takes_over_and_the_first_is_notified(ward: Ward) -> None:
    page = critical(ward)
    ward.ack(page)
    ward.jump(minutes=5)
    take_over(ward, page, SECOND, of=ON_CALL)
    assert ward.episode("icans").acknowledged_by == SECOND
    (notice,) = ward.new_pages()
    assert (notice.to, notice.reason, notice.urgency) == (ON_CALL, "taken_over", "low")
    assert "taken over by Second haematologist on call" in notice.text
    assert ward.events[-2]["take_over_from"] == ON_CALL


def test_of_two_who_take_over_at_once_the_first_has_it(ward: Ward) -> None:
    page = critical(ward)
    ward.ack(page)
    take_over(ward, page, SECOND, of=ON_CALL)
    take_over(ward, page, CONSULTANT, of=ON_CALL)
    assert ward.episode("icans").acknowledged_by == SECOND


def test_an_acknowledgement_takes_nothing_from_whoever_has_it(ward: Ward) -> None:
    page = critical(ward)
    ward.ack(page)
    ward.ack(page, by=SECOND)
    assert (ward.notified(), ward.episode("icans").acknowledged_by) == ([], ON_CALL)


# -- which page was answered -----------------------------------------------------------------------


def test_an_answer_to_an_older_page_does_not_take_what_has_worsened_since(ward: Ward) -> None:
    ward.normal(temp=38.5)
    fever = ward.page()
    ward.to("10:10")
    ward.normal(temp=38.5, sbp=84)
    ward.to("10:12")
    ward.send(changed(answer(fever, ward.now), page=fever.id))
    assert ward.episode("crs").acknowledged_by == ""


def test_an_answer_to_the_page_of_the_worsening_takes_it(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.to("10:10")
    ward.normal(temp=38.5, sbp=84)
    worse = ward.new_pages()[-1]
    ward.to("10:12")
    ward.send(changed(answer(worse, ward.now), page=worse.id))
    assert ward.episode("crs").acknowledged_by == ON_CALL


# -- silences --------------------------------------------------------------------------------------


def test_a_silence_of_a_condition_hides_an_episode_that_opens_later(ward: Ward) -> None:
    ward.silence_condition("cytopenia", "medium", until=ward.at("20:00"))
    ward.jump(hours=1)
    ward.lab(platelets=20)
    assert ward.notified() == []
    ward.to("20:00")
    assert ward.notified() == [("20:00", ON_CALL, "new")]


def test_a_silence_never_hides_a_higher_urgency_than_it_named(ward: Ward) -> None:
    ward.silence_condition("crs", "medium", until=ward.at("20:00"))
    ward.normal(temp=38.5)
    assert ward.notified() == []
    ward.jump(minutes=30)
    ward.normal(temp=38.5, sbp=84)
    assert ward.page().urgency == "high"


def test_a_worsening_within_the_same_urgency_breaks_through_a_silence(ward: Ward) -> None:
    page = critical(ward)
    ward.silence(page, until=ward.at("20:00"))
    ward.jump(minutes=30)
    ward.code("seizure", "prolonged")
    assert (ward.page().reason, ward.episode("icans").level) == ("worse", 4)


def test_a_silence_that_is_retracted_ends_at_once(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    asked = ward.silence(ward.page(), until=ward.at("20:00"))
    ward.to("11:00")
    ward.send(changed(asked, status="entered_in_error", received=ward.now))
    assert ward.notified() == [("11:00", ON_CALL, "repeat")]


def test_a_silence_lasts_no_longer_than_the_site_allows(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.silence(ward.page(), until=ward.at("10:00", 30))
    ward.jump(hours=23.9)
    assert ward.notified() == []
    ward.jump(hours=0.1)
    assert [who for _, who, _ in ward.notified()] == [ON_CALL]


def test_after_a_silence_the_ladder_goes_on_where_it_stood(ward: Ward) -> None:
    page = critical(ward)
    ward.jump(minutes=1)
    ward.silence(page, until=ward.at("12:00"))
    ward.to("12:11")
    assert ward.notified() == [
        ("12:00", ON_CALL, "repeat"),
        ("12:05", SECOND, "repeat"),
        ("12:10", CONSULTANT, "repeat"),
    ]


def test_a_silence_of_one_patient_hides_nothing_of_another(ward: Ward) -> None:
    ward.admit(OTHER)
    ward.silence_condition("crs", "critical", until=ward.at("20:00"))
    ward.vitals(patient=OTHER, temp=38.5)
    assert ward.page().patient == OTHER


def test_a_silence_stands_in_the_journal_with_who_why_and_until(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.silence(ward.page(), until=ward.at("12:00"))
    (event,) = [event for event in ward.events if event["kind"] == "silenced"]
    assert (event["by"], event["why"], event["until"]) == (
        ON_CALL,
        "seen, treatment running",
        ward.at("12:00").isoformat(timespec="seconds"),
    )


# -- storms ----------------------------------------------------------------------------------------


def test_thirty_feeds_that_fall_silent_one_after_the_other_are_two_pages_each_not_thirty(ward: Ward) -> None:
    for number in range(30):
        ward.fault(f"feed monitor-{number}")
        ward.jump(seconds=5)
    ward.to("10:06")
    notified = ward.new_pages()
    assert [page.to for page in notified].count("technician-1") == 2
    assert len(notified[-1].episodes) == 30


def test_a_fault_of_another_kind_is_paged_at_once(ward: Ward) -> None:
    ward.fault("feed monitor-1")
    ward.new_pages()
    ward.jump(seconds=30)
    ward.fault("channel phone-1")
    assert {page.condition for page in ward.new_pages()} == {"channel phone-1"}


def test_no_more_than_50_silences_are_in_force_for_one_patient(ward: Ward) -> None:
    for _ in range(60):
        ward.silence_condition("cytopenia", "medium", until=ward.at("20:00"))
    assert len(ward.state().silences) == 50
    assert {aside.why for aside in ward.dead_letters} == {
        "silence: 50 are in force for this patient; end one of them first"
    }
