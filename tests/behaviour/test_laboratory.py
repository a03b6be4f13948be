"""What the laboratory pages: scores, counts, febrile neutropenia, immunoglobulin."""

import pytest

from tests.support.ward import Ward, changed, message

OVER = {"ldh": 400, "crp": 90, "platelets": 40}
"""m-EASIX 90."""
UNDER = {"ldh": 200, "crp": 20, "platelets": 100}
"""m-EASIX 4."""


@pytest.fixture
def third_day(ward: Ward) -> Ward:
    ward.to("06:00", day=3)
    ward.new_pages()
    return ward


# -- m-EASIX ---------------------------------------------------------------------------------------


def test_m_easix_over_the_threshold_is_one_low_page_to_the_worklist(third_day: Ward) -> None:
    third_day.lab(**OVER)
    third_day.jump(hours=12)
    (page,) = third_day.listed("m_easix")
    assert (page.urgency, page.reason) == ("low", "new")
    assert "m-EASIX 90.0 over the site's threshold 30 for day +3" in page.title
    assert "example value, not yet set by this centre" in page.text
    assert "placeholder" not in page.text
    assert third_day.notified() == []


def test_m_easix_over_the_threshold_twice_on_one_day_is_listed_once(third_day: Ward) -> None:
    third_day.lab(**OVER)
    third_day.jump(hours=6)
    third_day.lab(**{**OVER, "crp": 180})
    assert len(third_day.listed("m_easix")) == 1


def test_m_easix_under_the_threshold_pages_nobody(third_day: Ward) -> None:
    third_day.lab(**UNDER)
    assert third_day.grade("m_easix") == "4.00"
    assert third_day.listed("m_easix") == []


def test_m_easix_on_a_day_without_a_threshold_pages_nobody(ward: Ward) -> None:
    ward.lab(**OVER)
    assert ward.grade("m_easix") == "90.00"
    assert ward.listed("m_easix") == []


def test_m_easix_after_tocilizumab_says_so(third_day: Ward) -> None:
    third_day.give("tocilizumab", at=third_day.ago(hours=10))
    third_day.lab(**OVER)
    (page,) = third_day.listed("m_easix")
    assert "note: after tocilizumab" in page.text
    assert "note: confounded" in page.text


def test_a_crp_without_a_unit_makes_no_m_easix(third_day: Ward) -> None:
    third_day.send(
        third_day.result("ldh", 400),
        third_day.result("platelets", 40),
        message("reading", third_day.now, source="lab", reading="crp", value="90"),
    )
    assert third_day.grade("m_easix") is None
    assert third_day.listed("m_easix") == []


def test_a_censored_input_gives_a_bound_and_no_page(third_day: Ward) -> None:
    third_day.lab(**{**OVER, "platelets": "<40"})
    assert third_day.listed("m_easix") == []


def test_m_easix_stands_on_every_later_page(third_day: Ward) -> None:
    third_day.lab(**OVER)
    third_day.normal(temp=38.5)
    assert "m-EASIX 90.00, log2 6.49" in third_day.page().text


# -- CAR-HEMATOTOX ---------------------------------------------------------------------------------


def test_a_high_car_hematotox_before_lymphodepletion_is_one_low_page_to_the_worklist() -> None:
    ward = Ward(day=-7)
    ward.send(ward.registration())
    ward.lab(hemoglobin=8.8, platelets=140, neutrophils=2.1, crp=14, ferritin=712)
    ward.jump(hours=12)
    (page,) = ward.listed("hematotox")
    assert (page.urgency, page.reason, page.day) == ("low", "new", -7)
    assert "CAR-HEMATOTOX 3, high risk" in page.title
    assert ward.notified() == []


def test_a_low_car_hematotox_pages_nobody() -> None:
    ward = Ward(day=-7)
    ward.send(ward.registration())
    ward.lab(hemoglobin=11, platelets=240, neutrophils=2.1, crp=14, ferritin=300)
    assert ward.grade("hematotox") == "0"
    assert ward.listed("hematotox") == []


# -- counts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "day"),
    [("platelets", 24, 1), ("neutrophils", 0.4, 31)],
)
def test_a_count_of_grade_4_is_medium(kind: str, value: float, day: int) -> None:
    ward = Ward(day=day)
    ward.admit()
    ward.lab(**{kind: value})
    page = ward.page()
    assert (page.urgency, page.condition, page.reason) == ("medium", "cytopenia", "new")
    assert f"CTCAE 4 {kind}" in page.title


@pytest.mark.parametrize("day", [1, 30])
def test_counts_that_lymphodepletion_brings_to_grade_4_stand_on_the_board_alone(day: int) -> None:
    ward = Ward(day=day)
    ward.admit()
    ward.lab(white_cells=0.9)
    ward.jump(hours=1)
    ward.lab(neutrophils=0.3)
    assert (ward.pages, ward.episode("cytopenia").urgency) == ([], "low")
    ward.jump(hours=1)
    ward.lab(platelets=24)
    page = ward.page()
    assert (page.urgency, page.reason) == ("medium", "new")
    assert "CTCAE 4 platelets" in page.title
    ward.ack(page)
    ward.jump(hours=1)
    ward.lab(lymphocytes=0.1, neutrophils=0.1)
    assert ward.new_pages() == []


def test_neutrophils_that_stay_at_grade_4_after_the_course_of_lymphodepletion_page(ward: Ward) -> None:
    ward.lab(neutrophils=0.3)
    ward.to("10:00", day=30)
    ward.lab(neutrophils=0.3)
    assert ward.new_pages() == []
    ward.to("10:00", day=31)
    ward.lab(neutrophils=0.3)
    page = ward.page()
    assert (page.condition, page.urgency) == ("cytopenia", "medium")


def test_a_count_of_grade_3_pages_nobody(ward: Ward) -> None:
    ward.lab(platelets=25, neutrophils=0.5, hemoglobin=6.0)
    assert ward.notified() == []


def test_the_same_count_lower_still_does_not_page_again(ward: Ward) -> None:
    ward.lab(platelets=20)
    ward.ack(ward.page())
    ward.jump(hours=24)
    ward.lab(platelets=5)
    assert ward.notified() == []


def test_a_second_term_of_grade_4_pages_again_though_acknowledged(ward: Ward) -> None:
    ward.lab(platelets=20)
    ward.ack(ward.page())
    ward.jump(hours=24)
    ward.statement("anemia_life_threatening")
    page = ward.page()
    assert (page.urgency, page.reason) == ("medium", "worse")
    assert "anaemia/platelets" in page.title


def test_two_terms_of_one_sample_make_one_page() -> None:
    ward = Ward(day=31)
    ward.admit()
    ward.lab(platelets=20, neutrophils=0.3)
    assert "platelets/neutrophils" in ward.page().title


def test_a_statement_makes_anaemia_grade_4_which_no_number_does(ward: Ward) -> None:
    ward.lab(hemoglobin=5.1)
    assert ward.grade("ctcae.anemia") == "3"
    ward.statement("anemia_life_threatening")
    assert ward.grade("ctcae.anemia") == "4"
    assert "CTCAE 4 anaemia" in ward.page().title


# -- febrile neutropenia ---------------------------------------------------------------------------


def test_fever_in_neutropenia_is_high(ward: Ward) -> None:
    ward.lab(neutrophils=0.8)
    ward.normal(temp=38.4)
    page = ward.page()
    assert (page.urgency, page.condition) == ("high", "febrile_neutropenia")
    assert "CRS 1" in page.title


def test_a_count_that_comes_after_the_fever_makes_it_high(ward: Ward) -> None:
    ward.normal(temp=38.4)
    ward.ack(ward.page())
    ward.jump(minutes=30)
    ward.lab(neutrophils=0.8)
    page = ward.page()
    assert (page.urgency, page.condition) == ("high", "febrile_neutropenia")


def test_a_temperature_of_38_0_is_febrile_neutropenia_only_when_it_lasts(ward: Ward) -> None:
    ward.lab(neutrophils=0.8)
    ward.normal(temp=38.0)
    assert [page.condition for page in ward.new_pages()] == ["crs"]
    ward.jump(minutes=61)
    ward.new_pages()
    ward.normal(temp=38.0)
    assert ward.page().condition == "febrile_neutropenia"


def test_fever_that_returns_in_neutropenia_within_48_hours_is_no_news(ward: Ward) -> None:
    ward.lab(neutrophils=0.8)
    ward.normal(temp=38.4)
    ward.ack(ward.page())
    for hours in (8, 8, 16):
        ward.jump(hours=hours)
        ward.normal()
    ward.jump(hours=4)
    ward.normal(temp=38.4)
    assert ward.new_pages() == []
    assert ward.is_open("febrile_neutropenia")


def test_febrile_neutropenia_is_over_after_48_hours_without_fever(ward: Ward) -> None:
    ward.lab(neutrophils=0.8)
    ward.normal(temp=38.4)
    ward.ack(ward.page())
    for _ in range(7):
        ward.jump(hours=8)
        assert ward.is_open("febrile_neutropenia")
        ward.normal()
    assert not ward.is_open("febrile_neutropenia")


def test_fever_with_enough_neutrophils_is_no_febrile_neutropenia(ward: Ward) -> None:
    ward.lab(neutrophils=1.0)
    ward.normal(temp=39.0)
    assert not ward.is_open("febrile_neutropenia")
    assert ward.grade("ctcae.febrile_neutropenia") == "0"


def test_a_count_drawn_after_the_fever_has_gone_is_febrile_neutropenia_too(ward: Ward) -> None:
    """39.1 in the evening, normal in the night, and the morning's count is the first low one."""
    ward.lab(neutrophils=1.2)
    ward.jump(hours=1)
    ward.normal(temp=39.1)
    ward.ack(ward.page())
    ward.jump(hours=8)
    ward.normal()
    ward.jump(minutes=30)
    ward.lab(neutrophils=0.6)
    page = ward.page()
    assert (page.urgency, page.condition) == ("high", "febrile_neutropenia")
    assert "fever before the count, gone since" in page.text
    assert "counts are drawn once a day" in page.text
    assert ward.grade("ctcae.febrile_neutropenia") == "0"


def test_a_count_drawn_more_than_a_day_after_the_fever_is_not(ward: Ward) -> None:
    ward.normal(temp=39.1)
    ward.ack(ward.page())
    for _ in range(3):
        ward.jump(hours=8, minutes=1)
        ward.normal()
    ward.new_pages()
    ward.lab(neutrophils=0.6)
    assert not ward.is_open("febrile_neutropenia")


def test_a_fever_between_two_low_counts_that_was_too_short_is_not_counted_again(ward: Ward) -> None:
    ward.lab(neutrophils=0.6)
    ward.normal(temp=38.1)
    ward.ack(ward.page())
    ward.jump(hours=4)
    ward.normal()
    ward.lab(neutrophils=0.5)
    assert not ward.is_open("febrile_neutropenia")


# -- immunoglobulin --------------------------------------------------------------------------------


def test_igg_below_400_is_one_low_page_to_the_worklist(ward: Ward) -> None:
    ward.lab(igg=399)
    ward.jump(hours=24)
    (page,) = ward.listed("low_igg")
    assert (page.urgency, page.reason) == ("low", "new")
    assert "IgG below 400 mg/dL" in page.title


def test_igg_of_400_pages_nobody(ward: Ward) -> None:
    ward.lab(igg=400)
    assert ward.listed("low_igg") == []


def test_igg_reported_days_after_the_sample_is_listed_while_it_holds(ward: Ward) -> None:
    ward.to("12:00", day=5)
    ward.normal()
    ward.lab_at(ward.ago(days=2), igg=320)
    ward.jump(hours=1)
    ward.normal()
    assert len(ward.listed("low_igg")) == 1


# -- preliminary -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "condition"),
    [({"platelets": 20}, "cytopenia"), ({"igg": 300}, "low_igg"), (OVER, "m_easix")],
    ids=["a grade 4 count", "a low IgG", "m-EASIX"],
)
def test_a_preliminary_result_is_shown_and_pages_when_it_is_final(
    third_day: Ward, values: dict[str, object], condition: str
) -> None:
    sent = [third_day.result(kind, value, status="preliminary") for kind, value in values.items()]
    third_day.send(*sent)
    assert not third_day.is_open(condition)
    assert third_day.charted(next(iter(values)))
    third_day.jump(hours=1)
    third_day.send(*(changed(item, status="final") for item in sent))
    assert third_day.is_open(condition)


def test_a_preliminary_count_neither_ends_nor_worsens_what_final_ones_gave(ward: Ward) -> None:
    ward.lab(platelets=20)
    ward.ack(ward.page())
    for hours, platelets in ((7, 180), (7, 190), (1, 8)):
        ward.jump(hours=hours)
        ward.send(ward.result("platelets", platelets, status="preliminary"))
        ward.send(ward.result("neutrophils", 0.3, status="preliminary"))
    assert ward.is_open("cytopenia")
    assert ward.notified() == []


def test_a_final_count_pages_beside_a_preliminary_one(ward: Ward) -> None:
    ward.send(ward.result("neutrophils", 0.3, status="preliminary"), ward.result("platelets", 20))
    assert "CTCAE 4 platelets" in ward.page().title


def test_a_fever_waits_for_no_final_count(ward: Ward) -> None:
    """It is the fever that pages: high at once, and said to rest on a preliminary count."""
    ward.send(ward.result("neutrophils", 0.8, status="preliminary"))
    assert ward.notified() == []
    ward.normal(temp=38.4)
    page = ward.page()
    assert (page.urgency, page.condition) == ("high", "febrile_neutropenia")
    assert "provisional result" in page.text


def test_a_preliminary_vital_sign_that_a_person_charts_counts(ward: Ward) -> None:
    ward.send(changed(ward.vital("temp", 38.5), status="preliminary"))
    assert ward.page().condition == "crs"


# -- corrected -------------------------------------------------------------------------------------


def test_a_count_entered_in_error_retracts_its_page(ward: Ward) -> None:
    (platelets,) = ward.lab(platelets=2)
    ward.new_pages()
    ward.jump(minutes=20)
    ward.void(platelets)
    page = ward.page()
    assert (page.condition, page.reason, page.urgency) == ("cytopenia", "retracted", "low")
