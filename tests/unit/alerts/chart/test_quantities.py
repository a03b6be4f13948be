"""Units and artefact limits: what a number becomes, and what is never computed with."""

from decimal import Decimal

import pytest

from alerts.chart.quantities import CanonicalQuantity, Unusable, canonical
from config.vocabulary import READINGS, Sort
from tests.support.charts import SITE

TABLES = SITE.tables
MEASURED = [kind for kind in READINGS.values() if kind.sort in (Sort.VITAL, Sort.LABORATORY)]


def convert(reading: str, number: str, unit: str | None, comparator: str = "") -> Decimal:
    return canonical(reading, Decimal(number), unit, TABLES, comparator=comparator).value


def refusal(reading: str, number: str, unit: str | None, comparator: str = "") -> str:
    with pytest.raises(Unusable) as caught:
        convert(reading, number, unit, comparator)
    return str(caught.value)


# -- conversion ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MEASURED, ids=lambda kind: kind.name)
def test_every_reading_takes_its_canonical_unit_unchanged(kind: object) -> None:
    name = getattr(kind, "name", "")
    number = {"temperature": "38.2", "fio2": "40", "inr": "1.3"}.get(name, "33")
    if name in ("hemoglobin", "creatinine", "bilirubin"):
        number = "9.5"
    assert convert(name, number, READINGS[name].unit) == Decimal(number)


@pytest.mark.parametrize(
    ("reading", "number", "unit", "value"),
    [
        ("temperature", "100.4", "[degF]", "38"),
        ("temperature", "98.6", "F", "37"),
        ("temperature", "38.0", "°C", "38.0"),
        ("systolic_bp", "90", "mmHg", "90"),
        ("systolic_bp", "12", "kPa", "90.00744"),
        ("spo2", "0.91", "1", "91"),
        ("spo2", "1", "{ratio}", "100"),
        ("fio2", "0.4", None, "40"),
        ("fio2", "0.21", "1", "21"),
        ("oxygen_flow", "6", "LPM", "6"),
        ("crp", "8.5", "mg/dL", "85"),
        ("crp", "85", "ug/mL", "85"),
        ("platelets", "45000", "/mm3", "45"),
        ("platelets", "45", "K/uL", "45"),
        ("neutrophils", "500", "/uL", "0.5"),
        ("neutrophils", "1", "10*6/mL", "1"),
        ("hemoglobin", "96", "g/L", "9.6"),
        ("ferritin", "303", "ng/mL", "303"),
        ("ferritin", "2", "mg/L", "2000"),
        ("creatinine", "88.4", "umol/L", "1"),
        ("creatinine", "0.0884", "mmol/L", "1"),
        ("creatinine", "9", "mg/L", "0.9"),
        ("fibrinogen", "1.5", "g/L", "150"),
        ("ldh", "5", "ukat/L", "300"),
        ("igg", "4", "g/L", "400"),
        ("inr", "1.3", None, "1.3"),
        ("car_t_cells", "0.22205", "10*9/L", "222.05"),
    ],
)
def test_each_unit_becomes_the_canonical_one(reading: str, number: str, unit: str | None, value: str) -> None:
    assert convert(reading, number, unit) == Decimal(value)


def test_the_reference_limits_are_converted_like_the_value() -> None:
    quantity = canonical("hemoglobin", Decimal(96), "g/L", TABLES, low=Decimal(120), high=Decimal(160))
    assert quantity == CanonicalQuantity(Decimal("9.6"), Decimal(12), Decimal(16))


def test_absent_limits_stay_absent() -> None:
    assert canonical("crp", Decimal(5), "mg/L", TABLES) == CanonicalQuantity(Decimal(5), None, None)


def test_a_limit_may_lie_outside_the_artefact_limits_of_the_value() -> None:
    assert canonical("crp", Decimal(5), "mg/L", TABLES, low=Decimal(-1)).low == Decimal(-1)


@pytest.mark.parametrize("reading", ["ice", "capd"])
def test_a_bedside_score_has_no_unit_and_passes_unchanged(reading: str) -> None:
    assert canonical(reading, Decimal(7), None, TABLES) == CanonicalQuantity(Decimal(7), None, None)


def test_conversion_is_exact_where_decimals_are() -> None:
    assert convert("neutrophils", "999", "/uL") == Decimal("0.999")
    assert convert("crp", "0.3", "mg/dL") == Decimal("3.0")


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("reading", [kind.name for kind in MEASURED if kind.name not in ("inr", "fio2")])
@pytest.mark.parametrize("unit", [None, ""])
def test_a_number_without_a_unit_is_never_used(reading: str, unit: str | None) -> None:
    said = refusal(reading, "33", unit)
    assert said.startswith(f"{reading}: the unit is missing")
    assert READINGS[reading].unit in said


def test_an_unknown_unit_is_refused_with_what_to_send() -> None:
    said = refusal("crp", "85", "furlong")
    assert "'furlong' is not known" in said
    assert "'mg/L'" in said


@pytest.mark.parametrize(
    ("reading", "unit"),
    [
        ("hemoglobin", "mmol/L"),
        ("hemoglobin", "g/mL"),
        ("crp", "nmol/L"),
        ("ferritin", "pmol/L"),
        ("fibrinogen", "umol/L"),
        ("temperature", "K"),
        ("heart_rate", "Hz"),
        ("igg", "IU/mL"),
        ("car_t_cells", "%"),
        ("car_t_cells", "{copies}/ug"),
    ],
)
def test_an_ambiguous_unit_or_another_quantity_is_refused_with_its_reason(reading: str, unit: str) -> None:
    assert f"the unit {unit!r} is not used: " in refusal(reading, "10", unit)


@pytest.mark.parametrize(("reading", "unit"), [("spo2", "1"), ("spo2", "{ratio}"), ("fio2", "1"), ("fio2", None)])
def test_a_ratio_above_1_is_not_guessed_to_be_a_percentage(reading: str, unit: str | None) -> None:
    assert "must be at most 1" in refusal(reading, "97", unit)


def test_a_unit_of_another_reading_is_refused() -> None:
    assert "not known" in refusal("platelets", "45", "mg/dL")


# -- artefact limits -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reading", "number", "usable"),
    [
        ("temperature", "24.9", False),
        ("temperature", "25", True),
        ("temperature", "45", True),
        ("temperature", "45.1", False),
        ("temperature", "100.4", False),
        ("systolic_bp", "29", False),
        ("systolic_bp", "30", True),
        ("systolic_bp", "300", True),
        ("systolic_bp", "301", False),
        ("spo2", "0", False),
        ("spo2", "100", True),
        ("spo2", "127", False),
        ("platelets", "0", True),
        ("platelets", "45000", False),
        ("hemoglobin", "1.9", False),
        ("hemoglobin", "25.1", False),
        ("crp", "-1", False),
        ("creatinine", "0.05", False),
        ("oxygen_flow", "0", True),
    ],
)
def test_a_value_outside_the_artefact_limits_is_not_used(reading: str, number: str, usable: bool) -> None:
    unit = READINGS[reading].unit
    if usable:
        assert convert(reading, number, unit) == Decimal(number)
    else:
        assert "is not plausible" in refusal(reading, number, unit)


def test_the_limits_are_held_against_the_converted_value() -> None:
    assert convert("temperature", "100.4", "F") == 38
    assert "is not plausible" in refusal("temperature", "200", "F")


def test_a_refused_artefact_says_value_unit_and_limits() -> None:
    said = refusal("platelets", "45000", "10*9/L")
    assert "platelets 45000 ×10⁹/L" in said
    assert "0 to 3000" in said


@pytest.mark.parametrize(
    ("reading", "number", "unit", "looks_like"),
    [
        ("hemoglobin", "12", "g/L", "g/dL"),
        ("hemoglobin", "25", "mg/mL", "g/dL"),
        ("creatinine", "0.9", "umol/L", "mg/dL"),
        ("creatinine", "15", "µmol/L", "mg/dL"),
        ("fibrinogen", "50", "g/L", "mg/dL"),
        ("platelets", "45000", "K/uL", "/uL"),
        ("neutrophils", "500", "10*9/L", "/uL"),
        ("temperature", "100.4", "Cel", "degF"),
    ],
)
def test_a_number_that_looks_like_another_unit_is_rejected_and_not_guessed(
    reading: str, number: str, unit: str, looks_like: str
) -> None:
    assert f"looks like {looks_like}; check value and unit" in refusal(reading, number, unit)


@pytest.mark.parametrize(
    ("reading", "number", "unit", "value"),
    [
        ("hemoglobin", "25.1", "g/L", "2.51"),
        ("hemoglobin", "12", "g/dL", "12"),
        ("fibrinogen", "0.5", "g/L", "50"),
        ("creatinine", "0.9", "mg/dL", "0.9"),
        ("platelets", "3000", "10*9/L", "3000"),
    ],
)
def test_a_number_that_fits_its_unit_is_used(reading: str, number: str, unit: str, value: str) -> None:
    assert convert(reading, number, unit) == Decimal(value)


def test_a_detection_limit_looks_like_no_other_unit() -> None:
    assert convert("creatinine", "8.84", "umol/L", "<") == Decimal("0.1")


@pytest.mark.parametrize(("number", "unit"), [("20.9", "%"), ("0.209", "1"), ("20.95", "%"), ("21", "%")])
def test_the_oxygen_of_room_air_is_21(number: str, unit: str) -> None:
    assert convert("fio2", number, unit) == 21


@pytest.mark.parametrize(("number", "unit"), [("20.8", "%"), ("0.208", "1")])
def test_less_oxygen_than_room_air_is_an_artefact(number: str, unit: str) -> None:
    assert "is not plausible" in refusal("fio2", number, unit)


@pytest.mark.parametrize(
    ("reading", "number", "unusual"),
    [
        ("temperature", "41.5", False),
        ("temperature", "42", True),
        ("temperature", "33.9", True),
        ("temperature", "34", False),
        ("platelets", "1500.1", True),
        ("igg", "10000", False),
    ],
)
def test_a_value_outside_the_usual_is_used_and_marked(reading: str, number: str, unusual: bool) -> None:
    found = canonical(reading, Decimal(number), READINGS[reading].unit, TABLES)
    assert (found.value, found.unusual) == (Decimal(number), unusual)


@pytest.mark.parametrize(("reading", "number", "comparator"), [("ferritin", "300000", ">"), ("creatinine", "0.1", "<")])
def test_a_detection_limit_is_not_unusual(reading: str, number: str, comparator: str) -> None:
    assert not canonical(reading, Decimal(number), READINGS[reading].unit, TABLES, comparator=comparator).unusual


@pytest.mark.parametrize(
    ("reading", "number", "comparator"),
    [("creatinine", "0.03", "<"), ("hemoglobin", "1", "<="), ("ferritin", "2000000", ">"), ("inr", "30", ">=")],
)
def test_a_detection_limit_beyond_the_artefact_limits_is_a_usable_bound(
    reading: str, number: str, comparator: str
) -> None:
    assert convert(reading, number, READINGS[reading].unit, comparator) == Decimal(number)


@pytest.mark.parametrize(
    ("reading", "number", "comparator"), [("creatinine", "0.03", ">"), ("platelets", "45000", "<")]
)
def test_a_bound_is_still_an_artefact_on_its_other_side(reading: str, number: str, comparator: str) -> None:
    assert "is not plausible" in refusal(reading, number, READINGS[reading].unit, comparator)


# -- the shipped tables ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MEASURED, ids=lambda kind: kind.name)
def test_every_measured_reading_has_its_canonical_unit_in_the_table(kind: object) -> None:
    unit, group = getattr(kind, "unit", ""), getattr(kind, "units", "")
    rule = TABLES.units[group, unit]
    assert rule.canonical == unit
    assert rule.numerator == rule.denominator
    assert not rule.refused


def test_every_unit_of_a_group_converts_to_the_unit_of_the_vocabulary() -> None:
    units = {kind.units: kind.unit for kind in MEASURED}
    assert {group for group, _ in TABLES.units} == set(units)
    for (group, alias), rule in TABLES.units.items():
        assert rule.canonical == units[group], f"{group} {alias}"


def test_every_measured_reading_has_artefact_limits() -> None:
    unbounded = [kind.name for kind in MEASURED if kind.name not in TABLES.limits]
    assert unbounded == []
