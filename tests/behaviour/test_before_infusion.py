"""Before the infusion CRS and ICANS are not applicable, and whoever is ill then pages all the same."""

from datetime import UTC, timedelta

import pytest

from alerts.assessment.assessment import assess
from alerts.messages import AnyMessage
from tests.support.ward import INFUSED, PATIENT, Ward, message

MINUTE = timedelta(minutes=1)


def infused(ward: Ward, **ahead: float) -> AnyMessage:
    """A registration whose infusion lies so far ahead of now."""
    return message(
        "registration", ward.now, source="ehr", infused=ward.now + timedelta(**ahead), ward="HAEM-2", bed="12"
    )


@pytest.fixture
def before() -> Ward:
    """A patient three days before the infusion, which is registered."""
    ward = Ward(day=-3)
    ward.send(ward.registration())
    return ward


# -- not applicable, 0 and undetermined are three things ---------------------------------------------


def test_crs_and_icans_become_applicable_by_the_clock(before: Ward) -> None:
    assert (before.grade("crs"), before.grade("icans")) == ("not applicable", "not applicable")
    before.to("09:30", day=0)
    before.normal(temp=36.8)
    before.ice(10)
    before.to("09:59", day=0)
    before.wake()
    assert (before.grade("crs"), before.grade("icans")) == ("not applicable", "not applicable")
    before.to("10:00", day=0)
    assert (before.grade("crs"), before.grade("icans")) == ("0", "0")
    before.jump(hours=25)
    before.send(before.result("crp", 10))
    assert (before.grade("crs"), before.grade("icans")) == (None, None)


def test_the_page_of_another_finding_says_so(before: Ward) -> None:
    before.lab(platelets=9)
    assert "Now: CRS not applicable, ICANS not applicable" in before.page().text


# -- who is ill before the infusion ------------------------------------------------------------------

SHOCK = {"temp": 39.2, "sbp": 70, "spo2": 85}


@pytest.mark.parametrize(
    ("charted", "title"),
    [
        ({"temp": 38.0, "sbp": 89}, "before infusion: would be CRS 2"),
        ({"temp": 38.0, "sbp": 90}, ""),
        ({"temp": 37.9, "sbp": 89}, ""),
        ({"temp": 38.5, "device": "face_mask"}, "before infusion: would be CRS 3"),
        (SHOCK, "before infusion: would be CRS 2; NEWS2 >=8"),
        ({"sbp": 90, "spo2": 91, "hr": 91}, "before infusion: NEWS2 >=7"),
        ({"sbp": 90, "spo2": 91, "hr": 90}, ""),
    ],
)
def test_what_would_be_grade_2_or_news2_of_7_pages_high(before: Ward, charted: dict[str, object], title: str) -> None:
    before.normal(**charted)
    pages = before.new_pages()
    assert [(page.condition, page.urgency, page.reason) for page in pages] == (
        [("before_infusion", "high", "new")] if title else []
    )
    assert all(f"· {title} ·" in page.title for page in pages)
    assert before.grade("crs") == "not applicable"


def test_the_whole_score_is_said_where_every_part_is_charted(before: Ward) -> None:
    before.code("consciousness", "spontaneous")
    before.vitals(temp=36.8, sbp=88, spo2=91, hr=80, rr=22, device="none")
    assert "before infusion: NEWS2 8" in before.page().title


@pytest.mark.parametrize(
    ("kind", "value", "level"),
    [("consciousness", "voice", 2), ("seizure", "brief", 3), ("motor_weakness", "deep_focal", 4)],
)
def test_what_would_be_icans_of_grade_2_pages_high(before: Ward, kind: str, value: str, level: int) -> None:
    before.code(kind, value)
    page = before.page()
    assert (page.condition, page.urgency) == ("before_infusion", "high")
    assert f"before infusion: would be ICANS {level}" in page.title


def test_an_ice_that_falls_within_grade_1_pages(before: Ward) -> None:
    before.ice(10)
    before.jump(hours=2)
    before.ice(8)
    assert "would be ICANS 1" in before.page().title


def test_a_higher_grade_and_a_new_member_page_again_and_a_lower_one_does_not(before: Ward) -> None:
    before.normal(temp=38.5, sbp=85)
    before.ack(before.page())
    before.jump(minutes=10)
    before.normal(temp=38.5, sbp=86)
    assert before.notified() == []
    before.start("norepinephrine")
    page = before.page()
    assert (page.urgency, page.reason) == ("high", "worse")
    assert "would be CRS 3" in page.title
    before.ack(page)
    before.code("consciousness", "touch")
    assert "would be CRS 3, ICANS 3" in before.page().title
    before.jump(minutes=20)
    before.stop("norepinephrine")
    before.code("consciousness", "spontaneous")
    assert [page.title for page in before.new_pages() if "no longer" in page.title] == []


def test_a_repeat_names_what_would_be_so_now(before: Ward) -> None:
    before.normal(temp=38.5, device="face_mask")
    before.page()
    before.jump(minutes=9)
    before.normal(temp=38.5, device="none", sbp=85)
    before.jump(minutes=2)
    page = before.page()
    assert "before infusion: would be CRS 2" in page.title
    assert "no longer" not in page.title + page.text


def test_treatment_before_the_infusion_counts_as_it_would_after_it(before: Ward) -> None:
    """A fever that was treated need not be there again: a mistyped date must not hide the pressure."""
    before.normal(temp=38.5)
    before.give("paracetamol")
    before.jump(hours=2)
    before.normal(sbp=84)
    assert "would be CRS 2" in before.page().title


def test_it_is_over_after_two_clear_sets_and_then_only_the_board_says_so(before: Ward) -> None:
    before.normal(temp=38.5, sbp=85)
    before.ack(before.page())
    before.jump(hours=1)
    before.normal()
    before.jump(hours=5.9)
    before.normal()
    assert before.is_open("before_infusion")
    before.new_pages()
    before.jump(hours=0.2)
    before.normal()
    assert not before.is_open("before_infusion")
    assert before.new_pages() == []


def test_without_any_temperature_it_is_not_taken_for_clear(before: Ward) -> None:
    before.vitals(sbp=85, spo2=90, hr=120)
    before.ack(before.page())
    before.jump(hours=1)
    before.vitals(sbp=120, spo2=97, hr=80)
    assert before.episode("before_infusion").level_now is None


def test_italian_readers_read_it_in_italian(before: Ward) -> None:
    people = before.site.on_call.people
    chosen = people["haematologist-1"].model_copy(update={"language": "it"})
    on_call = before.site.on_call.model_copy(update={"people": {**people, "haematologist-1": chosen}})
    before.site = before.site._replace(on_call=on_call)
    before.normal(**SHOCK)
    page = before.page()
    assert "prima dell'infusione: sarebbe CRS 2; NEWS2 >=8" in page.title
    assert "Ora: CRS non applicabile, ICANS non applicabile" in page.text


# -- when the infusion is given ----------------------------------------------------------------------


def test_crs_takes_over_on_one_page_with_the_first_temperature_after_the_infusion(before: Ward) -> None:
    before.to("09:00", day=0)
    before.normal(temp=39.0, sbp=84)
    before.ack(before.page())
    before.to("10:10", day=0)
    assert before.notified() == []
    before.vitals(sbp=82)
    assert before.notified() == []
    assert before.is_open("before_infusion")
    before.vitals(temp=39.1)
    page = before.page()
    assert (page.condition, page.urgency, page.reason) == ("crs", "high", "new")
    assert "CRS 2" in page.title
    assert "infusion given" in page.title
    assert not before.is_open("before_infusion")


def test_a_fever_before_the_infusion_makes_no_return_of_the_first_crs(before: Ward) -> None:
    before.normal(temp=39.0, sbp=84)
    before.ack(before.page())
    before.to("12:00", day=0)
    before.new_pages()
    before.normal(temp=38.2)
    page = next(page for page in before.new_pages() if page.condition == "crs")
    assert (page.urgency, page.reason) == ("medium", "new")


# -- a date that is moved ----------------------------------------------------------------------------


@pytest.fixture
def ill() -> Ward:
    """A patient on day +2 with CRS grade 2 and ICANS grade 2, both acknowledged."""
    ward = Ward(day=2)
    ward.admit()
    ward.new_pages()
    ward.normal(temp=38.9, sbp=84)
    ward.code("consciousness", "voice")
    for page in ward.new_pages():
        ward.ack(page)
    return ward


def test_an_infusion_moved_ahead_withdraws_crs_and_icans_by_name_and_pages_high(ill: Ward) -> None:
    ill.jump(minutes=5)
    ill.send(infused(ill, days=20))
    page = ill.page()
    assert (page.condition, page.urgency, page.reason) == ("before_infusion", "high", "new")
    assert "would be CRS 2, ICANS 2" in page.title
    assert "CRS 2 withdrawn, ICANS 2 withdrawn" in page.title
    assert f"the infusion is registered for {ill.now + timedelta(days=20):%d %b %H:%M}" in page.text
    assert not ill.is_open("crs")
    assert not ill.is_open("icans")
    assert (ill.grade("crs"), ill.grade("icans")) == ("not applicable", "not applicable")


def test_of_an_infusion_moved_ahead_whoever_was_paged_is_notified_though_nothing_is_ill_now(ill: Ward) -> None:
    ill.jump(minutes=5)
    ill.normal(temp=37.0)
    ill.code("consciousness", "spontaneous")
    ill.new_pages()
    ill.send(infused(ill, days=20))
    (page,) = [page for page in ill.new_pages() if page.to == "haematologist-1"]
    assert page.reason == "retracted"
    assert "CRS 2 withdrawn, ICANS 2 withdrawn" in page.title


def test_the_right_date_again_brings_crs_back_as_new(ill: Ward) -> None:
    ill.jump(minutes=5)
    ill.send(infused(ill, days=20))
    ill.new_pages()
    ill.jump(minutes=5)
    ill.send(message("registration", ill.now, source="ehr", infused=INFUSED))
    page = ill.page()
    assert (page.condition, page.urgency, page.reason) == ("crs", "critical", "new")
    assert "before infusion: would be CRS 2, ICANS 2; NEWS2 >=7 withdrawn" in page.title
    assert not ill.is_open("before_infusion")


def test_a_registration_that_leaves_the_date_as_it_is_withdraws_nothing(ill: Ward) -> None:
    ill.jump(minutes=5)
    ill.send(message("registration", ill.now, source="ehr", infused=INFUSED, bed="13"))
    assert ill.notified() == []
    assert ill.is_open("crs")
    assert ill.is_open("icans")


def test_the_first_date_of_a_patient_registered_without_one_counts_as_moved() -> None:
    ward = Ward(day=-3)
    ward.send(message("registration", ward.now, source="ehr"))
    ward.normal(temp=38.5, sbp=84)
    ward.ack(ward.page())
    ward.jump(minutes=5)
    ward.send(infused(ward, days=3))
    page = ward.page()
    assert "would be CRS 2" in page.title
    assert "CRS 2 withdrawn" in page.title


def test_what_an_unregistered_patient_would_have_goes_on_before_the_infusion() -> None:
    ward = Ward(day=-3)
    ward.normal(temp=38.5, sbp=84)
    assert "would be CRS 2" in ward.page().title
    ward.jump(minutes=1)
    ward.send(infused(ward, days=3))
    assert "before infusion: would be CRS 2" in ward.page().title


def test_what_was_found_at_each_moment_is_what_would_be_found_anew(before: Ward) -> None:
    before.normal(temp=38.5)
    before.give("paracetamol")
    before.to("09:50", day=0)
    before.normal(sbp=84)
    before.to("12:00", day=0)
    before.normal(temp=38.4, sbp=84)
    state = before.state(PATIENT)
    anew = assess(state.chart, before.now.astimezone(UTC), before.site)
    assert state.result_cache.course.last == anew.course
    assert (anew.crs.grade, anew.course.episodes, anew.would_be) == (2, 1, None)
