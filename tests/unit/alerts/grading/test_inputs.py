"""How a value, or why there is none, is put into words."""

from datetime import timedelta

import pytest

from alerts.grading import inputs
from alerts.message_fields import Status
from tests.support.charts import NOW, SITE, absent, chart, hours, reading, rejected_value
from tests.support.wording import english, in_names

WEEK = timedelta(days=7)
UNITLESS = "the unit is missing"


def missing(*items: object, rejected: tuple[object, ...] = ()) -> str:
    said = inputs.name_missing(chart(*items, rejected=rejected), "crp", NOW, WEEK)  # type: ignore[arg-type]
    return in_names((said,))[0]


def test_an_input_never_charted_is_its_bare_name() -> None:
    assert missing() == "crp"


def test_a_value_that_was_not_used_is_named_with_its_reason() -> None:
    assert missing(rejected=(rejected_value("crp", "85", UNITLESS),)) == "crp (85 was not used: the unit is missing)"


def test_of_two_reasons_the_newer_is_given() -> None:
    older = rejected_value("crp", "85", UNITLESS, NOW - hours(2))
    assert missing(absent("crp", "clotted", NOW - hours(1)), rejected=(older,)) == "crp (not done: clotted)"
    newer = rejected_value("crp", "85", UNITLESS, NOW - hours(1))
    assert missing(absent("crp", "clotted", NOW - hours(2)), rejected=(newer,)).startswith("crp (85 was not")


def test_a_reason_explains_more_than_an_old_value() -> None:
    items = (reading("crp", 5, NOW - timedelta(days=9)), absent("crp", "clotted"))
    assert missing(*items) == "crp (not done: clotted)"


def test_an_absent_value_without_a_reason_was_not_done() -> None:
    assert missing(absent("crp", "")) == "crp (not done)"


def test_an_old_value_is_given_with_its_time() -> None:
    item = reading("crp", 5, NOW - timedelta(days=9))
    assert missing(item) == "crp (last 08 Jun 10:00, more than 7 d ago)"


@pytest.mark.parametrize("at", [NOW + hours(1), NOW - timedelta(days=8)], ids=["still to come", "long ago"])
def test_a_reason_of_another_time_explains_nothing(at: object) -> None:
    assert missing(rejected=(rejected_value("crp", "85", UNITLESS, at),)) == "crp"  # type: ignore[arg-type]


def test_a_rejected_value_of_another_reading_explains_nothing() -> None:
    assert missing(rejected=(rejected_value("ldh", "85", "the unit is missing"),)) == "crp"


def test_the_numbers_of_a_reading_are_those_that_hold_newest_first() -> None:
    old, first, last = (reading("crp", value, NOW - hours(age)) for value, age in ((1, 169), (2, 168), (3, 1)))
    patient = chart(old, first, absent("crp", "clotted", NOW - hours(2)), last)
    assert list(inputs.numbers(patient, "crp", NOW, WEEK)) == [last[1], first[1]]


@pytest.mark.parametrize(("minutes", "named"), [(0, ()), (15, ()), (16, ("chart.vitals_hold",))])
def test_a_value_that_is_not_of_the_set_of_this_time_names_how_long_it_holds(
    minutes: int, named: tuple[str, ...]
) -> None:
    entry = reading("spo2", 97, NOW - timedelta(minutes=minutes))[1]
    assert inputs.if_old(entry, NOW, SITE, "chart.vitals_hold") == named


def test_what_came_with_the_value_in_use_or_before_it_is_not_newer() -> None:
    used = reading("crp", 5)
    patient = chart(
        used, rejected=(rejected_value("crp", "85", UNITLESS), rejected_value("crp", "86", UNITLESS, NOW - hours(1)))
    )
    assert inputs.passed_over(patient, "crp", used[1], NOW) == ()


def test_what_came_an_instant_after_the_value_in_use_is_newer() -> None:
    used = reading("crp", 5, NOW - timedelta(microseconds=1))
    patient = chart(used, rejected=(rejected_value("crp", "85", UNITLESS),))
    assert english(inputs.passed_over(patient, "crp", used[1], NOW)) == (
        "newer CRP: 85 was not used: the unit is missing; the value before it is used",
    )


def test_a_value_is_shown_with_name_bound_unit_time_and_status() -> None:
    kind, entry = reading("platelets", "<5", status=Status.PRELIMINARY)
    assert english(inputs.with_time(kind, entry)) == "platelets <5 ×10⁹/L (17 Jun 10:00, preliminary)"
