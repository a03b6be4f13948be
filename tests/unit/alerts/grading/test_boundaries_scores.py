"""Every published boundary of CAR-HEMATOTOX, m-EASIX, ICAHT and NEWS2, from both sides, read off the printed tables.

Written from the tables, not from the code: each row names the bounds of one printed band, and the values are stepped
across them. The graders' own tests say more; this file only says that the numbers are the published ones.
"""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.boundaries import AROUSAL, BEFORE, INFUSED, NOW, Body, graded, reading, stated

# -- scores ----------------------------------------------------------------------------------------

WELL = {"platelets": "200", "neutrophils": "2.0", "hemoglobin": "12", "crp": "5", "ferritin": "100"}


@pytest.mark.parametrize(
    ("kind", "value", "points"),
    [
        ("platelets", "175.01", 0),
        ("platelets", "175", 1),
        ("platelets", "75", 1),
        ("platelets", "74.99", 2),
        ("neutrophils", "1.2", 0),
        ("neutrophils", "1.19", 1),
        ("hemoglobin", "9.0", 0),
        ("hemoglobin", "8.99", 1),
        ("crp", "30", 0),
        ("crp", "30.01", 1),
        ("ferritin", "649.99", 0),
        ("ferritin", "650", 1),
        ("ferritin", "2000", 1),
        ("ferritin", "2000.01", 2),
    ],
)
def test_car_hematotox(kind: str, value: str, points: int) -> None:
    found = graded(*(reading(name, at_risk, BEFORE) for name, at_risk in {**WELL, kind: value}.items()))["hematotox"]
    assert (found["score"], found["risk"]) == (points, "high" if points >= 2 else "low")
    without = graded(*(reading(name, well, BEFORE) for name, well in WELL.items() if name != kind))["hematotox"]
    assert without["score"] is None


def test_m_easix_takes_crp_in_mg_per_dl() -> None:
    platelets = reading("platelets", 45000, unit="/mm3")
    for crp in (reading("crp", 85), reading("crp", "8.5", unit="mg/dL")):
        found = graded(reading("ldh", 320), crp, platelets)["m_easix"]
        assert (round(found["value"], 2), round(found["log2"], 2)) == (60.44, 5.92)


# -- ICAHT, EHA/EBMT 2023 --------------------------------------------------------------------------


def daily(low: str, days: int) -> list[Body]:
    """A count on each of the days 0 to 30, of which so many (from day 1; all 31 from day 0) are low."""
    first = 0 if days == 31 else 1
    values = {day: low if first <= day < first + days else "2.0" for day in range(31)}
    return [reading("neutrophils", value, INFUSED + timedelta(days=day)) for day, value in values.items()]


@pytest.mark.parametrize(
    ("low", "days", "grade"),
    [
        ("0.5", 0, 0),
        ("0.5", 1, 1),
        ("0.5", 6, 1),
        ("0.5", 7, 2),
        ("0.5", 13, 2),
        ("0.5", 14, 3),
        ("0.5", 30, 3),
        ("0.5", 31, 4),
        ("0.501", 14, 0),
        ("0.1", 6, 1),
        ("0.1", 7, 3),
        ("0.1", 13, 3),
        ("0.1", 14, 4),
        ("0.101", 14, 3),
    ],
)
def test_icaht_early(low: str, days: int, grade: int) -> None:
    assert graded(*daily(low, days), at=INFUSED + timedelta(days=30))["icaht"]["early"] == grade


@pytest.mark.parametrize(
    ("first", "second", "grade"),
    [
        ("1.501", "0.1", 0),
        ("1.5", "0.1", 1),
        ("1.001", "0.1", 1),
        ("1.0", "0.1", 2),
        ("0.501", "0.1", 2),
        ("0.5", "0.1", 3),
        ("0.101", "0.1", 3),
        ("0.1", "0.1", 4),
    ],
)
def test_icaht_late_needs_two_counts(first: str, second: str, grade: int) -> None:
    at = INFUSED + timedelta(days=33)
    later = reading("neutrophils", first, at)
    assert graded(reading("neutrophils", second, at - timedelta(days=2)), later, at=at)["icaht"]["late"] == grade
    assert graded(later, at=at)["icaht"]["late"] is None


# -- NEWS2, RCP 2017 -------------------------------------------------------------------------------

CALM = {"respiratory_rate": "16", "spo2": "97", "systolic_bp": "120", "heart_rate": "70", "temperature": "37.0"}
NEWS2: dict[str, dict[Any, int]] = {
    "respiratory_rate": {8: 3, 9: 1, 11: 1, 12: 0, 20: 0, 21: 2, 24: 2, 25: 3},
    "spo2": {91: 3, 92: 2, 93: 2, 94: 1, 95: 1, 96: 0},
    "systolic_bp": {90: 3, 91: 2, 100: 2, 101: 1, 110: 1, 111: 0, 219: 0, 220: 3},
    "heart_rate": {40: 3, 41: 1, 50: 1, 51: 0, 90: 0, 91: 1, 110: 1, 111: 2, 130: 2, 131: 3},
    "temperature": {"35.0": 3, "35.1": 1, "36.0": 1, "36.1": 0, "38.0": 0, "38.1": 1, "39.0": 1, "39.1": 2},
}
SCALE_2 = {83: 3, 84: 2, 85: 2, 86: 1, 87: 1, 88: 0, 92: 0}
ON_OXYGEN = {93: 1, 94: 1, 95: 2, 96: 2, 97: 3}


def news2(*more: Body, device: str = "none", arousal: str = "spontaneous", **values: Any) -> dict[str, Any]:
    vitals = [reading(kind, value) for kind, value in {**CALM, **values}.items()]
    found: dict[str, Any] = graded(*vitals, reading("oxygen_device", device), reading("consciousness", arousal), *more)[
        "news2"
    ]
    return found


@pytest.mark.parametrize(
    ("kind", "value", "points"), [(kind, value, points) for kind in NEWS2 for value, points in NEWS2[kind].items()]
)
def test_news2_bands(kind: str, value: Any, points: int) -> None:
    assert news2(**{kind: value})["score"] == points


@pytest.mark.parametrize(("device", "oxygen"), [("none", 0), ("nasal_cannula", 2)])
@pytest.mark.parametrize("value", [*SCALE_2, *ON_OXYGEN])
def test_news2_saturation_scale_2(device: str, oxygen: int, value: int) -> None:
    points = SCALE_2.get(value, ON_OXYGEN[value] if oxygen and value in ON_OXYGEN else 0)
    found = news2(stated("hypercapnic_failure"), device=device, spo2=value)
    assert (found["parts"]["spo2"], found["score"]) == (points, points + oxygen)


@pytest.mark.parametrize("arousal", AROUSAL)
def test_news2_anything_but_alert_is_3(arousal: str) -> None:
    assert news2(arousal=arousal)["score"] == (0 if arousal == "spontaneous" else 3)
    assert news2(stated("new_confusion"), arousal=arousal)["score"] == 3


# -- nothing charted -------------------------------------------------------------------------------


def test_nothing_charted_leaves_everything_undetermined() -> None:
    found = graded(at=NOW)
    terms = [term for name, term in found["ctcae"].items() if name != "version"]
    assert [found[name]["grade"] for name in ("crs", "icans")] == [None, None]
    assert {term["grade"] for term in terms} == {None}
    assert {found[name]["value"] for name in ("easix", "s_easix", "m_easix")} == {None}
    assert {found[name]["score"] for name in ("ice", "hematotox", "news2")} == {None}
    assert (found["icaht"]["early"], found["icaht"]["late"]) == (None, None)
