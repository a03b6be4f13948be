"""Which doses of a steroid are prophylaxis, and when the steroid was reduced."""

from datetime import datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace

from alerts.assessment.dose_ledger import ledger
from alerts.assessment.steroids import reduced_at
from tests.support.charts import INFUSED, NOW, SITE, Item, chart, day, dose, hours, reading
from tests.support.wording import english


def given(mg: object, at: datetime, drug: str = "dexamethasone", note: str = "") -> Item:
    kind, entry = dose(drug, at)
    return kind, replace(entry, value=None if mg is None else Decimal(str(mg)), unit="mg", note=note)


@pytest.mark.parametrize(
    ("drug", "at", "others", "is_prophylaxis"),
    [
        ("dexamethasone", INFUSED - hours(2), (), True),
        ("dexamethasone", day(2), (), True),
        ("dexamethasone", day(-1), (), False),
        ("dexamethasone", day(3), (), False),
        ("methylprednisolone", day(1), (), False),
        ("dexamethasone", day(1), (reading("temperature", "37.9", day(0.5)),), True),
        ("dexamethasone", day(1), (reading("temperature", "38.0", day(0.5)),), False),
        ("dexamethasone", day(1), (reading("temperature", "38.9", day(1.5)),), True),
        ("dexamethasone", day(1), (reading("temperature", "38.9", day(-1)),), True),
        ("dexamethasone", day(1), (reading("ice", 9, day(0.5)),), False),
        ("dexamethasone", day(1), (dose("tocilizumab", day(0.5)),), False),
    ],
)
def test_dexamethasone_of_the_first_days_before_any_toxicity_is_prophylaxis(
    drug: str, at: datetime, others: tuple[Item, ...], is_prophylaxis: bool
) -> None:
    counted = ledger(chart(given(10, at, drug), *others), NOW, SITE)
    assert counted.prophylaxis == ((("dexamethasone", 1, Decimal(10)),) if is_prophylaxis else ())
    assert (counted.steroid_mg == 0) is is_prophylaxis


def test_a_dose_that_its_sender_marks_is_prophylaxis_on_any_day_and_has_a_sum_of_its_own() -> None:
    marked = (given(100, day(number), "anakinra", "prophylaxis") for number in (3, 4))
    counted = ledger(chart(*marked, given(10, day(1)), given(8, day(4))), NOW, SITE)
    assert counted.dexamethasone_mg == 8
    assert english(counted.sentence()).endswith(
        "dexamethasone 8 mg in all; prophylaxis: anakinra 200 mg, dexamethasone 10 mg"
    )


def test_prophylaxis_without_milligrams_is_counted() -> None:
    counted = ledger(chart(given(None, day(3), "levetiracetam", "prophylaxis")), NOW, SITE)
    assert english(counted.sentence()).endswith("prophylaxis: levetiracetam × 1")


def course(*doses: tuple[float, object], drug: str = "dexamethasone") -> list[Item]:
    """Doses by hours before now and mg."""
    return [given(mg, NOW - hours(before), drug) for before, mg in doses]


@pytest.mark.parametrize(
    ("items", "before"),
    [
        ([], None),
        (course((2, 10)), None),
        (course((12, 10), (6, 10), (0, 10)), None),
        (course((18, 10), (12, 10), (5, 10)), None),
        (course((24, 10), (12, 8)), 12),
        (course((36, 10), (24, None), (12, 8)), None),
        (course((30, 10), (24, 10), (18, 10), (9, 10)), 12),
        (course((30, 10), (24, 10), (18, 10), (9.5, 10), (3, 10)), None),
        (course((28, 10), (22, 10), (16, 10)), 10),
        (course((21, 10), (15, 10), (9, 10)), 3),
        (course((20, 10), (14, 10), (8.5, 10)), None),
        (course((60, 4), (54, 4), (36, 4), (30, 4), (12, 4), (6, 4)), None),
        ([*course((12, 10), (6, 10), (0, 10)), *course((12, 40), (5.9, 40), (0, 40), drug="methylprednisolone")], None),
        ([*course((30, 10), (24, 10)), *course((18, 500), (6, 500), drug="methylprednisolone")], None),
    ],
)
def test_a_steroid_is_reduced_by_a_lower_dose_a_longer_interval_or_its_end(
    items: list[Item], before: float | None
) -> None:
    assert reduced_at(chart(*items), NOW, SITE) == (None if before is None else NOW - hours(before))
