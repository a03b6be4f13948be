"""A Procedure: the infusion of CAR-T cells. No other Procedure is read."""

from typing import Any

from pydantic import ValidationError

from config.codes import INFUSION
from config.intake import Source
from worker.intake.codes import find
from worker.intake.fhir.observations import coded, identifier_of
from worker.intake.fhir.resources import Coded, Period, Procedure
from worker.intake.infusions import infusion, product_named
from worker.intake.parsed import ElementResult, dead_letter, ignored
from worker.intake.times import NEVER, When, fhir

BEGUN = ("in-progress", "completed", "stopped")
NOT_BEGUN = ("preparation", "not-done", "on-hold", "unknown")
RETRACTED = "entered-in-error"


def is_infusion(resource: dict[str, Any], source: Source) -> bool:
    """Whether a resource is a Procedure that infuses CAR-T cells."""
    return resource["resourceType"] == "Procedure" and _meaning(resource, source) is not None


def _meaning(resource: dict[str, Any], source: Source) -> str | None:
    """The product of an infusion, empty if it is not named; None if the Procedure is no infusion."""
    try:
        code = Coded.model_validate(resource).code
    except ValidationError:
        return None
    found = find(source.codes, coded(code))
    if found.code is None:
        return None
    return product_named(found.code.reading) or ("" if found.code.reading == INFUSION else None)


def element(done: Procedure, patient: str, source: Source, where: str, whole: dict[str, Any]) -> ElementResult:
    """The element of an infusion's Procedure."""
    if done.status not in (*BEGUN, RETRACTED):
        if done.status not in NOT_BEGUN:
            return dead_letter(where, patient, f"status: {done.status[:40]!r} is not known")
        return ignored(where, f"status {done.status}: not infused", patient, understood=True)
    return infusion(
        identifier_of(done, whole),
        patient,
        _meaning(whole, source) or "",
        _start(done, source),
        source,
        where,
        field="performed",
        status=done.status,
        retracted=done.status == RETRACTED,
        changed=fhir(done.meta.lastUpdated, source.zone).at if done.meta is not None else None,
    )


def _start(done: Procedure, source: Source) -> When:
    """The start of a Procedure: `performed` in R4, `occurrence` in R5."""
    periods = (done.performedPeriod or Period(), done.occurrencePeriod or Period())
    texts = (done.performedDateTime, done.occurrenceDateTime, *(period.start for period in periods))
    text = next((text for text in texts if text), "")
    return fhir(text, source.zone) if text else NEVER
