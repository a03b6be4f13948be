"""The hypotension row on its own: which pressures are used, what counts as low, and what outranks the numbers."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from alerts.grading.axis import Axis
from alerts.grading.hypotension import hypotension, pressures
from tests.support.charts import NOW, SITE, Item, chart, day, dose, hours, reading, statement
from tests.support.wording import english, in_names, sentence

MINUTE = timedelta(minutes=1)


def row(*items: Item, alert: bool = False) -> Axis:
    return hypotension(chart(*items), NOW, SITE, alert=alert)


def by(way: str, item: Item) -> Item:
    kind, entry = item
    return kind, replace(entry, by=way)


def used(*items: Item) -> tuple[object, object]:
    systolic, mean = pressures(chart(*items), NOW, SITE)
    return systolic and systolic.value, mean and mean.value


# -- vasopressors ----------------------------------------------------------------------------------


def test_a_vasopressor_names_its_row_drug_and_dose() -> None:
    result = row(dose("norepinephrine", NOW - hours(1)))
    assert result.level == 3
    assert sentence(result.because) == "hypotension with one vasopressor: grade 3 (norepinephrine)"
    assert [item.kind for item in result.evidence] == ["norepinephrine"]
    assert result.conventions == ("crs.single_vasopressor_dose_holds",)
    assert (result.provisional, in_names(result.missing), english(result.flags)) == (False, (), ())


def test_an_infusion_that_was_started_rests_on_no_convention() -> None:
    assert row(dose("norepinephrine", NOW - hours(1), "started")).conventions == ()


def test_several_vasopressors_are_all_named_and_vasopressin_with_them() -> None:
    drugs = ("norepinephrine", "epinephrine", "vasopressin")
    result = row(*(dose(drug, NOW, "started") for drug in drugs))
    assert result.level == 4
    assert sentence(result.because).startswith("hypotension with several vasopressors: grade 4 (")
    assert {item.kind for item in result.evidence} == set(drugs)
    assert english(result.flags) == ()


@pytest.mark.parametrize(
    ("drugs", "flags"),
    [
        (("vasopressin",), ("vasopressin alone: not settled by the table, counted as one vasopressor",)),
        (("dobutamine",), ("dobutamine is an inotrope, counted here as a vasopressor",)),
        (("dobutamine", "vasopressin"), ("dobutamine is an inotrope, counted here as a vasopressor",)),
        (("norepinephrine", "vasopressin"), ()),
    ],
)
def test_what_the_table_does_not_settle_is_flagged(drugs: tuple[str, ...], flags: tuple[str, ...]) -> None:
    assert english(row(*(dose(drug, NOW, "started") for drug in drugs)).flags) == flags


def test_a_vasopressor_outranks_a_statement_that_there_is_no_hypotension() -> None:
    assert row(dose("norepinephrine", NOW, "started"), statement("hypotension", False)).level == 3


# -- another cause ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "level"), [(72, 0), (72.1, 2)])
def test_another_cause_is_said_and_lapses(age: float, level: int) -> None:
    result = row(statement("hypotension_other_cause", at=NOW - hours(age)), reading("systolic_bp", 80))
    assert result.level == level
    assert ("hypotension attributed to another cause" in english(result.flags)) is (level == 0)
    assert ("crs.other_cause_holds" in result.conventions) is (level == 0)


def test_another_cause_retracted_is_none() -> None:
    assert row(statement("hypotension_other_cause", False), reading("systolic_bp", 70)).level == 2


# -- which pressures -------------------------------------------------------------------------------


def test_nothing_charted_leaves_the_row_open() -> None:
    result = row()
    assert (result.level, in_names(result.missing)) == (None, ("systolic_bp",))


@pytest.mark.parametrize(
    ("systolic_age", "mean_age", "expected"),
    [(0, 0, (100, 70)), (0, 15, (100, 70)), (15, 0, (100, 70)), (0, 16, (100, None)), (16, 0, (None, 70))],
)
def test_a_set_of_pressures_lies_within_15_minutes(
    systolic_age: int, mean_age: int, expected: tuple[object, object]
) -> None:
    items = (
        reading("systolic_bp", 100, NOW - systolic_age * MINUTE),
        reading("mean_bp", 70, NOW - mean_age * MINUTE),
    )
    assert used(*items) == expected


def test_one_pressure_alone_is_used() -> None:
    assert used(reading("mean_bp", 70)) == (None, 70)
    assert used(reading("systolic_bp", 100)) == (100, None)


def test_a_pressure_older_than_it_holds_is_not_used() -> None:
    holds = SITE.conventions.chart.vitals_hold.value
    assert used(reading("systolic_bp", 100, NOW - holds)) == (100, None)
    assert used(reading("systolic_bp", 100, NOW - holds - MINUTE)) == (None, None)


@pytest.mark.parametrize(
    ("systolic", "mean", "diastolic", "expected"),
    [
        (100, 70, 60, (100, 70)),
        (100, 70, 99, (110, 80)),
        (60, 60, 60, (110, 80)),
        (60, 60, 59, (110, 80)),
        (64, 59, 59, (64, 59)),
        (63, 59, 59, (110, 80)),
        (280, 100, 75, (110, 80)),
        (275, 100, 75, (275, 100)),
        (100, 100, 60, (100, 100)),
        (100, 101, 60, (110, 80)),
        (100, 60, 60, (100, 60)),
        (100, 59, 60, (110, 80)),
        (60, 65, 70, (110, 80)),
    ],
)
def test_a_pressure_that_contradicts_its_set_is_an_artefact(
    systolic: int, mean: int, diastolic: int, expected: tuple[int, int]
) -> None:
    """The systolic lies 5 to 200 above the diastolic, the mean between them; else the set before it is used."""
    before = (reading("systolic_bp", 110, NOW - MINUTE), reading("mean_bp", 80, NOW - MINUTE))
    now = (reading("systolic_bp", systolic), reading("mean_bp", mean), reading("diastolic_bp", diastolic))
    assert used(*before, *now) == expected


def test_a_diastolic_of_another_source_or_time_contradicts_nothing() -> None:
    assert used(reading("systolic_bp", 60), reading("diastolic_bp", 70, source="other")) == (60, None)
    assert used(reading("systolic_bp", 60), reading("diastolic_bp", 70, NOW - MINUTE)) == (60, None)


def test_a_mean_without_a_systolic_is_held_against_the_diastolic_alone() -> None:
    assert used(reading("mean_bp", 60), reading("diastolic_bp", 61)) == (None, None)
    assert used(reading("mean_bp", 61), reading("diastolic_bp", 61)) == (None, 61)


# -- what is low -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "shown", "conventions"),
    [
        ((reading("systolic_bp", 89),), "systolic 89 < 90", ("crs.hypotension_systolic",)),
        ((reading("mean_bp", 64),), "mean 64 < 65", ("crs.hypotension_mean",)),
        ((reading("systolic_bp", 120), reading("mean_bp", 64)), "mean 64 < 65", ("crs.hypotension_mean",)),
        (
            (reading("systolic_bp", 130, day(-1)), reading("systolic_bp", 99)),
            "systolic 99 < 0.8 x baseline 130",
            ("crs.relative_hypotension_fraction", "crs.relative_hypotension_systolic", "chart.baseline_window"),
        ),
    ],
)
def test_a_low_pressure_is_at_least_grade_2_and_says_by_which_convention(
    items: tuple[Item, ...], shown: str, conventions: tuple[str, ...]
) -> None:
    result = row(*items)
    assert (result.level, result.provisional, in_names(result.missing)) == (2, True, ("vasopressor",))
    assert sentence(result.because) == f"hypotension observed ({shown}), support not charted: at least grade 2"
    assert result.conventions == conventions
    assert result.evidence[-1].entry == items[-1][1]


@pytest.mark.parametrize(("systolic", "mean"), [(90, 65), (120, 80)])
def test_a_pressure_at_or_above_its_bound_is_grade_0(systolic: int, mean: int) -> None:
    result = row(reading("systolic_bp", systolic), reading("mean_bp", mean))
    assert (result.level, sentence(result.because)) == (0, "blood pressure not low")
    assert result.conventions == ("crs.hypotension_systolic", "crs.hypotension_mean")
    assert [item.kind for item in result.evidence] == ["systolic_bp", "mean_bp"]
    assert (result.provisional, english(result.flags)) == (False, ())


# -- confirming ------------------------------------------------------------------------------------


def test_one_low_value_of_a_cuff_is_shown_as_not_yet_confirmed() -> None:
    result = row(by("cuff", reading("systolic_bp", 85)), by("cuff", reading("mean_bp", 60)))
    flags = ("systolic 85 < 90 by cuff: not yet confirmed", "mean 60 < 65 by cuff: not yet confirmed")
    assert (result.level, english(result.flags), sentence(result.because)) == (0, flags, "; ".join(flags))
    assert result.provisional is False


def test_an_arterial_line_is_named_in_words() -> None:
    result = row(by("arterial_line", reading("systolic_bp", 85)))
    assert english(result.flags) == ("systolic 85 < 90 by arterial line: not yet confirmed",)


def test_a_second_low_value_of_a_cuff_confirms_it_and_names_the_convention() -> None:
    result = row(by("cuff", reading("systolic_bp", 84, NOW - 5 * MINUTE)), by("cuff", reading("systolic_bp", 85)))
    assert (result.level, english(result.flags)) == (2, ())
    assert result.conventions == ("crs.hypotension_systolic", "confirmation.pressure_pair")


def test_two_low_of_the_last_three_count_and_the_low_one_is_named() -> None:
    values = ((84, 10), (85, 5), (95, 0))
    result = row(*(by("cuff", reading("systolic_bp", value, NOW - age * MINUTE)) for value, age in values))
    assert result.level == 2
    assert "systolic 85 < 90" in sentence(result.because)


def test_a_normal_arterial_pressure_is_grade_0() -> None:
    assert sentence(row(by("arterial_line", reading("systolic_bp", 120))).because) == "blood pressure not low"


def test_a_low_value_of_a_patient_on_alert_counts_at_once() -> None:
    result = row(by("cuff", reading("systolic_bp", 85)), alert=True)
    assert (result.level, result.conventions) == (2, ("crs.hypotension_systolic",))


@pytest.mark.parametrize(
    ("kind", "value", "level"),
    [("systolic_bp", 80, 0), ("systolic_bp", 79, 2), ("mean_bp", 55, 0), ("mean_bp", 54, 2)],
)
def test_a_severe_value_of_a_cuff_counts_at_once(kind: str, value: int, level: int) -> None:
    assert row(by("cuff", reading(kind, value))).level == level


@pytest.mark.parametrize(
    ("low", "severe"),
    [(reading("systolic_bp", 79), "crs.severe_systolic"), (reading("mean_bp", 54), "crs.severe_mean")],
)
def test_a_severe_value_that_counts_at_once_names_the_convention(low: Item, severe: str) -> None:
    assert severe in row(by("cuff", low)).conventions


# -- a clinician's statement -----------------------------------------------------------------------


def test_hypotension_by_a_statement_is_grade_2_and_not_provisional() -> None:
    result = row(statement("hypotension"), reading("systolic_bp", 120))
    assert (result.level, result.provisional, in_names(result.missing)) == (2, False, ())
    assert sentence(result.because) == "hypotension by a clinician's statement, no vasopressor: grade 2"
    assert [item.kind for item in result.evidence] == ["hypotension", "systolic_bp"]
    assert result.conventions == ("crs.statement_holds",)


def test_no_hypotension_by_a_statement_is_grade_0() -> None:
    result = row(statement("hypotension", False), reading("systolic_bp", 85))
    assert (result.level, sentence(result.because)) == (0, "no hypotension by a clinician's statement")
    assert [item.kind for item in result.evidence] == ["hypotension", "systolic_bp"]
    assert result.conventions == ("crs.statement_holds",)


def test_a_statement_without_any_pressure_is_enough() -> None:
    assert row(statement("hypotension")).level == 2
    assert row(statement("hypotension", False)).level == 0


@pytest.mark.parametrize(("age", "level"), [(4, 0), (4.1, 2)])
@pytest.mark.parametrize("low", [reading("systolic_bp", 85), reading("mean_bp", 60)], ids=["systolic", "mean"])
def test_a_statement_stands_against_pressures_of_the_next_4_hours(low: Item, age: float, level: int) -> None:
    assert row(statement("hypotension", False, NOW - hours(age)), low).level == level


def test_a_statement_older_than_a_vital_sign_holds_is_forgotten() -> None:
    holds = SITE.conventions.chart.vitals_hold.value
    assert row(statement("hypotension", at=NOW - holds)).level == 2
    assert row(statement("hypotension", at=NOW - holds - MINUTE)).level is None


@pytest.mark.parametrize(
    "low", [reading("systolic_bp", 79), reading("mean_bp", 54)], ids=["systolic below 80", "mean below 55"]
)
def test_no_statement_made_before_it_stands_against_a_severe_pressure(low: Item) -> None:
    assert row(statement("hypotension", False, NOW - MINUTE), low).level == 2
    assert row(statement("hypotension", False), low).level == 0
