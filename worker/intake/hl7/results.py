"""ORU^R01 and OUL^R22, from laboratories and monitors: each OBX is one result."""

from typing import NamedTuple

from config.codes import GLASGOW
from config.intake import Source
from config.tables import Tables
from config.vocabulary import READINGS, Sort
from worker.intake.budget import Budget
from worker.intake.channels import highest_alone
from worker.intake.codes import Found, find
from worker.intake.hl7.names import Named, joined
from worker.intake.hl7.patients import patient_of
from worker.intake.hl7.statuses import life, worse
from worker.intake.hl7.tokens import Hl7Message, Segment
from worker.intake.hl7.values import CODED, POINTERS, codings, value
from worker.intake.identity import Unidentified
from worker.intake.parsed import ElementOutcome, ElementResult, dead_letter, ignored, refused, stored
from worker.intake.results import CodedResult, Use, Value, to_message
from worker.intake.times import NEVER, When, hl7


class Order(NamedTuple):
    """The fields of an OBR, which apply to each OBX below it."""

    number: str
    status: str
    time: str


NO_ORDER = Order("", "", "")


class _Place(NamedTuple):
    """The place of an OBX in its message. `named`: the hash of what its id shares with its neighbours."""

    where: str
    number: int
    patient: str
    nobody: str
    order: Order
    describes: bool
    named: Named


def results(
    message: Hl7Message, raw: bytes, source: Source, tables: Tables, budget: Budget, *, specimens: bool
) -> list[ElementResult]:
    """Parse every OBX in order. `specimens`: segments before the OBR describe the patient or specimen (OUL).

    A message may contain several patients: each PID begins the next.

    Raises:
        OverBudget: to read them costs too much.
    """
    made: list[ElementResult] = []
    patient, nobody, order, index = "", "PID: missing", NO_ORDER, 0
    seen_order = False
    whole = named = Named(raw)
    for segment in budget.during(message.segments):
        if segment.name == "PID":
            patient, nobody = _whose(segment, source)
            order, seen_order, named = NO_ORDER, False, whole
        elif segment.name == "OBR":
            order, seen_order = _order(segment), True
            named = Named(joined(patient, order.number, "")) if order.number else whole
        elif segment.name == "SPM" and specimens:
            seen_order = False
        elif segment.name == "OBX":
            index += 1
            place = _Place(f"OBX[{index}]", index, patient, nobody, order, specimens and not seen_order, named)
            made += _result(segment, place, source, tables)
            budget.spend(1)
    if message.first("PID") is None:
        return [refused("PID", "PID: missing; every result needs its patient")]
    return highest_alone(_without_clashes(made))


def _whose(pid: Segment, source: Source) -> tuple[str, str]:
    try:
        return patient_of(pid.field(3), source), ""
    except Unidentified as error:
        return "", f"PID-3: {error}"


def _order(obr: Segment) -> Order:
    number = obr.field(3).text.strip() or obr.field(2).text.strip()
    return Order(number, obr.field(25).component(1).strip().upper(), obr.field(7).component(1).strip())


def _result(obx: Segment, place: _Place, source: Source, tables: Tables) -> list[ElementResult]:
    found = find(source.codes, codings(obx.field(3)))
    if found.code is None or found.code.use == "panel":
        return [_no_code(found, place)]
    kind = obx.field(2).text.strip().upper()
    if kind in POINTERS:
        return [ignored(place.where, f"OBX-2: {kind} only points to something", place.patient)]
    status = worse(obx.field(11).component(1).strip().upper(), place.order.status)
    policy = source.policy
    lives = life(status, unverified=source.takes_unverified, beside_x=policy.value_beside_x)
    if lives is None:
        why = f"OBX-11: the result status is {status[:10]!r}" if status else "OBX-11: the result status is missing"
        return [dead_letter(place.where, place.patient, why)]
    what = value(obx)
    if lives.use is Use.NO_VALUE:
        what = Value(absent="the result could not be obtained (OBX-11 X)")
    elif kind in CODED and _is_number(found.code.reading) and what.given:
        return [_coded_number(place, found.code.reading, specimen=place.describes)]
    when = _time(obx, place.order, source)
    result = CodedResult(place.where, place.patient, _identifier(obx, place, when), found.code, lives, when, what)
    element = to_message(result, source, tables)
    if place.describes:
        return [_describes(element)]
    if place.nobody and element.outcome is not ElementOutcome.IGNORED:
        return [element._replace(outcome=ElementOutcome.DEAD_LETTER, why=place.nobody, messages=())]
    if status == "W" and element.outcome is ElementOutcome.STORED:
        return [_wrong_patient(element)]
    return [element]


def _no_code(found: Found, place: _Place) -> ElementResult:
    if found.code is not None:
        return ignored(place.where, "a panel", place.patient, understood=True)
    if found.trouble:
        return dead_letter(place.where, place.patient, found.why)
    return ignored(place.where, found.why, place.patient)._replace(unmapped=found.unmapped)


def _is_number(reading: str) -> bool:
    return reading == GLASGOW or READINGS[reading].sort is not Sort.CODE if reading in {*READINGS, GLASGOW} else False


def _coded_number(place: _Place, reading: str, *, specimen: bool) -> ElementResult:
    why = f"OBX-5: a code is no {reading.replace('_', ' ')}"
    return ignored(place.where, why, place.patient) if specimen else dead_letter(place.where, place.patient, why)


def _describes(element: ElementResult) -> ElementResult:
    why = "describes the patient or the specimen, no result of the order"
    return element._replace(outcome=ElementOutcome.IGNORED, why=why, messages=(), understood=False)


def _time(obx: Segment, order: Order, source: Source) -> When:
    """OBX-14, else OBR-7. MSH-7 is not used: it says when the message was written."""
    text = obx.field(14).component(1).strip() or order.time
    return hl7(text, source.zone) if text and text != '""' else NEVER


def _identifier(obx: Segment, place: _Place, when: When) -> str:
    """An id that a result and its correction share. Without an order number it is unique to this message."""
    if place.order.number:
        code = obx.field(3)
        at = when.at.isoformat() if when.at is not None else ""
        return place.named.followed_by(joined(code.component(1), code.component(3), obx.field(4).text, at))
    return place.named.followed_by(str(place.number).encode())


def _wrong_patient(element: ElementResult) -> ElementResult:
    """Status W: the result belongs to another, unknown patient. The course shows that."""
    retraction = element.messages[0]
    name = retraction.get("reading", "result").replace("_", " ")
    note = {name_: retraction[name_] for name_ in ("source", "patient", "effective")}
    note |= {
        "type": "note",
        "id": f"{retraction['id']}/wrong",
        "text": f"{name} withdrawn as sent for the wrong patient: review what was decided on it, and whose it is",
    }
    return stored(element.where, element.patient, (*element.messages, note), element.shown)


def _without_clashes(elements: list[ElementResult]) -> list[ElementResult]:
    """Dead-letter two results that have one identity and different values."""
    said: dict[str, tuple[object, ...]] = {}
    clashing: set[str] = set()
    for element in elements:
        for message in element.messages[:1]:
            content = tuple(message.get(name) for name in ("reading", "value", "unit", "absent", "status"))
            if said.setdefault(message["id"], content) != content:
                clashing.add(message["id"])
    if not clashing:
        return elements
    why = "two results with the same order number, code, OBX-4 and time say different things; send OBX-4"
    return [
        element._replace(outcome=ElementOutcome.DEAD_LETTER, why=why, messages=())
        if any(message["id"] in clashing for message in element.messages)
        else element
        for element in elements
    ]
