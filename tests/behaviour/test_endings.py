"""An urgent episode that ends because somebody says so: whoever has it is notified by whom."""

import pytest

from alerts.pages.page import Page
from tests.support.ward import OTHER, PATIENT, Ward, changed, message

BOTH = ("haematologist-1", "haematologist-2")


def sick(ward: Ward) -> Page:
    """CRS grade 2, paged."""
    ward.normal(temp=38.5, sbp=84)
    return ward.page()


def lead(page: Page) -> str:
    return page.text.splitlines()[0]


def test_a_discharge_names_the_person_who_entered_it(ward: Ward) -> None:
    sick(ward)
    ward.jump(minutes=5)
    ward.send(message("discharge", ward.now, source="ehr", by="Dr N. N."))
    page = ward.page()
    assert (page.reason, page.urgency, page.to) == ("ended", "low", "haematologist-1")
    assert page.title == "[LOW] HAEM-2/12 P1 D+1 · CRS 2 ended: discharged"
    assert lead(page) == "discharged, says Dr N. N. (ehr), 13 Jun 10:05"


def test_a_discharge_without_a_person_names_its_source(ward: Ward) -> None:
    sick(ward)
    ward.discharge()
    assert lead(ward.page()) == "discharged, says ehr, 13 Jun 10:00"


def test_a_discharge_dated_back_says_for_when(ward: Ward) -> None:
    sick(ward)
    ward.jump(minutes=3)
    ward.send(message("discharge", ward.at("06:00"), source="ehr"))
    assert lead(ward.page()) == "discharged, says ehr, 13 Jun 06:00"


def test_a_merge_names_the_record_that_goes_on(ward: Ward) -> None:
    sick(ward)
    ward.send(message("merge", ward.now, source="ehr", into=OTHER, by="Dr N. N."))
    (page,) = [page for page in ward.new_pages() if page.patient == PATIENT]
    assert page.title == "[LOW] HAEM-2/12 P1 D+1 · CRS 2 ended: merged"
    assert lead(page) == "merged into P2, says Dr N. N. (ehr), 13 Jun 10:00"


def stated(ward: Ward, *statements: str) -> None:
    for statement in statements:
        body = {"statement": statement, "value": True, "by": "Dr N. N."}
        ward.send(message("statement", ward.now, source="ehr", **body))


def test_a_statement_that_lowers_it_names_the_person_who_makes_it(ward: Ward) -> None:
    sick(ward)
    ward.jump(minutes=5)
    stated(ward, "anticoagulated", "fever_other_cause")
    page = ward.page()
    assert (page.reason, page.urgency, page.to) == ("better", "low", "haematologist-1")
    assert "CRS now 0 (was 2)" in page.title
    assert lead(page) == "fever of another cause yes, says Dr N. N. (ehr), 13 Jun 10:05"
    ward.jump(hours=1)
    ward.normal(temp=38.5, sbp=84)
    assert ward.new_pages() == []


def test_a_statement_that_ends_it_names_the_person_who_made_it(ward: Ward) -> None:
    sick(ward)
    ward.jump(minutes=5)
    stated(ward, "hypotension_other_cause", "fever_other_cause")
    ward.new_pages()
    ward.jump(hours=7)
    ward.normal(temp=38.5, sbp=84)
    page = next(page for page in ward.new_pages() if page.condition == "crs")
    assert (page.reason, page.urgency) == ("ended", "low")
    assert lead(page) == "fever of another cause yes, says Dr N. N. (ehr), 13 Jun 10:05"


def test_what_ends_by_itself_after_a_statement_is_resolved(ward: Ward) -> None:
    sick(ward)
    ward.statement("anticoagulated")
    ward.jump(hours=1)
    ward.normal()
    ward.jump(hours=7)
    ward.normal()
    ward.jump(hours=7)
    ward.normal()
    ward.jump(hours=24)
    ward.normal()
    (closed,) = [event for event in ward.events if event["kind"] == "closed" and event["condition"] == "crs"]
    assert closed["reason"] == "resolved"


def test_whoever_has_it_is_notified_though_another_was_paged(ward: Ward) -> None:
    page = sick(ward)
    ward.ack(page, by="haematologist-2")
    ward.discharge()
    assert sorted(page.to for page in ward.new_pages()) == list(BOTH)


def test_of_an_episode_of_little_urgency_nobody_is_notified(ward: Ward) -> None:
    ward.normal(temp=38.5)
    assert ward.page().urgency == "medium"
    ward.discharge()
    assert ward.new_pages() == []


@pytest.mark.parametrize("status", ["final", "entered_in_error"])
def test_a_discharge_retracted_is_evaluated_at_once(ward: Ward, status: str) -> None:
    sick(ward)
    left = message("discharge", ward.now, source="ehr")
    ward.send(left)
    ward.new_pages()
    ward.jump(minutes=5)
    ward.send(changed(left, status=status, received=ward.now))
    ward.wake()
    assert ("crs" in ward.state().episodes) == (status == "entered_in_error")


@pytest.mark.parametrize("to", [None, "follow_up"])
def test_a_discharge_of_a_patient_nobody_knows_leaves_nothing_due(ward: Ward, to: str | None) -> None:
    ward.send(message("discharge", ward.now, patient=OTHER, source="ehr", to=to))
    assert ward.state(OTHER).next_at() is None


def test_in_italian(ward: Ward) -> None:
    person = ward.site.on_call.people["haematologist-1"]
    italian = person.model_copy(update={"language": "it"})
    ward.site.on_call.people["haematologist-1"] = italian
    try:
        sick(ward)
        ward.send(message("discharge", ward.now, source="ehr", by="Dr N. N."))
        page = ward.page()
    finally:
        ward.site.on_call.people["haematologist-1"] = person
    assert page.title.endswith("CRS 2 chiuso: dimesso")
    assert lead(page) == "dimesso, secondo Dr N. N. (ehr), 13 giu 10:00"
