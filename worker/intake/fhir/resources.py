"""The parts of a dozen FHIR R4 types that are read; what else a resource holds is passed over.

A field of the wrong shape refuses its resource by name, never the Bundle around it. Numbers are exact: JSON numbers
come as integers or decimals, never as floats.
"""

from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, StringConstraints

_T = TypeVar("_T")


class _Fhir(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


LONGEST = 400

Short = Annotated[str, StringConstraints(max_length=LONGEST)]
"""A code, a reference, an identifier: nothing of it is longer in earnest."""


def _exact(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("write a JSON number")
    return Decimal(value)


Number = Annotated[Decimal, BeforeValidator(_exact)]

MOST_LISTED = 10_000
"""References of one report or panel, and resources inside another."""

Some = Annotated[tuple[_T, ...], FailFast(), Field(max_length=100)]
"""Codings, identifiers, ingredients. The first bad one refuses the list: all errors of it would cost more than it."""

Parts = Annotated[tuple[_T, ...], FailFast(), Field(max_length=1_000)]
"""Components of one Observation."""

Listed = Annotated[tuple[_T, ...], FailFast(), Field(max_length=MOST_LISTED)]


class Coding(_Fhir):
    """One code of one system."""

    system: Short = ""
    code: Short = ""
    display: Short = ""


class Concept(_Fhir):
    """A CodeableConcept."""

    coding: Some[Coding] = ()
    text: str = ""


class Identifier(_Fhir):
    """A business identifier; `system` is its assigning authority."""

    system: Short = ""
    value: Short = ""
    type: Concept | None = None


class Reference(_Fhir):
    """A reference, literal or by identifier."""

    reference: Short = ""
    identifier: Identifier | None = None


class Quantity(_Fhir):
    """A number with its unit, and a comparator where it is a bound."""

    value: Number | None = None
    comparator: Short = ""
    unit: Short = ""
    system: Short = ""
    code: Short = ""


class Period(_Fhir):
    """From `start` to `end`; open where `end` is missing."""

    start: Short = ""
    end: Short = ""


class Range(_Fhir):
    """A reference range."""

    low: Quantity | None = None
    high: Quantity | None = None


class _Measured(_Fhir):
    code: Concept = Concept()
    valueQuantity: Quantity | None = None  # noqa: N815
    valueCodeableConcept: Concept | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815
    valueInteger: Number | None = None  # noqa: N815
    valueRange: Range | None = None  # noqa: N815
    dataAbsentReason: Concept | None = None  # noqa: N815
    referenceRange: Some[Range] = ()  # noqa: N815


class Component(_Measured):
    """One of several values of an Observation."""


class Observation(_Measured):
    """A measurement, a result, an assessment, or the panel that groups some."""

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


class Around(_Fhir):
    """What results inherit from a resource around them: name, patient, and from some kinds the time."""

    id: Short = ""
    identifier: Some[Identifier] = ()
    status: Short = ""
    subject: Reference | None = None
    effectiveDateTime: Short = ""  # noqa: N815
    effectivePeriod: Period | None = None  # noqa: N815


class DiagnosticReport(Around):
    """A report: the time and the patient of the results it lists."""

    result: Listed[Reference] = ()


class Meta(_Fhir):
    """When a resource was changed, and its labels."""

    lastUpdated: Short = ""  # noqa: N815
    security: Some[Coding] = ()


class Ingredient(_Fhir):
    """What a product is made of."""

    itemCodeableConcept: Concept | None = None  # noqa: N815


class Medication(_Fhir):
    """A product, by code or by ingredients."""

    id: Short = ""
    code: Concept | None = None
    ingredient: Some[Ingredient] = ()


class Dosage(_Fhir):
    """How much was given."""

    dose: Quantity | None = None


class MedicationAdministration(_Fhir):
    """That something was given, or is running."""

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


class Coded(_Fhir):
    """A resource of any kind by what it is of."""

    code: Concept = Concept()


class Procedure(Coded):
    """Something that was done; its time is called `performed` in R4 and `occurrence` in R5."""

    id: Short = ""
    identifier: Some[Identifier] = ()
    status: Short
    subject: Reference | None = None
    performedDateTime: Short = ""  # noqa: N815
    performedPeriod: Period | None = None  # noqa: N815
    occurrenceDateTime: Short = ""  # noqa: N815
    occurrencePeriod: Period | None = None  # noqa: N815
    meta: Meta | None = None


class Patient(_Fhir):
    """A person, by identifiers."""

    id: Short = ""
    identifier: Some[Identifier] = ()
    birthDate: Short = ""  # noqa: N815
    meta: Meta | None = None
