"""The infusion of a CAR-T product. It registers the patient, with day 0 and the product.

The sender charts it as a FHIR Procedure, or as an administration (FHIR MedicationAdministration, HL7 RAS).
"""

from datetime import datetime

from config.codes import PRODUCT
from config.intake import Source
from config.vocabulary import PRODUCTS
from worker.intake.parsed import ElementResult, Preview, dead_letter, ignored, stored
from worker.intake.times import When

NOT_A_RECORD = "registers nobody: only a source of type record, or one with `registers`, says who was infused"
RETRACTED = "a retracted infusion does not retract the registration: send the right one, or use `cartwatch register`"


def product_named(reading: str) -> str:
    """The product that a code of `codes.csv` names; empty for any other code."""
    return PRODUCTS.get(reading.removeprefix(PRODUCT), "") if reading.startswith(PRODUCT) else ""


def infusion(
    identifier: str,
    patient: str,
    product: str,
    start: When,
    source: Source,
    where: str,
    *,
    field: str,
    status: str,
    retracted: bool = False,
    changed: datetime | None = None,
) -> ElementResult:
    """The registration that a begun infusion implies.

    `field`: the field of its time, for the reason. `changed`: when the record was last changed, if known. Of two times
    of infusion the later record wins.
    """
    use = "retract" if retracted else "given"
    shown = Preview("infusion", product or None, None, start.shown, status, use)
    if source.policy.type != "record" and not source.policy.registers:
        return ignored(where, f"{source.name} {NOT_A_RECORD}", patient, understood=True, shown=shown)
    if retracted:
        return dead_letter(where, patient, RETRACTED, shown)
    if start.at is None or start.day:
        why = start.why or f"{start.shown} is a day, and the infusion needs the hour"
        return dead_letter(where, patient, f"{field}: {why}", shown)
    native = {
        "type": "registration",
        "id": identifier,
        "source": source.name,
        "patient": patient,
        "effective": max(start.at, changed or start.at).isoformat(),
        "infused": start.at.isoformat(),
    }
    return stored(where, patient, (native | ({"product": product} if product else {}),), shown)
