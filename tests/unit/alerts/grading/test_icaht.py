"""ICAHT against its table (Rejeski 2023), every number of days and every count from both sides."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from alerts.grading import icaht
from alerts.grading.result import Grade
from alerts.message_fields import Status
from tests.support.charts import INFUSED, SITE, Item, absent, chart, day, hours, reading
from tests.support.wording import english, in_names

LOW, VERY_LOW, ENOUGH = "0.3", "0.05", "2.0"


def anc(number: float, value: object, **fields: object) -> Item:
    return reading("neutrophils", value, day(number), **fields)  # type: ignore[arg-type]


def daily(value: object, first: int, last: int) -> tuple[Item, ...]:
    return tuple(anc(number, value) for number in range(first, last + 1))


def early(*items: Item, on: float = 31) -> Grade:
    return icaht.early(chart(*items), day(on), SITE)


def late(*items: Item, on: float = 60) -> Grade:
    return icaht.late(chart(*items), day(on), SITE)


# -- early -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "grade"), [(0, 0), (1, 1), (6, 1), (7, 2), (13, 2), (14, 3), (15, 3), (30, 3), (31, 4)]
)
def test_days_at_500_or_below_are_counted(days: int, grade: int) -> None:
    result = early(*daily(LOW, 0, days - 1), *daily(ENOUGH, days, 30))
    assert (result.grade, result.provisional, in_names(result.missing), english(result.flags)) == (grade, False, (), ())


@pytest.mark.parametrize(("days", "grade"), [(1, 1), (6, 1), (7, 3), (13, 3), (14, 4), (31, 4)])
def test_days_at_100_or_below_are_counted(days: int, grade: int) -> None:
    result = early(*daily(VERY_LOW, 0, days - 1), *daily(ENOUGH, days, 30))
    assert (result.grade, result.provisional) == (grade, False)


@pytest.mark.parametrize(("profound", "severe", "grade"), [(6, 6, 2), (6, 8, 3), (7, 0, 3), (13, 10, 3), (14, 10, 4)])
def test_the_worse_of_both_rows_holds(profound: int, severe: int, grade: int) -> None:
    low = profound + severe
    items = (*daily(VERY_LOW, 0, profound - 1), *daily(LOW, profound, low - 1), *daily(ENOUGH, low, 30))
    assert early(*items).grade == grade


@pytest.mark.parametrize(("value", "grade"), [("0.501", 0), ("0.5", 1), ("0.499", 1), ("0.1", 1), ("0", 1)])
def test_500_itself_counts(value: str, grade: int) -> None:
    assert early(anc(0, value), *daily(ENOUGH, 1, 30)).grade == grade


@pytest.mark.parametrize(("value", "grade"), [("0.101", 2), ("0.1", 3), ("0.099", 3)])
def test_100_itself_counts(value: str, grade: int) -> None:
    assert early(*daily(value, 0, 6), *daily(ENOUGH, 7, 30)).grade == grade


def test_the_result_names_its_system_cell_and_readings() -> None:
    result = early(*daily(LOW, 0, 7), on=7)
    assert (result.system, result.version, result.at) == ("ICAHT early", "EHA/EBMT 2023", day(7))
    assert english(result.because) == (
        "ANC <= 500/µL on 8 and <= 100/µL on 0 of days 0-7: grade 2 (7-13 days <= 500/µL)",
        "so far: day 30 is not reached",
    )
    assert [item.entry.effective for item in result.evidence] == [day(number) for number in range(8)]


def test_without_a_low_count_both_grades_are_0_and_say_so() -> None:
    assert english(early(*daily(ENOUGH, 0, 30)).because) == (
        "ANC <= 500/µL on 0 and <= 100/µL on 0 of days 0-30: grade 0",
    )
    assert english(late(anc(40, ENOUGH), anc(50, ENOUGH)).because)[0].endswith(": grade 0")


def test_the_grade_grows_with_the_days() -> None:
    patient = chart(*daily(VERY_LOW, 0, 30))
    found = [icaht.early(patient, day(number), SITE).grade for number in (0, 5, 6, 12, 13, 30)]
    assert found == [1, 1, 3, 3, 4, 4]


def test_never_above_500_is_said_only_when_day_30_has_its_count() -> None:
    patient = chart(*daily(LOW, 0, 30))
    assert icaht.early(patient, day(30) - hours(1), SITE).grade == 3
    assert icaht.early(patient, day(30), SITE).grade == 4
    assert english(icaht.early(patient, day(30), SITE).because)[0].endswith("grade 4 (never above 500/µL)")


def test_the_whole_window_is_not_a_grade_so_far() -> None:
    assert len(english(early(*daily(LOW, 0, 29), on=29).because)) == 2
    assert len(english(early(*daily(LOW, 0, 30), on=30).because)) == 1


def test_one_day_above_500_ends_never_above() -> None:
    assert early(*daily(LOW, 0, 14), anc(15, "0.6"), *daily(LOW, 16, 30)).grade == 3


def test_days_that_are_not_consecutive_are_counted_together_and_flagged() -> None:
    result = early(*daily(LOW, 0, 3), *daily(ENOUGH, 4, 10), *daily(LOW, 11, 13), *daily(ENOUGH, 14, 30))
    assert result.grade == 2
    assert english(result.flags) == ("the 7 days <= 500/µL are not consecutive",)


def test_the_lowest_count_of_a_day_holds() -> None:
    result = early(anc(0, "0.9"), anc(0.1, "0.4"), anc(0.2, "1.1"), *daily(ENOUGH, 1, 30))
    assert result.grade == 1
    assert result.evidence[0].entry.value == Decimal("0.4")


@pytest.mark.parametrize(
    ("values", "shown"), [(("0.4", "0"), "0"), (("0.1", "<0.1"), "<0.1"), (("<0.1", "0.1"), "<0.1")]
)
def test_the_count_that_is_shown_of_a_day_is_its_lowest(values: tuple[str, str], shown: str) -> None:
    result = early(*(anc(part, value) for part, value in zip((0, 0.1), values, strict=True)), *daily(ENOUGH, 1, 30))
    entry = result.evidence[0].entry
    assert f"{entry.comparator}{entry.value}" == shown


def test_a_day_with_a_low_and_a_very_low_count_is_very_low() -> None:
    twice = tuple(anc(number + part, value) for number in range(7) for part, value in ((0, LOW), (0.1, VERY_LOW)))
    result = early(*twice, *daily(ENOUGH, 7, 30))
    assert (result.grade, result.provisional, in_names(result.missing)) == (3, False, ())


def test_a_day_is_one_of_the_hospitals_calendar() -> None:
    before_midnight, after = datetime(2024, 6, 12, 21, 30, tzinfo=UTC), datetime(2024, 6, 12, 22, 30, tzinfo=UTC)
    rest = daily(ENOUGH, 2, 30)
    assert english(early(reading("neutrophils", LOW, before_midnight), anc(0.9, ENOUGH), *rest).because)[0].startswith(
        "ANC <= 500/µL on 1 "
    )
    assert english(early(anc(0, LOW), reading("neutrophils", LOW, after), *rest).because)[0].startswith(
        "ANC <= 500/µL on 2 "
    )


def test_days_after_30_do_not_count() -> None:
    assert early(*daily(ENOUGH, 0, 30), *daily(LOW, 31, 50), on=60).grade == 0


# -- days without a count --------------------------------------------------------------------------


def test_one_day_without_a_count_is_one_day() -> None:
    result = early(*daily(LOW, 0, 3), *daily(ENOUGH, 5, 30))
    assert english(result.flags) == ("neutrophils (1 day without a count): cannot change the grade",)


def test_a_count_before_infusion_is_evidence_only_where_day_0_has_none() -> None:
    before = anc(-1, LOW)
    with_day_0 = early(before, *daily(LOW, 0, 30))
    without = early(before, *daily(LOW, 1, 30))
    assert (len(with_day_0.evidence), len(without.evidence)) == (31, 31)
    assert before[1] in [item.entry for item in without.evidence]
    assert before[1] not in [item.entry for item in with_day_0.evidence]


def test_a_count_after_day_30_is_evidence_only_where_day_30_has_none() -> None:
    after = anc(32, LOW)
    with_day_30 = early(*daily(LOW, 0, 30), after, on=40)
    without = early(*daily(LOW, 0, 29), after, on=40)
    assert [result.evidence[-1].entry.effective for result in (with_day_30, without)] == [day(30), day(32)]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (VERY_LOW, VERY_LOW, "ANC <= 500/µL on 10 and <= 100/µL on 10 of days 0-9"),
        (LOW, LOW, "ANC <= 500/µL on 10 and <= 100/µL on 0 of days 0-9"),
        (ENOUGH, ENOUGH, "ANC <= 500/µL on 0 and <= 100/µL on 0 of days 0-9"),
        ("0.1", "0", "ANC <= 500/µL on 10 and <= 100/µL on 10 of days 0-9"),
        ("0.5", "0.11", "ANC <= 500/µL on 10 and <= 100/µL on 0 of days 0-9"),
        ("0.51", "9", "ANC <= 500/µL on 0 and <= 100/µL on 0 of days 0-9"),
    ],
)
def test_days_between_two_counts_of_one_band_are_filled(before: str, after: str, said: str) -> None:
    result = early(anc(0, before), anc(9, after), on=9)
    assert english(result.because)[0].startswith(said)
    assert (result.provisional, in_names(result.missing)) == (False, ())
    assert english(result.because)[1] == "of 8 days without a count both neighbours are in one band"


def test_days_between_two_low_counts_of_which_one_is_very_low_are_at_500_or_below() -> None:
    result = early(*daily(VERY_LOW, 0, 5), anc(8, LOW), on=8)
    assert (result.grade, result.provisional) == (2, True)
    assert english(result.because)[0].startswith("ANC <= 500/µL on 9 and <= 100/µL on 6 of days 0-8: at least grade 2")
    assert in_names(result.missing) == ("neutrophils (2 days without a count)",)


@pytest.mark.parametrize(("before", "after"), [(LOW, ENOUGH), (ENOUGH, LOW), (VERY_LOW, ENOUGH)])
def test_days_between_counts_of_different_bands_are_unknown_and_said_so(before: str, after: str) -> None:
    result = early(anc(0, before), anc(9, after), on=9)
    assert (result.grade, result.provisional) == (1, True)
    assert in_names(result.missing) == ("neutrophils (8 days without a count)",)
    assert "at least grade 1 (1-6 days <= 500/µL), could be 3" in english(result.because)[0]


def test_unknown_days_that_cannot_change_the_grade_are_only_flagged() -> None:
    result = early(anc(0, LOW), anc(4, ENOUGH), on=4)
    assert (result.grade, result.provisional, in_names(result.missing)) == (1, False, ())
    assert english(result.flags) == ("neutrophils (3 days without a count): cannot change the grade",)


def test_days_after_the_last_count_are_unknown() -> None:
    result = early(*daily(LOW, 0, 4), on=8)
    assert (result.grade, result.provisional) == (1, True)
    assert in_names(result.missing) == ("neutrophils (3 days without a count)",)


def test_today_is_not_unknown_while_it_has_no_count() -> None:
    result = early(*daily(ENOUGH, 0, 7), on=8)
    assert (result.grade, result.provisional, in_names(result.missing)) == (0, False, ())


def test_unknown_days_without_any_low_day_leave_it_undetermined() -> None:
    result = early(*daily(ENOUGH, 0, 5), on=8)
    assert (result.grade, result.provisional) == (None, False)
    assert in_names(result.missing) == ("neutrophils (2 days without a count)",)
    assert "grade unknown, could be up to 1" in english(result.because)[0]


def test_only_the_nearest_counts_on_either_side_are_neighbours() -> None:
    result = early(anc(0, ENOUGH), anc(1, LOW), anc(3, LOW), anc(4, ENOUGH), on=4)
    assert english(result.because)[0].startswith("ANC <= 500/µL on 3 ")
    assert english(result.flags) == ()


def test_neighbours_may_lie_outside_the_window() -> None:
    outside = (anc(-3, ENOUGH), anc(-1, LOW), anc(32, LOW), anc(35, ENOUGH))
    result = early(*outside, *daily(LOW, 1, 29), on=40)
    assert (result.grade, result.provisional) == (4, False)
    assert (result.evidence[0].entry.effective, result.evidence[-1].entry.effective) == (day(-1), day(32))


def test_a_count_of_the_future_fills_nothing() -> None:
    result = early(*daily(LOW, 0, 4), anc(9, LOW), on=8)
    assert (result.grade, result.provisional) == (1, True)


def test_a_count_that_was_not_done_fills_nothing() -> None:
    result = early(*daily(ENOUGH, 0, 5), absent("neutrophils", "clotted", day(6)), on=8)
    assert in_names(result.missing) == ("neutrophils (2 days without a count)",)


# -- early: bounds, preliminary, missing -----------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "grade", "provisional"),
    [
        ("<0.1", 3, False),
        ("<=0.1", 3, False),
        ("<0.5", 2, True),
        ("<=0.5", 2, True),
        ("<0.6", None, False),
        (">0.1", None, False),
        (">0.5", 0, False),
        (">=0.5", None, False),
    ],
)
def test_bounds_decide_as_far_as_they_go(value: str, grade: int | None, provisional: bool) -> None:
    result = early(*daily(value, 0, 6), *daily(ENOUGH, 7, 30))
    assert (result.grade, result.provisional) == (grade, provisional)
    open_ = provisional or grade is None
    assert in_names(result.missing) == (("neutrophils (7 days with only a bound)",) if open_ else ())


def test_of_a_bound_and_a_number_of_one_day_the_one_that_decides_holds() -> None:
    result = early(anc(0, "<0.6"), anc(0.1, "0.4"), *daily(ENOUGH, 1, 30))
    assert (result.grade, result.provisional) == (1, False)


def test_a_preliminary_count_gives_a_provisional_grade() -> None:
    result = early(anc(0, LOW, status=Status.PRELIMINARY), *daily(ENOUGH, 1, 30))
    assert (result.grade, result.provisional, english(result.flags)) == (1, True, ("provisional result",))


def test_without_an_infusion_date_nothing_is_counted() -> None:
    patient = chart(*daily(LOW, 0, 30), infused=None)
    for result in (icaht.early(patient, day(30), SITE), icaht.late(patient, day(60), SITE)):
        assert (result.grade, in_names(result.missing)) == (None, ("infusion date",))


@pytest.mark.parametrize(
    ("items", "on"), [((), 9), ((anc(-3, LOW),), 9), ((anc(-3, LOW),), -1), ((anc(-1, LOW), anc(33, LOW)), 40)]
)
def test_without_a_count_in_the_window_it_is_undetermined(items: tuple[Item, ...], on: int) -> None:
    result = early(*items, on=on)
    assert (result.grade, in_names(result.missing)) == (None, ("neutrophils from day 0 on",))


def test_day_0_counts_from_the_first_hour_of_the_day_of_infusion() -> None:
    result = icaht.early(chart(reading("neutrophils", LOW, INFUSED - hours(4))), INFUSED, SITE)
    assert result.grade == 1


# -- late ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "grade"),
    [
        ("1.501", 0),
        ("1.5", 1),
        ("1.001", 1),
        ("1.0", 2),
        ("0.501", 2),
        ("0.5", 3),
        ("0.101", 3),
        ("0.1", 4),
        ("0", 4),
        ("<0.1", 4),
        ("<=0.5", 3),
    ],
)
def test_each_late_band_ends_where_it_is_printed(value: str, grade: int) -> None:
    result = late(anc(31, value), anc(45, value))
    assert result.grade == grade


@pytest.mark.parametrize(
    ("values", "grade"),
    [
        (("0.3", "2.0"), 0),
        (("0.3", "1.4"), 1),
        (("0.05", "0.9", "2.0"), 2),
        (("0.05", "0.4", "0.9"), 3),
        (("0.05", "3.0", "0.08", "3.0"), 4),
    ],
)
def test_late_is_the_worst_level_that_two_counts_have_reached(values: tuple[str, ...], grade: int) -> None:
    result = late(*(anc(31 + 3 * place, value) for place, value in enumerate(values)))
    assert (result.grade, result.provisional, in_names(result.missing)) == (grade, False, ())


def test_the_late_result_names_its_cell_and_both_counts() -> None:
    result = late(anc(35, "0.9"), anc(40, "2.5"), anc(50, "0.7"))
    assert (result.system, result.version, result.at) == ("ICAHT late", "EHA/EBMT 2023", day(60))
    assert english(result.because) == (
        "the two lowest since day 31, neutrophils 0.7 ×10⁹/L (01 Aug 10:00) and "
        "neutrophils 0.9 ×10⁹/L (17 Jul 10:00): grade 2 (<= 1000/µL)",
    )
    assert [item.entry.effective for item in result.evidence] == [day(50), day(35)]


def test_late_begins_after_day_30() -> None:
    result = late(anc(29, "0.3"), anc(30, "0.3"), anc(31, "0.3"))
    assert (result.grade, in_names(result.missing)) == (None, ("a second count",))
    assert [item.entry.effective for item in result.evidence] == [day(31)]
    assert late(anc(30, "0.3"), anc(31, "0.3"), anc(32, "0.3")).grade == 3


def test_before_day_31_there_is_no_late_grade() -> None:
    result = late(*daily(LOW, 0, 12), on=12)
    assert (result.grade, in_names(result.missing)) == (None, ("neutrophils after day 30",))
    assert english(result.because) == ("no count after day 30, this is day 12",)


def test_two_reports_of_one_time_are_one_count() -> None:
    result = late(anc(35, "0.3", source="lab"), anc(35, "0.3", source="analyser"))
    assert (result.grade, in_names(result.missing)) == (None, ("a second count",))


@pytest.mark.parametrize(
    ("values", "grade", "provisional"),
    [
        (("<1.5", "<1.5"), 1, True),
        (("<0.5", "<0.5"), 3, True),
        (("<0.5", "0.4"), 3, False),
        (("<0.5", "0.05"), 3, True),
        (("<2", "0.3"), None, False),
        ((">1.5", "0.3"), 0, False),
    ],
)
def test_late_bounds_decide_as_far_as_they_go(values: tuple[str, ...], grade: int | None, provisional: bool) -> None:
    result = late(*(anc(31 + place, value) for place, value in enumerate(values)))
    assert (result.grade, result.provisional) == (grade, provisional)
    bound = next(value for value in values if value[0] in "<>")
    open_ = provisional or grade is None
    assert in_names(result.missing) == ((f"neutrophils (only a bound: {bound} ×10⁹/L)",) if open_ else ())


def test_a_preliminary_late_count_gives_a_provisional_grade() -> None:
    result = late(anc(35, "0.9"), anc(40, "0.9", status=Status.PRELIMINARY))
    assert (result.grade, result.provisional, english(result.flags)) == (2, True, ("provisional result",))
