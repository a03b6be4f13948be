"""The parts of FHIR R4 types that are read. Every other field of a resource is ignored.

If a field has the wrong shape, its resource is refused by name, never the Bundle around it. Numbers are exact: JSON
numbers arrive as integers or decimals, never as floats.
"""

from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, StringConstraints

_T = TypeVar("_T")


class FhirModel(BaseModel):
    """A part of a FHIR type. Elements that are not read are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


LONGEST = 400

Short = Annotated[str, StringConstraints(max_length=LONGEST)]
"""A code, a reference or an identifier. No real one is longer."""


def _exact(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("write a JSON number")
    return Decimal(value)


Number = Annotated[Decimal, BeforeValidator(_exact)]

MOST_LISTED = 10_000
"""The most references of one report or panel, and resources inside another."""

Some = Annotated[tuple[_T, ...], FailFast(), Field(max_length=100)]
"""Codes, identifiers, ingredients. The first invalid item refuses the list, because collecting all errors would cost
more than the list."""

Parts = Annotated[tuple[_T, ...], FailFast(), Field(max_length=1_000)]
"""The most components of one Observation."""

Listed = Annotated[tuple[_T, ...], FailFast(), Field(max_length=MOST_LISTED)]


class Coding(FhirModel):
    """One code of one system."""

    system: Short = ""
    code: Short = ""
    display: Short = ""


class Concept(FhirModel):
    """A CodeableConcept."""

    coding: Some[Coding] = ()
    text: str = ""


class Identifier(FhirModel):
    """A business identifier; `system` is its assigning authority."""

    system: Short = ""
    value: Short = ""
    type: Concept | None = None


class Reference(FhirModel):
    """A literal or logical reference."""

    reference: Short = ""
    identifier: Identifier | None = None


class Quantity(FhirModel):
    """A number with its unit. `comparator`: it is only a bound."""

    value: Number | None = None
    comparator: Short = ""
    unit: Short = ""
    system: Short = ""
    code: Short = ""


class Period(FhirModel):
    """A period. If `end` is missing, it continues."""

    start: Short = ""
    end: Short = ""


class Range(FhirModel):
    """A reference range."""

    low: Quantity | None = None
    high: Quantity | None = None


class _Measured(FhirModel):
    code: Concept = Concept()
    valueQuantity: Quantity | None = None  # noqa: N815
    valueCodeableConcept: Concept | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815
    valueInteger: Number | None = None  # noqa: N815
    valueRange: Range | None = None  # noqa: N815
    dataAbsentReason: Concept | None = None  # noqa: N815
    referenceRange: Some[Range] = ()  # noqa: N815


class Component(_Measured):
    """One value of several of an Observation."""


class Observation(_Measured):
    """A measurement, result or assessment, or the panel that groups some."""

    id: Short = ""
    identifier: Some[Identifier] = ()
    status: Short
    subject: Reference | None = None
    effectiveDateTime: Short = ""  # noqa: N815
    effectiveInstant: Short = ""  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    issued: Short = ""
    hasMember: Listed[Reference] = ()  # noqa: N815
    component: Parts[Component] = ()


class Around(FhirModel):
    """A resource from which others inherit: name and patient, from some kinds also the time."""

    id: Short = ""
    identifier: Some[Identifier] = ()
    status: Short = ""
    subject: Reference | None = None
    effectiveDateTime: Short = ""  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815


class DiagnosticReport(Around):
    """A report. The results that it lists inherit its time and patient."""

    result: Listed[Reference] = ()


class Meta(FhirModel):
    """The time of the last change, and labels."""

    lastUpdated: Short = ""  # noqa: N815
    security: Some[Coding] = ()


class Ingredient(FhirModel):
    itemCodeableConcept: Concept | None = None  # noqa: N815


class Medication(FhirModel):
    """A product, by code or by ingredients."""

    id: Short = ""
    code: Concept | None = None
    ingredient: Some[Ingredient] = ()


class Dosage(FhirModel):
    """The amount of a dose."""

    dose: Quantity | None = None


class MedicationAdministration(FhirModel):
    """An administration, complete or in progress."""

    id: Short = ""
    identifier: Some[Identifier] = ()
    status: Short
    medicationCodeableConcept: Concept | None = None  # noqa: N815
    medicationReference: Reference | None = None  # noqa: N815
    contained: Listed[dict[str, Any]] = ()
    subject: Reference | None = None
    effectiveDateTime: Short = ""  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815
    dosage: Dosage | None = None
    meta: Meta | None = None


class Coded(FhirModel):
    """A resource of any kind, with its code."""

    code: Concept = Concept()


class Procedure(Coded):
    """A procedure. Its time is `performed` in R4 and `occurrence` in R5."""

    id: Short = ""
    identifier: Some[Identifier] = ()
    status: Short
    subject: Reference | None = None
    performedDateTime: Short = ""  # noqa: N815
    performedPeriod: Period | None = None  # noqa: N815
    occurrenceDateTime: Short = ""  # noqa: N815
    occurrencePeriod: Period | None = None  # noqa: N815
    meta: Meta | None = None


class Patient(FhirModel):
    """A person, by identifiers."""

    id: Short = ""
    identifier: Some[Identifier] = ()
    birthDate: Short = ""  # noqa: N815
    meta: Meta | None = None
