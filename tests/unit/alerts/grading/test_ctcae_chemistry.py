"""CTCAE chemistry and coagulation, every boundary from both sides."""

from decimal import Decimal

import pytest

from alerts.grading import ctcae
from alerts.grading.result import Grade
from alerts.message_fields import Status
from tests.support.charts import NOW, SITE, Item, absent, chart, day, hours, reading, statement
from tests.support.wording import english, in_names

CONVENTIONS = ("chart.laboratory_holds", "chart.baseline_window")


def graded(term: str, *items: Item) -> Grade:
    return ctcae.grade(term, chart(*items), NOW, SITE)


def fibrinogen(value: object, baseline: object = None, **fields: object) -> Grade:
    before = () if baseline is None else (reading("fibrinogen", baseline, day(-2)),)
    return graded("fibrinogen", *before, reading("fibrinogen", value, **{"low": 200, **fields}))  # type: ignore[arg-type]


def high(term: str, value: object, baseline: object = None, limit: object = None, **fields: object) -> Grade:
    before = () if baseline is None else (reading(term, baseline, day(-2)),)
    return graded(term, *before, reading(term, value, high=limit, **fields))  # type: ignore[arg-type]


# -- fibrinogen ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "grade"),
    [
        ("350", 0),
        ("200", 0),
        ("199", 1),
        ("150", 1),
        ("149.9", 2),
        ("100", 2),
        ("99.9", 3),
        ("50", 3),
        ("49.9", 4),
        ("0", 4),
    ],
)
def test_fibrinogen_is_read_against_the_lower_limit(value: str, grade: int) -> None:
    result = fibrinogen(value, baseline=300)
    assert (result.grade, result.provisional, in_names(result.missing)) == (grade, False, ())


@pytest.mark.parametrize(("value", "grade"), [("100", 3), ("99.9", 4), ("75", 4), ("50", 4), ("49.9", 4)])
def test_a_quarter_of_a_high_limit_is_reached_before_50(value: str, grade: int) -> None:
    assert fibrinogen(value, low=400).grade == grade


@pytest.mark.parametrize(("value", "grade"), [("50", 2), ("49.9", 4)])
def test_below_50_is_grade_4_whatever_the_limit(value: str, grade: int) -> None:
    result = fibrinogen(value, low=80)
    assert result.grade == grade


def test_below_50_the_cell_that_is_reached_is_named() -> None:
    assert english(fibrinogen("49", low=80).because)[0].endswith("grade 4 (< 50 mg/dL)")


@pytest.mark.parametrize(
    ("value", "grade"),
    [
        ("210", 0),
        ("180", 0),
        ("160", 0),
        ("159", 1),
        ("120.1", 1),
        ("120", 2),
        ("80.1", 2),
        ("80", 3),
        ("50", 3),
        ("49.9", 4),
    ],
)
def test_after_an_abnormal_baseline_the_fall_from_it_counts(value: str, grade: int) -> None:
    result = fibrinogen(value, baseline=160)
    assert (result.grade, result.provisional) == (grade, False)
    assert result.conventions == CONVENTIONS


@pytest.mark.parametrize(("value", "grade"), [("60.1", 3), ("60", 4), ("55", 4)])
def test_a_fall_by_three_quarters_is_grade_4(value: str, grade: int) -> None:
    assert fibrinogen(value, baseline=240, low=250).grade == grade


def test_the_baseline_is_said() -> None:
    assert english(fibrinogen("110", baseline=160).because) == (
        "fibrinogen 110 mg/dL (17 Jun 10:00): grade 2 (25 - <50 % fall from baseline); "
        "baseline 160 mg/dL, the median of the 14 d before infusion",
    )


@pytest.mark.parametrize(
    ("baseline", "value", "grade"), [("200", "150", 1), ("200", "149.5", 2), ("199", "149.5", 1), ("199", "149", 2)]
)
def test_a_baseline_at_the_limit_is_normal_and_one_below_it_is_not(baseline: str, value: str, grade: int) -> None:
    assert fibrinogen(value, baseline=baseline).grade == grade


def test_without_a_baseline_it_is_taken_as_normal_and_flagged() -> None:
    result = fibrinogen("140")
    assert (result.grade, result.conventions) == (2, ("chart.laboratory_holds",))
    assert english(result.flags) == ("no baseline from before infusion: counted as normal",)
    assert english(fibrinogen("240").flags) == ()


@pytest.mark.parametrize("baseline", [None, 160])
def test_without_the_limit_only_below_50_decides(baseline: int | None) -> None:
    assert fibrinogen("49", baseline=baseline, low=None).grade == 4
    result = fibrinogen("60", baseline=baseline, low=None)
    assert (result.grade, result.provisional) == (None, False)
    assert in_names(result.missing) == ("fibrinogen: lower reference limit",)


@pytest.mark.parametrize(
    ("value", "grade", "provisional"),
    [
        ("<50", 4, False),
        ("<=50", 3, True),
        ("<60", 3, True),
        ("<150", 2, True),
        ("<300", None, False),
        (">=200", 0, False),
        (">120", None, False),
    ],
)
def test_a_bound_of_fibrinogen_decides_as_far_as_it_goes(value: str, grade: int | None, provisional: bool) -> None:
    result = fibrinogen(value)
    assert (result.grade, result.provisional) == (grade, provisional)


# -- transaminases ---------------------------------------------------------------------------------


@pytest.mark.parametrize("term", ["alt", "ast"])
@pytest.mark.parametrize(
    ("value", "grade"),
    [
        ("0", 0),
        ("40", 0),
        ("40.1", 1),
        ("120", 1),
        ("120.1", 2),
        ("200", 2),
        ("200.1", 3),
        ("800", 3),
        ("800.1", 4),
        ("20000", 4),
    ],
)
def test_transaminases_are_read_against_the_upper_limit(term: str, value: str, grade: int) -> None:
    result = high(term, value, baseline=30, limit=40)
    assert (result.grade, result.provisional, in_names(result.missing)) == (grade, False, ())


@pytest.mark.parametrize("term", ["alt", "ast"])
@pytest.mark.parametrize(
    ("value", "grade"),
    [
        ("60", 0),
        ("100", 0),
        ("149.9", 0),
        ("150", 1),
        ("300", 1),
        ("300.1", 2),
        ("500", 2),
        ("500.1", 3),
        ("2000", 3),
        ("2000.1", 4),
    ],
)
def test_after_an_abnormal_baseline_its_multiples_count(term: str, value: str, grade: int) -> None:
    result = high(term, value, baseline=100, limit=40)
    assert (result.grade, result.provisional) == (grade, False)
    assert result.conventions == CONVENTIONS


def test_a_baseline_at_the_upper_limit_is_normal() -> None:
    assert high("alt", 55, baseline=40, limit=40).grade == 1
    assert high("alt", 55, baseline="40.1", limit=40).grade == 0


def test_the_multiple_of_the_baseline_is_said() -> None:
    assert english(high("alt", 350, baseline=100, limit=40).because) == (
        "ALT 350 U/L (17 Jun 10:00): grade 2 (>3 - 5 x baseline); "
        "baseline 100 U/L, the median of the 14 d before infusion",
    )


def test_a_transaminase_without_a_baseline_is_flagged_only_where_it_is_high() -> None:
    assert english(high("ast", 130, limit=40).flags) == ("no baseline from before infusion: counted as normal",)
    assert english(high("ast", 30, limit=40).flags) == ()


@pytest.mark.parametrize("baseline", [None, 100])
def test_a_transaminase_without_its_limit_is_undetermined(baseline: int | None) -> None:
    result = high("alt", 900, baseline=baseline)
    assert (result.grade, in_names(result.missing)) == (None, ("alt: upper reference limit",))


@pytest.mark.parametrize(
    ("before", "grade"),
    [
        (((-3, 40),), 0),
        (((-3, 100),), None),
        (((-3, 99),), 0),
        (((-3, 40), (-2, None)), 0),
        (((-3, 120), (-2, 40)), 0),
        (((-3, 40), (-2, 120)), None),
        (((-14, 40), (-2, None)), 0),
        (((-14.1, 40), (-2, None)), None),
        (((-2, None), (0, 40)), None),
    ],
    ids=[
        "its own limit",
        "at its limit",
        "just above its limit",
        "the last limit that came",
        "the last was passed",
        "the last was not passed",
        "at the beginning of the window",
        "before the window",
        "with the infusion",
    ],
)
def test_a_result_without_its_limit_is_read_by_that_of_the_baseline(
    before: tuple[tuple[float, int | None], ...], grade: int | None
) -> None:
    """The baseline is 100; 130 is 1.3 times that, and above every limit."""
    result = graded("alt", *(reading("alt", 100, day(at), high=limit) for at, limit in before), reading("alt", 130))
    assert result.grade == grade
    assert in_names(result.missing) == (() if grade == 0 else ("alt: upper reference limit",))


def test_the_result_of_before_infusion_by_whose_limit_the_baseline_is_abnormal_is_shown() -> None:
    limited = reading("alt", 100, day(-3), high=40)
    items = (limited, reading("alt", 100, day(-2)))
    assert [item.entry.effective for item in graded("alt", *items, reading("alt", 350)).evidence] == [NOW, day(-3)]
    by_its_own = graded("alt", *items, reading("alt", 350, high=40))
    assert [item.entry.effective for item in by_its_own.evidence] == [NOW]
    assert (by_its_own.grade, in_names(by_its_own.missing)) == (2, ())


def test_fibrinogen_without_its_limit_is_read_by_that_of_the_baseline() -> None:
    before = reading("fibrinogen", 160, day(-2), low=200)
    assert graded("fibrinogen", before, reading("fibrinogen", 110)).grade == 2


def test_before_infusion_there_is_no_baseline_yet() -> None:
    patient = chart(reading("alt", 100, day(-3), high=40), reading("alt", 130, day(-1), high=40))
    assert ctcae.grade("alt", patient, day(-1), SITE).grade == 2
    assert ctcae.grade("alt", patient, day(0), SITE).grade == 0


def test_without_a_time_of_infusion_there_is_no_baseline() -> None:
    patient = chart(reading("alt", 100, day(-3), high=40), reading("alt", 130, high=40), infused=None)
    assert ctcae.grade("alt", patient, NOW, SITE).grade == 2


@pytest.mark.parametrize(
    ("value", "grade", "provisional"),
    [
        (">800", 4, False),
        (">=800", 3, True),
        (">300", 3, True),
        ("<=40", 0, False),
        ("<41", None, False),
        (">10", None, False),
    ],
)
def test_a_bound_of_a_transaminase_decides_as_far_as_it_goes(value: str, grade: int | None, provisional: bool) -> None:
    result = high("ast", value, limit=40)
    assert (result.grade, result.provisional) == (grade, provisional)


# -- creatinine ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "grade"),
    [
        ("0.8", 0),
        ("1.2", 0),
        ("1.21", 1),
        ("1.8", 1),
        ("1.81", 2),
        ("3.6", 2),
        ("3.61", 3),
        ("7.2", 3),
        ("7.21", 4),
    ],
)
def test_creatinine_is_read_against_the_upper_limit(value: str, grade: int) -> None:
    result = high("creatinine", value, baseline="9", limit="1.2")
    assert (result.grade, result.provisional, in_names(result.missing)) == (grade, False, ())


@pytest.mark.parametrize(
    ("value", "grade"),
    [("0.6", 0), ("0.9", 0), ("0.91", 2), ("1.2", 2), ("1.8", 2), ("1.81", 3), ("3.7", 3), ("7.3", 4)],
)
def test_the_multiple_of_a_normal_baseline_counts_where_it_is_worse(value: str, grade: int) -> None:
    result = high("creatinine", value, baseline="0.6", limit="1.2")
    assert (result.grade, result.provisional) == (grade, False)
    assert result.conventions == CONVENTIONS


@pytest.mark.parametrize(("value", "grade"), [("2.0", 2), ("3.0", 2), ("3.7", 3)])
def test_the_multiple_of_the_limit_counts_where_the_baseline_was_high(value: str, grade: int) -> None:
    assert high("creatinine", value, baseline="2.0", limit="1.2").grade == grade


def test_the_cell_that_is_reached_is_named() -> None:
    result = high("creatinine", "1.1", baseline="0.5", limit="1.2")
    assert english(result.because) == (
        "creatinine 1.1 mg/dL (17 Jun 10:00): grade 2 (>1.5 - 3 x baseline); "
        "baseline 0.5 mg/dL, the median of the 14 d before infusion",
    )
    assert english(result.flags) == ("within the laboratory's own limits (up to 1.2): the printed band decides",)
    assert "grade 2 (>1.5 - 3 x ULN)" in english(high("creatinine", "2.4", baseline="2.0", limit="1.2").because)[0]


@pytest.mark.parametrize(
    ("value", "grade", "provisional"),
    [("1.0", None, False), ("1.5", None, False), ("1.51", 2, True), ("3.01", 3, True)],
)
def test_without_the_limit_the_baseline_gives_at_least_a_grade(
    value: str, grade: int | None, provisional: bool
) -> None:
    result = high("creatinine", value, baseline="1.0")
    assert (result.grade, result.provisional) == (grade, provisional)
    assert in_names(result.missing) == ("creatinine: upper reference limit",)


@pytest.mark.parametrize(("micromol", "grade"), [(84, 0), (85, 2), (168, 2), (169, 3)])
def test_a_multiple_of_a_baseline_that_was_converted_is_met_exactly(micromol: int, grade: int) -> None:
    """84 umol/L is 1.5 times 56 umol/L, though in mg/dL it is a last digit more."""
    of_mg = Decimal("88.4")
    assert high("creatinine", micromol / of_mg, baseline=56 / of_mg, limit="2").grade == grade


def test_without_baseline_and_limit_creatinine_is_undetermined() -> None:
    result = high("creatinine", "9")
    assert (result.grade, in_names(result.missing)) == (None, ("creatinine: upper reference limit",))


@pytest.mark.parametrize(
    ("value", "grade", "flagged"),
    [("1.0", 0, True), ("1.3", 1, True), ("2.0", 2, True), ("4.0", 3, False), ("8", 4, False)],
)
def test_without_a_baseline_the_limit_decides_and_it_is_flagged_while_the_baseline_could_say_worse(
    value: str, grade: int, flagged: bool
) -> None:
    result = high("creatinine", value, limit="1.2")
    assert (result.grade, result.provisional, in_names(result.missing)) == (grade, False, ())
    assert english(result.flags) == (
        ("no baseline from before infusion: only the multiples of the limit are read",) if flagged else ()
    )


# -- bilirubin -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "grade"),
    [
        ("0.5", 0),
        ("1.0", 0),
        ("1.01", 1),
        ("1.5", 1),
        ("1.51", 2),
        ("3.0", 2),
        ("3.01", 3),
        ("10", 3),
        ("10.01", 4),
    ],
)
def test_bilirubin_is_read_against_the_upper_limit(value: str, grade: int) -> None:
    result = high("bilirubin", value, limit="1.0")
    assert (result.grade, result.provisional, in_names(result.missing), english(result.flags)) == (grade, False, (), ())


def test_bilirubin_does_not_look_at_the_baseline() -> None:
    assert high("bilirubin", "2.0", baseline="2.0", limit="1.0").grade == 2


def test_bilirubin_without_its_limit_is_undetermined() -> None:
    assert in_names(high("bilirubin", "20").missing) == ("bilirubin: upper reference limit",)


# -- INR -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "grade"),
    [("0.9", 0), ("1.2", 0), ("1.21", 1), ("1.5", 1), ("1.51", 2), ("2.5", 2), ("2.51", 3), ("9", 3), (">2.5", 3)],
)
def test_inr_is_graded_by_the_printed_numbers(value: str, grade: int) -> None:
    result = graded("inr", reading("inr", value))
    assert (result.grade, result.provisional, in_names(result.missing)) == (grade, False, ())


def test_inr_of_grade_0_has_no_limit_to_cite() -> None:
    assert english(graded("inr", reading("inr", "1.2")).because) == ("INR 1.2 (17 Jun 10:00): grade 0",)


@pytest.mark.parametrize("items", [(), (reading("inr", "3.0"),)])
def test_inr_under_an_anticoagulant_is_not_graded(items: tuple[Item, ...]) -> None:
    result = graded("inr", statement("anticoagulated", at=NOW - hours(100)), *items)
    assert (result.grade, result.provisional, in_names(result.missing)) == (None, False, ())
    assert english(result.flags) == ("anticoagulated: not graded",)
    assert [item.kind for item in result.evidence] == ["anticoagulated", *(name for name, _ in items)]


def test_inr_is_graded_again_once_the_anticoagulant_is_stopped() -> None:
    items = (statement("anticoagulated", True, NOW - hours(5)), statement("anticoagulated", False, NOW - hours(2)))
    assert graded("inr", *items, reading("inr", "1.6")).grade == 2


# -- what holds for all ----------------------------------------------------------------------------


TERMS = ("fibrinogen", "alt", "ast", "creatinine", "bilirubin", "inr")


@pytest.mark.parametrize("term", TERMS)
def test_a_value_never_charted_is_undetermined(term: str) -> None:
    result = graded(term)
    assert (result.grade, in_names(result.missing), result.evidence) == (None, (term,), ())


@pytest.mark.parametrize("term", TERMS)
def test_a_value_holds_for_as_long_as_the_site_says(term: str) -> None:
    old = reading(term, 1, NOW - hours(168), low=0, high=1)
    assert graded(term, old).grade is not None
    older = reading(term, 1, NOW - hours(168.1), low=0, high=1)
    result = graded(term, older)
    assert result.grade is None
    assert in_names(result.missing)[0].startswith(f"{term} (last 10 Jun 09:54, more than 7 d ago")


@pytest.mark.parametrize("term", TERMS)
def test_a_preliminary_value_gives_a_provisional_grade(term: str) -> None:
    result = graded(term, reading(term, 1000, low=2000, high=1, status=Status.PRELIMINARY))
    assert result.grade
    assert result.provisional
    assert "provisional result" in english(result.flags)


@pytest.mark.parametrize("term", TERMS)
def test_a_specimen_that_could_not_be_used_leaves_the_value_before_it_and_is_flagged(term: str) -> None:
    result = graded(term, reading(term, 1, NOW - hours(6), low=0, high=1), absent(term, "haemolysed"))
    assert result.grade is not None
    assert any("not done: haemolysed; the value before it is used" in flag for flag in english(result.flags))


@pytest.mark.parametrize("term", TERMS)
def test_the_result_names_its_system_version_and_reading(term: str) -> None:
    result = graded(term, reading(term, 1, low=0, high=1))
    assert (result.system, result.version, result.at) == (f"CTCAE {term}", "CTCAE v5.0", NOW)
    assert [item.kind for item in result.evidence] == [term]
