"""The typical onset after a product: a line on the first page about CRS or ICANS."""

import pytest

from alerts.pages.onset import ONSETS, typical_onset
from alerts.wording.catalogue import render
from config.languages import languages
from config.vocabulary import PRODUCTS
from tests.support.ward import INFUSED, SITE, Ward, message

LINE = "typical onset after axicabtagene ciloleucel (ZUMA-1, label): CRS day 2 (1-12), ICANS day 4 (1-43)"


def test_it_stands_on_the_first_page_and_on_no_repeat() -> None:
    ward = Ward(day=1, clock="10:00")
    ward.admit()
    ward.send(message("registration", ward.ago(hours=1), source="ehr", infused=INFUSED, product="yescarta"))
    ward.normal(temp=38.5)
    assert LINE in ward.page().text
    ward.jump(minutes=30)
    assert "typical onset" not in ward.page().text


@pytest.mark.parametrize("product", ["", "something else", "obecabtagene"])
def test_a_product_without_a_published_onset_has_none(product: str) -> None:
    assert typical_onset(product) is None


@pytest.mark.parametrize("code", ONSETS)
def test_each_stands_in_every_language_and_in_order(code: str) -> None:
    known = ONSETS[code]
    for onset in filter(None, (known.crs, known.icans)):
        assert onset.first <= onset.median <= onset.last
    line = typical_onset(code)
    assert line is not None
    assert all(PRODUCTS[code] in render(line, language, SITE.zone) for language in languages())
