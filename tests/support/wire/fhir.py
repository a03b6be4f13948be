"""Native messages as FHIR R4: Observation, MedicationAdministration, Patient. One batch Bundle a source and moment."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import groupby
from typing import Any

import msgspec

from alerts.messages import AnyMessage, Reading, Registration, Treatment
from tests.support.wire.codes import BLOOD_PRESSURE, LOCAL, LOINC, PATIENTS, PRODUCTS, RXNORM, SITE, WORDS

Resource = dict[str, Any]

_LOINC = "http://loinc.org"
_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_UCUM = "http://unitsofmeasure.org"
_PRESSURES = ("systolic_bp", "diastolic_bp")


def has_form(message: AnyMessage) -> bool:
    """Whether FHIR can say it. The items of an ICE, the start of a drug, statements, notes and discharges it cannot."""
    if isinstance(message, Reading):
        return message.items is None
    if isinstance(message, Treatment):
        return message.action == "given"
    return isinstance(message, Registration)


def left_over(message: AnyMessage) -> AnyMessage | None:
    """What FHIR cannot say of a message that has a form: of a registration all but the date of birth."""
    return message.model_copy(update={"born": None}) if isinstance(message, Registration) else None


encode = msgspec.json.Encoder(decimal_format="number").encode
"""JSON with exact numbers."""


def resources(messages: Iterable[AnyMessage]) -> list[tuple[str, list[Resource]]]:
    """The resources of each source."""

    def source_of(message: AnyMessage) -> str:
        return message.source

    return [(source, _resources(group)) for source, group in groupby(sorted(messages, key=source_of), key=source_of)]


def bundle(made: Iterable[Resource]) -> Resource:
    """Resources as a batch."""
    entries = [{"resource": one, "request": {"method": "POST", "url": one["resourceType"]}} for one in made]
    return {"resourceType": "Bundle", "type": "batch", "entry": entries}


def _resources(messages: Iterable[AnyMessage]) -> list[Resource]:
    made: list[Resource] = []
    pressures: list[Reading] = []
    for message in messages:
        if isinstance(message, Registration):
            made.append(_patient(message))
        elif isinstance(message, Treatment):
            made.append(_administration(message))
        elif isinstance(message, Reading) and message.reading in _PRESSURES:
            pressures.append(message)
        elif isinstance(message, Reading):
            made.append(_observation(message, {"code": _code(message.reading), **_value(message)}))
    return made + ([_blood_pressure(pressures)] if pressures else [])


def _identifier(message: AnyMessage) -> Resource:
    return {"system": PATIENTS, "value": message.patient, "type": {"coding": [{"code": "MR"}]}}


def _patient(message: Registration) -> Resource:
    born = message.born.isoformat() if message.born else ""
    updated = {"lastUpdated": message.effective.isoformat()}
    body: Resource = {"resourceType": "Patient", "id": message.id, "meta": updated, "birthDate": born}
    return body | {"identifier": [_identifier(message)]}


def _observation(message: Reading, what: Resource) -> Resource:
    body: Resource = {"resourceType": "Observation", "id": message.id, "status": "final"}
    body |= {"subject": {"identifier": _identifier(message)}, "effectiveDateTime": message.effective.isoformat()}
    return body | what


def _blood_pressure(readings: list[Reading]) -> Resource:
    components = [{"code": _code(reading.reading), **_value(reading)} for reading in readings]
    return _observation(readings[0], {"code": _coded(_LOINC, BLOOD_PRESSURE, ""), "component": components})


def _value(reading: Reading) -> Resource:
    said = WORDS.get(str(reading.value))
    if said is not None:
        return {"valueCodeableConcept": {"coding": [{"system": SITE, "code": "X", "display": said}]}}
    if reading.reading == "ice":
        return {"valueInteger": reading.number}
    value: Resource = {"valueQuantity": _quantity(reading.number, reading.unit)}
    limits = {name: getattr(reading, name) for name in ("low", "high")}
    found = {name: _quantity(limit, reading.unit) for name, limit in limits.items() if limit is not None}
    return value | ({"referenceRange": [found]} if found else {})


def _quantity(value: Any, unit: str | None) -> Resource:
    return {"value": value, "unit": unit, "system": _UCUM, "code": unit}


def _code(reading: str) -> Resource:
    return _coded(_LOINC, LOINC[reading], reading) if reading in LOINC else _coded(SITE, LOCAL[reading], reading)


def _coded(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _administration(message: Treatment) -> Resource:
    drug, at = message.drug, message.effective.isoformat()
    code = _coded(_RXNORM, RXNORM[drug], drug) if drug in RXNORM else _coded(SITE, PRODUCTS[drug], drug)
    body: Resource = {"resourceType": "MedicationAdministration", "id": message.id, "status": "completed"}
    body |= {"subject": {"identifier": _identifier(message)}, "medicationCodeableConcept": code}
    if drug in PRODUCTS:
        # What drips in takes its time; it counts from its beginning.
        end = (message.effective + timedelta(minutes=30)).isoformat()
        body["effectivePeriod"] = {"start": at, "end": end}
    else:
        body["effectiveDateTime"] = at
    return body | ({"dosage": {"dose": _quantity(message.dose, message.unit)}} if message.dose is not None else {})
