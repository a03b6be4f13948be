"""A statement outranks the numbers for a while, and both are shown; what is worse after it ends it, and pages."""

import pytest

from alerts.chart.charting import UNNAMED
from alerts.overview import overview
from tests.support.ward import Ward, message
from tests.support.wording import english


@pytest.fixture
def ward() -> Ward:
    """A patient on day +1 with CRS 1, which somebody has."""
    ward = Ward(clock="08:00")
    ward.admit()
    ward.new_pages()
    ward.normal(temp=38.6)
    ward.ack(ward.page())
    return ward


def charts(ward: Ward, statement: str, value: bool) -> None:
    ward.send(message("statement", ward.now, source="ehr", statement=statement, value=value, by="N. N."))


SAID = "no hypotension, says N. N. 13 Jun 08:05, until 13 Jun 12:05"
LINE = f"systolic pressure 84 mmHg (13 Jun 08:05); {SAID}"


def test_page_and_board_show_the_number_and_who_says_otherwise_until_when(ward: Ward) -> None:
    ward.jump(minutes=5)
    charts(ward, "hypotension", value=False)
    ward.vitals(sbp=84, spo2=97)
    assert ward.notified() == []
    assert english(overview(ward.state(), ward.site).statements) == (LINE,)
    ward.vitals(device="face_mask")
    page = ward.page()
    assert "CRS 3" in page.title
    lead, _, rest = page.text.partition("\n\n")
    assert f"systolic pressure 84 mmHg, oxygen device face mask (13 Jun 08:05, nurse); {SAID}" in lead
    assert lead.count("84 mmHg") == lead.count("hypotension") == 1
    assert "says N. N." not in rest


def test_the_board_shows_it_before_the_infusion_too() -> None:
    ward = Ward(day=-3, clock="08:00")
    ward.send(ward.registration())
    charts(ward, "hypotension", value=False)
    ward.normal(temp=38.5, sbp=84)
    (line,) = english(overview(ward.state(), ward.site).statements)
    assert "no hypotension, says N. N. 09 Jun 08:00, until 09 Jun 12:00" in line


def test_numbers_of_after_4_hours_page(ward: Ward) -> None:
    ward.jump(minutes=5)
    charts(ward, "hypotension", value=False)
    ward.jump(hours=4)
    ward.stays_on_it()
    ward.normal(temp=38.6, sbp=84)
    assert [page for page in ward.new_pages() if page.reason == "worse"] == []
    ward.jump(minutes=1)
    ward.normal(temp=38.6, sbp=84)
    assert [page.reason for page in ward.new_pages()] == ["worse"]
    assert overview(ward.state(), ward.site).statements == ()


@pytest.mark.parametrize(
    ("statement", "value"),
    [("hypotension", False), ("hypotension_other_cause", True), ("fever_other_cause", True)],
)
def test_a_severe_pressure_after_it_pages_and_says_that_it_ended_the_statement(
    ward: Ward, statement: str, value: bool
) -> None:
    ward.jump(minutes=5)
    charts(ward, statement, value)
    ward.normal(temp=38.6, sbp=84)
    assert ward.notified() == []
    ward.jump(minutes=5)
    ward.vitals(sbp=60, dbp=30)
    page = ward.page()
    assert (page.urgency, page.reason) == ("high", "worse")
    assert "CRS 2" in page.title
    lead = page.text.partition("\n\n")[0]
    assert "says N. N. 13 Jun 08:05: ended by systolic pressure 60 mmHg (13 Jun 08:10)" in lead


@pytest.mark.parametrize("statement", ["hypotension_other_cause", "fever_other_cause"])
def test_a_vasopressor_after_it_pages(ward: Ward, statement: str) -> None:
    ward.jump(minutes=5)
    charts(ward, statement, value=True)
    ward.normal(temp=38.6, sbp=84)
    assert ward.notified() == []
    ward.jump(minutes=5)
    ward.start("norepinephrine")
    page = ward.page()
    assert (page.urgency, page.reason) == ("critical", "worse")
    assert "ended by norepinephrine started (13 Jun 08:10)" in page.text


def test_an_italian_reader_reads_both_in_italian(ward: Ward) -> None:
    people = ward.site.on_call.people
    chosen = people["haematologist-1"].model_copy(update={"language": "it"})
    on_call = ward.site.on_call.model_copy(update={"people": {**people, "haematologist-1": chosen}})
    ward.site = ward.site._replace(on_call=on_call)
    ward.jump(minutes=5)
    charts(ward, "hypotension", value=False)
    ward.normal(temp=38.6, sbp=84, device="face_mask")
    assert "nessuna ipotensione, secondo N. N. 13 giu 08:05, fino al 13 giu 12:05" in ward.page().text
    ward.jump(minutes=5)
    ward.start("norepinephrine")
    ward.start("epinephrine")
    text = ward.new_pages()[-1].text
    assert "secondo N. N. 13 giu 08:05: superata da noradrenalina: inizio (13 giu 08:10)" in text


def test_a_statement_that_names_nobody_is_not_used(ward: Ward) -> None:
    ward.send(message("statement", ward.now, source="ehr", statement="hypotension", value=False))
    assert [one.why for one in ward.dead_letters] == [english(UNNAMED)]
    ward.vitals(sbp=84)
    assert "CRS 2" in ward.new_pages()[-1].title
