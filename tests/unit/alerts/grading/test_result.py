"""What every grader answers with: values that nobody changes afterwards, built by name."""

from decimal import Decimal

import pytest

from alerts.grading.icans import VERSION
from alerts.grading.iec_hs import Screen
from alerts.grading.news2 import News2
from alerts.grading.result import Evidence, Grade, Points, Result, Score, not_applicable
from tests.support.charts import NOW, reading

COMMON = {"system": "X", "version": VERSION, "at": NOW}
RESULTS = [
    Result(**COMMON),
    Grade(**COMMON, grade=1),
    Score(**COMMON, value=None),
    Points(**COMMON, score=1),
    News2(**COMMON, score=1, parts={}),
    Screen(**COMMON, suspected=None),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_a_result_cannot_be_changed(result: Result) -> None:
    with pytest.raises(AttributeError):
        result.system = "Y"


def test_evidence_cannot_be_changed() -> None:
    kind, entry = reading("ldh", 1)
    with pytest.raises(AttributeError):
        Evidence(kind, entry).kind = "crp"


@pytest.mark.parametrize(
    ("kind", "own", "others"),
    [(Grade, 1, {}), (Score, None, {}), (Points, 1, {}), (Screen, True, {}), (News2, {}, {"score": 1})],
)
def test_the_fields_of_a_result_go_by_name(kind: type[Result], own: object, others: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        kind(own, **others, **COMMON)


def test_a_grade_is_not_provisional_unless_it_is_said_to_be() -> None:
    assert Grade(**COMMON, grade=1).provisional is False


def test_a_grade_is_applicable_unless_it_says_otherwise() -> None:
    assert Grade(**COMMON, grade=1).applicable
    assert not not_applicable("X", VERSION, NOW).applicable


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (Grade(**COMMON, grade=0), "0"),
        (Grade(**COMMON, grade=4), "4"),
        (Grade(**COMMON, grade=None), None),
        (not_applicable("X", VERSION, NOW), "not applicable"),
        (Score(**COMMON, value=Decimal("60.444")), "60.44"),
        (Score(**COMMON, value=Decimal(0)), "0.00"),
        (Score(**COMMON, value=None), None),
        (Points(**COMMON, score=0), "0"),
        (Points(**COMMON, score=None), None),
        (Screen(**COMMON, suspected=True), "consider"),
        (Screen(**COMMON, suspected=False), "no"),
        (Screen(**COMMON, suspected=None), None),
    ],
)
def test_a_result_is_shown_as_one_value_and_one_that_is_undetermined_as_none(result: Result, shown: str | None) -> None:
    """A missing input gives undetermined, never 0."""
    assert result.shown_value == shown
