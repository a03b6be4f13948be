"""What every grader answers with: values that nobody changes afterwards, built by name."""

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
