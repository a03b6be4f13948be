"""Technical trouble: pages that do not get through, feeds whose messages cannot be used."""

from alerts.messages import SITE_SUBJECT
from tests.support.ward import OTHER, Ward, message
from tests.support.wording import english

TECHNICIAN = ["technician-1"]


def without_unit(ward: Ward, patient: str = "P1", source: str = "lab") -> None:
    ward.send(message("reading", ward.now, patient=patient, source=source, reading="crp", value="85"))


# -- receipts --------------------------------------------------------------------------------------


def test_a_page_that_was_sent_is_no_longer_pending(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    page = ward.page()
    assert ward.episode("crs").pending == (page.id,)
    ward.receipt(page, "sent")
    assert ward.episode("crs").pending == ()


def test_a_page_that_was_sent_still_waits_for_an_answer(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.receipt(ward.page(), "sent")
    ward.to("10:10")
    assert ward.notified() == [("10:10", "haematologist-1", "repeat")]


def test_an_undeliverable_page_hands_over_to_the_next_step_at_once(ward: Ward) -> None:
    ward.code("seizure", "brief")
    ward.to("10:05")
    first, second = ward.new_pages()
    ward.receipt(first, "sent")
    ward.to("10:06")
    ward.receipt(second, "undeliverable")
    clinical = [page for page in ward.new_pages() if page.patient == "P1"]
    assert [(page.to, page.urgency) for page in clinical] == [("haematologist-2", "critical")]


def test_after_a_hand_over_the_ladder_goes_on_at_its_own_pace(ward: Ward) -> None:
    ward.code("seizure", "brief")
    ward.to("10:05")
    ward.to("10:06")
    ward.receipt(ward.pages[-1], "undeliverable")
    ward.new_pages()
    ward.to("10:11")
    clinical = [page for page in ward.new_pages() if page.patient == "P1"]
    assert [(page.to, page.at) for page in clinical] == [("consultant-1", ward.now)]


def test_an_undeliverable_page_of_an_acknowledged_episode_hands_over_to_nobody(ward: Ward) -> None:
    ward.code("seizure", "brief")
    page = ward.page()
    ward.ack(page)
    ward.receipt(page, "undeliverable")
    assert [notified for notified in ward.new_pages() if notified.patient == "P1"] == []


def test_a_receipt_counts_once(ward: Ward) -> None:
    ward.code("seizure", "brief")
    page = ward.page()
    ward.jump(minutes=1)
    ward.receipt(page, "undeliverable")
    ward.receipt(page, "undeliverable")
    clinical = [notified for notified in ward.new_pages() if notified.patient == "P1"]
    assert [notified.to for notified in clinical] == ["haematologist-2"]


def test_an_undeliverable_page_is_a_technical_fault_of_its_channel(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    page = ward.page()
    ward.receipt(page, "undeliverable")
    technical = [notified for notified in ward.new_pages() if notified.patient == SITE_SUBJECT]
    assert [notified.to for notified in technical] == TECHNICIAN
    [episode] = ward.state(SITE_SUBJECT).episodes.values()
    assert "channel phone-1" in english(episode.title)


def test_an_undeliverable_technical_page_raises_no_fault_of_its_own(ward: Ward) -> None:
    ward.fault("feed of the laboratory")
    pages = ward.new_pages()
    ward.receipt(pages[0], "undeliverable")
    assert set(ward.state(SITE_SUBJECT).episodes) == {"feed of the laboratory"}


# -- faults ----------------------------------------------------------------------------------------


def test_a_fault_pages_the_technician_and_wakes_no_haematologist(ward: Ward) -> None:
    ward.fault("feed of the laboratory")
    pages = ward.new_pages()
    assert [page.to for page in pages] == TECHNICIAN
    assert {(page.urgency, page.reason, page.day) for page in pages} == {("technical", "new", None)}


def test_an_unanswered_fault_is_paged_again_after_5_minutes_and_then_every_30(ward: Ward) -> None:
    ward.fault("feed of the laboratory")
    ward.to("10:40")
    assert [when for when, _, _ in ward.notified()] == ["10:00", "10:05", "10:35"]


def test_a_fault_opens_one_episode_however_many_messages_it_spoils(ward: Ward) -> None:
    ward.admit(OTHER)
    for _ in range(20):
        without_unit(ward)
        without_unit(ward, OTHER)
        ward.jump(seconds=5)
    assert len(ward.dead_letters) == 40
    assert len(ward.new_pages()) == len(TECHNICIAN)
    assert set(ward.state(SITE_SUBJECT).episodes) == {"intake lab"}


def test_each_trouble_is_an_episode_of_its_own(ward: Ward) -> None:
    without_unit(ward, source="lab")
    without_unit(ward, source="monitor-7")
    assert set(ward.state(SITE_SUBJECT).episodes) == {"intake lab", "intake monitor-7"}
    assert len(ward.new_pages()) == 2 * len(TECHNICIAN)


def test_an_acknowledged_fault_that_goes_on_is_not_paged_again(ward: Ward) -> None:
    ward.fault("feed of the laboratory")
    ward.ack(ward.new_pages()[0], by="technician-1")
    for _ in range(12):
        ward.jump(hours=1)
        ward.fault("feed of the laboratory")
    assert ward.notified() == []


def test_a_fault_that_returns_after_six_quiet_hours_pages_again(ward: Ward) -> None:
    ward.fault("feed of the laboratory")
    first = ward.new_pages()[0]
    ward.ack(first, by="technician-1")
    ward.jump(hours=72)
    ward.fault("feed of the laboratory")
    pages = ward.new_pages()
    assert [page.to for page in pages] == TECHNICIAN
    assert {page.reason for page in pages} == {"recurrent"}
    assert first.episode not in {page.episode for page in pages}


def test_a_fault_that_is_over_is_not_paged_again_though_nobody_took_it(ward: Ward) -> None:
    ward.fault("feed of the laboratory")
    ward.new_pages()
    ward.jump(minutes=2)
    ward.fault("feed of the laboratory", over=True)
    ward.jump(hours=3)
    assert [page.reason for page in ward.new_pages() if page.reason in ("new", "repeat", "recurrent")] == []


def test_the_end_of_a_fault_that_never_was_opens_nothing(ward: Ward) -> None:
    ward.fault("feed of the laboratory", over=True)
    assert ward.state(SITE_SUBJECT).episodes == {}
    assert ward.notified() == []


def test_a_fault_says_nothing_of_a_patient(ward: Ward) -> None:
    patient = "Zimmermann-1955"
    ward.admit(patient)
    without_unit(ward, patient)
    for page in ward.new_pages():
        assert page.patient == SITE_SUBJECT
        assert patient not in page.title + page.text


def test_a_minimal_channel_shows_neither_patient_nor_condition(ward: Ward) -> None:
    without_unit(ward)
    [technician] = ward.new_pages()
    assert technician.title == f"[TECHNICAL] cartwatch page {technician.id}"
    assert "lab" not in technician.text


def test_a_technical_fault_does_not_delay_a_clinical_page(ward: Ward) -> None:
    ward.send(
        message("reading", ward.now, source="lab", reading="crp", value="85"),
        ward.vital("temp", 38.5),
        ward.vital("sbp", 84),
    )
    clinical = [page for page in ward.new_pages() if page.patient == "P1"]
    assert [(page.urgency, page.at) for page in clinical] == [("high", ward.now)]
