"""What monitors, laboratories and records send: small messages of our own making."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.intake import Intake, Policy, Source, load_intake, with_map
from config.site import load_site
from config.tables import Tables
from worker.intake import read
from worker.intake.parsed import ElementResult, Parsed

NOW = datetime(2024, 6, 15, 12, 0, tzinfo=UTC)
AT = "2024-06-14T08:00:00+02:00"
LOINC = "http://loinc.org"
MDC = "urn:iso:std:iso:11073:10101"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"

INTAKE: Intake = load_intake()
TABLES: Tables = load_site().tables


def source(
    name: str = "lab", *, zone: bool = True, codes: dict[str, dict[str, str]] | None = None, **policy: Any
) -> Source:
    """A source as `intake.yaml` would list it."""
    unlisted = with_map(INTAKE, codes or {}).unlisted
    assert unlisted is not None
    made = unlisted._replace(name=name, policy=Policy.model_validate(policy), listed=True)
    return made if zone else made._replace(zone=None)


# -- FHIR ------------------------------------------------------------------------------------------


def coding(code: str, system: str = LOINC, display: str = "") -> dict[str, str]:
    return {"system": system, "code": code} | ({"display": display} if display else {})


def concept(*codings: dict[str, str], text: str = "") -> dict[str, Any]:
    return {"coding": list(codings)} | ({"text": text} if text else {})


def quantity(value: Any, unit: str = "mg/L", **more: Any) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit} | more


def observation(code: str = "1988-5", value: Any = 85, unit: str = "mg/L", **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": concept(coding(code)),
        "subject": {"identifier": {"system": "urn:hospital", "value": "P1"}},
        "effectiveDateTime": AT,
        "valueQuantity": quantity(value, unit),
    }
    return {name: value for name, value in (body | more).items() if value is not None}


def administration(status: str = "completed", *codings: dict[str, str], **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "resourceType": "MedicationAdministration",
        "id": "m1",
        "status": status,
        "medicationCodeableConcept": concept(*(codings or (coding("612865", RXNORM, "tocilizumab"),))),
        "subject": {"identifier": {"system": "urn:hospital", "value": "P1"}},
        "effectiveDateTime": AT,
    }
    return {name: value for name, value in (body | more).items() if value is not None}


def bundle(*resources: Any, kind: str = "batch") -> dict[str, Any]:
    entries = [one if "resource" in one or "request" in one else {"resource": one} for one in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def fhir(resource: Any, of: Source | None = None) -> Parsed:
    raw = resource if isinstance(resource, bytes) else json.dumps(resource).encode()
    return read.fhir(raw, of or source(), TABLES, NOW)


def one(taken: Parsed) -> ElementResult:
    (element,) = taken.elements
    return element


# -- HL7 -------------------------------------------------------------------------------------------


def obx(
    code: str = "1988-5^CRP^LN",
    value: str = "85",
    unit: str = "mg/L",
    status: str = "F",
    *,
    kind: str = "NM",
    sub: str = "",
    limits: str = "",
    at: str = "20240614080000+0200",
) -> str:
    return f"OBX|1|{kind}|{code}|{sub}|{value}|{unit}|{limits}||||{status}|||{at}"


def obr(number: str = "F1", status: str = "", at: str = "20240614080000+0200", placer: str = "") -> str:
    return f"OBR|1|{placer}|{number}|PANEL^P^L|||{at}||||||||||||||||||{status}"


def pid(identifiers: str = "P1^^^HOSP^MR", born: str = "") -> str:
    return f"PID|1||{identifiers}||||{born}"


def hl7(*segments: str, event: str = "ORU^R01", processing: str = "P", control: str = "1") -> bytes:
    header = f"MSH|^~\\&|LAB|HOSP|||20240614090000+0200||{event}|{control}|{processing}|2.5.1"
    return "".join(f"{segment}\r" for segment in (header, *segments)).encode()


def oru(*segments: str, patient: str | None = None, order: str | None = None, **header: str) -> bytes:
    return hl7(patient or pid(), order or obr(), *segments, **header)


def taken(raw: bytes, of: Source | None = None) -> Parsed:
    return read.hl7(raw, INTAKE, TABLES, of or source())


CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"
