"""NEWS2 against its table (Royal College of Physicians 2017), every boundary from both sides."""

from datetime import datetime

import pytest

from alerts.grading import news2
from alerts.grading.news2 import News2
from config.vocabulary import label
from tests.support.charts import NOW, SITE, Item, absent, chart, hours, reading, rejected_value, statement
from tests.support.wording import english, in_names

BEST: dict[str, object] = {
    "respiratory_rate": 16,
    "spo2": 98,
    "oxygen_device": "none",
    "systolic_bp": 120,
    "heart_rate": 70,
    "consciousness": "spontaneous",
    "temperature": "37.0",
}
HYPERCAPNIC = statement("hypercapnic_failure", at=NOW - hours(50))


def vitals(at: datetime = NOW, **values: object) -> tuple[Item, ...]:
    return tuple(reading(kind, value, at) for kind, value in {**BEST, **values}.items())


def without(*kinds: str) -> tuple[Item, ...]:
    return tuple(item for item in vitals() if item[0] not in kinds)


def scored(*items: Item) -> News2:
    return news2.score(chart(*items), NOW, SITE)


# -- the table -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "points"),
    [
        ("respiratory_rate", 4, 3),
        ("respiratory_rate", 8, 3),
        ("respiratory_rate", 9, 1),
        ("respiratory_rate", 11, 1),
        ("respiratory_rate", 12, 0),
        ("respiratory_rate", 20, 0),
        ("respiratory_rate", 21, 2),
        ("respiratory_rate", 24, 2),
        ("respiratory_rate", 25, 3),
        ("respiratory_rate", 40, 3),
        ("spo2", 70, 3),
        ("spo2", 91, 3),
        ("spo2", 92, 2),
        ("spo2", 93, 2),
        ("spo2", 94, 1),
        ("spo2", 95, 1),
        ("spo2", 96, 0),
        ("spo2", 100, 0),
        ("systolic_bp", 60, 3),
        ("systolic_bp", 90, 3),
        ("systolic_bp", 91, 2),
        ("systolic_bp", 100, 2),
        ("systolic_bp", 101, 1),
        ("systolic_bp", 110, 1),
        ("systolic_bp", 111, 0),
        ("systolic_bp", 219, 0),
        ("systolic_bp", 220, 3),
        ("heart_rate", 30, 3),
        ("heart_rate", 40, 3),
        ("heart_rate", 41, 1),
        ("heart_rate", 50, 1),
        ("heart_rate", 51, 0),
        ("heart_rate", 90, 0),
        ("heart_rate", 91, 1),
        ("heart_rate", 110, 1),
        ("heart_rate", 111, 2),
        ("heart_rate", 130, 2),
        ("heart_rate", 131, 3),
        ("temperature", "34.0", 3),
        ("temperature", "35.0", 3),
        ("temperature", "35.1", 1),
        ("temperature", "36.0", 1),
        ("temperature", "36.1", 0),
        ("temperature", "38.0", 0),
        ("temperature", "38.1", 1),
        ("temperature", "39.0", 1),
        ("temperature", "39.1", 2),
        ("temperature", "41.5", 2),
        ("consciousness", "spontaneous", 0),
        ("consciousness", "voice", 3),
        ("consciousness", "touch", 3),
        ("consciousness", "vigorous_touch", 3),
        ("consciousness", "unarousable", 3),
    ],
)
def test_each_cell_gives_its_points(kind: str, value: object, points: int) -> None:
    result = scored(*vitals(**{kind: value}))
    assert (result.score, result.parts[kind], in_names(result.missing)) == (points, points, ())


@pytest.mark.parametrize(
    ("kind", "value", "points"),
    [
        ("respiratory_rate", "8.4", 3),
        ("respiratory_rate", "8.5", 1),
        ("respiratory_rate", "11.5", 0),
        ("respiratory_rate", "20.49", 0),
        ("respiratory_rate", "20.5", 2),
        ("respiratory_rate", "24.5", 3),
        ("spo2", "91.4", 3),
        ("spo2", "91.5", 2),
        ("spo2", "93.5", 1),
        ("spo2", "95.5", 0),
        ("systolic_bp", "90.4", 3),
        ("systolic_bp", "90.5", 2),
        ("systolic_bp", "219.5", 3),
        ("heart_rate", "130.4", 2),
        ("heart_rate", "130.5", 3),
        ("temperature", "35.04", 3),
        ("temperature", "35.05", 1),
        ("temperature", "38.04", 0),
        ("temperature", "38.05", 1),
        ("temperature", "39.05", 2),
    ],
)
def test_between_two_bands_it_is_rounded_half_up(kind: str, value: str, points: int) -> None:
    assert scored(*vitals(**{kind: value})).parts[kind] == points


def test_the_fever_of_astct_is_no_point_here() -> None:
    assert scored(*vitals(temperature="38.0")).score == 0


def test_the_total_is_the_sum_of_the_seven_parts() -> None:
    worst = {"respiratory_rate": 30, "spo2": 85, "systolic_bp": 70, "heart_rate": 150, "temperature": "34.0"}
    result = scored(*vitals(**worst, oxygen_device="face_mask", consciousness="voice"))
    assert (result.score, result.risk) == (20, None)
    assert result.parts == {
        "respiratory_rate": 3,
        "spo2": 3,
        "oxygen": 2,
        "systolic_bp": 3,
        "heart_rate": 3,
        "consciousness": 3,
        "temperature": 3,
    }


@pytest.mark.parametrize(
    ("items", "total"),
    [
        (vitals(), 0),
        (vitals(respiratory_rate=22, consciousness="voice"), 5),
        (without("heart_rate"), None),
        (without("consciousness"), None),
        (vitals(spo2="<92"), None),
        ((), None),
    ],
    ids=["all normal", "two parts abnormal", "a vital sign missing", "consciousness missing", "a bound", "nothing"],
)
def test_the_total_alone_is_that_of_the_score(items: tuple[Item, ...], total: int | None) -> None:
    assert news2.total(chart(*items), NOW, SITE) == scored(*items).score == total


def test_the_result_names_its_system_cells_and_readings() -> None:
    result = scored(*vitals(respiratory_rate=22, consciousness="voice"))
    assert (result.system, result.version, result.at) == ("NEWS2", "RCP 2017", NOW)
    assert english(result.because) == (
        "respiratory rate 22 /min (17 Jun 10:00): 2 (21-24)",
        "SpO2 98 % (17 Jun 10:00): 0 (>=96)",
        "room air: 0 (air)",
        "systolic pressure 120 mmHg (17 Jun 10:00): 0 (111-219)",
        "heart rate 70 /min (17 Jun 10:00): 0 (51-90)",
        "consciousness voice (17 Jun 10:00): 3 (C V P U)",
        "temperature 37.0 °C (17 Jun 10:00): 0 (36.1-38.0)",
        "NEWS2 5",
    )
    assert [item.kind for item in result.evidence] == list(BEST)
    assert result.conventions == (
        "chart.vitals_hold",
        "chart.oxygen_holds",
        "icans.assessment_holds",
        "chart.temperature_holds",
    )


# -- scale 2 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spo2", "device", "points"),
    [
        ("83", "none", 3),
        ("83.5", "none", 2),
        ("84", "none", 2),
        ("85", "none", 2),
        ("85.5", "none", 1),
        ("86", "none", 1),
        ("87", "none", 1),
        ("87.5", "none", 0),
        ("88", "none", 0),
        ("92", "none", 0),
        ("93", "none", 0),
        ("97", "none", 0),
        ("83", "nasal_cannula", 3),
        ("85", "nasal_cannula", 2),
        ("87", "nasal_cannula", 1),
        ("88", "nasal_cannula", 0),
        ("92", "nasal_cannula", 0),
        ("92.5", "nasal_cannula", 1),
        ("93", "nasal_cannula", 1),
        ("94", "nasal_cannula", 1),
        ("94.5", "nasal_cannula", 2),
        ("95", "nasal_cannula", 2),
        ("96", "nasal_cannula", 2),
        ("96.5", "nasal_cannula", 3),
        ("97", "nasal_cannula", 3),
        ("100", "nasal_cannula", 3),
    ],
)
def test_in_hypercapnic_failure_saturation_is_read_on_scale_2(spo2: str, device: str, points: int) -> None:
    result = scored(*vitals(spo2=spo2, oxygen_device=device), HYPERCAPNIC)
    assert result.parts["spo2"] == points
    assert english(result.flags) == ("SpO2 on scale 2: hypercapnic respiratory failure by a clinician's statement",)
    assert "hypercapnic_failure" in [item.kind for item in result.evidence]


@pytest.mark.parametrize(("spo2", "cells"), [(">=88", "88-92 or >=93 on air"), (">=93", ">=93 on air")])
def test_on_scale_2_on_air_a_saturation_of_at_least_88_gives_no_points_however_high(spo2: str, cells: str) -> None:
    """The print has two cells for 0: 88-92, and 93 and more on air."""
    result = scored(*vitals(spo2=spo2), HYPERCAPNIC)
    assert (result.parts["spo2"], in_names(result.missing)) == (0, ())
    assert f"SpO2 {spo2} % (17 Jun 10:00): 0 ({cells})" in english(result.because)


def test_scale_2_can_be_retracted() -> None:
    retracted = statement("hypercapnic_failure", False, NOW - hours(1))
    assert scored(*vitals(spo2=90), HYPERCAPNIC).parts["spo2"] == 0
    assert scored(*vitals(spo2=90), HYPERCAPNIC, retracted).parts["spo2"] == 3


@pytest.mark.parametrize(("spo2", "points"), [(92, 0), (93, None), (99, None), (84, 2)])
def test_on_scale_2_a_high_saturation_without_charted_oxygen_gives_no_points(spo2: int, points: int | None) -> None:
    result = scored(*(item for item in vitals(spo2=spo2) if item[0] != "oxygen_device"), HYPERCAPNIC)
    assert result.parts.get("spo2") == points
    assert (result.score, in_names(result.missing)) == (None, ("oxygen_device",))


# -- oxygen ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["nasal_cannula", "blow_by", "face_mask", "high_flow_nasal_cannula", "cpap"])
def test_any_device_is_oxygen(device: str) -> None:
    assert scored(*vitals(oxygen_device=device)).parts["oxygen"] == 2


@pytest.mark.parametrize(
    ("kind", "value", "points"),
    [
        ("oxygen_flow", "0.5", 2),
        ("oxygen_flow", 0, 0),
        ("fio2", "21.1", 2),
        ("fio2", 21, 0),
        ("fio2", 40, 2),
        ("oxygen_flow", ">2", 2),
    ],
)
def test_without_a_device_the_flow_or_the_fraction_decides(kind: str, value: object, points: int) -> None:
    result = scored(*without("oxygen_device"), reading(kind, value))
    assert (result.parts["oxygen"], in_names(result.missing)) == (points, ())


def test_either_of_flow_and_fraction_is_enough() -> None:
    items = (*without("oxygen_device"), reading("oxygen_flow", 0), reading("fio2", 35))
    assert scored(*items).parts["oxygen"] == 2


@pytest.mark.parametrize(("age", "points"), [(1, 0), (0, 0), (-0.5, 2)])
def test_a_flow_counts_only_when_charted_after_no_device(age: float, points: int) -> None:
    at = NOW - hours(2)
    items = (*without("oxygen_device"), reading("oxygen_device", "none", at))
    assert scored(*items, reading("oxygen_flow", 3, at - hours(age))).parts["oxygen"] == points


@pytest.mark.parametrize(("age", "charted"), [(24, True), (24.1, False)])
def test_oxygen_holds_for_as_long_as_the_site_says(age: float, charted: bool) -> None:
    result = scored(*without("oxygen_device"), reading("oxygen_device", "face_mask", NOW - hours(age)))
    assert ("oxygen" in result.parts) is charted


def test_oxygen_not_charted_is_missing() -> None:
    result = scored(*without("oxygen_device"))
    assert (result.score, in_names(result.missing)) == (None, ("oxygen_device",))


def test_a_flow_that_is_only_a_bound_may_leave_oxygen_open() -> None:
    result = scored(*without("oxygen_device"), reading("oxygen_flow", "<1"))
    assert (result.score, in_names(result.missing)) == (None, ("oxygen_flow (only a bound: <1 L/min)",))


# -- consciousness ---------------------------------------------------------------------------------


def test_new_confusion_is_3_in_somebody_awake() -> None:
    result = scored(*vitals(), statement("new_confusion", at=NOW - hours(1)))
    assert (result.parts["consciousness"], result.score) == (3, 3)


def test_new_confusion_needs_no_charted_consciousness() -> None:
    assert scored(*without("consciousness"), statement("new_confusion")).parts["consciousness"] == 3


def test_no_new_confusion_leaves_consciousness_as_charted() -> None:
    assert scored(*vitals(), statement("new_confusion", False)).score == 0
    result = scored(*without("consciousness"), statement("new_confusion", False))
    assert (result.score, in_names(result.missing)) == (None, ("consciousness",))


@pytest.mark.parametrize(("age", "points"), [(24, 3), (24.1, 0)])
def test_new_confusion_holds_as_long_as_an_assessment(age: float, points: int) -> None:
    assert scored(*vitals(), statement("new_confusion", at=NOW - hours(age))).parts["consciousness"] == points


# -- missing, old, censored ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(BEST))
def test_without_one_part_there_is_no_total(kind: str) -> None:
    result = scored(*without(kind))
    assert (result.score, in_names(result.missing)) == (None, (kind,))
    assert len(result.parts) == 6
    assert english(result.because)[-1] == f"no score without {label(kind)}; the others give 0"


def test_nothing_charted_gives_no_parts() -> None:
    result = scored()
    assert (result.score, result.parts, in_names(result.missing), result.evidence) == (None, {}, tuple(BEST), ())


@pytest.mark.parametrize(
    ("kind", "longest"),
    [
        ("respiratory_rate", 12),
        ("spo2", 12),
        ("systolic_bp", 12),
        ("heart_rate", 12),
        ("consciousness", 24),
        ("temperature", 24),
    ],
)
def test_each_reading_holds_for_as_long_as_the_site_says(kind: str, longest: int) -> None:
    for age, holds in ((longest, True), (longest + 0.1, False)):
        result = scored(*without(kind), reading(kind, BEST[kind], NOW - hours(age)))
        assert (kind in result.parts) is holds


def test_an_old_reading_is_named() -> None:
    result = scored(*without("heart_rate"), reading("heart_rate", 70, NOW - hours(12.5)))
    assert in_names(result.missing) == ("heart_rate (last 16 Jun 21:30, more than 12 h ago)",)


def test_a_reading_that_was_not_possible_says_why() -> None:
    assert in_names(scored(*without("spo2"), absent("spo2", "cold hands")).missing) == ("spo2 (not done: cold hands)",)


def test_a_pressure_that_contradicts_its_set_leaves_the_one_before_it_or_none_and_is_flagged() -> None:
    refused = "pressures of 17 Jun 10:00 contradict each other: not used"
    contradicting = (reading("systolic_bp", 80), reading("diastolic_bp", 95))
    alone = scored(*without("systolic_bp"), *contradicting)
    assert (alone.score, in_names(alone.missing), english(alone.flags)) == (
        None,
        (f"systolic_bp ({refused})",),
        (refused,),
    )
    after_another = scored(*without("systolic_bp"), reading("systolic_bp", 105, NOW - hours(1)), *contradicting)
    assert (after_another.score, after_another.parts["systolic_bp"], english(after_another.flags)) == (1, 1, (refused,))
    assert "chart.pulse_pressure_least" in after_another.conventions


def test_a_reading_that_was_rejected_leaves_the_one_before_it_and_is_flagged() -> None:
    items = (*without("heart_rate"), reading("heart_rate", 95, NOW - hours(1)))
    rejected = rejected_value("heart_rate", "0 /min", "heart_rate 0 /min is not plausible; check value and unit")
    result = news2.score(chart(*items, rejected=(rejected,)), NOW, SITE)
    assert result.score == 1
    assert "the value before it is used" in english(result.flags)[0]


@pytest.mark.parametrize(
    ("kind", "value", "points"),
    [
        ("temperature", "<35.0", 3),
        ("temperature", "<=35.0", 3),
        ("temperature", ">=39.1", 2),
        ("spo2", "<80", 3),
        ("spo2", "<91.5", 3),
        ("spo2", ">=96", 0),
        ("systolic_bp", ">=220", 3),
        ("systolic_bp", "<90", 3),
    ],
)
def test_a_bound_that_decides_is_used(kind: str, value: str, points: int) -> None:
    result = scored(*vitals(**{kind: value}))
    assert (result.parts[kind], in_names(result.missing)) == (points, ())


@pytest.mark.parametrize(
    ("kind", "value"),
    [("temperature", "<36"), ("spo2", "<92"), ("spo2", ">94"), ("systolic_bp", ">200"), ("heart_rate", "<50")],
)
def test_a_bound_that_does_not_decide_gives_no_points(kind: str, value: str) -> None:
    result = scored(*vitals(**{kind: value}))
    assert (result.score, kind in result.parts) == (None, False)
    assert in_names(result.missing)[0].startswith(f"{kind} (only a bound: {value}")


def test_seven_points_call_for_an_emergency_assessment() -> None:
    """RCP 2017, thresholds and triggers."""
    assert news2.EMERGENCY == 7
