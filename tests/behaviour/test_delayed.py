"""Toxicities that come late: delayed neurotoxicity, lymphocytes after a BCMA product, a falling fibrinogen,
diarrhoea."""

import pytest

from tests.support.ward import INFUSED, Ward, message


@pytest.fixture
def later() -> Ward:
    """A patient in week 3."""
    ward = Ward(day=20, clock="10:00")
    ward.admit()
    return ward


@pytest.mark.parametrize("sign", ["cranial_nerve_palsy", "parkinsonism", "handwriting_change"])
def test_a_sign_of_delayed_neurotoxicity_is_high_and_over_when_it_is_denied(later: Ward, sign: str) -> None:
    later.statement(sign)
    page = later.page()
    assert (page.urgency, page.condition, page.reason) == ("high", "delayed_neurotoxicity", "new")
    assert "delayed neurotoxicity" in page.title
    later.ack(page)
    later.jump(hours=1)
    later.statement(sign, value=False)
    assert not later.is_open("delayed_neurotoxicity")


def test_a_second_sign_pages_again(later: Ward) -> None:
    later.statement("parkinsonism")
    later.ack(later.page())
    later.jump(hours=1)
    later.statement("handwriting_change")
    assert later.page().reason == "worse"


def test_a_sign_from_before_the_infusion_pages_nobody(later: Ward) -> None:
    later.send(message("statement", INFUSED.replace(hour=8), statement="parkinsonism", value=True, by="person"))
    assert not later.is_open("delayed_neurotoxicity")


@pytest.mark.parametrize(
    ("product", "count", "notices"),
    [("ciltacabtagene", "3.1", 1), ("Abecma", "3.1", 1), ("ciltacabtagene", "3.0", 0), ("axicabtagene", "3.1", 0)],
)
def test_a_peak_of_lymphocytes_after_a_bcma_product_is_one_low_notice(
    later: Ward, product: str, count: str, notices: int
) -> None:
    later.send(message("registration", later.now, source="ehr", infused=INFUSED, product=product))
    later.lab(lymphocytes=count)
    later.jump(hours=24)
    later.lab(lymphocytes="1.2")
    assert [page.urgency for page in later.listed("lymphocyte_peak")] == ["low"] * notices


@pytest.mark.parametrize(
    ("day", "values", "platelets", "paged"),
    [
        (8, (180, 150), 40, True),
        (8, (140, 150), 40, False),
        (8, (180, 151), 40, False),
        (8, (180, 150), 50, False),
        (21, (180, 150), 40, False),
    ],
    ids=["low and falling", "rising", "not low", "enough platelets", "day 21"],
)
def test_fibrinogen_that_falls_low_with_few_platelets_is_medium(
    day: int, values: tuple[int, int], platelets: int, *, paged: bool
) -> None:
    ward = Ward(day=day, clock="06:00")
    ward.admit()
    ward.lab(fibrinogen=values[0], platelets=platelets)
    ward.jump(hours=6)
    ward.lab(fibrinogen=values[1])
    found = [page for page in ward.new_pages() if page.condition == "falling_fibrinogen"]
    assert [page.urgency for page in found] == ["medium"] * paged


def test_diarrhoea_after_day_21_is_medium_until_it_is_denied(later: Ward) -> None:
    later.statement("diarrhea")
    assert later.new_pages() == []
    later.to("10:00", day=22)
    later.statement("diarrhea")
    page = next(page for page in later.new_pages() if page.condition == "late_diarrhea")
    assert page.urgency == "medium"
    assert "diarrhoea on day 22" in page.title
    assert "immune effector cell enterocolitis" in page.text
    later.ack(page)
    later.statement("diarrhea", value=False, at=later.at("10:05"))
    later.jump(hours=1)
    later.statement("diarrhea", value=False)
    assert not later.is_open("late_diarrhea")
