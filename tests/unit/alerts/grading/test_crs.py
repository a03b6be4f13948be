"""CRS against the ASTCT 2019 table, cell by cell, and the conventions around it."""

from datetime import datetime
from itertools import combinations

import pytest

from alerts.grading import crs
from alerts.grading.result import Grade
from tests.support.charts import NOW, SITE, Item, chart, day, dose, hours, reading, statement
from tests.support.wording import english, in_names

VASOPRESSORS = ("norepinephrine", "epinephrine", "phenylephrine", "dopamine", "dobutamine")
WAIVER_DRUGS = (
    "paracetamol",
    "tocilizumab",
    "siltuximab",
    "anakinra",
    "dexamethasone",
    "methylprednisolone",
)


def vitals(
    at: datetime = NOW, *, celsius: object = "38.5", systolic: int = 120, mean: int | None = None, spo2: object = 97
) -> tuple[Item, ...]:
    """A set of signs; its mean, which must not lie above the systolic, is normal where it can be."""
    mean = min(85, systolic) if mean is None else mean
    return (
        reading("temperature", celsius, at),
        reading("systolic_bp", systolic, at),
        reading("mean_bp", mean, at),
        reading("spo2", spo2, at),
    )


def graded(*items: Item, at: datetime = NOW) -> Grade:
    return crs.grade(chart(*items), at, SITE)


def started(*drugs: str) -> tuple[Item, ...]:
    return tuple(dose(drug, NOW - hours(1), "started") for drug in drugs)


# -- fever -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("celsius", "grade"), [("36.5", 0), ("37.9", 0), ("37.99", 0), ("38.0", 1), ("38.1", 1), ("41.0", 1)]
)
def test_fever_is_38_0_inclusive_and_its_height_does_not_matter(celsius: str, grade: int) -> None:
    result = graded(*vitals(celsius=celsius))
    assert (result.grade, result.provisional) == (grade, False)


def test_fever_with_another_cause_is_not_crs() -> None:
    assert graded(*vitals(), statement("fever_other_cause")).grade == 0


def test_another_cause_of_fever_lapses_with_the_sites_convention() -> None:
    assert graded(*vitals(), statement("fever_other_cause", at=NOW - hours(72))).grade == 0
    assert graded(*vitals(), statement("fever_other_cause", at=NOW - hours(72.1))).grade == 1


def test_nothing_charted_is_undetermined() -> None:
    result = graded()
    assert result.grade is None
    assert "temperature" in in_names(result.missing)


def test_the_result_names_its_system_version_time_and_reading() -> None:
    result = graded(*vitals())
    assert (result.system, result.version, result.at) == ("CRS", "ASTCT 2019", NOW)
    assert "temperature" in {item.kind for item in result.evidence}


@pytest.mark.parametrize(
    "toxicity", [("alt", 3000), ("ast", 3000), ("creatinine", 8), ("bilirubin", 20), ("heart_rate", 170)]
)
def test_organ_toxicity_never_changes_the_grade(toxicity: tuple[str, int]) -> None:
    assert graded(*vitals(), reading(*toxicity)).grade == 1


def test_death_due_to_crs_is_grade_5() -> None:
    assert graded(*vitals(), statement("died_of_crs")).grade == 5


# -- hypotension -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("systolic", "mean", "grade"),
    [(90, 65, 1), (89, 65, 2), (90, 64, 2), (79, 54, 2), (120, 85, 1)],
)
def test_a_low_pressure_alone_is_at_least_grade_2(systolic: int, mean: int, grade: int) -> None:
    result = graded(*vitals(systolic=systolic, mean=mean))
    assert result.grade == grade
    assert result.provisional is (grade == 2)


@pytest.mark.parametrize(
    ("baseline", "systolic", "grade"),
    [(120, 96, 1), (120, 95, 2), (130, 100, 1), (130, 99, 2), (110, 91, 1), (None, 95, 1)],
)
def test_a_fall_from_the_baseline_counts_below_100(baseline: int | None, systolic: int, grade: int) -> None:
    before = () if baseline is None else (reading("systolic_bp", baseline, day(-1)),)
    assert graded(*before, *vitals(systolic=systolic)).grade == grade


def test_hypotension_by_a_clinicians_statement_is_grade_2_whatever_the_numbers() -> None:
    assert graded(*vitals(), statement("hypotension")).grade == 2


def test_no_hypotension_by_a_clinicians_statement_outranks_a_low_number() -> None:
    assert graded(*vitals(systolic=85), statement("hypotension", False)).grade == 1


def test_hypotension_with_another_cause_is_left_out() -> None:
    assert graded(*vitals(systolic=80), statement("hypotension_other_cause")).grade == 1


def test_another_cause_of_hypotension_leaves_the_other_axis() -> None:
    items = (statement("hypotension_other_cause"), reading("oxygen_device", "face_mask"))
    assert graded(*vitals(systolic=80), *items).grade == 3


@pytest.mark.parametrize("drug", VASOPRESSORS)
def test_one_vasopressor_is_grade_3(drug: str) -> None:
    result = graded(*vitals(systolic=85), *started(drug))
    assert (result.grade, result.provisional) == (3, False)


@pytest.mark.parametrize("drug", VASOPRESSORS)
def test_one_vasopressor_with_vasopressin_is_still_grade_3(drug: str) -> None:
    assert graded(*vitals(systolic=85), *started(drug, "vasopressin")).grade == 3


@pytest.mark.parametrize("drugs", list(combinations(VASOPRESSORS, 2)))
def test_two_vasopressors_are_grade_4(drugs: tuple[str, str]) -> None:
    assert graded(*vitals(systolic=85), *started(*drugs)).grade == 4


def test_two_vasopressors_with_vasopressin_are_grade_4() -> None:
    assert graded(*vitals(systolic=85), *started("norepinephrine", "epinephrine", "vasopressin")).grade == 4


def test_vasopressin_alone_is_grade_3_and_flagged() -> None:
    result = graded(*vitals(systolic=85), *started("vasopressin"))
    assert result.grade == 3
    assert any("vasopressin alone" in flag for flag in english(result.flags))


def test_the_same_vasopressor_twice_is_one() -> None:
    twice = (
        dose("norepinephrine", NOW - hours(3), "started"),
        dose("norepinephrine", NOW - hours(1), "started"),
    )
    assert graded(*vitals(), *twice).grade == 3


def test_a_vasopressor_that_holds_the_pressure_up_still_grades() -> None:
    assert graded(*vitals(systolic=125, mean=90), *started("norepinephrine")).grade == 3


def test_a_stopped_vasopressor_no_longer_grades() -> None:
    items = (dose("norepinephrine", NOW - hours(5), "started"), dose("norepinephrine", NOW - hours(1), "stopped"))
    assert graded(*vitals(), *items).grade == 1


@pytest.mark.parametrize(("age", "grade"), [(12, 3), (12.1, 1)])
def test_a_single_vasopressor_dose_counts_as_running_for_a_while(age: float, grade: int) -> None:
    assert graded(*vitals(), dose("norepinephrine", NOW - hours(age))).grade == grade


def test_a_started_vasopressor_runs_until_it_is_stopped() -> None:
    assert graded(*vitals(), dose("norepinephrine", NOW - hours(30), "started")).grade == 3


# -- hypoxia ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spo2", "grade"), [(92, 1), (91, 2), (87, 2), (98, 1)])
def test_a_low_saturation_alone_is_at_least_grade_2(spo2: int, grade: int) -> None:
    result = graded(*vitals(spo2=spo2))
    assert result.grade == grade
    assert result.provisional is (grade == 2)


@pytest.mark.parametrize(("flow", "grade"), [("1", 2), ("6", 2), ("6.1", 3), ("15", 3)])
def test_a_nasal_cannula_is_low_flow_up_to_6_litres(flow: str, grade: int) -> None:
    items = (reading("oxygen_device", "nasal_cannula"), reading("oxygen_flow", flow))
    result = graded(*vitals(), *items)
    assert (result.grade, result.provisional) == (grade, False)


def test_a_nasal_cannula_of_unknown_flow_is_at_least_grade_2() -> None:
    result = graded(*vitals(), reading("oxygen_device", "nasal_cannula"))
    assert (result.grade, result.provisional) == (2, True)


@pytest.mark.parametrize(
    ("device", "grade"),
    [
        ("none", 1),
        ("blow_by", 2),
        ("high_flow_nasal_cannula", 3),
        ("face_mask", 3),
        ("venturi_mask", 3),
        ("nonrebreather_mask", 3),
        ("cpap", 4),
        ("bipap", 4),
        ("invasive_ventilation", 4),
    ],
)
def test_each_device_grades_by_the_table(device: str, grade: int) -> None:
    result = graded(*vitals(), reading("oxygen_device", device))
    assert (result.grade, result.provisional) == (grade, False)


@pytest.mark.parametrize("device", ["venturi_mask", "face_mask", "nonrebreather_mask"])
@pytest.mark.parametrize("flow", [2, 6, 15])
def test_a_mask_is_grade_3_at_any_flow(device: str, flow: int) -> None:
    assert graded(*vitals(), reading("oxygen_device", device), reading("oxygen_flow", flow)).grade == 3


@pytest.mark.parametrize("device", ["cpap", "bipap", "invasive_ventilation"])
def test_positive_pressure_not_for_hypoxia_is_not_grade_4(device: str) -> None:
    items = (reading("oxygen_device", device), statement("airway_support_not_for_hypoxia"))
    assert graded(*vitals(), *items).grade == 1


def test_hypoxia_with_another_cause_is_left_out() -> None:
    items = (reading("oxygen_device", "face_mask"), statement("hypoxia_other_cause"))
    assert graded(*vitals(), *items).grade == 1


def test_no_hypoxia_by_a_clinicians_statement_outranks_a_low_saturation() -> None:
    assert graded(*vitals(spo2=90), statement("hypoxia", False)).grade == 1


def test_hypoxia_by_a_clinicians_statement_is_at_least_grade_2() -> None:
    assert graded(*vitals(), statement("hypoxia")).grade == 2


def test_oxygen_taken_off_again_no_longer_grades() -> None:
    items = (reading("oxygen_device", "face_mask", NOW - hours(5)), reading("oxygen_device", "none", NOW))
    assert graded(*vitals(), *items).grade == 1


# -- the worst axis --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drugs", "device", "grade"),
    [
        ((), "face_mask", 3),
        (("norepinephrine",), "blow_by", 3),
        (("norepinephrine",), "cpap", 4),
        (("norepinephrine", "epinephrine"), "blow_by", 4),
        (("norepinephrine", "epinephrine"), "invasive_ventilation", 4),
    ],
)
def test_the_worse_axis_decides(drugs: tuple[str, ...], device: str, grade: int) -> None:
    assert graded(*vitals(systolic=85), *started(*drugs), reading("oxygen_device", device)).grade == grade


# -- fever waived ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "items",
    [
        vitals(celsius="37.0", systolic=80),
        (*vitals(celsius="37.0"), *started("norepinephrine")),
        (*vitals(celsius="37.0"), reading("oxygen_device", "face_mask")),
    ],
    ids=["hypotension", "a vasopressor", "oxygen"],
)
def test_without_fever_and_without_earlier_crs_it_is_grade_0(items: tuple[Item, ...]) -> None:
    assert graded(*items).grade == 0


@pytest.mark.parametrize("drug", WAIVER_DRUGS)
def test_fever_is_no_longer_required_once_a_diagnosed_crs_was_treated(drug: str) -> None:
    items = (
        *vitals(NOW - hours(10), celsius="39", systolic=85),
        dose(drug, NOW - hours(9)),
        *vitals(NOW, celsius="36.8", systolic=85),
    )
    assert graded(*items).grade == 2


@pytest.mark.parametrize("drug", ["levetiracetam", "filgrastim", "norepinephrine", "immunoglobulin"])
def test_other_drugs_do_not_waive_fever(drug: str) -> None:
    items = (
        *vitals(NOW - hours(40), celsius="39"),
        dose(drug, NOW - hours(39)),
        dose("norepinephrine", NOW - hours(38), "stopped"),
        *vitals(NOW - hours(30), celsius="36.8"),
        *vitals(NOW - hours(20), celsius="36.8"),
        *vitals(NOW, celsius="36.8", systolic=85),
    )
    assert graded(*items).grade == 0


@pytest.mark.parametrize("drug", WAIVER_DRUGS)
def test_a_dose_before_crs_was_diagnosed_waives_nothing(drug: str) -> None:
    items = (
        *vitals(NOW - hours(10), celsius="36.8"),
        dose(drug, NOW - hours(9)),
        *vitals(NOW, celsius="36.8", systolic=85),
    )
    assert graded(*items).grade == 0


def test_waived_fever_without_hypotension_or_hypoxia_is_grade_0() -> None:
    items = (
        *vitals(NOW - hours(10), celsius="39"),
        dose("tocilizumab", NOW - hours(9)),
        *vitals(NOW, celsius="36.8"),
    )
    assert graded(*items).grade == 0


@pytest.mark.parametrize(("after", "grade"), [(71, 2), (72, 2), (73, 0)])
def test_after_the_episode_the_waiver_has_a_tail_of_72_hours(after: float, grade: int) -> None:
    given = NOW - hours(after)
    items = (
        *vitals(given - hours(1), celsius="39", systolic=85),
        dose("tocilizumab", given),
        *vitals(given + hours(6), celsius="36.8"),
        *vitals(given + hours(14), celsius="36.8"),
        *vitals(NOW, celsius="36.8", systolic=85),
    )
    assert graded(*items).grade == grade


def test_the_relapse_of_the_reference_case_on_day_5_grades_2_by_hypoxia_without_fever() -> None:
    course = (
        *vitals(day(1), celsius="38.8"),
        *vitals(day(2), celsius="39.1", systolic=84),
        dose("tocilizumab", day(2) + hours(1)),
        dose("tocilizumab", day(2) + hours(9)),
        *vitals(day(3), celsius="36.9"),
        *vitals(day(3) + hours(8), celsius="36.7"),
        *vitals(day(5), celsius="37.2", spo2=89),
    )
    assert [graded(*course, at=day(number)).grade for number in (1, 2, 3, 5)] == [1, 2, 0, 2]


def test_an_episode_that_is_over_does_not_waive_fever_for_ever() -> None:
    items = (
        *vitals(day(1), celsius="39", systolic=84),
        dose("tocilizumab", day(1) + hours(1)),
        *vitals(day(2), celsius="36.9"),
        *vitals(day(2) + hours(8), celsius="36.7"),
        *vitals(day(5), celsius="36.9", systolic=84),
    )
    assert graded(*items, at=day(5)).grade == 0


# -- late ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("since", "flagged"), [(13, False), (14, False), (15, True), (20, True)])
def test_beyond_day_14_it_is_graded_and_its_attribution_left_to_be_confirmed(since: int, flagged: bool) -> None:
    result = graded(*vitals(day(since)), at=day(since))
    assert result.grade == 1
    assert any("attribution to be confirmed" in flag for flag in english(result.flags)) is flagged


def test_the_highest_grade_of_the_table_is_not_provisional_whatever_else_is_missing() -> None:
    several = graded(reading("temperature", "38.5"), *started("norepinephrine", "epinephrine"))
    one = graded(reading("temperature", "38.5"), *started("norepinephrine"))
    assert (several.grade, several.provisional) == (4, False)
    assert (one.grade, one.provisional) == (3, True)
