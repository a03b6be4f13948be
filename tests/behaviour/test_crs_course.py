"""A CRS from the first fever to its end and its return, as the on-call haematologist sees it."""

from datetime import timedelta

import pytest

from tests.support.ward import Ward, message


def treated_and_over(ward: Ward) -> str:
    """A first CRS with fever, tocilizumab at 11:00 and two clear sets; answers with the id of its episode."""
    ward.normal(temp=38.5)
    first = ward.page()
    ward.ack(first)
    ward.to("11:00")
    ward.give("tocilizumab")
    ward.to("14:00")
    ward.normal()
    ward.to("20:00")
    ward.normal()
    ward.to("20:00", day=2)
    assert not ward.is_open("crs")
    assert ward.notified() == []
    return first.episode


# -- worse, same, better ---------------------------------------------------------------------------


def test_a_higher_grade_pages_again_though_the_episode_is_acknowledged(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.jump(hours=3)
    ward.normal(temp=38.5, sbp=84)
    page = ward.page()
    assert (page.urgency, page.reason, page.at) == ("high", "worse", ward.now)
    assert "CRS 2 (was 1)" in page.title


def test_a_worsening_starts_the_ladder_again(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.to("11:00")
    ward.normal(temp=38.5, sbp=84)
    ward.to("11:20")
    assert ward.notified() == [
        ("11:00", "haematologist-1", "worse"),
        ("11:10", "haematologist-1", "repeat"),
        ("11:20", "haematologist-2", "repeat"),
    ]


def test_the_same_grade_does_not_page_again(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.ack(ward.page())
    for _ in range(6):
        ward.jump(hours=1)
        ward.normal(temp=39.5, sbp=82)
    assert ward.notified() == []


def test_a_lower_grade_does_not_page(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.ack(ward.page())
    ward.jump(hours=1)
    ward.normal(temp=38.5)
    assert ward.grade("crs") == "1"
    assert ward.notified() == []


def test_a_grade_that_is_over_before_its_page_is_made_stands_in_that_page(ward: Ward) -> None:
    """A page shows what is true now. A pressure of a worse moment came with it: the page has its urgency and its grade,
    so the grade is no news when it comes back, and the ladder goes on."""
    fever = ward.vital("temp", "38.9", ward.ago(minutes=2))
    low, normal = ward.vital("sbp", 82, ward.ago(minutes=1)), ward.vital("sbp", 124)
    ward.send(normal, low, fever)
    page = ward.page()
    assert (page.urgency, page.reason, page.levels) == ("high", "new", (("crs", 1),))
    assert "CRS now 1 (was 2)" in page.title
    ward.jump(minutes=5)
    ward.vitals(sbp=84)
    assert ward.new_pages() == []
    ward.jump(minutes=5)
    assert "CRS 2 (repeat)" in ward.page().title


def test_a_grade_that_dips_once_and_comes_back_does_not_page(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.ack(ward.page())
    ward.jump(hours=1)
    ward.normal(temp=38.5)
    ward.jump(hours=1)
    ward.normal(temp=38.5, sbp=84)
    assert ward.notified() == []


def test_hypotension_that_returns_after_hours_of_fever_alone_pages_again(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.ack(ward.page())
    ward.jump(hours=2)
    ward.normal(temp=38.5)
    ward.jump(hours=7)
    ward.normal(temp=38.5)
    ward.jump(hours=7)
    ward.normal(temp=38.5, sbp=84)
    page = ward.page()
    assert (page.urgency, page.reason) == ("high", "worse")


def test_a_vasopressor_makes_it_critical(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.ack(ward.page())
    ward.jump(minutes=20)
    ward.start("norepinephrine")
    page = ward.page()
    assert (page.urgency, page.reason) == ("critical", "worse")
    assert "CRS 3" in page.title


def test_a_second_vasopressor_pages_again_at_grade_4(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.start("norepinephrine")
    ward.ack(ward.page())
    ward.jump(minutes=30)
    ward.start("epinephrine")
    page = ward.page()
    assert (page.urgency, page.reason) == ("critical", "worse")
    assert "CRS 4" in page.title


@pytest.mark.parametrize(("device", "grade"), [("face_mask", 3), ("bipap", 4)])
def test_oxygen_by_mask_or_pressure_makes_it_critical(ward: Ward, device: str, grade: int) -> None:
    ward.normal(temp=38.5, device=device)
    page = ward.page()
    assert page.urgency == "critical"
    assert f"CRS {grade}" in page.title


def test_hypotension_without_fever_in_an_untreated_patient_is_not_crs(ward: Ward) -> None:
    ward.normal(sbp=80)
    assert ward.notified() == []
    assert ward.grade("crs") == "0"


def test_a_statement_of_hypotension_pages_as_the_number_does(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.statement("hypotension")
    assert ward.page().urgency == "high"


def test_fever_with_another_cause_pages_nobody(ward: Ward) -> None:
    ward.send(
        message("statement", ward.now, statement="fever_other_cause", value=True, by="N. N."),
        ward.vital("temp", 38.9),
    )
    assert ward.notified() == []


# -- what was not done -----------------------------------------------------------------------------


def test_a_temperature_that_was_not_taken_does_not_hide_the_fever_before_it(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.jump(minutes=30)
    ward.send(message("reading", ward.now, reading="temperature", absent="asleep", by="person"), ward.vital("sbp", 78))
    assert ward.page().urgency == "high"


@pytest.mark.parametrize(("sign", "low", "kind"), [("sbp", 78, "systolic_bp"), ("spo2", 85, "spo2")])
def test_a_sign_that_was_not_taken_is_not_a_normal_one(ward: Ward, sign: str, low: int, kind: str) -> None:
    ward.normal(temp=38.5, **{sign: low})
    ward.jump(minutes=30)
    ward.send(message("reading", ward.now, reading=kind, absent="no cuff, no probe", by="person"))
    assert ward.grade("crs") == "2"


def test_an_oxygen_device_that_was_not_charted_does_not_stop_the_evaluation(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.send(message("reading", ward.now, reading="oxygen_device", absent="not seen", by="person"))
    ward.jump(minutes=1)
    ward.vitals(sbp=84)
    assert ward.page().urgency == "high"


# -- over ------------------------------------------------------------------------------------------


def test_acknowledged_is_not_resolved(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.jump(hours=3)
    assert ward.episode("crs").acknowledged_by == "haematologist-1"


def test_crs_rests_after_two_clear_sets_6_hours_apart_and_is_over_a_day_later(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.ack(ward.page())
    ward.to("14:00")
    ward.normal()
    assert ward.is_open("crs")
    ward.to("20:00")
    ward.normal()
    assert (ward.episode("crs").level, ward.episode("crs").level_now) == (1, 0)
    ward.to("19:59", day=2)
    assert ward.is_open("crs")
    ward.to("20:00", day=2)
    assert not ward.is_open("crs")
    assert ward.new_pages() == []


def rested(ward: Ward) -> None:
    """A CRS 2 that has cleared: two clear sets, at 14:00 and 20:00."""
    ward.normal(temp=38.5, sbp=84)
    ward.ack(ward.page())
    for clock in ("14:00", "20:00"):
        ward.to(clock)
        ward.normal()


def test_fever_alone_that_returns_within_a_day_is_no_news(ward: Ward) -> None:
    rested(ward)
    ward.to("06:00", day=2)
    ward.normal(temp=38.4)
    assert ward.new_pages() == []
    assert ward.episode("crs").level_now == 1


def test_a_crs_2_that_returns_within_a_day_pages_at_once(ward: Ward) -> None:
    rested(ward)
    ward.to("06:00", day=2)
    ward.normal(temp=38.4, sbp=84)
    page = ward.page()
    assert (page.urgency, page.reason) == ("high", "worse")


def test_fever_that_returns_after_a_day_is_a_return_and_high(ward: Ward) -> None:
    rested(ward)
    ward.to("21:00", day=2)
    ward.normal(temp=38.4)
    page = ward.page()
    assert (page.urgency, page.reason) == ("high", "recurrent")


def test_clear_sets_less_than_6_hours_apart_do_not_close_it(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    for clock in ("14:00", "16:00", "18:00", "19:59"):
        ward.to(clock)
        ward.normal()
    assert ward.is_open("crs")


def test_a_temperature_alone_does_not_close_what_began_with_a_low_pressure(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.ack(ward.page())
    ward.to("14:00")
    ward.normal()
    ward.to("20:00")
    ward.vitals(temp=36.9)
    assert ward.is_open("crs")


def test_fever_after_one_clear_set_neither_closes_nor_pages(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.to("14:00")
    ward.normal()
    ward.to("18:00")
    ward.normal(temp=38.5)
    ward.to("21:00")
    ward.normal()
    assert ward.is_open("crs")
    assert ward.notified() == []


def test_whoever_acknowledged_a_critical_one_is_notified_of_the_end(ward: Ward) -> None:
    ward.normal(temp=38.5, device="high_flow_nasal_cannula")
    ward.to("10:12")
    ward.ack(ward.pages[-1], by="haematologist-2")
    ward.to("14:00")
    ward.normal(device="none")
    ward.to("20:00")
    ward.new_pages()
    ward.normal(device="none")
    assert ward.notified() == [("20:00", "haematologist-2", "resolved")]
    assert "CRS 3 resolved" in ward.pages[-1].title
    ward.to("20:00", day=2)
    assert ward.notified() == []
    assert not ward.is_open("crs")


# -- back ------------------------------------------------------------------------------------------


def test_crs_that_returns_after_it_was_over_is_recurrent_and_high(ward: Ward) -> None:
    treated_and_over(ward)
    ward.to("06:00", day=3)
    ward.normal(temp=38.2)
    page = ward.page()
    assert (page.urgency, page.reason) == ("high", "recurrent")
    assert "CRS 1" in page.title


def test_a_returned_crs_is_an_episode_of_its_own(ward: Ward) -> None:
    first = treated_and_over(ward)
    ward.to("06:00", day=3)
    ward.normal(temp=38.2)
    assert ward.page().episode != first


@pytest.mark.parametrize(
    ("hours", "grade", "notified"), [(72, "2", [("high", "recurrent")]), (73, "0", [])], ids=["72 h", "73 h"]
)
def test_after_tocilizumab_fever_is_waived_for_72_hours(
    ward: Ward, hours: int, grade: str, notified: list[tuple[str, str]]
) -> None:
    treated_and_over(ward)
    given = ward.at("11:00", day=1)
    ward.jump(hours=(given + timedelta(hours=hours) - ward.now) / timedelta(hours=1))
    ward.normal(spo2=88)
    assert ward.grade("crs") == grade
    assert [(page.urgency, page.reason) for page in ward.new_pages()] == notified


def test_a_page_on_a_waived_fever_names_the_convention(ward: Ward) -> None:
    treated_and_over(ward)
    ward.jump(hours=12)
    ward.normal(spo2=88)
    page = ward.page()
    assert "fever not required" in page.text
    assert "fever stays waived for 72 h" in page.text


def test_without_treatment_a_desaturation_after_the_end_is_not_crs(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.to("14:00")
    ward.normal()
    ward.to("20:00")
    ward.normal()
    ward.new_pages()
    ward.jump(hours=2)
    ward.normal(spo2=88)
    assert ward.notified() == []
