"""An Observation: its own value and the value of each component are results."""

import json
from collections.abc import Iterator
from typing import Any

from config.intake import Source
from config.tables import Tables
from worker.intake.channels import highest_alone
from worker.intake.codes import SentCode, find
from worker.intake.fhir.logical_id import hashed, logical_id
from worker.intake.fhir.resources import Around, Component, Concept, Observation, Period, Quantity
from worker.intake.parsed import ElementResult, dead_letter, ignored
from worker.intake.results import CodedResult, ResultStatus, Use, Value, to_message
from worker.intake.times import NEVER, When, fhir

LIVES = {
    "final": ResultStatus("final", Use.USE),
    "amended": ResultStatus("amended", Use.USE, "corrected"),
    "corrected": ResultStatus("corrected", Use.USE, "corrected"),
    "preliminary": ResultStatus("preliminary", Use.USE, "preliminary"),
    "registered": ResultStatus("registered", Use.NOT_USABLE),
    "unknown": ResultStatus("unknown", Use.NOT_USABLE),
    "cancelled": ResultStatus("cancelled", Use.NO_VALUE),
    "entered-in-error": ResultStatus("entered-in-error", Use.RETRACT),
}
UCUM = "http://unitsofmeasure.org"
_COMPARATORS = ("", "<", "<=", ">", ">=")
_LONGEST_NAME = 80


def elements(
    observation: Observation,
    patient: str,
    inherited: When | None,
    source: Source,
    tables: Tables,
    where: str,
    name: str,
) -> list[ElementResult]:
    """The elements of an Observation.

    `inherited`: the time of the report that lists it. `name`: the id of its messages (`identifier_of`).
    """
    life = LIVES.get(observation.status)
    if life is None:
        return [dead_letter(where, patient, f"status: {observation.status[:40]!r} is none of {', '.join(LIVES)}")]
    if life.use is Use.NO_VALUE and not observation.component and observation.dataAbsentReason is not None:
        absent = f"{life.word}: {reason(observation.dataAbsentReason)}"
    else:
        absent = life.word if life.use is Use.NO_VALUE else ""
    when = time_of(observation, inherited, source)
    made: list[ElementResult] = []
    for spot, (part, suffix) in enumerate(_parts(observation)):
        place = f"{where}.component[{spot - 1}]" if spot else where
        if _only_groups(part, observation):
            made.append(ignored(place, "a panel: its values stand in its members", patient, understood=True))
            continue
        found = find(source.codes, coded(part.code))
        if found.code is None:
            if found.trouble:
                made.append(dead_letter(place, patient, found.why))
            else:
                cancelled = bool(absent) and observation.dataAbsentReason is not None
                element = ignored(place, absent if cancelled else found.why, patient, understood=cancelled)
                made.append(element._replace(unmapped=found.unmapped))
            continue
        if found.code.use == "panel" or (part is observation and observation.component and not value_of(part).given):
            made.append(ignored(place, "a panel: its values stand in its components", patient, understood=True))
            continue
        value = Value(absent=absent) if absent else value_of(part)
        identifier = f"{name}#{suffix}" if suffix else name
        made.append(to_message(CodedResult(place, patient, identifier, found.code, life, when, value), source, tables))
    return highest_alone(made)


def _parts(observation: Observation) -> Iterator[tuple[Observation | Component, str]]:
    yield observation, ""
    seen: set[str] = set()
    for spot, component in enumerate(observation.component):
        code = next((coding.code for coding in component.code.coding if coding.code), "")[:80]
        suffix = code if code and code not in seen else f"{code}.{spot}"
        seen.add(code)
        yield component, suffix


def _only_groups(part: Observation | Component, observation: Observation) -> bool:
    """Whether an Observation only refers to members, whatever its code."""
    return part is observation and bool(observation.hasMember) and not value_of(part).given


def coded(concept: Concept) -> list[SentCode]:
    """The codes of a concept. If a code has no display, the concept's text is its name."""
    text = concept.text[:400]
    found = [SentCode(item.system, item.code, item.display or text) for item in concept.coding if item.code]
    return found or ([SentCode("", "", text)] if text and concept.coding else [])


def value_of(part: Observation | Component) -> Value:
    """The value of an Observation or a component, or the reason why there is none."""
    absent = reason(part.dataAbsentReason) if part.dataAbsentReason is not None else ""
    if part.valueQuantity is not None and part.valueQuantity.value is not None:
        return _quantity(part, part.valueQuantity)
    if part.valueInteger is not None:
        return Value(text=str(part.valueInteger))
    if part.valueCodeableConcept is not None:
        concept = part.valueCodeableConcept
        return Value(text=concept.text[:60].strip(), codings=tuple(coded(concept)), absent=absent)
    if part.valueString:
        return Value(text=part.valueString[:200].strip(), absent=absent)
    if part.valueRange is not None:
        return Value(trouble="valueRange: a range is no single value")
    return Value(absent=absent)


def _quantity(part: Observation | Component, quantity: Quantity) -> Value:
    units = tuple(dict.fromkeys(name for name in _units(quantity) if name))
    low = high = None
    if part.referenceRange:
        first = part.referenceRange[0]
        low, high = _limit(first.low, units), _limit(first.high, units)
    trouble = ""
    if quantity.comparator not in _COMPARATORS:
        trouble = f"valueQuantity.comparator: {quantity.comparator[:20]!r} is none of <, <=, >, >="
    return Value(f"{quantity.comparator}{quantity.value}", units, trouble=trouble, low=low, high=high)


def _units(quantity: Quantity) -> tuple[str, ...]:
    """The spellings of a unit: its code first, then its text. A code of a system other than UCUM is no unit."""
    if quantity.system in ("", UCUM) or "11073" in quantity.system:
        return quantity.code, quantity.unit
    return (quantity.unit,)


def _limit(limit: Quantity | None, units: tuple[str, ...]) -> str | None:
    if limit is None or limit.value is None:
        return None
    own = [name for name in _units(limit) if name]
    return str(limit.value) if not own or set(own) & set(units) else None


def reason(concept: Concept) -> str:
    """The reason why there is no value, in the sender's words."""
    for coding in concept.coding:
        if coding.display or coding.code:
            return coding.display or coding.code
    return concept.text[:400] or "no reason given"


def time_of(observation: Observation, inherited: When | None, source: Source) -> When:
    """The time of an Observation: its own, else that of its report, else when it was issued."""
    own = observation.effectiveDateTime or observation.effectiveInstant
    if not own and observation.effectivePeriod is not None:
        own = observation.effectivePeriod.end or observation.effectivePeriod.start
    if own:
        return fhir(own, source.zone)
    if inherited is not None:
        return inherited
    return fhir(observation.issued, source.zone) if observation.issued else NEVER


def time_of_report(report: Around, source: Source) -> When | None:
    """The time that a report lends to the results it lists."""
    period = report.effectivePeriod or Period()
    own = report.effectiveDateTime or period.end or period.start
    return fhir(own, source.zone) if own else None


def identifier_of(resource: Any, whole: dict[str, Any]) -> str:
    """The id of the messages of a resource, which its correction shares: its type and its logical id."""
    return f"{whole['resourceType']}/{logical_id(resource.id, resource.identifier, whole)}"


def name_inside(around: str, observation: Observation, whole: dict[str, Any]) -> str:
    """The id of a contained Observation. Its own id is unique only within the resource around it."""
    name = f"{around}/{observation.id or hashed(json.dumps(whole, sort_keys=True, default=str))}"
    return name if len(name) <= _LONGEST_NAME else f"{around.partition('/')[0]}/{hashed(name)}"
