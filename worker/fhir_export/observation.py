"""A computed grade or score as a FHIR R4 Observation. Pure.

An undetermined or inapplicable one has a `dataAbsentReason` and no value, never 0. A provisional one ("at least") has
the comparator `>=`.
"""

from typing import Any

from alerts.grading.inputs import PROVISIONAL
from alerts.grading.result import NOT_APPLICABLE
from alerts.wording.catalogue import DISCLAIMER
from config.settings import Settings
from config.vocabulary import DRUGS, label
from worker.fhir_export.names import GRADE, MESSAGE, RULES, SYSTEM, UCUM, concept, logical, shown, subject
from worker.fhir_export.records import Item

Resource = dict[str, Any]

SUPPORTING_INFO = "http://hl7.org/fhir/StructureDefinition/workflow-supportingInfo"
"""Extension of FHIR R4 for evidence that `derivedFrom` may not reference: the drugs on which a grade rests."""

ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

UNITS = {"grade": "{grade}", "score": "{score}", "value": "1"}


def observation(item: Item, issued: str, settings: Settings) -> Resource:
    """The Observation of a grade from the journal. `issued`: the time of its computation (ISO 8601)."""
    resource: Resource = {
        "resourceType": "Observation",
        "identifier": [{"system": GRADE, "value": item["id"]}],
        "status": _status(item),
        "code": concept(SYSTEM, item["system"], shown(item["system"])),
        "subject": subject(item["patient"], settings),
        "effectiveDateTime": item["at"],
        "issued": issued,
        **_value(item),
        "method": concept(RULES, f"{item['system']}|{item['version']}", f"{shown(item['system'])}, {item['version']}"),
        "note": [{"text": text} for text in _notes(item)],
    }
    if item.get("risk"):
        resource["interpretation"] = [{"text": item["risk"]}]
    drugs = [_input(used) for used in item["evidence"] if used["kind"] in DRUGS]
    readings = [_input(used) for used in item["evidence"] if used["kind"] not in DRUGS]
    if readings:
        resource["derivedFrom"] = readings
    if drugs:
        resource["extension"] = [{"url": SUPPORTING_INFO, "valueReference": drug} for drug in drugs]
    return resource


def _status(item: Item) -> str:
    if item["status"] == "final" and PROVISIONAL.id in item["flags"]:
        return "preliminary"
    return str(item["status"]).replace("_", "-")


def _value(item: Item) -> Resource:
    if item["status"] == "entered_in_error":
        return _absent("error", "retracted: a value it rested on was corrected")
    if item.get("suspected") is not None:
        return {"valueBoolean": item["suspected"]}
    for name, unit in UNITS.items():
        if item.get(name) is not None:
            comparator = ">=" if item.get("provisional") else ""
            return {"valueQuantity": _quantity(item[name], unit, comparator)}
    if item.get("bound_value") is not None:
        return {"valueQuantity": _quantity(item["bound_value"], UNITS["value"], item["bound"])}
    if item.get("applicable") is False:
        return _absent("not-applicable", NOT_APPLICABLE)
    missing = ", ".join(item["missing"])
    return _absent("unknown", f"undetermined: missing {missing}" if missing else "undetermined")


def _quantity(value: float, unit: str, comparator: str) -> Resource:
    only = {"comparator": comparator} if comparator else {}
    return {"value": value, **only, "unit": unit.strip("{}"), "system": UCUM, "code": unit}


def _absent(code: str, text: str) -> Resource:
    return {"dataAbsentReason": {"coding": [{"system": ABSENT, "code": code}], "text": text}}


def _notes(item: Item) -> list[str]:
    """The reasons, flags and conventions of a grade, and the disclaimer."""
    if item["status"] == "entered_in_error":
        return [DISCLAIMER]
    notes = [*item["because"]]
    if item.get("provisional"):
        notes.append("provisional: at least this")
    if item["missing"]:
        notes.append(f"missing: {', '.join(item['missing'])}")
    notes += item["flags"]
    if item["conventions"]:
        notes.append(f"rests on conventions of the site, which no consensus fixes: {', '.join(item['conventions'])}")
    return [*notes, DISCLAIMER]


def _input(used: dict[str, str]) -> Resource:
    kind = "MedicationAdministration" if used["kind"] in DRUGS else "Observation"
    display = f"{label(used['kind'])}, {used['at']}"
    return logical(kind, MESSAGE, f"{used['source']}|{used['id']}", display=display)
