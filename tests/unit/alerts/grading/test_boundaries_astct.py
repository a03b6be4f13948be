"""Every published boundary of CRS, ICE, ICANS and IEC-HS, from both sides, read off the printed tables.

Written from the tables, not from the code: each row names the bounds of one printed band, and the values are stepped
across them. The graders' own tests say more; this file only says that the numbers are the published ones.
"""

from datetime import timedelta

import pytest

from tests.support.boundaries import (
    AROUSAL,
    BEFORE,
    INFUSED,
    NOW,
    Body,
    drug,
    graded,
    reading,
    signs,
    stated,
)

# -- CRS, ASTCT 2019 -------------------------------------------------------------------------------


@pytest.mark.parametrize(("celsius", "grade"), [("37.99", 0), ("38.0", 1), ("38.01", 1), ("41", 1)])
def test_crs_fever_begins_at_38_and_its_height_does_not_matter(celsius: str, grade: int) -> None:
    assert graded(*signs(temperature=celsius))["crs"]["grade"] == grade


@pytest.mark.parametrize(
    ("device", "flow", "grade"),
    [
        ("none", None, 1),
        ("nasal_cannula", "6", 2),
        ("nasal_cannula", "6.01", 3),
        ("blow_by", None, 2),
        ("high_flow_nasal_cannula", None, 3),
        ("face_mask", None, 3),
        ("venturi_mask", "2", 3),
        ("nonrebreather_mask", None, 3),
        ("cpap", None, 4),
        ("bipap", None, 4),
        ("invasive_ventilation", None, 4),
    ],
)
def test_crs_hypoxia_is_graded_by_its_support(device: str, flow: str | None, grade: int) -> None:
    oxygen = [reading("oxygen_device", device), *([reading("oxygen_flow", flow)] if flow else [])]
    assert graded(*signs(), *oxygen)["crs"]["grade"] == grade
    assert graded(*signs(temperature=37), *oxygen)["crs"]["grade"] == 0


@pytest.mark.parametrize(
    ("drugs", "grade"),
    [
        ("norepinephrine", 3),
        ("epinephrine", 3),
        ("phenylephrine", 3),
        ("dopamine", 3),
        ("dobutamine", 3),
        ("vasopressin", 3),
        ("norepinephrine vasopressin", 3),
        ("norepinephrine epinephrine", 4),
        ("norepinephrine dobutamine vasopressin", 4),
    ],
)
def test_crs_distinct_vasopressors_are_counted_vasopressin_never(drugs: str, grade: int) -> None:
    crs = graded(*signs(), *map(drug, drugs.split()))["crs"]
    assert crs["grade"] == grade
    assert any("vasopressin alone" in flag for flag in crs["flags"]) == (drugs == "vasopressin")


@pytest.mark.parametrize(
    ("cause", "found", "grade"),
    [
        ("fever_other_cause", [], 0),
        ("hypotension_other_cause", [drug("norepinephrine")], 1),
        ("hypoxia_other_cause", [reading("oxygen_device", "cpap")], 1),
        ("airway_support_not_for_hypoxia", [reading("oxygen_device", "invasive_ventilation")], 1),
        ("died_of_crs", [], 5),
    ],
)
def test_crs_knows_other_causes_one_axis_at_a_time(cause: str, found: list[Body], grade: int) -> None:
    assert graded(*signs(), *found, stated(cause))["crs"]["grade"] == grade


WAIVERS = ["paracetamol", "tocilizumab", "siltuximab", "anakinra", "dexamethasone", "methylprednisolone"]


@pytest.mark.parametrize("name", [*WAIVERS, "levetiracetam"])
@pytest.mark.parametrize("before", [False, True])
def test_crs_fever_is_waived_only_by_a_dose_after_the_diagnosis(name: str, before: bool) -> None:
    began = NOW - timedelta(hours=10)
    dose = drug(name, "given", began + timedelta(hours=-1 if before else 1))
    found = graded(reading("temperature", "38.5", began), dose, *signs(temperature=37, systolic_bp=85))
    assert found["crs"]["grade"] == (2 if name in WAIVERS and not before else 0)


@pytest.mark.parametrize(("day", "flagged"), [(14, False), (15, True)])
def test_crs_beyond_day_14_is_graded_and_flagged(day: int, flagged: bool) -> None:
    at = INFUSED + timedelta(days=day)
    crs = graded(reading("temperature", 39, at), at=at)["crs"]
    assert (crs["grade"], any("attribution" in flag for flag in crs["flags"])) == (1, flagged)


# -- ICE and ICANS, ASTCT 2019 ---------------------------------------------------------------------

ICE = {10: 0, 9: 1, 8: 1, 7: 1, 6: 2, 5: 2, 4: 2, 3: 2, 2: 3, 1: 3, 0: 3}


@pytest.mark.parametrize("points", ICE)
@pytest.mark.parametrize("arousal", AROUSAL)
def test_icans_is_the_worse_of_ice_and_consciousness(points: int, arousal: str) -> None:
    found = graded(reading("ice", points), reading("consciousness", arousal))
    assert found["icans"]["grade"] == max(ICE[points], AROUSAL[arousal])


@pytest.mark.parametrize("points", range(12))
@pytest.mark.parametrize("arousal", AROUSAL)
def test_icans_under_12_years_reads_capd(points: int, arousal: str) -> None:
    found = graded(reading("capd", points), reading("consciousness", arousal), born="2014-01-01")
    assert found["icans"]["grade"] == max(0 if points == 0 else 1 if points <= 8 else 3, AROUSAL[arousal])


@pytest.mark.parametrize(
    ("kind", "code", "grade"),
    [
        ("seizure", "brief", 3),
        ("seizure", "nonconvulsive_resolving", 3),
        ("seizure", "prolonged", 4),
        ("seizure", "repetitive", 4),
        ("motor_weakness", "deep_focal", 4),
        ("cerebral_edema", "focal", 3),
        ("cerebral_edema", "diffuse", 4),
        ("icp_sign", "posturing", 4),
        ("icp_sign", "cn6_palsy", 4),
        ("icp_sign", "papilledema", 4),
        ("icp_sign", "cushing", 4),
    ],
)
def test_icans_each_other_domain_decides_alone(kind: str, code: str, grade: int) -> None:
    assert graded(reading(kind, code))["icans"]["grade"] == grade
    assert graded(reading(kind, "none"))["icans"]["grade"] is None, "ICE is missing: undetermined, never 0"


# -- IEC-HS, ASTCT 2023 ----------------------------------------------------------------------------


def iec_hs(*found: Body) -> bool | None:
    """The screen on day 6, after a CRS of day 1 that is over; ferritin was high at infusion, so its limit decides."""
    onset = INFUSED + timedelta(days=1)
    course = [reading("ferritin", 20000, BEFORE), *(sign | {"effective": onset.isoformat()} for sign in signs())]
    for hours in (24, 31, 38):
        at = (onset + timedelta(hours=hours)).isoformat()
        course += [sign | {"effective": at} for sign in signs(temperature="36.8")]
    suspected: bool | None = graded(*course, *found, at=LATER)["iec_hs"]["suspected"]
    return suspected


LATER = INFUSED + timedelta(days=6)
ORGANS_WELL = {"fibrinogen": (150, {}), "ast": (200, {"high": 40}), "alt": (200, {"high": 40})}
COUNTS_WELL = {"platelets": 25, "neutrophils": "0.5", "white_cells": "1.0"}


def ferritin(value: object, hours_before: int = 0) -> Body:
    return reading("ferritin", value, LATER - timedelta(hours=hours_before), high=300)


def organs(**worse: object) -> list[Body]:
    well = [reading(kind, worse.get(kind, value), LATER, **more) for kind, (value, more) in ORGANS_WELL.items()]
    return [*well, *(reading(kind, worse.get(kind, value), LATER) for kind, value in COUNTS_WELL.items())]


@pytest.mark.parametrize(
    ("readings", "suspected"),
    [
        ([ferritin(300, 36), ferritin(600)], False),
        ([ferritin("300", 36), ferritin("600.01")], True),
        ([ferritin("400.01", 36), ferritin(800)], False),
        ([ferritin(400, 48), ferritin(800)], True),
        ([ferritin(9000, 36), ferritin(10000)], False),
        ([ferritin(9000, 36), ferritin("10000.01")], True),
        ([ferritin(">40000")], True),
    ],
)
def test_iec_hs_ferritin(readings: list[Body], suspected: bool) -> None:
    assert iec_hs(*readings, *organs(fibrinogen="149.99")) is suspected
    assert iec_hs(*readings, *organs()) is False, "no organ criterion is met"


@pytest.mark.parametrize(("kind", "value"), [("fibrinogen", "149.99"), ("ast", "200.01"), ("alt", "200.01")])
def test_iec_hs_each_organ_is_enough(kind: str, value: str) -> None:
    assert iec_hs(ferritin(400, 36), ferritin(800), *organs(**{kind: value})) is True


@pytest.mark.parametrize(("kind", "value"), [("platelets", "24.99"), ("neutrophils", "0.49"), ("white_cells", "0.99")])
def test_iec_hs_a_new_grade_4_count_is_enough(kind: str, value: str) -> None:
    earlier = reading(kind, COUNTS_WELL[kind], LATER - timedelta(hours=24))
    assert iec_hs(ferritin(400, 36), ferritin(800), earlier, *organs(**{kind: value})) is True
