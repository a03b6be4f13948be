"""Beside the usual libraries: where they and we disagree, the test says who is right."""

import json
import warnings
from decimal import Decimal
from typing import Any

import pytest

from alerts.chart.quantities import Unusable, canonical
from tests.support.feeds import (
    MDC,
    TABLES,
    administration,
    bundle,
    coding,
    concept,
    fhir,
    observation,
    obx,
    oru,
    quantity,
    taken,
)
from worker.intake.fhir.resources import Observation
from worker.intake.hl7 import tokens

OBSERVATIONS = [
    observation(),
    observation("8310-5", 38.5, "Cel", status="amended"),
    observation(valueQuantity=quantity(5, comparator="<")),
    observation(
        "85354-9", valueQuantity=None, component=[{"code": concept(coding("8480-6")), "valueQuantity": quantity(1)}]
    ),
    observation(valueQuantity=None, dataAbsentReason=concept(coding("unknown", MDC))),
    observation(effectiveDateTime=None, effectivePeriod={"start": "2024-06-14T08:00:00Z"}),
]


@pytest.mark.parametrize("body", OBSERVATIONS)
def test_fhir_resources_reads_the_same_of_a_valid_observation(body: dict[str, Any]) -> None:
    from fhir.resources.R4B.observation import Observation as Theirs

    theirs, ours = (
        Theirs.model_validate(body),
        Observation.model_validate(json.loads(json.dumps(body), parse_float=Decimal)),
    )
    assert (ours.id, ours.status) == (theirs.id, theirs.status)
    assert [item.code for item in ours.code.coding] == [item.code for item in theirs.code.coding]
    if theirs.valueQuantity is not None:
        assert ours.valueQuantity is not None
        assert ours.valueQuantity.value == theirs.valueQuantity.value
        assert ours.valueQuantity.comparator == (theirs.valueQuantity.comparator or "")
    assert len(ours.component) == len(theirs.component or [])


def test_fhir_resources_refuses_a_bundle_for_one_entry_where_we_refuse_the_entry() -> None:
    """We are right: a laboratory's 199 good results are not lost for the 200th."""
    from fhir.resources.R4B.bundle import Bundle as Theirs

    body = bundle(observation(), observation(id="bad", value="many"))
    with pytest.raises(ValueError, match="validation error"):
        Theirs.model_validate(body)
    assert len(fhir(body).messages) == 1


def test_fhir_resources_wants_a_request_for_what_is_given_where_we_read_what_is_there() -> None:
    from fhir.resources.R4B.medicationadministration import MedicationAdministration as Theirs

    assert Theirs.model_validate(administration()).status == "completed"
    assert len(fhir(administration()).messages) == 1


@pytest.mark.parametrize(
    "raw",
    [
        oru(obx()),
        oru(obx(value="a\\T\\b\\F\\c"), obx("718-7^Hb^LN^HB^Hb^L", "9.1", "g/dL^gram^UCUM")),
        oru(obx(value="60~120")),
    ],
)
def test_python_hl7_cuts_a_message_of_carriage_returns_alike(raw: bytes) -> None:
    import hl7

    theirs, ours = hl7.parse(raw.decode()), tokens.read(raw)
    assert [str(segment[0]) for segment in theirs] == [segment.name for segment in ours.segments]
    for mine, other in zip(ours.all("OBX"), theirs.segments("OBX"), strict=True):
        for number in (2, 3, 5, 6, 11, 14):
            assert [item.text for item in mine.field(number).repetitions] == [
                theirs.unescape(str(item)) for item in other[number] if str(item)
            ]


def test_python_hl7_loses_the_results_of_a_message_with_line_feeds() -> None:
    """We are right: segments that end in LF are common, and every OBX of them counts."""
    import hl7

    raw = oru(obx()).replace(b"\r", b"\n")
    assert len(list(hl7.parse(raw.decode()))) == 1
    assert len(taken(raw).messages) == 1


@pytest.fixture(scope="module")
def ucum() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ucumvert import PintUcumRegistry

        return PintUcumRegistry()


@pytest.mark.parametrize(
    ("reading", "value", "unit", "into"),
    [
        ("crp", "8.5", "mg/dL", "mg/L"),
        ("ferritin", "1.2", "mg/L", "ug/L"),
        ("hemoglobin", "95", "g/L", "g/dL"),
        ("fibrinogen", "1.5", "g/L", "mg/dL"),
        ("igg", "4", "g/L", "mg/dL"),
        ("platelets", "12", "10*3/uL", "10*9/L"),
        ("neutrophils", "450", "/uL", "10*9/L"),
        ("systolic_bp", "12", "kPa", "mm[Hg]"),
        ("temperature", "101.3", "[degF]", "Cel"),
    ],
)
def test_ucumvert_converts_alike(ucum: Any, reading: str, value: str, unit: str, into: str) -> None:
    ours = canonical(reading, Decimal(value), unit, TABLES).value
    theirs = ucum.Quantity(float(value), ucum.from_ucum(unit)).to(ucum.from_ucum(into)).magnitude
    assert float(ours) == pytest.approx(theirs, rel=1e-5)


def test_ucumvert_reads_thousands_as_kelvin_where_we_count_cells(ucum: Any) -> None:
    """We are right: K/uL on a blood count means thousands."""
    assert canonical("platelets", Decimal(12), "K/uL", TABLES).value == 12
    assert "kelvin" in str(ucum.from_ucum("K/uL"))


def test_fahrenheit_is_exact() -> None:
    assert canonical("temperature", Decimal("101.3"), "[degF]", TABLES).value == Decimal("38.5")


def test_a_look_alike_unit_is_never_converted_by_guess() -> None:
    with pytest.raises(Unusable):
        canonical("hemoglobin", Decimal("12.5"), "g/mL", TABLES)
