"""A MedicationAdministration: what was given, or an infusion that started and stopped. Requests are none."""

from datetime import datetime
from typing import Any

from pydantic import ValidationError

from alerts.vocabulary import VASOPRESSIN, VASOPRESSORS
from config.codes import DRUG
from config.intake import Source
from worker.intake.codes import Coding, find_drug
from worker.intake.fhir.observations import UCUM, coded, identifier_of
from worker.intake.fhir.references import Bundle
from worker.intake.fhir.resources import Medication, MedicationAdministration, Period
from worker.intake.infusions import infusion, product_named
from worker.intake.taken import Element, Native, Shown, ignored, set_aside, stored
from worker.intake.times import NEVER, When, fhir

INFUSED = (*VASOPRESSORS, VASOPRESSIN)
"""Drugs whose running matters; of any other the dose counts, at its beginning."""

GIVEN = ("in-progress", "completed", "stopped")
NOT_GIVEN = ("not-done", "on-hold", "unknown")
RETRACTED = "entered-in-error"


def elements(
    given: MedicationAdministration,
    patient: str,
    bundle: Bundle,
    base: str,
    source: Source,
    where: str,
    whole: dict[str, Any],
) -> list[Element]:
    """What an administration becomes."""
    codings = _codings(given, bundle, base)
    found = find_drug(source.codes, codings)
    name = next((coding.name for coding in codings if coding.name), "")[:60]
    start, end = _times(given, source)
    use = {RETRACTED: "retract"}.get(given.status, "given" if given.status in GIVEN else "not-given")
    if found.code is not None and (product := product_named(found.code.reading)):
        return [_infusion(given, patient, product, start, source, where, whole)]
    if found.code is None or not found.code.reading.startswith(DRUG):
        shown = Shown("drug", name or None, None, start.shown, given.status, use)
        if found.trouble:
            return [set_aside(where, patient, found.why, shown)]
        why = found.why if found.code is None else f"{found.code.reading} is no drug"
        return [ignored(where, why, patient, shown=shown)._replace(unmapped=found.unmapped)]
    drug = found.code.reading.removeprefix(DRUG)
    shown = Shown("drug", drug, None, start.shown, given.status, use, name)
    if given.status not in (*GIVEN, RETRACTED):
        if given.status not in NOT_GIVEN:
            return [set_aside(where, patient, f"status: {given.status[:40]!r} is not known", shown)]
        return [ignored(where, f"status {given.status}: not given", patient, own=True, shown=shown)]
    if start.at is None or start.day:
        why = start.why or f"{start.shown} is a day, and an administration needs the hour"
        return [set_aside(where, patient, f"effective: {why}", shown)]
    running = given.status == "in-progress"
    if drug in INFUSED and end is NEVER and not running and given.status != RETRACTED:
        why = f"effectivePeriod.end: missing, and {drug} has {given.status}; say when it stopped"
        return [set_aside(where, patient, why, shown)]
    common = {"source": source.name, "patient": patient, "drug": drug, **_dose(given)}
    name = identifier_of(given, whole)
    if given.status == RETRACTED:
        natives = retraction(name, common, start.at)
    else:
        natives = administration(name, common, start.at, end)
    return [stored(where, patient, natives, shown)]


def _infusion(
    given: MedicationAdministration,
    patient: str,
    product: str,
    start: When,
    source: Source,
    where: str,
    whole: dict[str, Any],
) -> Element:
    """The CAR-T cells themselves were given."""
    if given.status not in (*GIVEN, RETRACTED):
        if given.status not in NOT_GIVEN:
            return set_aside(where, patient, f"status: {given.status[:40]!r} is not known")
        return ignored(where, f"status {given.status}: not given", patient, own=True)
    return infusion(
        identifier_of(given, whole),
        patient,
        product,
        start,
        source,
        where,
        field="effective",
        status=given.status,
        taken_back=given.status == RETRACTED,
        changed=fhir(given.meta.lastUpdated, source.zone).at if given.meta is not None else None,
    )


def administration(identifier: str, common: Native, start: datetime, end: When | None) -> tuple[Native, ...]:
    """The native messages of one administration: a dose, or an infusion that started and perhaps stopped.

    `end` is None where no period was given; a period without end is running.
    """
    given = {"type": "treatment", **common, "effective": start.isoformat()}
    if common["drug"] not in INFUSED or end is None:
        return (given | {"id": identifier, "action": "given"},)
    started = given | {"id": f"{identifier}/started", "action": "started"}
    if end.at is None or end.at < start:
        return (started,)
    stopped = {name: value for name, value in given.items() if name not in ("dose", "unit")}
    stopped |= {"id": f"{identifier}/stopped", "effective": end.at.isoformat(), "action": "stopped"}
    return started, stopped


def retraction(identifier: str, common: Native, start: datetime) -> tuple[Native, ...]:
    """What takes an administration back, as whatever it had been charted."""
    given = {"type": "treatment", **common, "effective": start.isoformat(), "status": "entered_in_error"}
    made = (given | {"id": identifier, "action": "given"},)
    if common["drug"] not in INFUSED:
        return made
    return (*made, *(given | {"id": f"{identifier}/{action}", "action": action} for action in ("started", "stopped")))


def _times(given: MedicationAdministration, source: Source) -> tuple[When, When | None]:
    if given.effectiveDateTime:
        return fhir(given.effectiveDateTime, source.zone), None
    period = given.effectivePeriod or Period()
    if not period.start:
        return NEVER, None
    return fhir(period.start, source.zone), fhir(period.end, source.zone) if period.end else NEVER


def _codings(given: MedicationAdministration, bundle: Bundle, base: str) -> list[Coding]:
    if given.medicationCodeableConcept is not None:
        return coded(given.medicationCodeableConcept)
    product = _product(given, bundle, base)
    if product is None:
        return []
    if product.code is not None and (product.code.coding or product.code.text):
        return coded(product.code)
    concepts = [item.itemCodeableConcept for item in product.ingredient if item.itemCodeableConcept is not None]
    return [coding for concept in concepts for coding in coded(concept)]


def _product(given: MedicationAdministration, bundle: Bundle, base: str) -> Medication | None:
    reference = given.medicationReference.reference if given.medicationReference is not None else ""
    if reference.startswith("#"):
        raw = next((item for item in given.contained if item.get("id") == reference[1:]), None)
    else:
        entry = bundle.find(reference, base) if reference else None
        raw = entry.resource if entry is not None else None
    try:
        return Medication.model_validate(raw) if raw is not None else None
    except ValidationError:
        return None


def _dose(given: MedicationAdministration) -> Native:
    dose = given.dosage.dose if given.dosage is not None else None
    if dose is None or dose.value is None:
        return {}
    unit = (dose.code if dose.system in ("", UCUM) else "") or dose.unit
    return {"dose": str(dose.value), **({"unit": unit} if unit else {})}
