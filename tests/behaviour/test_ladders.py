"""Who is notified when: the ladders of the shipped policy, minute by minute."""

from tests.support.ward import OTHER, PATIENT, Ward, message

ON_CALL, SECOND, CONSULTANT = "haematologist-1", "haematologist-2", "consultant-1"


# -- medium ----------------------------------------------------------------------------------------


def test_a_first_fever_pages_the_on_call_haematologist_once_at_medium(ward: Ward) -> None:
    ward.normal(temp=38.0)
    page = ward.page()
    assert (page.to, page.urgency, page.condition, page.reason) == (ON_CALL, "medium", "crs", "new")
    assert "CRS 1" in page.title


def test_a_temperature_below_38_pages_nobody(ward: Ward) -> None:
    ward.normal(temp=37.9)
    ward.jump(hours=12)
    assert ward.notified() == []


def test_a_first_fever_is_paged_again_after_30_minutes_without_an_answer(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.jump(minutes=29)
    assert ward.notified() == [("10:00", ON_CALL, "new")]
    ward.jump(minutes=1)
    assert ward.notified() == [("10:30", ON_CALL, "repeat")]


def test_an_acknowledged_fever_is_not_paged_again(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.jump(minutes=4)
    ward.ack(ward.page())
    ward.jump(hours=24)
    assert ward.notified() == []


def test_a_medium_page_never_climbs_to_the_second_on_call(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.jump(hours=12)
    assert {who for _, who, _ in ward.notified()} == {ON_CALL}


# -- high ------------------------------------------------------------------------------------------


def test_fever_plus_hypotension_pages_high_at_once(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    page = ward.page()
    assert (page.to, page.urgency, page.reason, page.at) == (ON_CALL, "high", "new", ward.now)
    assert "CRS 2" in page.title


def test_fever_plus_hypoxia_pages_high_at_once(ward: Ward) -> None:
    ward.normal(temp=38.5, spo2=90)
    page = ward.page()
    assert (page.urgency, page.reason) == ("high", "new")
    assert "CRS 2" in page.title


def test_an_unanswered_high_page_climbs_after_10_and_20_minutes_and_then_repeats_every_30(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.to("11:25")
    assert ward.notified() == [
        ("10:00", ON_CALL, "new"),
        ("10:10", ON_CALL, "repeat"),
        ("10:20", SECOND, "repeat"),
        ("10:50", ON_CALL, "repeat"),
        ("10:50", SECOND, "repeat"),
        ("11:20", ON_CALL, "repeat"),
        ("11:20", SECOND, "repeat"),
    ]


def test_a_high_page_repeats_until_somebody_acknowledges(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.to("10:55")
    ward.ack(ward.pages[-1], by=SECOND)
    ward.new_pages()
    ward.jump(hours=24)
    assert ward.notified() == []


def test_a_high_page_repeats_until_the_condition_is_over(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.to("12:00")
    ward.normal()
    ward.to("17:59")
    ward.new_pages()
    ward.to("18:00")
    ward.normal()
    assert ward.notified() == []
    ward.jump(hours=12)
    assert ward.notified() == []


# -- critical --------------------------------------------------------------------------------------


def test_an_unanswered_critical_page_climbs_after_5_10_and_15_minutes_and_then_repeats_every_15(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.start("norepinephrine")
    ward.to("10:46")
    everybody = [ON_CALL, SECOND, CONSULTANT]
    assert ward.notified() == [
        ("10:00", ON_CALL, "worse"),
        ("10:05", ON_CALL, "repeat"),
        ("10:10", SECOND, "repeat"),
        ("10:15", CONSULTANT, "repeat"),
        *(("10:30", who, "repeat") for who in everybody),
        *(("10:45", who, "repeat") for who in everybody),
    ]


def test_an_acknowledgement_between_two_steps_keeps_the_next_person_asleep(ward: Ward) -> None:
    ward.stays_on_it()
    ward.code("seizure", "brief")
    ward.to("10:09")
    first, second = ward.new_pages()
    assert (first.to, second.to) == (ON_CALL, ON_CALL)
    ward.ack(first)
    ward.jump(hours=3)
    assert ward.notified() == []


# -- low -------------------------------------------------------------------------------------------


def test_a_low_page_goes_to_the_worklist_once_and_climbs_no_ladder(ward: Ward) -> None:
    ward.lab(igg=390)
    ward.jump(hours=24)
    (page,) = ward.listed("low_igg")
    assert (page.urgency, page.reason) == ("low", "new")
    assert ward.notified() == []


# -- together --------------------------------------------------------------------------------------


def test_findings_of_one_moment_make_one_page_that_lists_them_all(ward: Ward) -> None:
    ward.send(ward.vital("temp", 38.5), message("reading", ward.now, reading="seizure", value="brief", by="person"))
    page = ward.page()
    assert (page.urgency, page.condition) == ("critical", "icans")
    assert "CRS 1" in page.title
    assert "ICANS 3" in page.title
    assert set(page.episodes) == {ward.episode("crs").id, ward.episode("icans").id}


def test_acknowledging_a_page_takes_every_episode_it_lists(ward: Ward) -> None:
    ward.stays_on_it()
    ward.send(ward.vital("temp", 38.5), message("reading", ward.now, reading="seizure", value="brief", by="person"))
    ward.ack(ward.page())
    assert {ward.episode(condition).acknowledged_by for condition in ("crs", "icans")} == {ON_CALL}
    ward.jump(hours=24)
    assert ward.notified() == []


def test_an_acknowledgement_takes_no_episode_that_its_sender_was_never_notified_of(ward: Ward) -> None:
    ward.send(ward.vital("temp", 38.5), message("reading", ward.now, reading="seizure", value="brief", by="person"))
    ward.to("10:10")
    second = ward.pages[-1]
    assert (second.to, second.episodes) == (SECOND, (ward.episode("icans").id,))
    ward.ack(second, by=SECOND)
    assert ward.episode("icans").acknowledged_by == SECOND
    assert ward.episode("crs").acknowledged_by == ""


def test_steps_missed_while_nothing_ran_are_made_up_for_in_one_notification(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.start("norepinephrine")
    ward.new_pages()
    ward.sleep(minutes=60)
    ward.wake()
    assert ward.notified() == [
        ("11:00", ON_CALL, "repeat"),
        ("11:00", SECOND, "repeat"),
        ("11:00", CONSULTANT, "repeat"),
    ]
    ward.to("11:15")
    assert [when for when, _, _ in ward.notified()] == ["11:15"] * 3


def test_a_message_that_comes_when_a_timer_is_due_does_not_page_twice(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.sleep(minutes=10)
    ward.normal(temp=38.5, sbp=84)
    ward.wake()
    assert ward.notified() == [("10:00", ON_CALL, "new"), ("10:10", ON_CALL, "repeat")]


def test_an_acknowledgement_that_waited_while_nothing_ran_stops_the_steps_that_were_missed(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    page = ward.page()
    ward.sleep(minutes=60)
    ward.ack(page, at=ward.ago(minutes=57))
    ward.wake()
    assert ward.notified() == []


def test_each_patient_climbs_a_ladder_of_their_own(ward: Ward) -> None:
    ward.admit(OTHER)
    ward.normal(temp=38.5, sbp=84)
    ward.jump(minutes=5)
    ward.vitals(patient=OTHER, temp=38.5)
    mine, theirs = ward.new_pages()
    assert (mine.patient, theirs.patient) == (PATIENT, OTHER)
    ward.ack(mine)
    ward.jump(minutes=30)
    assert [page.patient for page in ward.new_pages()] == [OTHER]


def test_every_page_has_an_id_of_its_own(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.jump(hours=2)
    ward.start("norepinephrine")
    ward.jump(hours=2)
    ids = [page.id for page in ward.pages]
    assert len(ids) > 20
    assert len(set(ids)) == len(ids)
