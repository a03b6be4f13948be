"""CTCAE v5.0 counts and febrile neutropenia, every boundary from both sides."""

from decimal import Decimal

import pytest

from alerts.chart.admission import Admission
from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading import ctcae
from alerts.grading.result import Grade
from alerts.message_fields import Status
from tests.support.charts import NOW, SITE, Item, absent, chart, day, hours, reading, rejected_value, statement
from tests.support.wording import english, in_names

KIND = {"anemia": "hemoglobin"}
LIMIT = {"anemia": "12.0", "platelets": "150", "neutrophils": "1.8", "white_cells": "4.0", "lymphocytes": "1.1"}


def graded(term: str, *items: Item) -> Grade:
    return ctcae.grade(term, chart(*items), NOW, SITE)


def counted(term: str, value: object, **fields: object) -> Grade:
    return graded(term, reading(KIND.get(term, term), value, **{"low": LIMIT[term], **fields}))  # type: ignore[arg-type]


# -- bands -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "value", "grade"),
    [
        ("anemia", "14", 0),
        ("anemia", "12.0", 0),
        ("anemia", "11.9", 1),
        ("anemia", "10.0", 1),
        ("anemia", "9.99", 2),
        ("anemia", "9.95", 2),
        ("anemia", "9.9", 2),
        ("anemia", "8.0", 2),
        ("anemia", "7.99", 3),
        ("anemia", "7.9", 3),
        ("anemia", "3.0", 3),
        ("platelets", "150", 0),
        ("platelets", "149", 1),
        ("platelets", "75", 1),
        ("platelets", "74.9", 2),
        ("platelets", "50", 2),
        ("platelets", "49.9", 3),
        ("platelets", "26", 3),
        ("platelets", "25", 3),
        ("platelets", "24.9", 4),
        ("platelets", "0", 4),
        ("neutrophils", "6.7", 0),
        ("neutrophils", "1.8", 0),
        ("neutrophils", "1.79", 1),
        ("neutrophils", "1.5", 1),
        ("neutrophils", "1.49", 2),
        ("neutrophils", "1.0", 2),
        ("neutrophils", "0.99", 3),
        ("neutrophils", "0.5", 3),
        ("neutrophils", "0.499", 4),
        ("neutrophils", "0", 4),
        ("white_cells", "4.0", 0),
        ("white_cells", "3.99", 1),
        ("white_cells", "3.0", 1),
        ("white_cells", "2.99", 2),
        ("white_cells", "2.0", 2),
        ("white_cells", "1.99", 3),
        ("white_cells", "1.0", 3),
        ("white_cells", "0.99", 4),
        ("white_cells", "0", 4),
        ("lymphocytes", "1.1", 0),
        ("lymphocytes", "1.09", 1),
        ("lymphocytes", "0.8", 1),
        ("lymphocytes", "0.79", 2),
        ("lymphocytes", "0.5", 2),
        ("lymphocytes", "0.49", 3),
        ("lymphocytes", "0.2", 3),
        ("lymphocytes", "0.19", 4),
        ("lymphocytes", "0", 4),
    ],
)
def test_each_band_is_half_open(term: str, value: str, grade: int) -> None:
    result = counted(term, value)
    assert result.grade == grade
    assert (result.provisional, in_names(result.missing)) == (False, ())


def test_the_result_names_its_system_version_cell_and_reading() -> None:
    result = counted("anemia", "9.95")
    assert (result.system, result.version, result.at) == ("CTCAE anemia", "CTCAE v5.0", NOW)
    assert english(result.because) == ("haemoglobin 9.95 g/dL (17 Jun 10:00): grade 2 (<10.0 - 8.0)",)
    assert [item.kind for item in result.evidence] == ["hemoglobin"]
    assert result.conventions == ("chart.laboratory_holds",)


def test_every_term_is_graded_at_once() -> None:
    found = ctcae.grades(chart(), NOW, SITE)
    assert tuple(found) == ctcae.TERMS
    assert tuple(found) == (
        "anemia",
        "platelets",
        "neutrophils",
        "white_cells",
        "lymphocytes",
        "febrile_neutropenia",
        "fever",
        "fibrinogen",
        "alt",
        "ast",
        "creatinine",
        "bilirubin",
        "inr",
    )
    assert all(result.grade is None and in_names(result.missing) for result in found.values())


# -- the laboratory's limit ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "value"),
    [("anemia", 10), ("platelets", 75), ("neutrophils", "1.5"), ("white_cells", 3), ("lymphocytes", "0.8")],
)
def test_from_the_floor_of_grade_1_up_the_limit_is_needed(term: str, value: object) -> None:
    result = counted(term, value, low=None)
    assert result.grade is None
    assert in_names(result.missing) == (f"{KIND.get(term, term)}: lower reference limit",)


@pytest.mark.parametrize(
    ("term", "value", "grade"),
    [
        ("anemia", "9.99", 2),
        ("platelets", "74.9", 2),
        ("neutrophils", "0.4", 4),
        ("white_cells", "2.9", 2),
        ("lymphocytes", "0.1", 4),
    ],
)
def test_below_the_floor_of_grade_1_the_limit_is_not_needed(term: str, value: str, grade: int) -> None:
    result = counted(term, value, low=None)
    assert (result.grade, in_names(result.missing)) == (grade, ())


def test_a_limit_below_the_floor_leaves_no_grade_1() -> None:
    assert counted("anemia", "10.0", low="9.5").grade == 0


def test_a_printed_band_decides_inside_the_laboratorys_own_limits_and_says_so() -> None:
    result = counted("neutrophils", "1.4", low="1.2")
    assert result.grade == 2
    assert english(result.flags) == ("within the laboratory's own limits (from 1.2): the printed band decides",)


# -- missing, old, preliminary ---------------------------------------------------------------------


def test_a_count_never_charted_is_undetermined() -> None:
    result = graded("platelets")
    assert (result.grade, in_names(result.missing)) == (None, ("platelets",))


@pytest.mark.parametrize(("age", "grade"), [(168, 4), (168.1, None)])
def test_a_count_holds_for_as_long_as_the_site_says(age: float, grade: int | None) -> None:
    assert graded("platelets", reading("platelets", 10, NOW - hours(age))).grade == grade


def test_the_latest_count_is_the_current_one() -> None:
    items = (reading("platelets", 10, NOW - hours(20)), reading("platelets", 60, NOW - hours(2)))
    assert graded("platelets", *items).grade == 2


def test_a_count_that_was_rejected_is_named() -> None:
    patient = chart(rejected=(rejected_value("platelets", "26000", "the unit is missing"),))
    assert in_names(ctcae.grade("platelets", patient, NOW, SITE).missing) == (
        "platelets (26000 was not used: the unit is missing)",
    )


def test_a_clotted_specimen_leaves_the_count_before_it_and_is_flagged() -> None:
    result = graded("platelets", reading("platelets", 20, NOW - hours(6)), absent("platelets", "clotted"))
    assert result.grade == 4
    assert english(result.flags) == ("newer platelets: not done: clotted; the value before it is used",)


def test_a_preliminary_count_gives_a_provisional_grade() -> None:
    result = counted("platelets", 20, status=Status.PRELIMINARY)
    assert (result.grade, result.provisional) == (4, True)
    assert english(result.flags) == ("provisional result",)


def test_a_preliminary_count_without_its_limit_stays_undetermined() -> None:
    result = counted("platelets", 100, low=None, status=Status.PRELIMINARY)
    assert (result.grade, result.provisional) == (None, False)


# -- bounds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("term", "value", "grade"),
    [
        ("neutrophils", "<0.1", 4),
        ("neutrophils", "<0.5", 4),
        ("platelets", "<10", 4),
        ("lymphocytes", "<0.2", 4),
        ("anemia", "<8.0", 3),
        ("platelets", ">150", 0),
        ("white_cells", ">=4.0", 0),
    ],
)
def test_a_bound_that_decides_is_used(term: str, value: str, grade: int) -> None:
    result = counted(term, value)
    assert (result.grade, result.provisional, in_names(result.missing)) == (grade, False, ())


@pytest.mark.parametrize(
    ("term", "value", "grade"),
    [("neutrophils", "<=0.5", 3), ("neutrophils", "<0.9", 3), ("anemia", "<9", 2), ("platelets", "<150", 1)],
)
def test_a_bound_that_leaves_worse_open_gives_at_least_a_grade(term: str, value: str, grade: int) -> None:
    result = counted(term, value)
    assert (result.grade, result.provisional) == (grade, True)
    assert f"at least grade {grade}" in english(result.because)[0]
    assert in_names(result.missing)[0].startswith(f"{KIND.get(term, term)} (only a bound: {value}")


@pytest.mark.parametrize(
    ("term", "value"), [("neutrophils", "<5"), ("platelets", "<=150"), ("anemia", ">7"), ("platelets", ">20")]
)
def test_a_bound_that_leaves_normal_open_is_undetermined(term: str, value: str) -> None:
    result = counted(term, value)
    assert (result.grade, result.provisional) == (None, False)
    assert "grade unknown, but could be over 0" in english(result.because)[0]


def test_at_least_a_grade_does_not_ask_for_the_limit() -> None:
    result = counted("neutrophils", "<0.9", low=None)
    assert (result.grade, in_names(result.missing)) == (3, ("neutrophils (only a bound: <0.9 ×10⁹/L)",))


@pytest.mark.parametrize(("low", "said"), [("12.0", "grade 0 (lower limit 12)"), ("9.5", "grade 0 (lower limit 9.5)")])
def test_grade_0_cites_the_laboratorys_limit(low: str, said: str) -> None:
    assert english(counted("anemia", "14", low=low).because)[0].endswith(said)


def test_a_bound_without_the_limit_names_both() -> None:
    assert in_names(counted("neutrophils", "<5", low=None).missing) == (
        "neutrophils (only a bound: <5 ×10⁹/L)",
        "neutrophils: lower reference limit",
    )


# -- life-threatening anaemia ----------------------------------------------------------------------


def test_no_haemoglobin_alone_is_grade_4() -> None:
    assert counted("anemia", "2.5").grade == 3


@pytest.mark.parametrize("items", [(), (reading("hemoglobin", "11", NOW - hours(1), low="12"),)])
def test_a_clinicians_statement_makes_anaemia_grade_4(items: tuple[Item, ...]) -> None:
    result = graded("anemia", statement("anemia_life_threatening", at=NOW - hours(2)), *items)
    assert (result.grade, result.provisional, in_names(result.missing)) == (4, False, ())
    assert result.evidence[0].kind == "anemia_life_threatening"


def test_the_statement_can_be_retracted() -> None:
    items = (
        statement("anemia_life_threatening", True, NOW - hours(3)),
        statement("anemia_life_threatening", False, NOW - hours(1)),
        reading("hemoglobin", "7.5", NOW - hours(2)),
    )
    assert graded("anemia", *items).grade == 3


def test_the_statement_grades_no_other_count() -> None:
    assert graded("platelets", statement("anemia_life_threatening"), reading("platelets", 60)).grade == 2


# -- febrile neutropenia ---------------------------------------------------------------------------


def neutropenic(value: object = "0.4", **fields: object) -> Item:
    return reading("neutrophils", value, NOW - hours(5), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(("celsius", "grade"), [("38.3", 0), ("38.31", 3), ("38.4", 3), ("41", 3)])
def test_one_temperature_above_38_3_is_enough(celsius: str, grade: int) -> None:
    result = graded("febrile_neutropenia", neutropenic(), reading("temperature", celsius))
    assert (result.grade, result.provisional) == (grade, False)


@pytest.mark.parametrize(("minutes", "grade"), [(59, 0), (60, 0), (61, 3), (240, 3)])
def test_38_0_counts_when_it_lasts_more_than_one_hour(minutes: int, grade: int) -> None:
    items = (reading("temperature", "38.0", NOW - hours(minutes / 60)), reading("temperature", "38.0"))
    assert graded("febrile_neutropenia", neutropenic(), *items).grade == grade


def test_the_hour_is_not_counted_across_a_reading_below_38_0() -> None:
    items = (
        reading("temperature", "38.1", NOW - hours(3)),
        reading("temperature", "37.9", NOW - hours(2)),
        reading("temperature", "38.1", NOW - hours(0.5)),
        reading("temperature", "38.1"),
    )
    assert graded("febrile_neutropenia", neutropenic(), *items).grade == 0


def test_the_hour_is_not_counted_across_a_gap_in_which_no_temperature_holds() -> None:
    items = (reading("temperature", "38.1", NOW - hours(24.1)), reading("temperature", "38.1"))
    assert graded("febrile_neutropenia", neutropenic(), *items).grade == 0


def test_readings_a_day_apart_belong_to_one_febrile_run() -> None:
    items = (reading("temperature", "38.1", NOW - hours(24)), reading("temperature", "38.1"))
    assert graded("febrile_neutropenia", neutropenic(), *items).grade == 3


def test_a_temperature_that_was_not_taken_does_not_end_a_febrile_run() -> None:
    items = (
        reading("temperature", "38.1", NOW - hours(2)),
        absent("temperature", "in the scanner", NOW - hours(1)),
        reading("temperature", "38.1"),
    )
    assert graded("febrile_neutropenia", neutropenic(), *items).grade == 3


def test_a_high_reading_earlier_in_the_same_febrile_run_counts() -> None:
    items = (reading("temperature", "38.9", NOW - hours(0.5)), reading("temperature", "38.1"))
    assert graded("febrile_neutropenia", neutropenic(), *items).grade == 3


def test_a_high_reading_before_the_fever_went_away_does_not_count() -> None:
    items = (
        reading("temperature", "39.5", NOW - hours(6)),
        reading("temperature", "37.0", NOW - hours(3)),
        reading("temperature", "38.1"),
    )
    assert graded("febrile_neutropenia", neutropenic(), *items).grade == 0


def test_a_fever_that_is_not_yet_one_by_definition_asks_for_a_measurement() -> None:
    result = graded("febrile_neutropenia", neutropenic(), reading("temperature", "38.2"))
    assert result.grade == 0
    assert english(result.flags) == ("febrile and neutropenic, the fever not yet by definition: measure again",)


@pytest.mark.parametrize(("count", "grade"), [("0.99", 3), ("1.0", 0), ("<0.1", 3), ("<1.0", 3), (">1.0", 0)])
def test_the_count_must_be_below_1_0(count: str, grade: int) -> None:
    assert graded("febrile_neutropenia", neutropenic(count), reading("temperature", "39")).grade == grade


def test_without_fever_it_is_grade_0() -> None:
    assert graded("febrile_neutropenia", neutropenic(), reading("temperature", "37.9")).grade == 0


def test_without_fever_it_is_grade_0_even_with_no_count() -> None:
    result = graded("febrile_neutropenia", reading("temperature", "37.9"))
    assert (result.grade, in_names(result.missing)) == (0, ())


def test_with_enough_neutrophils_it_is_grade_0_even_with_no_temperature() -> None:
    result = graded("febrile_neutropenia", neutropenic("2.0"))
    assert (result.grade, in_names(result.missing)) == (0, ())


@pytest.mark.parametrize("celsius", ["38.1", "39"])
def test_fever_without_a_count_is_undetermined(celsius: str) -> None:
    result = graded("febrile_neutropenia", reading("temperature", celsius))
    assert (result.grade, in_names(result.missing)) == (None, ("neutrophils",))


def test_fever_with_a_count_that_is_only_a_bound_is_undetermined() -> None:
    result = graded("febrile_neutropenia", neutropenic("<1.5"), reading("temperature", "39"))
    assert result.grade is None
    assert in_names(result.missing) == ("neutrophils (only a bound: <1.5 ×10⁹/L)",)


def test_neutropenia_without_a_temperature_is_undetermined() -> None:
    result = graded("febrile_neutropenia", neutropenic())
    assert (result.grade, in_names(result.missing)) == (None, ("temperature",))


def test_a_temperature_that_no_longer_holds_is_not_used() -> None:
    result = graded("febrile_neutropenia", neutropenic(), reading("temperature", "39", NOW - hours(24.1)))
    assert result.grade is None
    assert in_names(result.missing) == ("temperature (last 16 Jun 09:54, more than 24 h ago)",)


def test_a_temperature_that_is_only_a_bound_may_not_decide() -> None:
    result = graded("febrile_neutropenia", neutropenic(), reading("temperature", "<39"))
    assert result.grade is None
    assert in_names(result.missing) == ("temperature (only a bound: <39.0 °C)",)


def test_a_preliminary_count_gives_a_provisional_febrile_neutropenia() -> None:
    result = graded("febrile_neutropenia", neutropenic(status=Status.PRELIMINARY), reading("temperature", "39"))
    assert (result.grade, result.provisional) == (3, True)
    assert english(result.flags) == ("provisional result",)


def test_a_clinicians_statement_makes_it_grade_4() -> None:
    assert graded("febrile_neutropenia", statement("febrile_neutropenia_life_threatening")).grade == 4


def test_febrile_neutropenia_states_both_halves() -> None:
    result = graded("febrile_neutropenia", neutropenic(), reading("temperature", "38.5"))
    assert english(result.because) == (
        "temperature 38.5 °C (17 Jun 10:00) > 38.3; neutrophils 0.4 ×10⁹/L (17 Jun 05:00) < 1.0: grade 3",
    )
    assert [item.kind for item in result.evidence] == ["temperature", "neutrophils"]
    assert result.conventions == ("chart.temperature_holds", "chart.laboratory_holds")


@pytest.mark.parametrize(
    ("count", "celsius", "said"),
    [
        (
            "1.0",
            "38.5",
            "temperature 38.5 °C (17 Jun 10:00) > 38.3; neutrophils 1 ×10⁹/L (17 Jun 05:00) >= 1.0: grade 0",
        ),
        (
            "0.4",
            "37.0",
            "temperature 37.0 °C (17 Jun 10:00) < 38.0; neutrophils 0.4 ×10⁹/L (17 Jun 05:00) < 1.0: grade 0",
        ),
        (
            "0.4",
            "38.2",
            "temperature 38.2 °C (17 Jun 10:00), >= 38.0 for 0 h; neutrophils 0.4 ×10⁹/L (17 Jun 05:00) < 1.0: grade 0",
        ),
    ],
)
def test_febrile_neutropenia_says_which_half_is_not_met(count: str, celsius: str, said: str) -> None:
    result = graded("febrile_neutropenia", neutropenic(count), reading("temperature", celsius))
    assert english(result.because) == (said,)


# -- the reference case ----------------------------------------------------------------------------


def test_discharge_of_the_reference_case_is_anaemia_2_platelets_3_neutrophils_0() -> None:
    at = day(15)
    patient = chart(
        reading("hemoglobin", "9.6", at, low="12"),
        reading("platelets", "26", at, low="150"),
        reading("neutrophils", "6.7", at, low="1.8"),
        reading("white_cells", "7.6", at, low="4.0"),
    )
    found = {term: result.grade for term, result in ctcae.grades(patient, at, SITE).items()}
    assert {term: grade for term, grade in found.items() if grade is not None} == {
        "anemia": 2,
        "platelets": 3,
        "neutrophils": 0,
        "white_cells": 0,
        "febrile_neutropenia": 0,
    }


def test_the_worst_since_infusion_is_kept_beside_the_current_grade() -> None:
    registered = Chart().admit(Admission(effective=NOW - hours(400), infused=NOW - hours(300)))
    for age, value in ((310, "100"), (200, "30"), (100, "20"), (5, "60")):
        entry = Entry(effective=NOW - hours(age), source="lab", id=str(age), value=Decimal(value), low=Decimal(150))
        registered = registered.fold("platelets", entry, received=NOW)
    assert ctcae.grade("platelets", registered, NOW, SITE).grade == 2
    assert ctcae.worst("platelets", registered, NOW, SITE) == 4
    assert ctcae.worst("platelets", registered, NOW - hours(150), SITE) == 3
    assert ctcae.worst("neutrophils", registered, NOW, SITE) is None


def test_there_is_no_worst_before_the_infusion_and_a_first_one_at_it() -> None:
    infused = NOW - hours(300)
    never = Chart().admit(Admission(effective=NOW - hours(400)))
    registered = Chart().admit(Admission(effective=NOW - hours(400), infused=infused))
    entry = Entry(effective=infused - hours(1), source="lab", id="1", value=Decimal(30), low=Decimal(150))
    registered, never = (held.fold("platelets", entry, received=NOW) for held in (registered, never))
    assert ctcae.worst("platelets", registered, infused - hours(0.5), SITE) is None
    assert ctcae.worst("platelets", registered, infused, SITE) == 3
    assert ctcae.worst("platelets", never, NOW, SITE) is None


def test_a_statement_counts_towards_the_worst_of_its_own_term_alone() -> None:
    infused = NOW - hours(300)
    registered = Chart().admit(Admission(effective=NOW - hours(400), infused=infused))
    said = Entry(effective=NOW - hours(200), source="ward", id="s", code="true")
    back = Entry(effective=NOW - hours(100), source="ward", id="b", code="false")
    for entry in (said, back):
        registered = registered.fold("anemia_life_threatening", entry, received=NOW)
    assert ctcae.worst("anemia", registered, NOW, SITE) == 4
    assert ctcae.KINDS["platelets"] == ("platelets",)


@pytest.mark.parametrize(
    ("term", "cells"),
    [
        ("anemia", ["<LLN - 10.0", "<10.0 - 8.0", "<8.0", "life-threatening consequences (clinical)"]),
        ("platelets", ["<LLN - 75", "<75 - 50", "<50 - 25", "<25"]),
        ("fever", ["38.0 - 39.0", ">39.0 - 40.0", ">40.0 for <= 24 h", ">40.0 for > 24 h"]),
        ("bilirubin", [">1 - 1.5 x ULN", ">1.5 - 3 x ULN", ">3 - 10 x ULN", ">10 x ULN"]),
    ],
)
def test_the_row_of_a_term_is_shown_as_printed(term: str, cells: list[str]) -> None:
    shown = ctcae.printed(term, SITE)
    assert [cell for _, cell in sorted(shown)] == cells
    assert [grade for grade, _ in sorted(shown)] == list(range(1, 5))


def test_febrile_neutropenia_is_printed_with_its_two_grades() -> None:
    assert [grade for grade, _ in ctcae.printed("febrile_neutropenia", SITE)] == [3, 4]
