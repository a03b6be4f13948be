"""CTCAE v6.0 where it differs from v5.0, every boundary from both sides."""

import pytest
from pydantic import ValidationError

from alerts.grading import ctcae
from alerts.grading.result import Grade
from config.conventions import Conventions
from config.site import Site
from tests.support.charts import NOW, SITE, chart, reading

LIMIT = {"platelets": "150", "neutrophils": "1.8", "hemoglobin": "12.0"}


def of_version(version: str) -> Site:
    return SITE._replace(conventions=SITE.conventions.model_copy(update={"ctcae_version": version}))


def graded(term: str, value: str, version: str = "6.0") -> Grade:
    return ctcae.grade(term, chart(reading(term, value, low=LIMIT[term])), NOW, of_version(version))


@pytest.mark.parametrize(
    ("term", "value", "grade"),
    [
        ("neutrophils", "1.8", 0),
        ("neutrophils", "1.79", 1),
        ("neutrophils", "1.4", 1),
        ("neutrophils", "1.0", 1),
        ("neutrophils", "0.99", 2),
        ("neutrophils", "0.5", 2),
        ("neutrophils", "0.499", 3),
        ("neutrophils", "0.1", 3),
        ("neutrophils", "0.099", 4),
        ("neutrophils", "0", 4),
        ("platelets", "150", 0),
        ("platelets", "149", 1),
        ("platelets", "75", 1),
        ("platelets", "74.9", 2),
        ("platelets", "50", 2),
        ("platelets", "49.9", 3),
        ("platelets", "24", 3),
        ("platelets", "10", 3),
        ("platelets", "9.9", 4),
        ("platelets", "0", 4),
        ("neutrophils", "<0.1", 4),
        ("platelets", "<10", 4),
    ],
)
def test_neutrophils_and_platelets_have_their_own_bands_in_version_6(term: str, value: str, grade: int) -> None:
    result = graded(term, value)
    assert (result.grade, result.provisional) == (grade, False)


@pytest.mark.parametrize(
    ("term", "value", "in_5", "in_6"),
    [("neutrophils", "0.3", 4, 3), ("neutrophils", "1.2", 2, 1), ("platelets", "20", 4, 3)],
)
def test_the_same_count_grades_differently_in_the_two_versions(term: str, value: str, in_5: int, in_6: int) -> None:
    assert (graded(term, value, "5.0").grade, graded(term, value, "6.0").grade) == (in_5, in_6)


def test_a_bound_that_decides_in_version_5_may_leave_version_6_open() -> None:
    assert (graded("neutrophils", "<0.5", "5.0").grade, graded("neutrophils", "<0.5", "5.0").provisional) == (4, False)
    assert (graded("neutrophils", "<0.5", "6.0").grade, graded("neutrophils", "<0.5", "6.0").provisional) == (3, True)


@pytest.mark.parametrize("version", ["5.0", "6.0"])
def test_the_version_stands_in_every_result(version: str) -> None:
    found = ctcae.grades(chart(), NOW, of_version(version))
    assert tuple(found) == ctcae.TERMS
    assert {result.version for result in found.values()} == {f"CTCAE v{version}"}


@pytest.mark.parametrize("version", ["5.0", "6.0"])
def test_other_rows_are_the_same_in_both_versions(version: str) -> None:
    patient = chart(
        reading("hemoglobin", "9.9", low="12.0"),
        reading("white_cells", "1.5", low="4.0"),
        reading("lymphocytes", "0.3", low="1.1"),
        reading("temperature", "39.5"),
        reading("bilirubin", "4", high="1"),
    )
    found = ctcae.grades(patient, NOW, of_version(version))
    terms = ("anemia", "white_cells", "lymphocytes", "fever", "bilirubin")
    assert [found[term].grade for term in terms] == [2, 3, 3, 2, 3]


def test_the_shipped_site_grades_by_version_5() -> None:
    assert SITE.conventions.ctcae_version == "5.0"


def test_another_version_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"ctcae_version"):
        Conventions.model_validate({**SITE.conventions.model_dump(), "ctcae_version": "4.03"})
