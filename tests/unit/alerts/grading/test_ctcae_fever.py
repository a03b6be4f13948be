"""CTCAE fever, every boundary from both sides; febrile neutropenia stands in test_ctcae.py."""

import pytest

from alerts.grading import ctcae
from alerts.grading.result import Grade
from tests.support.charts import NOW, SITE, Item, absent, chart, hours, reading, rejected_value, statement
from tests.support.wording import english, in_names


def fever(*items: Item) -> Grade:
    return ctcae.grade("fever", chart(*items), NOW, SITE)


def very_hot(*ages: float, celsius: str = "40.1") -> tuple[Item, ...]:
    return tuple(reading("temperature", celsius, NOW - hours(age)) for age in ages)


@pytest.mark.parametrize(
    ("celsius", "grade"),
    [
        ("36.5", 0),
        ("37.9", 0),
        ("37.99", 0),
        ("38.0", 1),
        ("38.5", 1),
        ("39.0", 1),
        ("39.01", 2),
        ("39.1", 2),
        ("40.0", 2),
        ("40.01", 3),
        ("40.1", 3),
        ("42", 3),
    ],
)
def test_each_band_ends_where_it_is_printed(celsius: str, grade: int) -> None:
    result = fever(reading("temperature", celsius))
    assert (result.grade, result.provisional, in_names(result.missing)) == (grade, False, ())


def test_the_result_names_its_system_cell_and_reading() -> None:
    result = fever(reading("temperature", "39.5"))
    assert (result.system, result.version, result.at) == ("CTCAE fever", "CTCAE v5.0", NOW)
    assert english(result.because) == ("temperature 39.5 °C (17 Jun 10:00): grade 2 (>39.0 - 40.0)",)
    assert [item.kind for item in result.evidence] == ["temperature"]
    assert result.conventions == ("chart.temperature_holds",)


@pytest.mark.parametrize(
    ("ages", "grade"), [((12, 0), 3), ((23.9, 12, 0), 3), ((24, 12, 0), 3), ((24.1, 12, 0), 4), ((40, 24, 8, 0), 4)]
)
def test_above_40_0_it_counts_how_long_it_has_lasted(ages: tuple[float, ...], grade: int) -> None:
    assert fever(*very_hot(*ages)).grade == grade


def test_the_length_and_both_ends_of_the_run_are_said() -> None:
    result = fever(*very_hot(30, 12, 0))
    assert english(result.because) == (
        "temperature 40.1 °C (17 Jun 10:00): grade 4 (>40.0 for > 24 h), so far for 30 h",
    )
    assert [item.entry.effective for item in result.evidence] == [NOW - hours(30), NOW]


@pytest.mark.parametrize("between", ["40.0", "37.0"])
def test_the_run_is_broken_by_a_reading_that_is_not_above_40_0(between: str) -> None:
    assert fever(*very_hot(30, 18), reading("temperature", between, NOW - hours(12)), *very_hot(0)).grade == 3


def test_the_run_is_not_counted_across_a_gap_in_which_no_temperature_holds() -> None:
    assert fever(*very_hot(24.1, 0)).grade == 3


def test_a_temperature_that_was_not_taken_does_not_break_the_run() -> None:
    assert fever(*very_hot(30, 18), absent("temperature", "in the scanner", NOW - hours(12)), *very_hot(0)).grade == 4


def test_the_latest_temperature_is_the_current_one() -> None:
    assert fever(*very_hot(30, 12, 1), reading("temperature", "37.5")).grade == 0


def test_another_cause_does_not_excuse_it() -> None:
    assert fever(statement("fever_other_cause"), reading("temperature", "38.4")).grade == 1


def test_no_temperature_is_undetermined() -> None:
    result = fever()
    assert (result.grade, in_names(result.missing)) == (None, ("temperature",))


def test_a_temperature_that_no_longer_holds_is_not_used() -> None:
    result = fever(reading("temperature", "39", NOW - hours(24.1)))
    assert (result.grade, in_names(result.missing)) == (None, ("temperature (last 16 Jun 09:54, more than 24 h ago)",))


def test_a_temperature_that_was_rejected_leaves_the_one_before_it_and_is_flagged() -> None:
    rejected = rejected_value("temperature", "385 Cel", "temperature 385 °C is not plausible", NOW)
    result = ctcae.grade(
        "fever", chart(reading("temperature", "38.5", NOW - hours(1)), rejected=(rejected,)), NOW, SITE
    )
    assert result.grade == 1
    assert len(english(result.flags)) == 1
    assert "the value before it is used" in english(result.flags)[0]


@pytest.mark.parametrize(
    ("celsius", "grade", "provisional"),
    [
        ("<38.0", 0, False),
        ("<=37.9", 0, False),
        ("<=38.0", None, False),
        ("<39", None, False),
        (">39.0", 2, True),
        (">=38.0", 1, True),
        (">40.0", 3, False),
    ],
)
def test_a_bound_decides_as_far_as_it_goes(celsius: str, grade: int | None, provisional: bool) -> None:
    result = fever(reading("temperature", celsius))
    assert (result.grade, result.provisional) == (grade, provisional)
    assert bool(in_names(result.missing)) is (provisional or grade is None)


@pytest.mark.parametrize(
    ("celsius", "shown", "evidence"),
    [
        (("38.4", "38.6", "38.1"), "temperature 38.6 °C (17 Jun 09:00) > 38.3", ["38.6", "38.1"]),
        (("38.0", "38.2", "38.1"), "temperature 38.1 °C (17 Jun 10:00), >= 38.0 for 2 h", ["38.0", "38.1"]),
    ],
)
def test_febrile_neutropenia_shows_the_last_high_temperature_or_the_ends_of_the_run(
    celsius: tuple[str, ...], shown: str, evidence: list[str]
) -> None:
    items = [reading("temperature", value, NOW - hours(age)) for value, age in zip(celsius, (2, 1, 0), strict=True)]
    result = ctcae.grade("febrile_neutropenia", chart(*items, reading("neutrophils", "0.4")), NOW, SITE)
    assert (result.grade, english(result.because)[0].startswith(shown)) == (3, True)
    assert [str(item.entry.value) for item in result.evidence if item.kind == "temperature"] == evidence
