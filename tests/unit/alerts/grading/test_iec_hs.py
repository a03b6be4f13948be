"""The IEC-HS screen against its definition (Hines 2023), every criterion from both sides and left open."""

from datetime import datetime

import pytest

from alerts.grading import crs, iec_hs
from alerts.grading.iec_hs import Screen
from alerts.message_fields import Status
from tests.support.charts import INFUSED, NOW, SITE, Item, absent, chart, day, dose, hours, reading, statement
from tests.support.wording import english, in_names


def signs(celsius: str, at: datetime, systolic: int = 120) -> tuple[Item, ...]:
    return reading("temperature", celsius, at), reading("systolic_bp", systolic, at), reading("spo2", 97, at)


CRS = signs("38.5", day(2))
CLOSED = (*CRS, *signs("36.8", day(3)), *signs("36.8", day(3.5)))
"""One episode of CRS, clear on day 3 and closed on day 3.5."""


def ferritin(value: object, at: datetime = NOW, high: object = 400, **fields: object) -> Item:
    return reading("ferritin", value, at, high=high, **fields)  # type: ignore[arg-type]


RISING = (ferritin(4000, NOW - hours(24)), ferritin(9000))
ORGAN = (reading("fibrinogen", 140),)
NORMAL = (
    reading("fibrinogen", 300),
    reading("ast", 30, high=40),
    reading("alt", 30, high=40),
    reading("platelets", 80),
    reading("neutrophils", "2.0"),
    reading("white_cells", "4.0"),
)
"""Everything besides CRS and ferritin, unsuspicious."""


def screened(*items: Item) -> Screen:
    return iec_hs.screen(chart(*items), NOW, SITE)


def normal_but(*items: Item) -> tuple[Item, ...]:
    kinds = {kind for kind, _ in items}
    return (*(item for item in NORMAL if item[0] not in kinds), *items)


def test_all_criteria_together_are_suspicious() -> None:
    result = screened(*CLOSED, *RISING, *ORGAN)
    assert result.suspected is True
    assert (result.system, result.version, result.at, in_names(result.missing)) == ("IEC-HS", "ASTCT 2023", NOW, ())
    assert english(result.because) == (
        "ferritin 9000 µg/L (17 Jun 10:00) > 2 x ULN (800)",
        "ferritin 9000 µg/L (17 Jun 10:00) >= 2 x that of 16 Jun 10:00 (8000)",
        "fibrinogen 140 mg/dL (17 Jun 10:00) < 150",
        "CRS closed on 15 Jun 22:00, before the latest ferritin",
        "consider IEC-HS",
    )
    assert [item.kind for item in result.evidence] == ["ferritin", "ferritin", "fibrinogen"]
    assert result.conventions == ("iec_hs.ferritin_doubles_within", "chart.laboratory_holds", "crs.clear_sets_apart")


def test_a_course_that_is_known_gives_the_same_answer() -> None:
    patient = chart(*CLOSED, *RISING, *ORGAN)
    known = crs.course(patient, NOW, SITE)
    assert iec_hs.screen(patient, NOW, SITE, known) == iec_hs.screen(patient, NOW, SITE)


# -- ferritin is high ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "suspected"), [(801, True), (800, False), (799, False), (">800", True), ("<=800", False)]
)
def test_ferritin_must_exceed_twice_the_upper_limit(value: object, suspected: bool) -> None:
    before = (ferritin(400, day(-1)), ferritin(100, NOW - hours(24)))
    assert screened(*CLOSED, *before, ferritin(value), *ORGAN).suspected is suspected


@pytest.mark.parametrize(("value", "suspected"), [(1001, True), (1000, False)])
def test_or_twice_its_value_at_infusion(value: int, suspected: bool) -> None:
    before = (ferritin(90, day(-1), 4000), ferritin(500, day(0), 4000), ferritin(450, NOW - hours(24), 4000))
    result = screened(*CLOSED, *before, ferritin(value, high=4000), *ORGAN)
    assert result.suspected is suspected


def test_without_the_limit_the_value_at_infusion_can_decide() -> None:
    items = (
        *CLOSED,
        ferritin(500, day(0), None),
        ferritin(1000, NOW - hours(24), None),
        ferritin(2500, high=None),
        *ORGAN,
    )
    result = screened(*items)
    assert result.suspected is True
    assert english(result.because)[0] == "ferritin 2500 µg/L (17 Jun 10:00) > 2 x the value at infusion (1000)"
    assert "chart.baseline_window" in result.conventions


def test_without_limit_and_value_at_infusion_it_is_open() -> None:
    result = screened(*CLOSED, ferritin(4000, NOW - hours(24), None), ferritin(9000, high=None), *ORGAN)
    assert result.suspected is None
    assert in_names(result.missing) == ("ferritin: upper reference limit", "ferritin at infusion")


def test_without_an_infusion_there_is_no_value_at_infusion() -> None:
    """After a ferritin from before the infusion there is no CRS, which the screen comes after."""
    patient = chart(*CLOSED, ferritin(300, NOW - hours(24)), ferritin(700), *ORGAN, infused=None)
    result = iec_hs.screen(patient, NOW, SITE)
    assert (result.suspected, in_names(result.missing)) == (None, ("ferritin at infusion",))


def test_not_above_the_limit_and_the_value_at_infusion_not_known_is_open() -> None:
    result = screened(*CLOSED, ferritin(300, NOW - hours(24)), ferritin(700), *ORGAN)
    assert (result.suspected, in_names(result.missing)) == (None, ("ferritin at infusion",))


@pytest.mark.parametrize(
    ("at_infusion", "value", "suspected"),
    [
        (">1500", 9000, None),
        (">=1500", 9000, None),
        (">1500", 3000, False),
        ("<500", 1001, True),
        ("<500", 1000, None),
        ("<=500", 1001, True),
        ("<=500", 1000, None),
    ],
)
def test_a_value_at_infusion_that_is_only_a_bound_decides_as_far_as_it_goes(
    at_infusion: str, value: int, suspected: bool | None
) -> None:
    before = (ferritin(at_infusion, day(0), 100000), ferritin(500, NOW - hours(24), 100000))
    assert screened(*CLOSED, *before, ferritin(value, high=100000), *ORGAN).suspected is suspected


def test_the_ferritin_at_infusion_is_not_held_against_itself() -> None:
    patient = chart(ferritin(700, INFUSED))
    assert in_names(iec_hs.criteria(patient, INFUSED, SITE).read[0].missing) == ("ferritin at infusion",)


def test_criteria_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        iec_hs.criteria(chart(), NOW, SITE).flags = ()


def test_a_ferritin_never_charted_is_open() -> None:
    result = screened(*CLOSED, *ORGAN)
    assert (result.suspected, in_names(result.missing)) == (None, ("ferritin",))


def test_a_ferritin_that_no_longer_holds_is_open() -> None:
    result = iec_hs.screen(chart(*CLOSED, *RISING, *ORGAN), NOW + hours(168.1), SITE)
    assert result.suspected is None
    assert in_names(result.missing)[0] == "ferritin (last 17 Jun 10:00, more than 7 d ago)"


def test_a_specimen_that_could_not_be_used_leaves_the_ferritin_before_it_and_is_flagged() -> None:
    earlier = (ferritin(4000, NOW - hours(25)), ferritin(9000, NOW - hours(1)))
    result = screened(*CLOSED, *earlier, absent("ferritin", "haemolysed"), *ORGAN)
    assert result.suspected is True
    assert english(result.flags) == ("newer ferritin: not done: haemolysed; the value before it is used",)


def test_a_preliminary_ferritin_is_flagged() -> None:
    result = screened(*CLOSED, RISING[0], ferritin(9000, status=Status.PRELIMINARY), *ORGAN)
    assert (result.suspected, english(result.flags)) == (True, ("provisional result",))


# -- ferritin rises --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("earlier", "age", "suspected"),
    [
        (4500, 24, True),
        (4501, 24, False),
        (4500, 48, True),
        (4500, 48.1, None),
        ("<4500", 24, True),
        (">4000", 24, None),
    ],
)
def test_ferritin_must_double_within_48_hours(earlier: object, age: float, suspected: bool | None) -> None:
    assert screened(*CLOSED, ferritin(earlier, NOW - hours(age)), ferritin(9000), *ORGAN).suspected is suspected


def test_any_value_of_the_48_hours_counts() -> None:
    earlier = (ferritin(3000, NOW - hours(40)), ferritin(8000, NOW - hours(10)))
    assert screened(*CLOSED, *earlier, ferritin(9000), *ORGAN).suspected is True


@pytest.mark.parametrize(("value", "suspected"), [(10000, False), (10001, True), (">10000", True), (">40000", True)])
def test_or_be_above_10000(value: object, suspected: bool) -> None:
    assert screened(*CLOSED, ferritin(9500, NOW - hours(24)), ferritin(value), *ORGAN).suspected is suspected


def test_without_an_earlier_ferritin_whether_it_rises_is_open() -> None:
    result = screened(*CLOSED, ferritin(9000), *ORGAN)
    assert (result.suspected, in_names(result.missing)) == (None, ("ferritin of the 48 h before the latest",))


def test_the_very_high_ferritin_names_its_convention() -> None:
    result = screened(*CLOSED, ferritin(">100000"), *ORGAN)
    assert result.suspected is True
    assert "iec_hs.ferritin_high" in result.conventions
    assert "iec_hs.ferritin_doubles_within" not in result.conventions


# -- after CRS has improved ------------------------------------------------------------------------


def test_who_never_had_crs_is_not_suspected() -> None:
    result = screened(*signs("36.8", day(4)), *RISING, *ORGAN)
    assert (result.suspected, english(result.because)) == (False, ("no CRS", "IEC-HS is not suspected"))


def test_whether_there_was_crs_is_open_where_no_temperature_was_ever_charted() -> None:
    result = screened(*RISING, *ORGAN)
    assert (result.suspected, in_names(result.missing)) == (None, ("temperature",))


def test_crs_at_its_height_is_not_suspicious() -> None:
    result = screened(*CRS, *signs("38.9", NOW - hours(2)), *RISING, *ORGAN)
    assert result.suspected is False
    assert english(result.because)[0] == "CRS at its highest, grade 1, when the latest ferritin was drawn"
    assert "temperature" in [item.kind for item in result.evidence]


@pytest.mark.parametrize(
    ("now", "suspected"), [(signs("38.5", NOW - hours(2)), True), (signs("38.5", NOW - hours(2), 85), False)]
)
def test_crs_below_the_highest_grade_of_its_episode_has_improved(now: tuple[Item, ...], suspected: bool) -> None:
    height = signs("39.0", day(2), 85)
    assert screened(*height, *now, *RISING, *ORGAN).suspected is suspected


def test_crs_that_is_clear_but_not_yet_closed_has_improved() -> None:
    result = screened(*CRS, *signs("36.8", NOW - hours(2)), *RISING, *ORGAN)
    assert result.suspected is True
    assert english(result.because)[3] == "CRS below its highest, grade 1, since 17 Jun 08:00"


def test_crs_that_is_closed_at_the_time_of_the_ferritin_is_said_to_be_closed() -> None:
    result = screened(*CRS, *signs("36.8", NOW - hours(6)), *signs("36.8", NOW), *RISING, *ORGAN)
    assert result.suspected is True
    assert english(result.because)[3] == "CRS closed on 17 Jun 10:00, before the latest ferritin"


def test_crs_that_is_lower_at_the_time_of_the_ferritin_has_improved() -> None:
    result = screened(*CRS, *signs("36.8", NOW), *RISING, *ORGAN)
    assert result.suspected is True
    assert english(result.because)[3] == "CRS below its highest, grade 1, since 17 Jun 10:00"


def test_crs_that_returns_at_the_time_of_the_ferritin_is_at_its_height() -> None:
    result = screened(*CLOSED, *signs("38.5", NOW), *RISING, *ORGAN)
    assert (result.suspected, english(result.because)[0]) == (
        False,
        "CRS at its highest, grade 1, when the latest ferritin was drawn",
    )


def test_a_new_episode_has_a_height_of_its_own() -> None:
    severe = (*signs("39.0", day(1), 85), *signs("36.8", day(2)), *signs("36.8", day(2.5)))
    again = signs("38.5", NOW - hours(2))
    assert screened(*severe, *again, *RISING, *ORGAN).suspected is False


def test_a_ferritin_from_the_height_of_crs_stays_unsuspicious_once_crs_improves() -> None:
    height = (*CRS, *signs("38.5", NOW - hours(30)))
    rising = (ferritin(4000, NOW - hours(48)), ferritin(20000, NOW - hours(25)))
    assert screened(*height, *rising, *signs("36.8", NOW - hours(20)), *ORGAN).suspected is False
    again = ferritin(21000)
    assert screened(*height, *rising, *signs("36.8", NOW - hours(20)), again, *ORGAN).suspected is True


def test_a_ferritin_from_before_any_crs_is_not_suspicious() -> None:
    items = (ferritin(20000, NOW - hours(3)), *signs("38.5", NOW - hours(2)), *ORGAN)
    result = screened(*signs("36.8", NOW - hours(8)), *items)
    assert (result.suspected, english(result.because)[0]) == (False, "no CRS before the latest ferritin")


def test_a_closed_episode_counts_although_another_has_begun_since() -> None:
    rising = (ferritin(4000, NOW - hours(30)), ferritin(20000, NOW - hours(6)))
    result = screened(*CLOSED, *rising, *signs("38.5", NOW - hours(2)), *ORGAN)
    assert result.suspected is True
    assert "CRS was closed when the latest ferritin was drawn" in english(result.because)


def test_where_crs_could_not_be_graded_it_is_open() -> None:
    result = screened(*CRS, *RISING, *ORGAN)
    assert result.suspected is None
    assert in_names(result.missing) == ("CRS grade since its highest: temperature",)


def test_treated_crs_without_fever_is_still_crs() -> None:
    treated = (*CRS, dose("tocilizumab", day(2)), *signs("36.8", NOW - hours(2), 85))
    assert screened(*treated, *RISING, *ORGAN).suspected is False


# -- one of the organs -----------------------------------------------------------------------------


def test_without_any_of_them_it_is_not_suspicious() -> None:
    result = screened(*CLOSED, *RISING, *NORMAL)
    assert (result.suspected, in_names(result.missing)) == (False, ())
    assert english(result.because)[-1] == "IEC-HS is not suspected"
    assert "fibrinogen 300 mg/dL (17 Jun 10:00) not < 150" in english(result.because)[0]


@pytest.mark.parametrize(
    ("item", "suspected"),
    [
        (reading("fibrinogen", 149), True),
        (reading("fibrinogen", 150), False),
        (reading("fibrinogen", "<150"), True),
        (reading("fibrinogen", "<160"), None),
        (reading("ast", 201, high=40), True),
        (reading("ast", 200, high=40), False),
        (reading("alt", 201, high=40), True),
        (reading("alt", 200, high=40), False),
        (reading("alt", ">300", high=40), True),
        (reading("alt", ">100", high=40), None),
        (reading("alt", 2000), None),
    ],
)
def test_each_organ_has_its_bound(item: Item, suspected: bool | None) -> None:
    assert screened(*CLOSED, *RISING, *normal_but(item)).suspected is suspected


@pytest.mark.parametrize("kind", [item[0] for item in NORMAL])
def test_what_was_not_measured_leaves_it_open(kind: str) -> None:
    result = screened(*CLOSED, *RISING, *(item for item in NORMAL if item[0] != kind))
    assert (result.suspected, in_names(result.missing)) == (None, (kind,))


def test_one_that_is_met_needs_no_other() -> None:
    result = screened(*CLOSED, *RISING, reading("ast", 500, high=40))
    assert (result.suspected, in_names(result.missing)) == (True, ())


@pytest.mark.parametrize(
    ("kind", "before", "now", "suspected"),
    [
        ("platelets", 30, "24.9", True),
        ("platelets", 30, 25, False),
        ("neutrophils", "0.5", "0.49", True),
        ("neutrophils", "0.6", "0.5", False),
        ("white_cells", "1.0", "0.99", True),
        ("white_cells", "1.5", "1.0", False),
        ("lymphocytes", "0.5", "0.1", False),
        ("neutrophils", "0.9", "<0.5", True),
        ("neutrophils", "0.9", "<0.9", None),
    ],
)
def test_a_new_grade_4_count_is_one(kind: str, before: object, now: object, suspected: bool | None) -> None:
    items = (reading(kind, before, NOW - hours(24)), *normal_but(reading(kind, now)))
    assert screened(*CLOSED, *RISING, *items).suspected is suspected


def test_the_new_count_is_said_with_the_one_before_it() -> None:
    counts = (reading("platelets", 30, NOW - hours(72)), reading("platelets", 20, NOW - hours(24)))
    result = screened(*CLOSED, *RISING, *counts, *normal_but(reading("platelets", 15)))
    assert english(result.because)[2] == "platelets 15 ×10⁹/L (17 Jun 10:00): grade 4 since 16 Jun 10:00: new"
    assert [item.entry.value for item in result.evidence if item.kind == "platelets"] == [15, 30]
    assert "iec_hs.cytopenia_new_for" in result.conventions


@pytest.mark.parametrize(("age", "suspected"), [(48, True), (48.1, False)])
def test_a_grade_4_count_stays_new_for_as_long_as_the_site_says(age: float, suspected: bool) -> None:
    counts = (reading("platelets", 30, NOW - hours(90)), reading("platelets", 20, NOW - hours(age)))
    assert screened(*CLOSED, *RISING, *counts, *normal_but(reading("platelets", 15))).suspected is suspected


def test_a_count_that_recovered_between_is_new_again() -> None:
    counts = [reading("platelets", value, NOW - hours(age)) for value, age in ((10, 90), (40, 20))]
    assert screened(*CLOSED, *RISING, *counts, *normal_but(reading("platelets", 15))).suspected is True


def test_a_count_that_was_not_done_does_not_hide_the_one_before_it() -> None:
    counts = (reading("platelets", 30, NOW - hours(40)), absent("platelets", "clotted", NOW - hours(20)))
    assert screened(*CLOSED, *RISING, *counts, *normal_but(reading("platelets", 15))).suspected is True


def test_a_first_count_at_grade_4_leaves_open_whether_it_is_new() -> None:
    result = screened(*CLOSED, *RISING, *normal_but(reading("platelets", 15)))
    assert (result.suspected, in_names(result.missing)) == (None, ("platelets before 17 Jun 10:00",))


def test_a_count_before_that_is_only_a_bound_leaves_open_whether_it_is_new() -> None:
    counts = (reading("neutrophils", "<0.9", NOW - hours(24)), *normal_but(reading("neutrophils", "0.2")))
    result = screened(*CLOSED, *RISING, *counts)
    assert (result.suspected, in_names(result.missing)) == (None, ("neutrophils before 17 Jun 10:00",))


def test_grade_4_is_that_of_the_version_the_site_uses() -> None:
    site = SITE._replace(conventions=SITE.conventions.model_copy(update={"ctcae_version": "6.0"}))
    counts = (reading("platelets", 30, NOW - hours(24)), *normal_but(reading("platelets", 15)))
    patient = chart(*CLOSED, *RISING, *counts)
    assert iec_hs.screen(patient, NOW, SITE).suspected is True
    assert iec_hs.screen(patient, NOW, site).suspected is False


def test_one_criterion_that_is_not_met_decides_whatever_else_is_open() -> None:
    result = screened(*CLOSED, ferritin(700, day(0)), ferritin(700, NOW - hours(24)), ferritin(750))
    assert (result.suspected, in_names(result.missing)) == (False, ())


def test_an_empty_chart_is_undetermined_and_says_what_is_missing() -> None:
    result = screened()
    assert (result.suspected, in_names(result.missing)) == (None, ("temperature",))


# -- anaemia ---------------------------------------------------------------------------------------

ANAEMIA = "anemia_life_threatening"


@pytest.mark.parametrize(("ago", "suspected"), [(0, True), (48, True), (48.01, False)])
def test_an_anaemia_newly_stated_to_be_life_threatening_is_a_new_grade_4_cytopenia(ago: float, suspected: bool) -> None:
    result = screened(*CLOSED, *RISING, *NORMAL, statement(ANAEMIA, at=NOW - hours(ago)))
    assert result.suspected is suspected
    if suspected:
        assert ANAEMIA in [item.kind for item in result.evidence]
        assert "iec_hs.cytopenia_new_for" in result.conventions


def test_an_anaemia_stated_again_is_as_old_as_it_was() -> None:
    old, again = statement(ANAEMIA, at=NOW - hours(60)), statement(ANAEMIA, at=NOW - hours(1))
    assert screened(*CLOSED, *RISING, *NORMAL, old, again).suspected is False
    denied = statement(ANAEMIA, False, NOW - hours(30))
    assert screened(*CLOSED, *RISING, *NORMAL, old, denied, again).suspected is True


def test_an_anaemia_that_is_denied_or_not_stated_is_none() -> None:
    assert screened(*CLOSED, *RISING, *NORMAL).suspected is False
    retracted = (statement(ANAEMIA, at=NOW - hours(2)), statement(ANAEMIA, False, NOW - hours(1)))
    assert screened(*CLOSED, *RISING, *NORMAL, *retracted).suspected is False
