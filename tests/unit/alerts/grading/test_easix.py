"""The EASIX family against its formulas, and what may and may not go into one score."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from alerts.chart.chart import Chart
from alerts.grading import easix
from alerts.grading.result import Score
from alerts.message_fields import Status
from config.conventions import EasixThreshold
from config.site import Site
from config.types import Convention
from tests.support.charts import NOW, SITE, Item, absent, chart, day, dose, hours, reading, rejected_value
from tests.support.wording import english, in_names

UNITLESS = "the unit is missing"


def labs(
    at: datetime = NOW, *, ldh: object = 320, crp: object = 85, creatinine: object = 1, platelets: object = 45
) -> tuple[Item, ...]:
    return (
        reading("ldh", ldh, at),
        reading("crp", crp, at),
        reading("creatinine", creatinine, at),
        reading("platelets", platelets, at),
    )


def rounded(value: Decimal | None) -> str:
    assert value is not None
    return f"{value:.2f}"


# -- the formulas ----------------------------------------------------------------------------------


def test_m_easix_of_the_worked_example_is_60_44() -> None:
    score = easix.m_easix(chart(*labs()), NOW, SITE)
    assert rounded(score.value) == "60.44"
    assert rounded(score.log2) == "5.92"
    assert score.value == Decimal(320) * Decimal("8.5") / Decimal(45)
    assert (score.bound, score.bound_value, in_names(score.missing)) == ("", None, ())


@pytest.mark.parametrize(
    ("ldh", "creatinine", "platelets", "value"),
    [
        (200, "1.0", 200, "1.00"),
        (393, "0.7", 150, "1.83"),
        (934, "1.0", 200, "4.67"),
        (320, "0.9", 45, "6.40"),
        (320, "0.9", 1, "288.00"),
    ],
)
def test_easix_is_ldh_times_creatinine_over_platelets(ldh: int, creatinine: str, platelets: int, value: str) -> None:
    score = easix.easix(chart(*labs(ldh=ldh, creatinine=creatinine, platelets=platelets)), NOW, SITE)
    assert rounded(score.value) == value


def test_s_easix_is_ldh_over_platelets() -> None:
    assert rounded(easix.s_easix(chart(*labs()), NOW, SITE).value) == "7.11"


@pytest.mark.parametrize(
    ("ldh", "platelets", "log2"), [(200, 200, "0"), (400, 200, "1"), (100, 200, "-1"), (320, 5, "6")]
)
def test_log2_is_the_binary_logarithm(ldh: int, platelets: int, log2: str) -> None:
    assert easix.s_easix(chart(*labs(ldh=ldh, platelets=platelets)), NOW, SITE).log2 == Decimal(log2)


def test_each_member_names_its_system_and_source() -> None:
    patient = chart(*labs())
    named = [(score.system, score.version) for score in (member(patient, NOW, SITE) for member in easix.MEMBERS)]
    assert named == [("EASIX", "Luft 2017"), ("s-EASIX", "Pennisi 2021"), ("m-EASIX", "Pennisi 2021")]


def test_each_member_takes_only_its_own_inputs() -> None:
    patient = chart(*labs())
    taken = [[item.kind for item in member(patient, NOW, SITE).evidence] for member in easix.MEMBERS]
    assert taken == [["ldh", "creatinine", "platelets"], ["ldh", "platelets"], ["ldh", "crp", "platelets"]]


def test_the_reasons_state_every_input_with_unit_time_and_age_and_the_sum() -> None:
    score = easix.m_easix(chart(*labs(NOW - hours(2.5))), NOW, SITE)
    assert english(score.because) == (
        "LDH 320 U/L (17 Jun 07:30), 2.5 h old",
        "CRP 85 mg/L (17 Jun 07:30), 2.5 h old",
        "platelets 45 ×10⁹/L (17 Jun 07:30), 2.5 h old",
        "m-EASIX = 320 U/L x 8.5 mg/dL / 45 ×10⁹/L = 60.44 (log2 5.92)",
    )
    assert score.at == NOW
    assert score.conventions == ("easix.inputs_within", "chart.laboratory_holds")


# -- what it was -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("crp", "was", "change"), [(40, "28.44", "rising"), (100, "71.11", "falling"), (85, "60.44", "unchanged")]
)
def test_a_score_says_what_it_was_when_it_was_so_and_where_it_goes(crp: object, was: str, change: str) -> None:
    before = NOW - hours(26)
    score = easix.m_easix(chart(*labs(before, crp=crp), *labs()), NOW, SITE)
    assert (rounded(score.previous), score.previous_at) == (was, before)
    assert english(score.because)[-1] == f"m-EASIX 60.44, was {was} on 16 Jun 08:00: {change}"
    assert english(score.because)[0] == "LDH 320 U/L (17 Jun 10:00), 0.0 h old"
    assert english(score.because)[2] == "platelets 45 ×10⁹/L (17 Jun 10:00), 0.0 h old"
    assert english(score.because)[-2].startswith("m-EASIX = 320 U/L x 8.5 mg/dL")


@pytest.mark.parametrize("member", easix.MEMBERS)
def test_each_member_has_a_trend_of_its_own(member: Callable[[Chart, datetime, Site], Score]) -> None:
    score = member(chart(*labs(NOW - hours(26), platelets=90), *labs()), NOW, SITE)
    assert score.value is not None
    assert score.previous == score.value / 2


def test_what_it_was_rests_on_inputs_that_were_all_drawn_before() -> None:
    first, second = NOW - hours(30), NOW - hours(10)
    shared = (*labs(first, crp=40), *labs(second, crp=60), reading("crp", 85))
    score = easix.m_easix(chart(*shared), NOW, SITE)
    assert (rounded(score.value), rounded(score.previous), score.previous_at) == ("60.44", "28.44", first)


def test_inputs_of_the_instant_before_are_earlier_ones() -> None:
    before = NOW - timedelta(microseconds=1)
    assert easix.m_easix(chart(*labs(before, crp=40), *labs()), NOW, SITE).previous_at == before


@pytest.mark.parametrize(
    "earlier",
    [
        (),
        labs(NOW - hours(26), crp="<5"),
        labs(NOW - hours(26), platelets=0),
        labs(NOW - hours(24 * 7 + 1)),
        labs(NOW - hours(26))[:1],
    ],
)
def test_without_an_earlier_score_there_is_no_trend(earlier: tuple[Item, ...]) -> None:
    score = easix.m_easix(chart(*earlier, *labs()), NOW, SITE)
    assert (score.previous, score.previous_at) == (None, None)
    assert english(score.because)[-1].startswith("m-EASIX = ")


def test_a_bound_has_no_trend() -> None:
    score = easix.m_easix(chart(*labs(NOW - hours(26)), *labs(crp="<5")), NOW, SITE)
    assert (score.previous, english(score.because)[-1][:18]) == (None, "m-EASIX is at most")


# -- zero ------------------------------------------------------------------------------------------


def test_crp_zero_gives_zero_and_no_logarithm() -> None:
    score = easix.m_easix(chart(*labs(crp=0)), NOW, SITE)
    assert score.value == 0
    assert score.log2 is None
    assert english(score.because)[-1].endswith("= 0.00 (log2 undefined)")


@pytest.mark.parametrize("member", easix.MEMBERS)
def test_platelets_zero_give_no_score(member: object) -> None:
    assert callable(member)
    score = member(chart(*labs(platelets=0)), NOW, SITE)
    assert score.value is None
    assert score.log2 is None
    assert english(score.because)[-1] == "platelets are 0: no score"
    assert in_names(score.missing) == ("platelets (they are 0)",)


# -- missing inputs --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ldh", "crp", "platelets"])
def test_a_missing_input_gives_no_score_and_is_named(kind: str) -> None:
    patient = chart(*(item for item in labs() if item[0] != kind))
    score = easix.m_easix(patient, NOW, SITE)
    assert score.value is None
    assert in_names(score.missing) == (kind,)


def test_nothing_charted_names_every_input() -> None:
    assert in_names(easix.m_easix(chart(), NOW, SITE).missing) == ("ldh", "crp", "platelets")


def test_a_crp_without_a_unit_is_never_used_and_named_as_rejected() -> None:
    items = (item for item in labs() if item[0] != "crp")
    score = easix.m_easix(chart(*items, rejected=(rejected_value("crp", "85", UNITLESS),)), NOW, SITE)
    assert score.value is None
    assert in_names(score.missing) == ("crp (85 was not used: the unit is missing)",)


def test_a_newer_crp_without_a_unit_beside_an_older_good_one_is_flagged() -> None:
    patient = chart(*labs(NOW - hours(6)), rejected=(rejected_value("crp", "120", UNITLESS),))
    score = easix.m_easix(patient, NOW, SITE)
    assert rounded(score.value) == "60.44"
    assert english(score.flags) == ("newer CRP: 120 was not used: the unit is missing; the value before it is used",)


def test_a_specimen_that_failed_says_why() -> None:
    items = (item for item in labs() if item[0] != "platelets")
    score = easix.m_easix(chart(*items, absent("platelets", "clotted")), NOW, SITE)
    assert in_names(score.missing) == ("platelets (not done: clotted)",)


def test_a_specimen_that_failed_does_not_retract_the_result_before_it() -> None:
    score = easix.m_easix(chart(*labs(NOW - hours(6)), absent("platelets", "clotted")), NOW, SITE)
    assert rounded(score.value) == "60.44"
    assert english(score.flags) == ("newer platelets: not done: clotted; the value before it is used",)


# -- one window ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("apart", "found"), [(0, True), (23, True), (24, True), (24.1, False)])
def test_the_inputs_must_lie_within_one_window(apart: float, found: bool) -> None:
    patient = chart(reading("ldh", 320, NOW), reading("crp", 85, NOW - hours(apart)), reading("platelets", 45, NOW))
    assert (easix.m_easix(patient, NOW, SITE).value is not None) is found


def test_inputs_too_far_apart_name_the_one_that_is_too_old() -> None:
    patient = chart(reading("ldh", 320, NOW), reading("crp", 85, NOW - hours(30)), reading("platelets", 45, NOW))
    score = easix.m_easix(patient, NOW, SITE)
    assert in_names(score.missing) == ("crp (too old: 30 h before the newest input, at most 24 h)",)


def test_an_input_just_within_the_window_is_not_named_beside_one_that_is_too_old() -> None:
    patient = chart(
        reading("ldh", 320, NOW - hours(24)),
        reading("crp", 85, NOW - hours(25)),
        reading("platelets", 45, NOW),
    )
    score = easix.m_easix(patient, NOW, SITE)
    assert in_names(score.missing) == ("crp (too old: 25 h before the newest input, at most 24 h)",)


def test_the_latest_value_of_each_input_is_used() -> None:
    patient = chart(*labs(NOW - hours(20), platelets=90), reading("platelets", 45, NOW - hours(1)))
    assert rounded(easix.m_easix(patient, NOW, SITE).value) == "60.44"


def test_where_the_latest_values_do_not_fit_the_most_recent_set_that_fits_is_used() -> None:
    patient = chart(*labs(NOW - hours(48)), reading("platelets", 20, NOW), reading("ldh", 900, NOW))
    score = easix.m_easix(patient, NOW, SITE)
    assert rounded(score.value) == "60.44"
    assert {item.entry.effective for item in score.evidence} == {NOW - hours(48)}
    assert english(score.because)[0].endswith("48.0 h old")


def test_of_several_sets_that_fit_the_newest_is_used() -> None:
    patient = chart(*labs(NOW - hours(72), ldh=100), *labs(NOW - hours(40), ldh=320), reading("platelets", 20, NOW))
    assert rounded(easix.m_easix(patient, NOW, SITE).value) == "60.44"


@pytest.mark.parametrize(("age", "found"), [(168, True), (168.1, False)])
def test_results_older_than_the_site_allows_are_not_used(age: float, found: bool) -> None:
    score = easix.m_easix(chart(*labs(NOW - hours(age))), NOW, SITE)
    assert (score.value is not None) is found


def test_a_set_is_not_completed_with_a_result_that_no_longer_holds() -> None:
    patient = chart(
        reading("crp", 85, NOW - hours(170)),
        reading("ldh", 320, NOW - hours(160)),
        reading("platelets", 45, NOW - hours(160)),
    )
    score = easix.m_easix(patient, NOW, SITE)
    assert score.value is None
    assert in_names(score.missing) == ("crp (last 10 Jun 08:00, more than 7 d ago)",)


def test_results_after_the_time_asked_for_are_not_seen() -> None:
    patient = chart(*labs(NOW - hours(2)), *labs(NOW + hours(2), ldh=900))
    assert rounded(easix.m_easix(patient, NOW, SITE).value) == "60.44"


# -- bounds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("censored", "bound", "bound_value"),
    [
        ({"crp": "<3"}, "<", "2.13"),
        ({"crp": "<=3"}, "<", "2.13"),
        ({"ldh": ">1000"}, ">", "188.89"),
        ({"platelets": "<5"}, ">", "544.00"),
        ({"platelets": ">=600"}, "<", "4.53"),
        ({"crp": "<3", "platelets": ">600"}, "<", "0.16"),
        ({"ldh": ">=1000", "platelets": "<5"}, ">", "1700.00"),
    ],
)
def test_a_censored_input_gives_a_bound_and_no_value(censored: dict[str, str], bound: str, bound_value: str) -> None:
    score = easix.m_easix(chart(*labs(**censored)), NOW, SITE)
    assert (score.value, score.log2) == (None, None)
    assert score.bound == bound
    assert rounded(score.bound_value) == bound_value
    assert [name.split(" ")[0] for name in in_names(score.missing)] == [
        kind for kind in ("ldh", "crp", "platelets") if kind in censored
    ]


@pytest.mark.parametrize("censored", [{"crp": "<3", "platelets": "<5"}, {"crp": "<3", "ldh": ">1000"}])
def test_bounds_on_both_sides_give_nothing(censored: dict[str, str]) -> None:
    score = easix.m_easix(chart(*labs(**censored)), NOW, SITE)
    assert (score.value, score.log2, score.bound, score.bound_value) == (None, None, "", None)


def test_the_reason_says_on_which_side_the_score_lies() -> None:
    score = easix.m_easix(chart(*labs(platelets="<5")), NOW, SITE)
    assert english(score.because)[-1] == "m-EASIX is at least 544.00 (platelets <5 ×10⁹/L)"
    assert in_names(score.missing) == ("platelets (only a bound: <5 ×10⁹/L)",)


# -- flags -----------------------------------------------------------------------------------------


def test_a_preliminary_input_is_flagged() -> None:
    patient = chart(reading("ldh", 320, status=Status.PRELIMINARY), reading("crp", 85), reading("platelets", 45))
    score = easix.m_easix(patient, NOW, SITE)
    assert rounded(score.value) == "60.44"
    assert english(score.flags) == ("provisional result",)
    assert "preliminary" in english(score.because)[0]


@pytest.mark.parametrize(
    ("drug", "flag"),
    [
        ("tocilizumab", "after tocilizumab"),
        ("platelet_transfusion", "after platelet transfusion"),
        ("filgrastim", "after growth factor"),
    ],
)
def test_m_easix_after_a_drug_that_moves_it_is_confounded(drug: str, flag: str) -> None:
    score = easix.m_easix(chart(*labs(), dose(drug, NOW - hours(20))), NOW, SITE)
    assert english(score.flags) == (flag, "confounded")
    assert score.evidence[-1].kind == drug
    assert "easix.confounded_after" in score.conventions
    assert rounded(score.value) == "60.44"


def test_several_confounders_are_each_named_once() -> None:
    doses = (
        dose("tocilizumab", NOW - hours(50)),
        dose("tocilizumab", NOW - hours(20)),
        dose("filgrastim", NOW - hours(5)),
    )
    score = easix.m_easix(chart(*labs(), *doses), NOW, SITE)
    assert english(score.flags) == ("after tocilizumab", "after growth factor", "confounded")


@pytest.mark.parametrize(("before", "confounded"), [(0, True), (168, True), (168.1, False), (-1, False)])
def test_a_drug_confounds_from_its_dose_for_as_long_as_the_site_says(before: float, confounded: bool) -> None:
    drawn = NOW - hours(4)
    patient = chart(*labs(drawn), dose("tocilizumab", drawn - hours(before)))
    assert ("confounded" in english(easix.m_easix(patient, NOW, SITE).flags)) is confounded


def test_a_drug_between_the_first_and_the_last_input_confounds() -> None:
    patient = chart(
        reading("crp", 85, NOW - hours(20)),
        dose("tocilizumab", NOW - hours(10)),
        reading("ldh", 320, NOW - hours(2)),
        reading("platelets", 45, NOW - hours(2)),
    )
    assert english(easix.m_easix(patient, NOW, SITE).flags) == ("after tocilizumab", "confounded")


@pytest.mark.parametrize("drug", ["dexamethasone", "red_cell_transfusion", "paracetamol"])
def test_other_drugs_do_not_confound(drug: str) -> None:
    assert english(easix.m_easix(chart(*labs(), dose(drug, NOW - hours(2))), NOW, SITE).flags) == ()


def test_a_score_that_is_missing_is_not_called_confounded() -> None:
    assert english(easix.m_easix(chart(dose("tocilizumab", NOW - hours(2))), NOW, SITE).flags) == ()


# -- thresholds ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("since", "found"), [(None, False), (-5, False), (2, False), (3, True), (4, False)])
def test_the_shipped_example_sets_a_threshold_for_day_3_alone(since: int | None, found: bool) -> None:
    threshold = easix.threshold_for(since, SITE)
    assert (threshold is not None) is found
    if threshold is not None:
        assert "placeholder" in threshold.threshold.basis


def with_windows(*windows: tuple[int, int, int]) -> Site:
    thresholds = tuple(
        EasixThreshold(
            window=f"{first} to {last}",
            from_day=first,
            to_day=last,
            threshold=Convention(value=Decimal(value), basis="test", owner="test"),
        )
        for first, last, value in windows
    )
    return SITE._replace(conventions=SITE.conventions.model_copy(update={"m_easix_thresholds": thresholds}))


@pytest.mark.parametrize(
    ("since", "value"),
    [(-7, None), (-6, 10), (-2, 10), (-1, 20), (0, 20), (1, 30), (2, None), (3, None)],
)
def test_each_window_holds_its_first_and_last_day(since: int, value: int | None) -> None:
    site = with_windows((-6, -2, 10), (-1, 0, 20), (1, 1, 30))
    threshold = easix.threshold_for(since, site)
    assert (threshold.threshold.value if threshold else None) == value


def test_no_threshold_is_built_in() -> None:
    assert all(easix.threshold_for(since, with_windows()) is None for since in range(-10, 31))


def test_day_3_of_the_reference_case_is_over_the_example_threshold() -> None:
    patient: Chart = chart(*labs(day(3) - hours(4)))
    score = easix.m_easix(patient, day(3), SITE)
    threshold = easix.threshold_for(patient.day(day(3), SITE.zone), SITE)
    assert threshold is not None
    assert score.value is not None
    assert score.value > threshold.threshold.value
