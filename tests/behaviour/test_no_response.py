"""CRS that tocilizumab, and a grade that steroids have not lowered: a medium page with the time of the next dose."""

import pytest

from tests.support.ward import Ward


@pytest.fixture
def treated(ward: Ward) -> Ward:
    """CRS 2 that somebody has, and tocilizumab at 11:00."""
    ward.normal(temp=38.9, sbp=84)
    ward.ack(ward.page())
    ward.to("11:00")
    ward.give("tocilizumab", 480, "mg")
    return ward


def charted(ward: Ward, clock: str, **signs: object) -> None:
    ward.to(clock)
    ward.normal(**signs)


def test_crs_2_that_is_the_same_8_hours_after_tocilizumab_is_medium_with_the_next_dose(treated: Ward) -> None:
    charted(treated, "15:00", temp=38.9, sbp=84)
    treated.to("18:59")
    assert treated.new_pages() == []
    treated.to("19:00")
    page = treated.page()
    assert (page.urgency, page.condition) == ("medium", "no_response")
    assert "CRS 2 no better since tocilizumab on 13 Jun 11:00" in page.title
    assert "3 of 4 doses of tocilizumab left, the next now" in page.text


def test_it_pages_once_a_dose(treated: Ward) -> None:
    charted(treated, "15:00", temp=38.9, sbp=84)
    treated.to("19:00")
    treated.ack(treated.page())
    treated.to("19:30")
    treated.give("tocilizumab", 480, "mg")
    charted(treated, "20:00", temp=38.9, sbp=84)
    charted(treated, "23:00", temp=38.9, sbp=84)
    assert treated.new_pages() == []
    treated.to("03:30", day=2)
    assert treated.page().condition == "no_response"


def test_lower_for_a_moment_is_no_response_and_pages_no_second_time(treated: Ward) -> None:
    charted(treated, "15:00", temp=38.9, sbp=84)
    treated.to("19:00")
    treated.ack(treated.page())
    charted(treated, "20:00", temp=38.4)
    charted(treated, "22:00", temp=38.9, sbp=84)
    assert treated.new_pages() == []
    assert treated.is_open("no_response")


def test_what_was_lower_for_a_while_and_returns_has_responded(treated: Ward) -> None:
    for clock in ("12:00", "15:00", "18:00"):
        charted(treated, clock, temp=38.4)
    charted(treated, "20:00", temp=38.9, sbp=84)
    assert [page.condition for page in treated.new_pages()] == ["crs"]


def test_a_lower_grade_is_a_response(treated: Ward) -> None:
    charted(treated, "15:00", temp=38.4)
    charted(treated, "20:00", temp=38.4)
    assert treated.new_pages() == []


def test_fever_alone_after_tocilizumab_is_no_lack_of_response(ward: Ward) -> None:
    ward.normal(temp=38.9)
    ward.ack(ward.page())
    ward.give("tocilizumab", 480, "mg")
    charted(ward, "15:00", temp=38.9)
    charted(ward, "20:00", temp=38.9)
    assert ward.new_pages() == []


def test_icans_2_that_is_the_same_24_hours_after_the_first_steroid_is_medium_once(ward: Ward) -> None:
    ward.ice(4)
    ward.ack(ward.new_pages()[0])
    ward.stays_on_it()
    for clock, day in (("11:00", 1), ("17:00", 1), ("23:00", 1), ("05:00", 2)):
        ward.to(clock, day=day)
        ward.normal()
        ward.ice(4)
        ward.give("dexamethasone", 10, "mg")
    ward.to("10:59", day=2)
    assert [page for page in ward.new_pages() if page.condition == "steroid_no_response"] == []
    ward.to("11:00", day=2)
    page = ward.page()
    assert (page.urgency, page.condition) == ("medium", "steroid_no_response")
    assert "ICANS 2 no better since a steroid on 13 Jun 11:00" in page.title
    assert "the next dose of dexamethasone now" in page.text
    ward.ack(page)
    charted(ward, "11:30")
    ward.ice(8)
    assert not ward.is_open("steroid_no_response")
