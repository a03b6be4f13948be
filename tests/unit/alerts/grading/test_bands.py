"""The lookup that the graders share: what a value, a bound or a missing limit lets a row of cuts say."""

from decimal import Decimal

import pytest

from alerts.grading.bands import Cut, Levels, ReferenceLimit, cell, levels
from tests.support.charts import reading

ROW = (Cut(1, "<", Decimal(10), "one"), Cut(2, "<", Decimal(5), "two"), Cut(4, "<", Decimal(1), "four"))


def cut(sign: str, of: ReferenceLimit | None = None) -> Cut:
    return Cut(1, sign, Decimal(2), "cell", of)


@pytest.mark.parametrize(
    ("sign", "below", "at", "above"),
    [("<", True, False, False), ("<=", True, True, False), (">", False, False, True), (">=", False, True, True)],
)
def test_each_sign_of_a_table_is_read_at_its_bound(sign: str, below: bool, at: bool, above: bool) -> None:
    answers = [cut(sign).reached(reading("ldh", value)[1]) for value in ("1.9", "2", "2.1")]
    assert answers == [below, at, above]


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
def test_a_bound_that_straddles_a_cut_leaves_it_open(sign: str) -> None:
    assert cut(sign).reached(reading("ldh", "<3")[1]) is None
    assert cut(sign).reached(reading("ldh", ">1")[1]) is None


def test_a_sign_that_no_table_has_is_refused() -> None:
    with pytest.raises(ValueError, match="'!=' is not a sign of a table"):
        cut("!=").reached(reading("ldh", 1)[1])


def test_a_cut_may_be_a_multiple_of_the_laboratorys_own_limit() -> None:
    entry = reading("ldh", 100, low=10, high=60)[1]
    assert cut("<", ReferenceLimit.LOW).bound_for(entry) == 20
    assert cut("<", ReferenceLimit.HIGH).bound_for(entry) == 120
    assert cut("<").bound_for(entry) == 2
    assert cut("<", ReferenceLimit.LOW).reached(entry) is False
    assert cut("<", ReferenceLimit.HIGH).reached(entry) is True


def test_a_cut_that_rests_on_a_limit_that_was_not_sent_is_open() -> None:
    entry = reading("ldh", 100)[1]
    assert cut("<", ReferenceLimit.LOW).bound_for(entry) is None
    assert cut("<", ReferenceLimit.HIGH).reached(entry) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("10", (0, 0)),
        ("9.9", (1, 1)),
        ("5", (1, 1)),
        ("4.9", (2, 2)),
        ("0.9", (4, 4)),
        ("<5", (2, 4)),
        ("<20", (0, 4)),
        (">0.5", (0, 4)),
        (">5", (0, 1)),
        (">10", (0, 0)),
        ("<1", (4, 4)),
    ],
)
def test_a_value_allows_the_levels_of_the_cuts_it_may_be_past(value: str, expected: tuple[int, int]) -> None:
    found = levels(reading("ldh", value)[1], ROW)
    assert found == expected
    assert found.decided is (expected[0] == expected[1])


def test_a_level_that_is_reached_outranks_what_a_missing_limit_leaves_open() -> None:
    row = (cut("<", ReferenceLimit.LOW), Cut(3, "<", Decimal(2), "three"))
    assert levels(reading("ldh", 1)[1], row) == Levels(3, 3)
    assert levels(reading("ldh", 5)[1], row) == Levels(0, 1)


def test_the_printed_cell_of_a_level_is_its_own_and_that_of_0_is_empty() -> None:
    assert [cell(level, ROW) for level in (0, 1, 2, 3, 4)] == ["", "one", "two", "", "four"]


THIRD = Decimal(1) / 3
"""Rounded in its last digit, as a conversion rounds."""


@pytest.mark.parametrize("sign", ["<", ">"])
def test_a_multiple_of_a_converted_limit_is_met_exactly(sign: str) -> None:
    cut = Cut(1, sign, Decimal(3), "", ReferenceLimit.HIGH)
    assert cut.reached(reading("ldh", 1, high=THIRD)[1]) is False
    assert Cut(1, sign, 3 * THIRD, "", scaled=True).reached(reading("ldh", 1)[1]) is False


@pytest.mark.parametrize(("sign", "value"), [("<", "0.999999999999999"), (">", "1.000000000000001")])
def test_what_is_measured_apart_is_apart(sign: str, value: str) -> None:
    assert Cut(1, sign, Decimal(3), "", ReferenceLimit.HIGH).reached(reading("ldh", value, high=THIRD)[1]) is True


@pytest.mark.parametrize(("value", "below"), [("0.999999999999999999", False), ("0.999999999999999998", True)])
def test_a_multiple_is_met_where_no_more_than_a_rounding_parts_it(value: str, below: bool) -> None:
    assert Cut(1, "<", Decimal(1), "", scaled=True).reached(reading("ldh", value)[1]) is below


def test_a_printed_bound_is_compared_as_it_stands() -> None:
    assert Cut(1, "<", Decimal(1), "").reached(reading("ldh", 3 * THIRD)[1]) is True
