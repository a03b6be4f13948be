"""What a CRS grade says besides its number: its reasons, evidence, gaps and conventions; and the course it rests on."""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from alerts.grading import crs
from alerts.grading.crs import CrsCourse
from alerts.grading.result import Grade
from tests.support.charts import NOW, SITE, Item, absent, chart, day, dose, hours, reading, statement
from tests.support.wording import english, in_names

MINUTE = timedelta(minutes=1)


def vitals(at: datetime = NOW, *, celsius: object = "38.5", systolic: object = 120, spo2: object = 97) -> list[Item]:
    return [reading("temperature", celsius, at), reading("systolic_bp", systolic, at), reading("spo2", spo2, at)]


def graded(*items: Item, at: datetime = NOW) -> Grade:
    return crs.grade(chart(*items), at, SITE)


def course(*items: Item, at: datetime = NOW) -> CrsCourse:
    return crs.course(chart(*items), at, SITE)


def patch(celsius: object, at: datetime = NOW) -> Item:
    kind, entry = reading("temperature", celsius, at)
    return kind, replace(entry, by="patch")


def kinds(result: Grade) -> list[str]:
    return [item.kind for item in result.evidence]


# -- reasons and evidence --------------------------------------------------------------------------


def test_fever_alone_is_its_own_reason_and_all_three_signs_are_evidence() -> None:
    result = graded(*vitals())
    assert (result.grade, result.provisional, in_names(result.missing), english(result.flags)) == (1, False, (), ())
    assert english(result.because) == ("fever 38.5 °C (>= 38.0)",)
    assert kinds(result) == ["temperature", "systolic_bp", "spo2"]
    assert result.rows == ("fever",)


def test_fever_stands_before_the_axis_that_decides() -> None:
    result = graded(*vitals(), reading("oxygen_device", "face_mask"))
    assert english(result.because) == ("fever 38.5 °C (>= 38.0)", "oxygen by face mask: grade 3")
    assert result.rows == ("fever", "hypoxia")
    assert kinds(result) == ["temperature", "systolic_bp", "oxygen_device"]


def test_two_axes_of_one_grade_both_decide() -> None:
    items = (*vitals(), dose("norepinephrine", NOW, "started"), reading("oxygen_device", "face_mask"))
    result = graded(*items)
    assert (result.grade, result.rows) == (3, ("fever", "hypotension", "hypoxia"))
    assert english(result.because)[1:] == (
        "hypotension with one vasopressor: grade 3 (norepinephrine)",
        "oxygen by face mask: grade 3",
    )


def test_without_fever_the_reason_is_the_temperature() -> None:
    result = graded(*vitals(celsius="37.9"))
    assert (result.grade, english(result.because), result.rows) == (0, ("no fever (37.9 °C < 38.0)",), ())
    assert kinds(result) == ["temperature"]


def test_hypotension_and_hypoxia_without_fever_are_remarked() -> None:
    result = graded(*vitals(celsius="37.0", systolic=80, spo2=85))
    assert (result.grade, result.provisional) == (0, False)
    assert english(result.flags) == (
        "hypotension without fever: not CRS by the table",
        "hypoxia without fever: not CRS by the table",
    )


def test_without_a_temperature_it_says_that_fever_is_required() -> None:
    result = graded(reading("systolic_bp", 80), reading("spo2", 97))
    assert (result.grade, in_names(result.missing)) == (None, ("temperature",))
    assert english(result.because) == ("no temperature charted, and fever is required",)


def test_fever_by_another_cause_is_said_and_names_the_convention() -> None:
    result = graded(*vitals(), statement("fever_other_cause"))
    assert english(result.because) == ("fever attributed to another cause",)
    assert (english(result.flags)[0], result.conventions) == (
        "fever attributed to another cause",
        ("crs.other_cause_holds",),
    )
    assert kinds(result) == ["fever_other_cause", "temperature"]


def test_another_cause_is_not_said_where_there_is_no_fever() -> None:
    assert english(graded(*vitals(celsius="37.0"), statement("fever_other_cause")).flags) == ()


def test_death_rests_on_its_statement() -> None:
    result = graded(*vitals(), statement("died_of_crs"))
    assert (result.grade, english(result.because), kinds(result)) == (
        5,
        ("death due to CRS: grade 5",),
        ["died_of_crs"],
    )
    assert graded(*vitals(), statement("died_of_crs", False)).grade == 1


# -- gaps ------------------------------------------------------------------------------------------


def test_fever_without_the_other_signs_is_provisional_and_names_both() -> None:
    result = graded(reading("temperature", "38.5"))
    assert (result.grade, result.provisional, in_names(result.missing)) == (1, True, ("systolic_bp", "spo2"))


def test_an_observed_low_pressure_names_the_support_that_is_not_charted() -> None:
    result = graded(*vitals(systolic=85))
    assert (result.grade, result.provisional, in_names(result.missing)) == (2, True, ("vasopressor",))


def test_a_charted_support_is_not_made_provisional_by_a_lower_axis() -> None:
    result = graded(*vitals(systolic=85), reading("oxygen_device", "face_mask"))
    assert (result.grade, result.provisional, in_names(result.missing)) == (3, False, ())


def test_a_waived_fever_without_the_other_signs_is_undetermined() -> None:
    treated = (*vitals(NOW - hours(40), celsius="39"), dose("tocilizumab", NOW - hours(39)))
    result = graded(*treated, reading("temperature", "36.8"))
    assert (result.grade, result.provisional) == (None, False)
    assert in_names(result.missing) == ("systolic_bp", "spo2")
    assert english(result.because) == (
        "no fever (36.8 °C < 38.0)",
        "fever not required: treated after CRS was diagnosed",
    )
    assert result.rows == ()


def test_a_waiver_is_said_and_names_its_convention_only_where_there_is_no_fever() -> None:
    treated = (*vitals(NOW - hours(10), celsius="39"), dose("tocilizumab", NOW - hours(9)))
    waived = graded(*treated, *vitals(celsius="36.8", systolic=85))
    said = "fever not required: treated after CRS was diagnosed"
    assert (english(waived.because)[-1], "crs.waiver_tail" in waived.conventions) == (said, True)
    febrile = graded(*treated, *vitals(systolic=85))
    assert (said in english(febrile.because), "crs.waiver_tail" in febrile.conventions) == (False, False)


def test_a_temperature_without_a_value_or_too_old_is_none() -> None:
    assert graded(absent("temperature", "refused")).grade is None
    assert graded(*vitals(NOW - hours(24))).grade == 1
    assert graded(*vitals(NOW - hours(24) - MINUTE)).grade is None


def test_a_grade_is_read_at_the_time_that_is_asked_for_not_at_that_of_the_last_signs() -> None:
    stay = chart(*vitals(NOW - hours(30)), *vitals(NOW - hours(25)))
    assert crs.grade(stay, NOW - hours(25), SITE).grade == 1
    assert crs.grade(stay, NOW, SITE).grade is None


def test_a_temperature_that_is_only_a_bound_leaves_fever_open() -> None:
    result = graded(reading("temperature", "<39"))
    assert (result.grade, in_names(result.missing), kinds(result)) == (None, ("temperature",), ["temperature"])


def test_the_latest_temperature_decides_whether_fever_is_open() -> None:
    assert graded(reading("temperature", 37, NOW - hours(1)), reading("temperature", "<39")).grade is None
    assert graded(reading("temperature", "<39", NOW - hours(1)), reading("temperature", 37)).grade == 0


# -- conventions -----------------------------------------------------------------------------------


def test_a_grade_by_a_vasopressor_names_no_convention_of_a_saturation_that_decided_nothing() -> None:
    result = graded(*vitals(), dose("norepinephrine", NOW - hours(1), "started"))
    assert (result.grade, result.conventions) == (3, ())


def test_a_row_that_has_something_to_say_names_its_convention_though_it_does_not_decide() -> None:
    result = graded(*vitals(), reading("oxygen_device", "face_mask"), statement("hypotension_other_cause"))
    assert (result.grade, "crs.other_cause_holds" in result.conventions) == (3, True)


@pytest.mark.parametrize(
    ("kind", "value", "convention"),
    [
        ("temperature", "38.5", "chart.temperature_holds"),
        ("systolic_bp", 84, "chart.vitals_hold"),
        ("mean_bp", 60, "chart.vitals_hold"),
        ("spo2", 89, "chart.vitals_hold"),
        ("oxygen_device", "face_mask", "chart.oxygen_holds"),
        ("hypotension", None, "chart.vitals_hold"),
        ("hypoxia", None, "chart.vitals_hold"),
    ],
)
@pytest.mark.parametrize(("age", "named"), [(15 * MINUTE, False), (16 * MINUTE, True)])
def test_an_old_reading_that_decides_names_how_long_it_holds(
    kind: str, value: object, convention: str, age: timedelta, named: bool
) -> None:
    at = NOW - age
    item = statement(kind, at=at) if value is None else reading(kind, value, at)
    instead = {kind, "systolic_bp"} if kind == "mean_bp" else {kind}
    others = [other for other in vitals() if other[0] not in instead]
    result = graded(item, *others)
    assert (result.grade or 0) >= 1
    assert (convention in result.conventions) is named


def test_a_severe_pressure_of_a_cuff_names_by_what_it_counted_at_once() -> None:
    kind, entry = reading("systolic_bp", 78)
    closed = (
        *vitals(day(3)),
        dose("tocilizumab", day(3) + hours(1)),
        *vitals(day(3) + hours(6), celsius="36.8"),
        *vitals(day(3) + hours(12), celsius="36.8"),
    )
    result = graded(*closed, reading("temperature", "36.8"), reading("spo2", 97), (kind, replace(entry, by="cuff")))
    assert (result.grade, "crs.severe_systolic" in result.conventions) == (2, True)


def test_a_severe_pressure_names_by_what_it_outranked_a_statement() -> None:
    said = statement("hypotension", False, NOW - MINUTE)
    assert "crs.severe_systolic" in graded(*vitals(systolic=78), said).conventions
    assert "crs.severe_spo2" in graded(*vitals(spo2=85), statement("hypoxia", False, NOW - MINUTE)).conventions


def test_a_late_grade_names_the_day_until_which_it_is_attributed() -> None:
    assert "crs.attribution_until_day" in graded(*vitals(day(15)), at=day(15)).conventions
    assert "crs.attribution_until_day" not in graded(*vitals(day(14)), at=day(14)).conventions


# -- streams ---------------------------------------------------------------------------------------


def test_a_febrile_sample_is_shown_as_not_yet_confirmed() -> None:
    result = graded(*vitals(celsius="37.0", at=NOW - hours(1)), patch("38.4"))
    assert (result.grade, english(result.flags)) == (0, ("38.4 °C by patch: not yet confirmed as fever",))
    assert english(result.because) == english(result.flags)
    assert result.evidence[0].entry.value == 37


def test_only_the_newest_of_the_unconfirmed_samples_is_shown() -> None:
    items = (reading("temperature", 37, NOW - hours(1)), patch("38.1", NOW - MINUTE), patch("38.2"))
    assert english(graded(*items).flags) == ("38.2 °C by patch: not yet confirmed as fever",)


def test_a_stream_shows_its_highest_and_its_last_three_samples() -> None:
    celsius = ("38.1", "38.9", "38.2", "38.3", "38.4")
    items = [patch(value, NOW - (4 - number) * MINUTE) for number, value in enumerate(celsius)]
    result = graded(*items)
    assert (result.grade, english(result.because)) == (1, ("fever 38.9 °C (>= 38.0)",))
    assert [str(item.entry.value) for item in result.evidence] == ["38.2", "38.3", "38.4"]
    assert "confirmation.temperature_samples" in result.conventions


# -- the course ------------------------------------------------------------------------------------


def test_nothing_charted_is_no_course() -> None:
    assert course() == CrsCourse()
    assert not course().is_open


def test_a_course_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        course().episodes = 1


def test_an_open_episode_that_nobody_has_treated_waives_nothing() -> None:
    result = graded(*vitals(NOW - hours(3)), *vitals(celsius="36.8", systolic=80))
    assert (result.grade, english(result.flags)) == (0, ("hypotension without fever: not CRS by the table",))


def test_a_treated_episode_waives_fever_as_long_as_it_is_open_however_old_the_last_dose() -> None:
    treated = (*vitals(NOW - hours(90)), dose("tocilizumab", NOW - hours(89)), *vitals(NOW - hours(10)))
    assert graded(*treated, *vitals(celsius="36.8", systolic=80)).grade == 2


def test_an_episode_opens_with_the_first_positive_grade_and_stays_one() -> None:
    found = course(*vitals(NOW - hours(3)), *vitals(NOW - hours(1)))
    assert (found.opened_at, found.episodes, found.treated) == (NOW - hours(3), 1, False)
    assert (found.is_open, found.as_of, found.clear_since) == (True, NOW - hours(1), None)


@pytest.mark.parametrize(("apart", "closed"), [(5.9, False), (6, True), (7, True)])
def test_two_clear_sets_6_hours_apart_close_it(apart: float, closed: bool) -> None:
    items = (*vitals(NOW - hours(20)), *vitals(NOW - hours(apart), celsius="36.8"), *vitals(celsius="36.8"))
    found = course(*items)
    assert (found.is_open, found.closed_at) == (not closed, NOW if closed else None)
    assert (found.episodes, found.clear_since) == (1, None if closed else NOW - hours(apart))


@pytest.mark.parametrize("sign", ["temperature", "systolic_bp", "spo2"])
def test_a_sign_that_was_not_measured_again_keeps_it_open(sign: str) -> None:
    second = [item for item in vitals(celsius="36.8") if item[0] != sign]
    items = (*vitals(NOW - hours(20)), *vitals(NOW - hours(7), celsius="36.8"), *second)
    assert course(*items).is_open


def test_a_positive_grade_between_clear_sets_starts_the_count_again() -> None:
    items = (
        *vitals(NOW - hours(20)),
        *vitals(NOW - hours(8), celsius="36.8"),
        *vitals(NOW - hours(4)),
        *vitals(celsius="36.8"),
    )
    found = course(*items)
    assert (found.is_open, found.clear_since) == (True, NOW)


@pytest.mark.parametrize(("back", "treated"), [(day(1) + hours(73), True), (day(1) + hours(74), False)])
def test_a_return_is_a_second_episode_and_counts_as_treated_where_fever_was_still_waived(
    back: datetime, treated: bool
) -> None:
    """An episode that opens under the waiver keeps it: it must not end with the tail, in the middle of the episode."""
    items = (
        *vitals(day(1)),
        dose("tocilizumab", day(1) + hours(1)),
        *vitals(day(2), celsius="36.8"),
        *vitals(day(2) + hours(6), celsius="36.8"),
        *vitals(back),
    )
    found = course(*items)
    assert (found.opened_at, found.episodes, found.treated) == (back, 2, treated)
    assert (found.closed_at, found.last_dose) == (None, day(1) + hours(1))


def test_a_dose_in_an_open_episode_treats_it_and_stopping_a_drug_does_not() -> None:
    found = course(*vitals(NOW - hours(3)), dose("dexamethasone", NOW - hours(2)))
    assert (found.treated, found.last_dose) == (True, NOW - hours(2))
    stopped = course(*vitals(NOW - hours(3)), dose("dexamethasone", NOW - hours(2), "stopped"))
    assert (stopped.treated, stopped.last_dose) == (False, None)


def test_a_dose_in_the_tail_prolongs_it_and_one_after_it_does_not() -> None:
    closed = (
        *vitals(day(1)),
        dose("tocilizumab", day(1) + hours(1)),
        *vitals(day(1) + hours(2), celsius="36.8"),
        *vitals(day(1) + hours(8), celsius="36.8"),
    )
    within, after = day(1) + hours(73), day(1) + hours(73) + MINUTE
    assert course(*closed, dose("dexamethasone", within)).last_dose == within
    assert course(*closed, dose("dexamethasone", after)).last_dose == day(1) + hours(1)
    assert not course(*closed, dose("dexamethasone", within)).treated
    assert not course(*closed).treated


def test_a_course_may_be_carried_on_from_where_it_was_known() -> None:
    patient = chart(*vitals(NOW - hours(20)), *vitals(NOW - hours(7), celsius="36.8"), *vitals(celsius="36.8"))
    known = crs.course(patient, NOW - hours(7), SITE)
    assert crs.course(patient, NOW, SITE, known) == crs.course(patient, NOW, SITE)
    assert crs.grade(patient, NOW, SITE, known) == crs.grade(patient, NOW, SITE)


# -- late ------------------------------------------------------------------------------------------


def test_a_grade_0_beyond_day_14_needs_no_attribution() -> None:
    assert english(graded(*vitals(day(20), celsius="36.8"), at=day(20)).flags) == ()
    assert english(graded(*vitals(day(20)), at=day(20)).flags) == ("day 20: attribution to be confirmed",)
