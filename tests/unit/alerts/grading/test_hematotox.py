"""CAR-HEMATOTOX against its table (Rejeski 2021), every boundary from both sides."""

from datetime import datetime, timedelta

import pytest

from alerts.grading import hematotox
from alerts.grading.result import Points
from alerts.message_fields import Status
from tests.support.charts import INFUSED, NOW, SITE, Item, absent, chart, day, hours, reading, rejected_value
from tests.support.wording import english, in_names

BEFORE = day(-6)
INSTANT = timedelta(microseconds=1)
BEST: dict[str, object] = {
    "platelets": 200,
    "neutrophils": "3.0",
    "hemoglobin": "12.0",
    "crp": 5,
    "ferritin": 300,
}


def labs(at: datetime = BEFORE, **values: object) -> tuple[Item, ...]:
    return tuple(reading(kind, value, at) for kind, value in {**BEST, **values}.items())


def without(*kinds: str) -> tuple[Item, ...]:
    return tuple(item for item in labs() if item[0] not in kinds)


def scored(*items: Item) -> Points:
    return hematotox.score(chart(*items), NOW, SITE)


@pytest.mark.parametrize(
    ("kind", "value", "points"),
    [
        ("platelets", "176", 0),
        ("platelets", "175.1", 0),
        ("platelets", "175", 1),
        ("platelets", "174", 1),
        ("platelets", "75.1", 1),
        ("platelets", "75", 1),
        ("platelets", "74.9", 2),
        ("platelets", "0", 2),
        ("neutrophils", "1.201", 0),
        ("neutrophils", "1.2", 0),
        ("neutrophils", "1.199", 1),
        ("neutrophils", "0", 1),
        ("hemoglobin", "9.1", 0),
        ("hemoglobin", "9.0", 0),
        ("hemoglobin", "8.9", 1),
        ("crp", "29.9", 0),
        ("crp", "30", 0),
        ("crp", "30.1", 1),
        ("ferritin", "649.9", 0),
        ("ferritin", "650", 1),
        ("ferritin", "2000", 1),
        ("ferritin", "2000.1", 2),
    ],
)
def test_each_cell_gives_its_points(kind: str, value: str, points: int) -> None:
    result = scored(*labs(**{kind: value}))
    assert result.score == points
    assert in_names(result.missing) == ()


@pytest.mark.parametrize(
    ("values", "points", "risk"),
    [
        ({}, 0, "low"),
        ({"crp": 50}, 1, "low"),
        ({"crp": 50, "hemoglobin": 8}, 2, "high"),
        ({"platelets": 40}, 2, "high"),
        ({"platelets": 150, "hemoglobin": "8.5", "crp": 40}, 3, "high"),
        ({"platelets": 10, "neutrophils": 0, "hemoglobin": 7, "crp": 300, "ferritin": 9000}, 7, "high"),
    ],
)
def test_two_points_and_more_are_high_risk(values: dict[str, object], points: int, risk: str) -> None:
    result = scored(*labs(**values))
    assert (result.score, result.risk) == (points, risk)


@pytest.mark.parametrize(("kind", "value"), [("neutrophils", "1.2"), ("hemoglobin", "9.0"), ("crp", "30")])
def test_a_tie_that_the_print_does_not_define_is_flagged(kind: str, value: str) -> None:
    result = scored(*labs(**{kind: value}))
    assert result.score == 0
    assert len(english(result.flags)) == 1
    assert "the table does not say" in english(result.flags)[0]


@pytest.mark.parametrize(
    ("kind", "value"), [("platelets", "175"), ("platelets", "75"), ("ferritin", "650"), ("ferritin", "2000")]
)
def test_an_end_of_a_printed_band_belongs_to_it_and_is_not_flagged(kind: str, value: str) -> None:
    result = scored(*labs(**{kind: value}))
    assert (result.score, english(result.flags)) == (1, ())


def test_the_result_names_its_system_rows_and_readings() -> None:
    result = scored(*labs(platelets=60))
    assert (result.system, result.version, result.at) == ("CAR-HEMATOTOX", "Rejeski 2021", NOW)
    assert english(result.because)[0] == "platelets 60 ×10⁹/L (06 Jun 10:00): 2 (< 75)"
    assert english(result.because)[-1] == "2 points: high risk (0-1 low, 2 or more high)"
    assert [item.kind for item in result.evidence] == list(BEST)
    assert result.conventions == ("chart.baseline_window", "hematotox.not_later_than_day")


# -- missing and censored --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(BEST))
def test_a_missing_component_gives_no_score(kind: str) -> None:
    result = scored(*without(kind))
    assert (result.score, result.risk) == (None, None)
    assert in_names(result.missing) == (kind,)


def test_nothing_charted_gives_no_score() -> None:
    assert in_names(scored().missing) == tuple(BEST)
    assert scored().score is None


def test_where_the_other_components_already_give_two_points_the_risk_is_said() -> None:
    result = scored(*(item for item in labs(platelets=40) if item[0] != "ferritin"))
    assert (result.score, result.risk) == (None, "high")
    assert english(result.because)[-1] == "no score without ferritin; at least 2 points: high risk"


def test_a_crp_without_a_unit_is_named_as_rejected() -> None:
    rejected = rejected_value("crp", "85", "the unit is missing", BEFORE)
    result = hematotox.score(chart(*without("crp"), rejected=(rejected,)), NOW, SITE)
    assert in_names(result.missing) == ("crp (85 was not used: the unit is missing)",)


def test_a_ferritin_that_was_not_done_says_why() -> None:
    assert in_names(scored(*without("ferritin"), absent("ferritin", "no serum", BEFORE)).missing) == (
        "ferritin (not done: no serum)",
    )


@pytest.mark.parametrize(
    ("kind", "value", "points"),
    [
        ("neutrophils", "<0.1", 1),
        ("neutrophils", "<1.2", 1),
        ("crp", "<5", 0),
        ("crp", "<30", 0),
        ("crp", ">30", 1),
        ("ferritin", ">2000", 2),
        ("ferritin", ">40000", 2),
        ("ferritin", "<650", 0),
        ("platelets", "<75", 2),
        ("platelets", ">175", 0),
    ],
)
def test_a_bound_that_decides_is_used(kind: str, value: str, points: int) -> None:
    result = scored(*labs(**{kind: value}))
    assert result.score == points
    assert english(result.flags) == ()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("neutrophils", "<1.3"),
        ("neutrophils", "<=1.2"),
        ("hemoglobin", ">8"),
        ("crp", "<31"),
        ("crp", ">=30"),
        ("ferritin", ">1500"),
        ("ferritin", ">=2000"),
        ("ferritin", "<=650"),
        ("platelets", "<=75"),
        ("platelets", ">=175"),
    ],
)
def test_a_bound_that_does_not_decide_gives_no_score(kind: str, value: str) -> None:
    result = scored(*labs(**{kind: value}))
    assert (result.score, result.risk) == (None, None)
    assert len(in_names(result.missing)) == 1
    assert in_names(result.missing)[0].startswith(f"{kind} (only a bound: {value}")


def test_an_undecided_bound_leaves_the_risk_where_it_is_high_either_way() -> None:
    result = scored(*labs(platelets=40, ferritin=">1500"))
    assert (result.score, result.risk) == (None, "high")
    assert "at least 3 points" in english(result.because)[-1]


def test_a_preliminary_component_is_flagged() -> None:
    items = (*without("crp"), reading("crp", 5, BEFORE, status=Status.PRELIMINARY))
    assert english(scored(*items).flags) == ("provisional result",)


# -- which values ----------------------------------------------------------------------------------


def test_the_score_stays_that_of_the_time_before_lymphodepletion() -> None:
    low = {"platelets": 60, "neutrophils": "0.1", "hemoglobin": 7, "crp": 200, "ferritin": 20000}
    result = scored(*labs(), *labs(INFUSED - hours(3), **low), *labs(day(4), **low))
    assert (result.score, result.risk) == (0, "low")


END_OF_DAY_MINUS_5 = datetime(2024, 6, 8, tzinfo=SITE.zone)
"""Midnight of the hospital's calendar."""


@pytest.mark.parametrize(("after", "score"), [(-hours(1), 1), (-INSTANT, 1), (hours(0), 0)])
def test_a_value_counts_until_the_day_has_ended_by_the_hospitals_calendar(after: timedelta, score: int) -> None:
    assert scored(*labs(), reading("platelets", 150, END_OF_DAY_MINUS_5 + after)).score == score


def test_the_day_is_the_sites_convention() -> None:
    other = SITE.conventions.hematotox.not_later_than_day.model_copy(update={"value": -2})
    conventions = SITE.conventions.model_copy(
        update={"hematotox": SITE.conventions.hematotox.model_copy(update={"not_later_than_day": other})}
    )
    patient = chart(*labs(), reading("platelets", 150, day(-3)))
    assert hematotox.score(patient, NOW, SITE._replace(conventions=conventions)).score == 1
    assert hematotox.score(patient, NOW, SITE).score == 0


def test_without_a_time_of_infusion_a_missing_component_is_named_alone() -> None:
    assert in_names(hematotox.score(chart(*without("crp"), infused=None), NOW, SITE).missing) == ("crp",)


def test_where_only_later_values_exist_there_is_no_score_and_it_is_said() -> None:
    result = scored(*labs(day(-4)))
    assert (result.score, result.risk, result.evidence) == (None, None, ())
    assert in_names(result.missing) == tuple(f"{kind} (charted only after day -5)" for kind in BEST)


def test_a_value_of_after_infusion_is_no_late_one() -> None:
    assert in_names(scored(*without("ferritin"), reading("ferritin", 300, day(1))).missing) == ("ferritin",)


def test_why_a_value_is_missing_explains_more_than_one_that_was_charted_too_late() -> None:
    late = reading("ferritin", 300, day(-3))
    result = scored(*without("ferritin"), absent("ferritin", "no serum", BEFORE), late)
    assert in_names(result.missing) == ("ferritin (not done: no serum)",)


@pytest.mark.parametrize(("before", "found"), [(14, True), (14.1, False)])
def test_before_lymphodepletion_a_value_counts_for_the_length_of_the_baseline_window(
    before: float, found: bool
) -> None:
    patient = chart(*without("ferritin"), reading("ferritin", 300, BEFORE - timedelta(days=before)))
    assert (hematotox.score(patient, BEFORE, SITE).score is not None) is found


def test_before_lymphodepletion_the_latest_values_so_far_are_used() -> None:
    patient = chart(*labs(day(-8)), reading("platelets", 150, day(-7)), reading("platelets", 60, day(-6)))
    assert hematotox.score(patient, day(-7), SITE).score == 1
    assert hematotox.score(patient, day(-6), SITE).score == 2


def test_without_a_time_of_infusion_the_latest_values_are_used_and_it_is_said() -> None:
    patient = chart(*labs(), reading("platelets", 60, NOW), infused=None)
    result = hematotox.score(patient, NOW, SITE)
    assert (result.score, english(result.flags)) == (2, ("no time of infusion: the latest values are used",))


@pytest.mark.parametrize(("before", "found"), [(14, True), (14.1, False)])
def test_values_older_than_the_baseline_window_are_not_used(before: float, found: bool) -> None:
    result = scored(*without("ferritin"), reading("ferritin", 300, day(-before)))
    assert (result.score is not None) is found
