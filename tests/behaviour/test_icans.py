"""ICE and ICANS: how far a fall pages, and what pages again."""

from datetime import timedelta

import pytest

from tests.support.ward import Ward, message


def assessed(ward: Ward, *scores: int) -> None:
    """ICE assessments 2 h apart, each page acknowledged."""
    for score in scores:
        ward.ice(score)
        ward.jump(hours=2)
        for page in ward.new_pages():
            ward.ack(page)


@pytest.mark.parametrize(
    ("last", "score", "urgency", "grade"),
    [
        (10, 8, "high", 1),
        (10, 7, "critical", 1),
        (10, 6, "critical", 2),
        (10, 2, "critical", 3),
        (10, 0, "critical", 3),
        (9, 8, "high", 1),
        (8, 6, "critical", 2),
        (8, 5, "critical", 2),
        (3, 2, "critical", 3),
    ],
)
def test_a_falling_ice_pages_by_how_far_it_fell(ward: Ward, last: int, score: int, urgency: str, grade: int) -> None:
    """From the last one, and from the baseline of 10: an 8 that becomes a 6 has fallen by 4."""
    assessed(ward, last)
    ward.ice(score)
    page = ward.page()
    assert (page.urgency, page.condition) == (urgency, "icans")
    assert f"ICANS {grade}" in page.title
    assert f"to {score}" in page.title


def test_an_ice_of_9_after_a_10_asks_the_worklist_for_a_repeat_and_wakes_nobody(ward: Ward) -> None:
    assessed(ward, 10)
    ward.ice(9)
    assert "repeat the ICE in 1-2 h" in ward.listed("icans")[-1].title
    assert ward.notified() == []


def test_an_ice_that_falls_by_one_point_at_a_time_is_critical_3_below_the_baseline(ward: Ward) -> None:
    assessed(ward, 10, 9)
    ward.ice(8)
    assert ward.page().urgency == "high"
    ward.jump(hours=2)
    ward.new_pages()
    ward.ice(7)
    page = ward.page()
    assert (page.urgency, page.reason) == ("critical", "worse")
    assert "ICE fell by 1, from 8 to 7 (baseline 10)" in page.text


def test_an_ice_of_9_that_waits_for_its_repeat_names_the_convention(ward: Ward) -> None:
    assessed(ward, 10)
    ward.ice(9)
    assert "asks for a repeat in 1-2 h before it pages" in ward.listed("icans")[-1].text
    ward.jump(hours=2)
    assert "asks for a repeat in 1-2 h before it pages" in ward.page().text


def test_an_ice_of_9_that_is_found_again_is_medium(ward: Ward) -> None:
    assessed(ward, 10)
    ward.ice(9)
    ward.jump(hours=1)
    ward.ice(9)
    page = ward.page()
    assert (page.urgency, page.condition) == ("medium", "icans")
    assert "ICANS 1" in page.title


def test_an_ice_of_9_that_nobody_repeats_is_medium_after_2_hours(ward: Ward) -> None:
    assessed(ward, 10)
    ward.ice(9)
    ward.jump(minutes=119)
    assert ward.notified() == []
    ward.jump(minutes=1)
    assert ward.page().urgency == "medium"


def test_an_ice_of_9_that_was_10_again_wakes_nobody(ward: Ward) -> None:
    assessed(ward, 10)
    ward.ice(9)
    ward.jump(hours=1)
    ward.ice(10)
    ward.jump(hours=3)
    assert ward.notified() == []


def test_the_fall_is_measured_from_the_baseline_before_any_other_assessment(ward: Ward) -> None:
    ward.ice(8)
    page = ward.page()
    assert page.urgency == "high"
    assert "ICE fell by 2, from 10 to 8" in page.text


def test_a_fall_of_one_point_counts_from_a_baseline_that_was_never_whole() -> None:
    ward = Ward()
    ward.admit(ice=9)
    ward.ice(8)
    assert ward.page().urgency == "medium"


def test_a_fall_inside_one_grade_pages_again_though_acknowledged(ward: Ward) -> None:
    assessed(ward, 10, 6)
    ward.ice(4)
    page = ward.page()
    assert (page.urgency, page.reason) == ("critical", "worse")
    assert "ICE fell by 2, from 6 to 4" in page.text
    assert ward.episode("icans").acknowledged_by == ""


def test_an_ice_that_rises_or_stays_pages_nobody(ward: Ward) -> None:
    ward.stays_on_it()
    assessed(ward, 10, 6)
    ward.ice(6)
    ward.jump(hours=2)
    ward.ice(7)
    assert ward.notified() == []


def test_one_fall_pages_once_however_many_readings_follow(ward: Ward) -> None:
    ward.stays_on_it()
    assessed(ward, 10, 6, 4)
    for _ in range(5):
        ward.jump(minutes=30)
        ward.normal()
    assert ward.notified() == []


def test_the_same_ice_message_never_pages_again(ward: Ward) -> None:
    ice = ward.ice(7)
    ward.ack(ward.page())
    for _ in range(3):
        ward.jump(minutes=10)
        ward.send(ice)
        ward.send(ice, ice)
    assert ward.notified() == []


def test_an_ice_given_as_items_pages_as_its_total(ward: Ward) -> None:
    items = {
        "year": 1,
        "month": 0,
        "city": 0,
        "hospital": 0,
        "naming": 0,
        "command": 0,
        "writing": 0,
        "attention": 0,
    }
    ward.send(message("reading", ward.now, reading="ice", items=items, by="person"))
    assert "ICANS 3 · ICE fell by 9, from 10 to 1" in ward.page().title


@pytest.mark.parametrize("code", ["brief", "nonconvulsive_resolving", "prolonged", "repetitive"])
def test_a_seizure_is_critical(ward: Ward, code: str) -> None:
    ward.code("seizure", code)
    page = ward.page()
    assert (page.urgency, page.condition) == ("critical", "icans")


def test_a_seizure_pages_again_in_an_acknowledged_icans_of_grade_3(ward: Ward) -> None:
    assessed(ward, 10, 1)
    ward.code("seizure", "brief")
    page = ward.page()
    assert (page.urgency, page.reason) == ("critical", "worse")
    assert "seizure" in page.text


def test_one_seizure_pages_once_however_many_readings_follow(ward: Ward) -> None:
    ward.stays_on_it()
    assessed(ward, 10, 1)
    seizure = ward.code("seizure", "brief")
    for page in ward.new_pages():
        ward.ack(page)
    for _ in range(5):
        ward.jump(minutes=30)
        ward.normal()
        ward.send(seizure)
    assert ward.notified() == []


def test_waking_only_to_voice_is_high(ward: Ward) -> None:
    ward.ice(10)
    ward.code("consciousness", "voice")
    assert ward.page().urgency == "high"


def test_crs_2_together_with_icans_1_is_critical(ward: Ward) -> None:
    ward.normal(temp=38.5, sbp=84)
    ward.ack(ward.page())
    ward.jump(hours=1)
    ward.ice(8)
    page = ward.page()
    assert page.urgency == "critical"
    assert "CRS 2" in page.title
    assert "ICANS 1" in page.title
    assert "CRS 2 together with ICANS 1" in page.text


def test_crs_1_together_with_icans_1_is_not_critical(ward: Ward) -> None:
    ward.normal(temp=38.5)
    ward.ack(ward.page())
    ward.jump(hours=1)
    ward.ice(8)
    page = ward.page()
    assert (page.urgency, page.condition) == ("high", "icans")


def test_icans_is_over_after_two_clear_assessments_6_hours_apart(ward: Ward) -> None:
    ward.stays_on_it()
    ward.ice(5)
    ward.ack(ward.page())
    ward.to("16:00")
    ward.ice(10)
    assert ward.is_open("icans")
    ward.to("22:00")
    ward.ice(10)
    assert not ward.is_open("icans")
    assert ward.page().reason == "resolved"


def test_one_clear_assessment_does_not_close_it_however_much_else_is_charted(ward: Ward) -> None:
    ward.ice(5)
    ward.ack(ward.page())
    ward.to("12:00")
    ward.ice(10)
    for _ in range(10):
        ward.jump(hours=1)
        ward.normal()
    assert ward.is_open("icans")


def test_one_clear_ice_and_a_later_look_at_consciousness_do_not_close_it(ward: Ward) -> None:
    ward.ice(5)
    ward.ack(ward.page())
    ward.to("12:00")
    ward.ice(10)
    ward.to("19:00")
    ward.code("consciousness", "spontaneous")
    assert ward.is_open("icans")


def test_a_lower_grade_that_held_for_6_hours_pages_again_when_it_rises(ward: Ward) -> None:
    ward.stays_on_it()
    ward.ice(2)
    ward.ack(ward.page())
    ward.jump(hours=6)
    ward.ice(8)
    ward.jump(hours=6)
    ward.ice(8)
    assert ward.notified() == []
    ward.jump(hours=6)
    ward.ice(5)
    page = ward.page()
    assert (page.urgency, page.reason) == ("critical", "worse")


def test_an_ice_that_lapsed_is_not_forgotten_when_the_next_is_measured(ward: Ward) -> None:
    ward.stays_on_it()
    assessed(ward, 10, 6)
    ward.jump(hours=30)
    ward.normal()
    assert ward.grade("icans") is None
    ward.ice(4)
    page = ward.page()
    assert (page.urgency, page.reason) == ("critical", "worse")
    assert "ICE fell by 2, from 6 to 4" in page.text


def test_icans_that_was_never_assessed_stays_undetermined_and_pages_nobody() -> None:
    ward = Ward()
    ward.admit(ice=None)
    ward.jump(hours=2)
    ward.normal()
    assert ward.grade("icans") is None
    assert ward.notified() == []


def test_a_fall_seen_only_after_a_fast_clock_is_paged_all_the_same(ward: Ward) -> None:
    assessed(ward, 10, 6)
    ward.vitals(at=ward.now + timedelta(minutes=4), hr=80)
    ward.ice(4)
    assert ward.page().urgency == "critical"


def test_an_ice_that_wavers_by_a_point_or_two_pages_once(ward: Ward) -> None:
    """A fall is critical by its distance from the baseline once; within the grade only a new fall by two is news."""
    ward.stays_on_it()
    ward.ice(6)
    ward.ack(ward.page())
    for hour, score in ((16, 7), (20, 6), (23, 8)):
        ward.to(f"{hour}:00")
        ward.ice(score)
    ward.to("08:00", day=2)
    ward.ice(6)
    assert ward.new_pages() == []
    ward.to("12:00", day=2)
    ward.ice(5)
    assert ward.new_pages() == []
    ward.to("16:00", day=2)
    ward.ice(3)
    assert ward.page().urgency == "critical"


@pytest.mark.parametrize(
    ("scores", "pages"),
    [
        ((8, 7, 6, 5, 4), ("high", "critical", "critical")),
        ((8, 7, 4), ("high", "critical", "critical")),
        ((6, 5, 4, 2), ("critical", "critical")),
    ],
)
def test_a_slow_fall_pages_where_it_comes_to_two_and_three_points_and_to_a_grade(
    ward: Ward, scores: tuple[int, ...], pages: tuple[str, ...]
) -> None:
    ward.stays_on_it()
    found = []
    for hours, score in enumerate(scores):
        ward.to(f"{10 + 3 * hours}:00")
        ward.ice(score)
        new = ward.new_pages()
        found += [page.urgency for page in new]
        for page in new:
            ward.ack(page)
    assert tuple(found) == pages


def test_a_fall_by_three_pages_though_the_ice_was_as_low_before(ward: Ward) -> None:
    ward.ice(6)
    ward.ack(ward.page())
    ward.to("16:00")
    ward.ice(9)
    ward.to("20:00")
    ward.ice(6)
    assert ward.page().urgency == "critical"


def test_nobody_is_asked_about_a_fall_of_the_ice_within_a_low_grade(ward: Ward) -> None:
    ward.ice(6)
    page = ward.page()
    assert page.urgency == "critical"
    ward.ack(page)
    ward.to("09:00", day=2)
    assert ward.new_pages() == []
