"""ICE and ICANS against the ASTCT 2019 tables, cell by cell."""

from datetime import date

import pytest
from msgspec.structs import replace

from alerts.grading import icans, ice
from alerts.grading.result import Grade
from config.vocabulary import label
from tests.support.charts import (
    INFUSED,
    NOW,
    SITE,
    Item,
    absent,
    chart,
    day,
    hours,
    reading,
    rejected_value,
    statement,
)
from tests.support.wording import english, in_names

CHILD = date(2016, 1, 1)


def graded(*items: Item, born: date | None = None) -> Grade:
    return icans.grade(chart(*items, born=born), NOW, SITE)


# -- ICE -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("points", range(11))
def test_ice_is_the_total_that_was_charted(points: int) -> None:
    result = ice.score(chart(reading("ice", points)), NOW, SITE)
    assert result.score == points
    assert in_names(result.missing) == ()


def test_ice_names_its_system_version_time_and_reading() -> None:
    patient = chart(reading("ice", 8))
    result = ice.score(patient, NOW, SITE)
    assert (result.system, result.version, result.at) == ("ICE", "ASTCT 2019", NOW)
    assert [item.entry for item in result.evidence] == list(patient.entries["ice"])
    assert english(result.because) == ("ICE 8 of 10 (17 Jun 10:00)",)
    assert result.conventions == ("icans.assessment_holds",)


@pytest.mark.parametrize(
    ("note", "shown"),
    [
        (
            "year 1, month 0, city 1, hospital 1, naming 2, command 1, writing 0, attention 1",
            "year 1, month 0, city 1, hospital 1, naming 2, command 1, writing 0, attention 1",
        ),
        ("year was wrong twice", "year was wrong twice"),
        ("drowsy, year 1", "drowsy, year 1"),
        ("tired", "tired"),
    ],
    ids=["the items", "a sentence that begins with one", "a remark and an item", "a remark"],
)
def test_ice_shows_its_items_or_whatever_was_written(note: str, shown: str) -> None:
    kind, entry = reading("ice", 7)
    result = ice.score(chart((kind, replace(entry, note=note))), NOW, SITE)
    assert english(result.because) == (f"ICE 7 of 10 (17 Jun 10:00, {shown})",)


def test_ice_never_charted_is_undetermined() -> None:
    result = ice.score(chart(), NOW, SITE)
    assert result.score is None
    assert in_names(result.missing) == ("ice",)


def test_ice_holds_for_exactly_the_time_the_site_says() -> None:
    assert ice.score(chart(reading("ice", 9, NOW - hours(24))), NOW, SITE).score == 9
    lapsed = ice.score(chart(reading("ice", 9, NOW - hours(24.01))), NOW, SITE)
    assert lapsed.score is None
    assert in_names(lapsed.missing) == ("ice (last 16 Jun 09:59, more than 24 h ago)",)


def test_ice_that_was_not_done_says_why() -> None:
    patient = chart(reading("ice", 10, NOW - hours(6)), absent("ice", "asleep", NOW - hours(1)))
    result = ice.score(patient, NOW, SITE)
    assert result.score is None
    assert in_names(result.missing) == ("ice (not done: asleep)",)


def test_ice_done_after_one_that_was_not_done_counts() -> None:
    patient = chart(absent("ice", "asleep", NOW - hours(6)), reading("ice", 10, NOW - hours(1)))
    assert ice.score(patient, NOW, SITE).score == 10


def test_an_assessment_outranks_the_reason_for_an_absent_one_of_the_same_time() -> None:
    assert ice.score(chart(absent("ice", "asleep"), reading("ice", 7)), NOW, SITE).score == 7


def test_of_two_assessments_of_one_time_the_lower_counts() -> None:
    patient = chart(reading("ice", 4, source="a"), reading("ice", 9, source="b"))
    assert ice.score(patient, NOW, SITE).score == 4


def test_an_assessment_after_the_time_asked_for_is_not_seen() -> None:
    assert ice.score(chart(reading("ice", 1, NOW + hours(1))), NOW, SITE).score is None


def test_ice_below_its_baseline_says_so() -> None:
    patient = chart(reading("ice", 9, INFUSED - hours(20)), reading("ice", 8))
    result = ice.score(patient, NOW, SITE)
    assert english(result.flags) == ("below the baseline of 9",)
    assert any("baseline 9" in line for line in english(result.because))
    assert "chart.baseline_window" in result.conventions


def test_ice_at_its_baseline_carries_no_flag() -> None:
    patient = chart(reading("ice", 9, INFUSED - hours(20)), reading("ice", 9))
    assert english(ice.score(patient, NOW, SITE).flags) == ()


def test_the_baseline_is_complete_at_the_moment_of_infusion() -> None:
    patient = chart(reading("ice", 10, day(-1)), reading("ice", 9, INFUSED - hours(1)))
    assert english(ice.score(patient, INFUSED - hours(1), SITE).flags) == ()
    assert english(ice.score(patient, INFUSED, SITE).flags) == ("below the baseline of 9.5",)


def test_before_infusion_no_baseline_is_taken_from_what_is_still_to_come() -> None:
    patient = chart(reading("ice", 8, day(-3)), reading("ice", 10, day(-1)))
    result = ice.score(patient, day(-3), SITE)
    assert result.score == 8
    assert english(result.flags) == ()


# -- the ICE row -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "grade", "row"),
    [
        (10, 0, "10"),
        (9, 1, "7-9"),
        (8, 1, "7-9"),
        (7, 1, "7-9"),
        (6, 2, "3-6"),
        (5, 2, "3-6"),
        (4, 2, "3-6"),
        (3, 2, "3-6"),
        (2, 3, "0-2"),
        (1, 3, "0-2"),
    ],
)
def test_ice_alone_grades_by_its_row(points: int, grade: int, row: str) -> None:
    result = graded(reading("ice", points))
    assert result.grade == grade
    assert not result.provisional
    assert in_names(result.missing) == ()
    assert english(result.because) == (f"ICE {points}: grade {grade} ({row})",)


def test_ice_zero_and_awake_is_grade_3() -> None:
    result = graded(reading("ice", 0), reading("consciousness", "spontaneous"))
    assert (result.grade, result.provisional) == (3, False)


@pytest.mark.parametrize("code", ["voice", "touch"])
def test_ice_zero_in_a_patient_who_can_be_roused_is_grade_3(code: str) -> None:
    result = graded(reading("ice", 0), reading("consciousness", code))
    assert (result.grade, result.provisional) == (3, False)


@pytest.mark.parametrize("code", ["unarousable", "vigorous_touch"])
def test_ice_zero_because_unarousable_is_grade_4(code: str) -> None:
    result = graded(reading("ice", 0), reading("consciousness", code))
    assert (result.grade, result.provisional) == (4, False)
    assert english(result.because)[0] == "ICE 0: grade 4 (0 because unarousable)"


def test_ice_zero_with_consciousness_not_charted_is_at_least_3() -> None:
    result = graded(reading("ice", 0))
    assert (result.grade, result.provisional) == (3, True)
    assert in_names(result.missing) == ("consciousness",)
    assert english(result.because)[0].startswith("at least grade 3")


def test_ice_zero_with_consciousness_not_charted_and_a_prolonged_seizure_is_4_and_final() -> None:
    result = graded(reading("ice", 0), reading("seizure", "prolonged"))
    assert (result.grade, result.provisional) == (4, False)


# -- the other rows --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "code", "grade"),
    [
        ("consciousness", "spontaneous", 0),
        ("consciousness", "voice", 2),
        ("consciousness", "touch", 3),
        ("consciousness", "vigorous_touch", 4),
        ("consciousness", "unarousable", 4),
        ("seizure", "none", 0),
        ("seizure", "brief", 3),
        ("seizure", "nonconvulsive_resolving", 3),
        ("seizure", "prolonged", 4),
        ("seizure", "repetitive", 4),
        ("motor_weakness", "none", 0),
        ("motor_weakness", "deep_focal", 4),
        ("cerebral_edema", "none", 0),
        ("cerebral_edema", "focal", 3),
        ("cerebral_edema", "diffuse", 4),
        ("icp_sign", "none", 0),
        ("icp_sign", "posturing", 4),
        ("icp_sign", "cn6_palsy", 4),
        ("icp_sign", "papilledema", 4),
        ("icp_sign", "cushing", 4),
    ],
)
def test_each_cell_grades_with_ice_10(kind: str, code: str, grade: int) -> None:
    result = graded(reading("ice", 10), reading(kind, code))
    assert (result.grade, result.provisional) == (grade, False)
    assert {item.kind for item in result.evidence} == {"ice", kind}
    assert any(f"{label(code)}: grade {grade} (" in line for line in english(result.because))


@pytest.mark.parametrize(("points", "grade"), [(10, 0), (9, 1), (7, 1), (6, 2)])
def test_awakening_spontaneously_adds_nothing_to_the_ice_row(points: int, grade: int) -> None:
    assert graded(reading("ice", points), reading("consciousness", "spontaneous")).grade == grade


def test_the_worst_domain_decides_and_comes_first() -> None:
    result = graded(reading("ice", 8), reading("consciousness", "voice"), reading("seizure", "brief"))
    assert result.grade == 3
    assert english(result.because)[0] == "seizure brief: grade 3 (clinical, resolves rapidly)"


def test_death_due_to_icans_is_grade_5() -> None:
    result = graded(statement("died_of_icans"), reading("ice", 10, NOW - hours(2)))
    assert (result.grade, result.provisional) == (5, False)


def test_a_death_not_due_to_icans_changes_nothing() -> None:
    assert graded(statement("died_of_icans", False), reading("ice", 10)).grade == 0


# -- missing ICE -----------------------------------------------------------------------------------


def test_nothing_charted_is_undetermined_never_0_or_3() -> None:
    result = graded()
    assert result.grade is None
    assert in_names(result.missing) == ("ice",)
    assert not result.provisional


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("consciousness", "spontaneous"),
        ("seizure", "none"),
        ("motor_weakness", "none"),
        ("cerebral_edema", "none"),
        ("icp_sign", "none"),
    ],
)
def test_without_ice_a_normal_domain_leaves_it_undetermined(kind: str, code: str) -> None:
    result = graded(reading(kind, code))
    assert result.grade is None
    assert in_names(result.missing) == ("ice",)


@pytest.mark.parametrize(
    ("kind", "code", "grade"),
    [("consciousness", "voice", 2), ("consciousness", "touch", 3), ("seizure", "brief", 3)],
)
def test_without_ice_an_abnormal_domain_is_at_least_its_grade(kind: str, code: str, grade: int) -> None:
    result = graded(reading(kind, code))
    assert (result.grade, result.provisional) == (grade, True)
    assert in_names(result.missing) == ("ice",)
    assert english(result.because)[0].startswith(f"at least grade {grade}")


def test_without_ice_grade_4_is_not_provisional_because_only_death_is_worse() -> None:
    result = graded(reading("seizure", "prolonged"))
    assert (result.grade, result.provisional) == (4, False)
    assert in_names(result.missing) == ("ice",)


def test_ice_not_done_in_a_drowsy_patient_is_at_least_2_and_says_why() -> None:
    result = graded(absent("ice", "too drowsy"), reading("consciousness", "voice"))
    assert (result.grade, result.provisional) == (2, True)
    assert in_names(result.missing) == ("ice (not done: too drowsy)",)


def test_an_ice_that_was_rejected_is_named() -> None:
    patient = chart(rejected=(rejected_value("ice", "11", "out of range"),))
    assert in_names(icans.grade(patient, NOW, SITE).missing) == ("ice (11 was not used: out of range)",)


# -- how long an assessment holds ------------------------------------------------------------------


@pytest.mark.parametrize(("age", "grade"), [(24, 3), (24.01, 0)])
def test_a_seizure_counts_for_the_time_an_assessment_holds(age: float, grade: int) -> None:
    assert graded(reading("ice", 10), reading("seizure", "brief", NOW - hours(age))).grade == grade


def test_a_later_none_ends_a_seizure() -> None:
    items = (reading("seizure", "prolonged", NOW - hours(3)), reading("seizure", "none", NOW - hours(2)))
    assert graded(reading("ice", 10), *items).grade == 0


def test_a_milder_seizure_does_not_lift_a_worse_one() -> None:
    items = (reading("seizure", "prolonged", NOW - hours(3)), reading("seizure", "brief", NOW - hours(2)))
    assert graded(reading("ice", 10), *items).grade == 4


def test_a_seizure_before_the_last_none_does_not_come_back() -> None:
    items = (
        reading("seizure", "none", NOW - hours(4)),
        reading("seizure", "prolonged", NOW - hours(3)),
        reading("seizure", "none", NOW - hours(2)),
        reading("seizure", "brief", NOW - hours(1)),
    )
    assert graded(reading("ice", 10), *items).grade == 3


def test_a_none_of_the_same_minute_does_not_hide_a_seizure() -> None:
    items = (reading("seizure", "brief", source="a"), reading("seizure", "none", source="b"))
    assert graded(reading("ice", 10), *items).grade == 3


def test_consciousness_follows_its_latest_charting() -> None:
    items = (reading("consciousness", "touch", NOW - hours(3)), reading("consciousness", "voice", NOW - hours(1)))
    assert graded(reading("ice", 10), *items).grade == 2


def test_a_lapsed_consciousness_is_not_used() -> None:
    assert graded(reading("ice", 10), reading("consciousness", "touch", NOW - hours(25))).grade == 0


def test_a_consciousness_that_was_not_assessed_leaves_the_one_before() -> None:
    items = (reading("consciousness", "voice", NOW - hours(3)), absent("consciousness", "asleep"))
    assert graded(reading("ice", 10), *items).grade == 2


def test_an_old_coma_beside_a_newer_good_ice_grades_worst_and_asks_for_a_new_charting() -> None:
    result = graded(reading("consciousness", "unarousable", NOW - hours(5)), reading("ice", 9))
    assert result.grade == 4
    assert "consciousness was charted before the ICE of 9: chart it again" in english(result.flags)


@pytest.mark.parametrize(
    ("code", "charted", "points"),
    [("touch", 0, 9), ("touch", -1, 9), ("voice", 5, 9), ("touch", 5, 2)],
    ids=["same time", "charted after", "roused by voice", "an ICE as bad"],
)
def test_a_consciousness_that_the_ice_does_not_contradict_is_not_asked_for_again(
    code: str, charted: float, points: int
) -> None:
    items = (reading("consciousness", code, NOW - hours(2 + charted)), reading("ice", points, NOW - hours(2)))
    assert english(graded(*items).flags) == ()


def test_an_awakening_to_touch_beside_a_newer_good_ice_is_asked_for_again() -> None:
    items = (reading("consciousness", "touch", NOW - hours(5)), reading("ice", 6, NOW - hours(2)))
    result = graded(*items)
    assert result.grade == 3
    assert english(result.flags) == ("consciousness was charted before the ICE of 6: chart it again",)


# -- another cause ---------------------------------------------------------------------------------


def test_consciousness_with_another_cause_is_left_out_and_flagged() -> None:
    items = (reading("consciousness", "touch"), statement("consciousness_other_cause"))
    result = graded(reading("ice", 10), *items)
    assert result.grade == 0
    assert english(result.flags)[0] == "consciousness is put down to another cause: its row is not used"
    assert "crs.other_cause_holds" in result.conventions


def test_another_cause_contradicts_nothing_in_a_patient_who_is_awake() -> None:
    items = (reading("consciousness", "spontaneous"), statement("consciousness_other_cause"))
    result = graded(reading("ice", 10), *items)
    assert result.grade == 0
    assert english(result.flags) == ("consciousness is put down to another cause: its row is not used",)


def test_another_cause_of_consciousness_leaves_the_other_rows() -> None:
    items = (statement("consciousness_other_cause"), reading("seizure", "brief"))
    assert graded(reading("ice", 6), *items).grade == 3


def test_ice_zero_in_a_sedated_patient_is_3_by_the_ice_row() -> None:
    items = (reading("consciousness", "unarousable"), statement("consciousness_other_cause"))
    result = graded(reading("ice", 0), *items)
    assert (result.grade, result.provisional) == (3, False)


def test_sedated_and_ice_not_done_is_undetermined() -> None:
    items = (reading("consciousness", "unarousable"), statement("consciousness_other_cause"))
    assert graded(absent("ice", "sedated"), *items).grade is None


@pytest.mark.parametrize(("age", "grade"), [(72, 0), (72.01, 3)])
def test_a_statement_of_another_cause_lapses(age: float, grade: int) -> None:
    items = (reading("consciousness", "touch"), statement("consciousness_other_cause", at=NOW - hours(age)))
    assert graded(reading("ice", 10), *items).grade == grade


@pytest.mark.parametrize(
    ("before", "after", "grade"),
    [("touch", "unarousable", 4), ("touch", "touch", 0), ("unarousable", "unarousable", 0), (None, "unarousable", 4)],
)
def test_a_patient_who_becomes_unarousable_after_another_cause_was_stated_ends_the_statement(
    before: str | None, after: str, grade: int
) -> None:
    items = [statement("consciousness_other_cause", at=NOW - hours(2)), reading("consciousness", after)]
    if before is not None:
        items.append(reading("consciousness", before, NOW - hours(2)))
    assert graded(reading("ice", 10), *items).grade == grade


def test_a_statement_of_another_cause_can_be_undone() -> None:
    items = (
        reading("consciousness", "touch"),
        statement("consciousness_other_cause", True, NOW - hours(2)),
        statement("consciousness_other_cause", False, NOW - hours(1)),
    )
    assert graded(reading("ice", 10), *items).grade == 3


# -- children --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("points", "grade"), [(0, 0), (1, 1), (8, 1), (9, 3), (32, 3)])
def test_capd_grades_a_child(points: int, grade: int) -> None:
    result = graded(reading("capd", points), born=CHILD)
    assert (result.grade, result.provisional) == (grade, False)
    assert "icans.capd_below_age" in result.conventions


@pytest.mark.parametrize(("points", "row"), [(0, "0"), (3, "1-8"), (12, "9 or more")])
def test_the_capd_row_is_cited(points: int, row: str) -> None:
    result = graded(reading("capd", points), born=CHILD)
    assert english(result.because) == (f"CAPD {points}: grade {result.grade} ({row})",)


def test_of_two_capd_of_one_time_the_higher_counts() -> None:
    items = (reading("capd", 12, source="a"), reading("capd", 2, source="b"))
    assert graded(*items, born=CHILD).grade == 3


@pytest.mark.parametrize("points", [1, 8])
def test_a_child_who_awakens_only_to_voice_is_grade_2(points: int) -> None:
    assert graded(reading("capd", points), reading("consciousness", "voice"), born=CHILD).grade == 2


def test_a_child_in_whom_capd_cannot_be_done_is_grade_4() -> None:
    result = graded(absent("capd", "coma"), reading("consciousness", "unarousable"), born=CHILD)
    assert (result.grade, result.provisional) == (4, False)
    assert english(result.because)[0] == "CAPD: grade 4 (unable)"


def test_a_child_without_capd_is_undetermined_whatever_the_ice() -> None:
    result = graded(reading("ice", 10), born=CHILD)
    assert result.grade is None
    assert in_names(result.missing) == ("capd",)


def test_a_sleeping_child_without_capd_is_undetermined_and_says_why() -> None:
    result = graded(absent("capd", "asleep"), born=CHILD)
    assert result.grade is None
    assert in_names(result.missing) == ("capd (not done: asleep)",)


@pytest.mark.parametrize(
    ("born", "grade"),
    [(date(2012, 6, 18), 3), (date(2012, 6, 17), 0)],
    ids=["the day before the birthday", "the birthday"],
)
def test_capd_is_used_up_to_the_twelfth_birthday(born: date, grade: int) -> None:
    assert graded(reading("capd", 9), reading("ice", 10), born=born).grade == grade


def test_the_birthday_begins_at_midnight_on_the_wards_clock() -> None:
    midnight = NOW.replace(hour=22, minute=30)  # 00:30 of the 18th in Rome
    patient = chart(reading("capd", 9, midnight), reading("ice", 10, midnight), born=date(2012, 6, 18))
    assert icans.grade(patient, midnight, SITE).grade == 0


def test_a_capd_without_a_date_of_birth_is_pointed_out() -> None:
    result = graded(reading("capd", 9))
    assert result.grade is None
    assert in_names(result.missing) == ("ice",)
    assert any("date of birth" in flag for flag in english(result.flags))


@pytest.mark.parametrize("items", [(), (reading("capd", 9), reading("ice", 10))])
def test_no_capd_or_an_ice_beside_it_is_not_pointed_out(items: tuple[Item, ...]) -> None:
    assert english(graded(*items).flags) == ()


def test_the_capd_of_an_adult_is_not_used_and_not_pointed_out() -> None:
    result = graded(reading("capd", 9), born=date(1955, 5, 1))
    assert (result.grade, in_names(result.missing), english(result.flags)) == (None, ("ice",), ())


# -- what every result carries ---------------------------------------------------------------------


def test_icans_names_its_system_version_and_time() -> None:
    result = graded(reading("ice", 10))
    assert (result.system, result.version, result.at) == ("ICANS", "ASTCT 2019", NOW)
    assert result.conventions == ("icans.assessment_holds",)


def test_icans_carries_the_flag_of_the_baseline() -> None:
    patient = chart(reading("ice", 10, INFUSED - hours(20)), reading("ice", 8))
    assert "below the baseline of 10" in english(icans.grade(patient, NOW, SITE).flags)


def test_the_reference_case_grades_3_on_day_5_and_0_on_day_8() -> None:
    patient = chart(
        reading("ice", 10, day(-1)), reading("ice", 1, day(5)), reading("ice", 6, day(6)), reading("ice", 10, day(8))
    )
    assert [icans.grade(patient, day(number), SITE).grade for number in (5, 6, 8)] == [3, 2, 0]


# -- what stands behind it -------------------------------------------------------------------------


def test_an_assessment_that_was_not_done_is_evidence_and_nothing_charted_is_none() -> None:
    not_done = ice.score(chart(absent("ice", "asleep")), NOW, SITE)
    assert [item.kind for item in not_done.evidence] == ["ice"]
    assert ice.score(chart(), NOW, SITE).evidence == ()


def test_of_an_ice_of_0_and_of_1_charted_for_one_time_the_0_counts() -> None:
    both = chart(reading("ice", 1, id="a"), reading("ice", 0, id="b"))
    assert ice.score(both, NOW, SITE).score == 0


def test_a_domain_that_is_known_stands_before_one_that_is_not() -> None:
    because = english(icans.grade(chart(reading("consciousness", "spontaneous")), NOW, SITE).because)
    assert "spontaneous" in because[0]
    assert because[1].startswith("no ICE assessment holds")


@pytest.mark.parametrize("why", ["unable", "Unable: intubated", "unable to be roused"])
def test_a_capd_that_the_child_was_unable_to_do_is_4(why: str) -> None:
    result = graded(absent("capd", why), born=CHILD)
    assert (result.grade, result.provisional, in_names(result.missing)) == (4, False, ())
    assert english(result.because) == ("CAPD: grade 4 (unable)",)
    assert [(item.kind, item.entry.note) for item in result.evidence] == [("capd", why)]


@pytest.mark.parametrize("why", ["asleep", "parents unable to come", ""])
def test_a_capd_that_was_not_done_for_another_reason_is_unknown(why: str) -> None:
    assert graded(absent("capd", why), born=CHILD).grade is None


def test_a_capd_done_since_stands_above_an_earlier_unable() -> None:
    items = (absent("capd", "unable", NOW - hours(3)), reading("capd", 5))
    assert graded(*items, born=CHILD).grade == 1


def test_an_adult_who_was_unable_to_do_the_ice_is_not_graded_by_it() -> None:
    assert graded(absent("ice", "unable")).grade is None
