"""Every published boundary of CTCAE, from both sides, read off the printed tables.

Written from the tables, not from the code: each row names the bounds of one printed band, and the values are stepped
across them. The graders' own tests say more; this file only says that the numbers are the published ones.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.boundaries import BEFORE, NOW, SITE, SITE_6, STEP, graded, reading, stated

# -- CTCAE -----------------------------------------------------------------------------------------

COUNTS_5 = {
    "anemia": ("hemoglobin", "12", ["10.0", "8.0"]),
    "platelets": ("platelets", "150", ["75", "50", "25"]),
    "neutrophils": ("neutrophils", "1.8", ["1.5", "1.0", "0.5"]),
    "white_cells": ("white_cells", "4.0", ["3.0", "2.0", "1.0"]),
    "lymphocytes": ("lymphocytes", "1.1", ["0.8", "0.5", "0.2"]),
}
COUNTS_6 = {
    **COUNTS_5,
    "platelets": ("platelets", "150", ["75", "50", "10"]),
    "neutrophils": ("neutrophils", "1.8", ["1.0", "0.5", "0.1"]),
}


def counts() -> Iterator[tuple[str, str, str, Decimal, str, int]]:
    for version, table in (("5.0", COUNTS_5), ("6.0", COUNTS_6)):
        for term, (kind, limit, bounds) in table.items():
            for level, bound in enumerate([limit, *bounds]):
                yield version, term, kind, Decimal(bound), limit, level
                yield version, term, kind, Decimal(bound) - STEP, limit, level + 1


@pytest.mark.parametrize(("version", "term", "kind", "value", "limit", "grade"), list(counts()))
def test_ctcae_counts_on_both_sides_of_every_bound(
    version: str, term: str, kind: str, value: Decimal, limit: str, grade: int
) -> None:
    site = SITE if version == "5.0" else SITE_6
    with_limit = graded(reading(kind, value, low=limit), site=site)["ctcae"]
    without = graded(reading(kind, value), site=site)["ctcae"]
    assert (with_limit["version"], with_limit[term]["grade"]) == (f"v{version}", grade)
    assert without[term]["grade"] == (grade if grade > 1 else None), "0 and 1 differ only by the laboratory's limit"


UPPER: dict[str, tuple[int, list[Any]]] = {
    "alt": (40, [1, 3, 5, 20]),
    "ast": (40, [1, 3, 5, 20]),
    "bilirubin": (1, ["1", "1.5", "3", "10"]),
    "creatinine": (1, ["1", "1.5", "3", "6"]),
}


@pytest.mark.parametrize(("term", "level"), [(term, level) for term in UPPER for level in range(4)])
def test_ctcae_multiples_of_the_upper_limit(term: str, level: int) -> None:
    limit, multiples = UPPER[term]
    bound = limit * Decimal(multiples[level])
    assert graded(reading(term, bound, high=limit))["ctcae"][term]["grade"] == level
    assert graded(reading(term, bound + STEP, high=limit))["ctcae"][term]["grade"] == level + 1
    assert graded(reading(term, bound))["ctcae"][term]["grade"] is None


@pytest.mark.parametrize("unit", ["umol/L", "mmol/L"])
@pytest.mark.parametrize(("level", "multiple"), list(enumerate(["1", "1.5", "3", "6"])))
def test_ctcae_creatinine_is_on_a_multiple_of_a_converted_limit(level: int, multiple: str, unit: str) -> None:
    size = 1 if unit == "umol/L" else 1000
    for limit in range(60, 131):
        high, on = str(Decimal(limit) / size), limit * Decimal(multiple) / size
        found = graded(reading("creatinine", on, unit=unit, high=high))["ctcae"]["creatinine"]
        worse = graded(reading("creatinine", on + STEP / size, unit=unit, high=high))["ctcae"]["creatinine"]
        assert (found["grade"], worse["grade"]) == (level, level + 1), limit


@pytest.mark.parametrize(("multiple", "grade"), [("1.5", 0), ("3", 2)])
def test_ctcae_creatinine_is_on_a_multiple_of_a_converted_baseline(multiple: str, grade: int) -> None:
    for before in range(60, 131):
        earlier = reading("creatinine", before, BEFORE, unit="umol/L", high="900")
        on = reading("creatinine", before * Decimal(multiple), unit="umol/L", high="900")
        assert graded(earlier, on)["ctcae"]["creatinine"]["grade"] == grade, before


@pytest.mark.parametrize("term", ["alt", "ast"])
@pytest.mark.parametrize(
    ("value", "grade"),
    [("89.99", 0), (90, 1), (180, 1), ("180.01", 2), (300, 2), ("300.01", 3), (1200, 3), ("1200.01", 4)],
)
def test_ctcae_transaminases_against_an_abnormal_baseline(term: str, value: object, grade: int) -> None:
    found = graded(reading(term, 60, BEFORE, high=40), reading(term, value, high=40))
    assert found["ctcae"][term]["grade"] == grade


@pytest.mark.parametrize(
    ("before", "value", "grade"),
    [
        ("0.5", "0.75", 0),
        ("0.5", "0.76", 2),
        ("0.5", "1.5", 2),
        ("0.5", "1.51", 3),
        ("0.5", "6.0", 3),
        ("0.5", "6.01", 4),
        ("2.0", "3.0", 2),
        ("2.0", "3.01", 3),
    ],
)
def test_ctcae_creatinine_is_the_worse_of_baseline_and_limit(before: str, value: str, grade: int) -> None:
    found = graded(reading("creatinine", before, BEFORE, high=1), reading("creatinine", value, high=1))
    assert found["ctcae"]["creatinine"]["grade"] == grade


@pytest.mark.parametrize(
    ("limit", "value", "grade"),
    [
        (200, 200, 0),
        (200, "199.99", 1),
        (200, 150, 1),
        (200, "149.99", 2),
        (200, 100, 2),
        (200, "99.99", 3),
        (400, 100, 3),
        (400, "99.99", 4),
        (150, 50, 3),
        (150, "49.99", 4),
    ],
)
def test_ctcae_fibrinogen_against_the_limit_and_50_mg(limit: int, value: object, grade: int) -> None:
    assert graded(reading("fibrinogen", value, low=limit))["ctcae"]["fibrinogen"]["grade"] == grade


@pytest.mark.parametrize(
    ("before", "value", "grade"),
    [
        (160, 160, 0),
        (160, "159.99", 1),
        (160, "120.01", 1),
        (160, 120, 2),
        (160, "80.01", 2),
        (160, 80, 3),
        (160, 50, 3),
        (160, "49.99", 4),
        (360, "90.01", 3),
        (360, 90, 4),
    ],
)
def test_ctcae_fibrinogen_by_its_fall_from_an_abnormal_baseline(before: int, value: object, grade: int) -> None:
    found = graded(reading("fibrinogen", before, BEFORE, low=400), reading("fibrinogen", value, low=400))
    assert found["ctcae"]["fibrinogen"]["grade"] == grade


@pytest.mark.parametrize("term", ["alt", "ast"])
def test_ctcae_a_baseline_is_abnormal_by_the_limit_that_came_with_it(term: str) -> None:
    found = graded(reading(term, 60, BEFORE, high=40), reading(term, 200))["ctcae"][term]
    assert found["grade"] == 2
    assert [item["value"] for item in found["evidence"]] == ["200", "60"]
    own = graded(reading(term, 60, BEFORE, high=40), reading(term, 200, high=70))["ctcae"][term]
    assert own["grade"] == 1, "the limit of the result itself stands above that of the baseline"
    assert graded(reading(term, 30, BEFORE, high=40), reading(term, 200))["ctcae"][term]["grade"] is None


def test_ctcae_fibrinogen_falls_from_a_baseline_that_is_abnormal_by_its_own_limit() -> None:
    found = graded(reading("fibrinogen", 160, BEFORE, low=200), reading("fibrinogen", 80))["ctcae"]["fibrinogen"]
    assert found["grade"] == 3


@pytest.mark.parametrize(
    ("value", "grade"), [("1.2", 0), ("1.21", 1), ("1.5", 1), ("1.51", 2), ("2.5", 2), ("2.51", 3)]
)
def test_ctcae_inr_without_an_anticoagulant(value: str, grade: int) -> None:
    assert graded(reading("inr", value))["ctcae"]["inr"]["grade"] == grade
    assert graded(reading("inr", value), stated("anticoagulated"))["ctcae"]["inr"]["grade"] is None


@pytest.mark.parametrize(
    ("celsius", "grade"), [("37.99", 0), ("38.0", 1), ("39.0", 1), ("39.01", 2), ("40.0", 2), ("40.01", 3)]
)
def test_ctcae_fever(celsius: str, grade: int) -> None:
    assert graded(reading("temperature", celsius))["ctcae"]["fever"]["grade"] == grade


@pytest.mark.parametrize(("minutes", "grade"), [(24 * 60, 3), (24 * 60 + 1, 4)])
def test_ctcae_fever_above_40_for_more_than_a_day(minutes: int, grade: int) -> None:
    times = [NOW - timedelta(minutes=minutes), NOW - timedelta(hours=12), NOW]
    assert graded(*(reading("temperature", "40.01", at) for at in times))["ctcae"]["fever"]["grade"] == grade


@pytest.mark.parametrize(
    ("celsius", "minutes", "anc", "grade"),
    [
        ("38.3", 0, "0.99", 0),
        ("38.31", 0, "0.99", 3),
        ("38.31", 0, "1.0", 0),
        ("38.0", 60, "0.99", 0),
        ("38.0", 61, "0.99", 3),
        ("37.99", 61, "0.99", 0),
    ],
)
def test_ctcae_febrile_neutropenia(celsius: str, minutes: int, anc: str, grade: int) -> None:
    readings = [reading("temperature", celsius, at) for at in {NOW - timedelta(minutes=minutes), NOW}]
    assert graded(*readings, reading("neutrophils", anc))["ctcae"]["febrile_neutropenia"]["grade"] == grade
    if grade:
        assert graded(*readings)["ctcae"]["febrile_neutropenia"]["grade"] is None
