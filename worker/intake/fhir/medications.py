"""A MedicationAdministration: a dose, or an infusion that started and stopped. Requests are not read."""

from datetime import datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from config.codes import DRUG, Codes
from config.intake import Source
from config.vocabulary import VASOPRESSIN, VASOPRESSORS
from worker.intake.codes import Found, SentCode, find_drug
from worker.intake.fhir.observations import UCUM, coded, identifier_of
from worker.intake.fhir.references import Bundle
from worker.intake.fhir.resources import Medication, MedicationAdministration, Period
from worker.intake.infusions import infusion, product_named
from worker.intake.parsed import ElementResult, Native, Preview, dead_letter, ignored, stored
from worker.intake.times import NEVER, When, fhir

INFUSED = (*VASOPRESSORS, VASOPRESSIN)
"""Drugs whose infusions are charted with start and stop. Of any other drug the dose counts, at its start."""

GIVEN = ("in-progress", "completed", "stopped")
NOT_GIVEN = ("not-done", "on-hold", "unknown")
RETRACTED = "entered-in-error"


class Product(NamedTuple):
    """The meaning of a product's codes, and the first name in them."""

    found: Found
    name: str


class Products:
    """The products of one delivery. A Medication is parsed once, however many administrations refer to it."""

    def __init__(self, bundle: Bundle, codes: Codes) -> None:
        self._bundle = bundle
        self._codes = codes
        self._read: dict[int, Product] = {}

    def of(self, given: MedicationAdministration, base: str) -> Product:
        """The product of an administration."""
        if given.medicationCodeableConcept is not None:
            return self._meaning(coded(given.medicationCodeableConcept))
        reference = given.medicationReference.reference if given.medicationReference is not None else ""
        if reference.startswith("#"):
            return self._meaning(
                _codings(next((one for one in given.contained if one.get("id") == reference[1:]), None))
            )
        entry = self._bundle.find(reference, base) if reference else None
        if entry is None:
            return self._meaning([])
        if entry.number not in self._read:
            self._read[entry.number] = self._meaning(_codings(entry.resource))
        return self._read[entry.number]

    def _meaning(self, codings: list[SentCode]) -> Product:
        name = next((coding.name for coding in codings if coding.name), "")[:60]
        return Product(find_drug(self._codes, codings), name)


def elements(
    given: MedicationAdministration,
    patient: str,
    product: Product,
    source: Source,
    where: str,
    whole: dict[str, Any],
) -> list[ElementResult]:
    """The elements of an administration."""
    found, name = product
    start, end = _times(given, source)
    use = {RETRACTED: "retract"}.get(given.status, "given" if given.status in GIVEN else "not-given")
    if found.code is not None and (infused := product_named(found.code.reading)):
        return [_infusion(given, patient, infused, start, source, where, whole)]
    if found.code is None or not found.code.reading.startswith(DRUG):
        shown = Preview("drug", name or None, None, start.shown, given.status, use)
        if found.trouble:
            return [dead_letter(where, patient, found.why, shown)]
        why = found.why if found.code is None else f"{found.code.reading} is no drug"
        return [ignored(where, why, patient, shown=shown)._replace(unmapped=found.unmapped)]
    drug = found.code.reading.removeprefix(DRUG)
    shown = Preview("drug", drug, None, start.shown, given.status, use, name)
    if given.status not in (*GIVEN, RETRACTED):
        if given.status not in NOT_GIVEN:
            return [dead_letter(where, patient, f"status: {given.status[:40]!r} is not known", shown)]
        return [ignored(where, f"status {given.status}: not given", patient, understood=True, shown=shown)]
    if start.at is None or start.day:
        why = start.why or f"{start.shown} is a day, and an administration needs the hour"
        return [dead_letter(where, patient, f"effective: {why}", shown)]
    running = given.status == "in-progress"
    if drug in INFUSED and end is NEVER and not running and given.status != RETRACTED:
        why = f"effectivePeriod.end: missing, and {drug} has {given.status}; say when it stopped"
        return [dead_letter(where, patient, why, shown)]
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
) -> ElementResult:
    """The administration of the CAR-T cells themselves."""
    if given.status not in (*GIVEN, RETRACTED):
        if given.status not in NOT_GIVEN:
            return dead_letter(where, patient, f"status: {given.status[:40]!r} is not known")
        return ignored(where, f"status {given.status}: not given", patient, understood=True)
    return infusion(
        identifier_of(given, whole),
        patient,
        product,
        start,
        source,
        where,
        field="effective",
        status=given.status,
        retracted=given.status == RETRACTED,
        changed=fhir(given.meta.lastUpdated, source.zone).at if given.meta is not None else None,
    )


def administration(identifier: str, common: Native, start: datetime, end: When | None) -> tuple[Native, ...]:
    """The native messages of one administration: a dose, or an infusion that started and perhaps stopped.

    If `end` is None, the sender gave no period. A period without an end means a running infusion.
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
    """Retract an administration, in every form in which it may be charted."""
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


def _codings(raw: dict[str, Any] | None) -> list[SentCode]:
    """The codes of a Medication: its own, else those of its ingredients; none for any other resource."""
    try:
        product = Medication.model_validate(raw) if raw is not None else Medication()
    except ValidationError:
        return []
    if product.code is not None and (product.code.coding or product.code.text):
        return coded(product.code)
    concepts = [item.itemCodeableConcept for item in product.ingredient if item.itemCodeableConcept is not None]
    return [coding for concept in concepts for coding in coded(concept)]


def _dose(given: MedicationAdministration) -> Native:
    dose = given.dosage.dose if given.dosage is not None else None
    if dose is None or dose.value is None:
        return {}
    unit = (dose.code if dose.system in ("", UCUM) else "") or dose.unit
    return {"dose": str(dose.value), **({"unit": unit} if unit else {})}
