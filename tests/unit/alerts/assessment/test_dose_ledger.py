"""The dose ledger: counted up to a time, in 24 hours, in milligrams."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from alerts.assessment.dose_ledger import Ledger, ledger
from tests.support.charts import NOW, SITE, Item, chart, dose, hours
from tests.support.wording import english


def given(drug: str, mg: object, before: float, unit: str = "mg") -> Item:
    kind, entry = dose(drug, NOW - hours(before))
    return kind, replace(entry, value=None if mg is None else Decimal(str(mg)), unit=unit)


def test_nothing_given_is_nothing_counted() -> None:
    assert ledger(chart(), NOW, SITE) == Ledger(0, 0, None, Decimal(0), Decimal(0), NOW)


def test_doses_are_counted_up_to_the_time_asked_for() -> None:
    folded = chart(*(dose("tocilizumab", NOW - hours(age)) for age in (40, 9, -1)))
    found = ledger(folded, NOW, SITE)
    assert (found.tocilizumab, found.hours_since_tocilizumab) == (2, 9)


@pytest.mark.parametrize(("age", "counted"), [(23.9, 1), (24, 0)])
def test_a_dose_counts_for_24_hours(age: float, counted: int) -> None:
    assert ledger(chart(dose("tocilizumab", NOW - hours(age))), NOW, SITE).tocilizumab_in_24h == counted


def test_the_hours_since_the_last_dose_are_whole() -> None:
    assert ledger(chart(dose("tocilizumab", NOW - hours(8.9))), NOW, SITE).hours_since_tocilizumab == 8


def test_an_infusion_that_was_stopped_is_one_dose() -> None:
    folded = chart(dose("tocilizumab", NOW - hours(2), "started"), dose("tocilizumab", NOW - hours(1), "stopped"))
    assert ledger(folded, NOW, SITE).tocilizumab == 1


def test_other_anticytokine_drugs_are_not_tocilizumab() -> None:
    assert ledger(chart(dose("siltuximab", NOW), dose("anakinra", NOW)), NOW, SITE).tocilizumab == 0


def test_dexamethasone_is_summed_in_milligrams() -> None:
    folded = chart(given("dexamethasone", 10, 12), given("dexamethasone", "7.5", 6))
    assert ledger(folded, NOW, SITE).dexamethasone_mg == Decimal("17.5")


def test_methylprednisolone_is_not_dexamethasone() -> None:
    assert ledger(chart(given("methylprednisolone", 500, 1)), NOW, SITE).dexamethasone_mg == 0


@pytest.mark.parametrize(("mg", "unit"), [(None, "mg"), (10, ""), (1, "vial")])
def test_one_dose_without_milligrams_makes_the_sum_unknown(mg: object, unit: str) -> None:
    folded = chart(given("dexamethasone", 10, 12), given("dexamethasone", mg, 6, unit))
    assert ledger(folded, NOW, SITE).dexamethasone_mg is None


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (Ledger(0, 0, None, Decimal(0), Decimal(0), None), "tocilizumab 0 of 4 doses; dexamethasone 0 mg in all"),
        (
            Ledger(2, 1, 7, Decimal(170), Decimal(170), None),
            "tocilizumab 2 of 4 doses (1 of 3 in 24 h, the last 7 h ago); dexamethasone 170 mg in all",
        ),
        (
            Ledger(0, 0, None, None, None, None),
            "tocilizumab 0 of 4 doses; dexamethasone unknown (a dose without mg) in all",
        ),
    ],
)
def test_the_ledger_in_words(found: Ledger, sentence: str) -> None:
    assert english(found.sentence()) == sentence


def test_steroids_are_added_up_as_dexamethasone() -> None:
    folded = chart(given("dexamethasone", 10, 12), given("methylprednisolone", 1000, 6))
    assert ledger(folded, NOW, SITE).steroid_mg == Decimal("197.5")
    assert "steroids as dexamethasone: 197.5 mg" in english(ledger(folded, NOW, SITE).sentence())


@pytest.mark.parametrize(
    ("ages", "wait"),
    [((), 0), ((3,), 5), ((8,), 0), ((20, 12), 0), ((20, 12, 4), 4), ((10, 9, 1), 14), ((40, 30, 20), 0)],
)
def test_the_next_dose_waits_for_8_hours_and_for_room_in_the_day(ages: tuple[int, ...], wait: int) -> None:
    folded = chart(*(dose("tocilizumab", NOW - hours(age)) for age in ages))
    assert ledger(folded, NOW, SITE).next_tocilizumab_at == NOW + hours(wait)


def test_after_four_doses_no_other_is_left() -> None:
    folded = chart(*(dose("tocilizumab", NOW - hours(age)) for age in (90, 80, 50, 40)))
    found = ledger(folded, NOW, SITE)
    assert found.next_tocilizumab_at is None
    assert english(found.room(NOW)) == "all 4 doses of tocilizumab are given"
