"""ADT: merges of two records of one person; on watched wards also admission, transfer and discharge."""

import hashlib

from config.intake import Source
from worker.intake.budget import Budget
from worker.intake.hl7.patients import patient_of
from worker.intake.hl7.tokens import Field, Hl7Message, Segment
from worker.intake.identity import Unidentified
from worker.intake.parsed import ElementResult, Native, dead_letter, ignored, stored
from worker.intake.times import NEVER, When, hl7

MERGES = ("A40", "A34", "A18", "A39")
REGISTERS = ("A01", "A02", "A08", "A13")
DISCHARGES = ("A03",)

ALLERGIES_LONGEST = 2000

SETTINGS = {"I": "inpatient", "O": "outpatient", "R": "outpatient"}
"""Patient class (PV1-2, HL7 table 0004) to setting. A recurring patient comes to the day clinic."""


def admissions(message: Hl7Message, event: str, source: Source, budget: Budget) -> list[ElementResult]:
    """The elements of an ADT message.

    Raises:
        OverBudget: to read it costs too much.
    """
    if event in MERGES:
        return _merges(message, event, source, budget)
    if event not in (*REGISTERS, *DISCHARGES):
        return [ignored("ADT", f"ADT^{event[:10]} holds nothing to take")]
    pv1, pid = message.first("PV1"), message.first("PID")
    if not _concerns(pv1, source):
        return [ignored("ADT", f"ADT^{event}: its ward is none of those under `registers`")]
    try:
        if pid is None:
            raise Unidentified("PID: missing")
        patient = patient_of(pid.field(3), source)
    except Unidentified as error:
        return [dead_letter("ADT", "", str(error))]
    when = _time(message, pv1 if event in DISCHARGES else None, source)
    if when.at is None:
        return [dead_letter("ADT", patient, f"EVN-6, EVN-2: {when.why}")]
    native: Native = {"source": source.name, "patient": patient, "effective": when.at.isoformat()}
    if event in DISCHARGES:
        native["type"] = "discharge"
    else:
        native |= {"type": "registration", **_admission(pid, pv1, source), **_allergies(message, budget)}
    native["id"] = _identifier(event, native)
    if event in DISCHARGES:
        native |= _operator(message)
    return [stored("ADT", patient, (native,))]


def _concerns(pv1: Segment | None, source: Source) -> bool:
    """Whether the ward is watched; on a transfer also the ward before it."""
    wards = source.policy.registers
    if "*" in wards:
        return True
    return pv1 is not None and any(pv1.field(number).component(1).strip() in wards for number in (3, 6))


def _admission(pid: Segment, pv1: Segment | None, source: Source) -> Native:
    found: Native = {}
    born = hl7(pid.field(7).component(1)[:8], source.zone)
    if born.day and born.shown:
        found["born"] = born.shown
    if pv1 is not None:
        place = {"ward": _said(pv1.field(3), 1), "bed": _said(pv1.field(3), 3)}
        found |= {name: text for name, text in place.items() if text}
        if setting := SETTINGS.get(_said(pv1.field(2), 1)):
            found["setting"] = setting
    return found


def _allergies(message: Hl7Message, budget: Budget) -> Native:
    """The allergies (AL1-3) by their text, else their code; none without such a segment: what was known stays."""
    fields = (segment.field(3) for segment in budget.during(message.segments) if segment.name == "AL1")
    texts = dict.fromkeys(filter(None, (_said(field, 2) or _said(field, 1) for field in fields)))
    known = ", ".join(texts)
    if len(known) > ALLERGIES_LONGEST:
        known = f"{known[: ALLERGIES_LONGEST - 1]}…"
    return {"allergies": known} if known else {}


def _said(field: Field, component: int) -> str:
    text = field.component(component).strip()[:200]
    return "" if text == '""' else text


def _time(message: Hl7Message, discharged: Segment | None, source: Source) -> When:
    """The time of an event: PV1-45 of a discharge, else EVN-6, else EVN-2."""
    evn = message.first("EVN")
    texts = [discharged.field(45).component(1)] if discharged is not None else []
    texts += [evn.field(6).component(1), evn.field(2).component(1)] if evn is not None else []
    found = next((text.strip() for text in texts if text.strip() not in ("", '""')), "")
    when = hl7(found, source.zone) if found else NEVER
    return when if not when.day else When(when.shown, None, why=f"{when.shown} is a day; the hour is needed")


def _operator(message: Hl7Message) -> Native:
    """The operator (EVN-5): the name, else the id."""
    evn = message.first("EVN")
    if evn is None:
        return {}
    operator = evn.field(5)
    name = f"{_said(operator, 3)} {_said(operator, 2)}".strip() or _said(operator, 1)
    return {"by": name} if name else {}


def _merges(message: Hl7Message, event: str, source: Source, budget: Budget) -> list[ElementResult]:
    """The merges: the record of each MRG-1 continues as that of the PID-3 above it."""
    made: list[ElementResult] = []
    into, nobody = "", "PID: missing"
    when, operator = _time(message, None, source), _operator(message)
    for segment in budget.during(message.segments):
        if segment.name == "PID":
            into, nobody = _whose(segment.field(3), source)
        elif segment.name == "MRG":
            budget.spend(1)
            merge = _merge(segment, into, nobody, when, event, source, f"MRG[{len(made) + 1}]")
            made.append(merge._replace(messages=tuple(native | operator for native in merge.messages)))
    return made or [dead_letter("ADT", "", f"MRG: missing, and ADT^{event} merges nothing without it")]


def _whose(field: Field, source: Source) -> tuple[str, str]:
    try:
        return patient_of(field, source), ""
    except Unidentified as error:
        return "", str(error)


def _merge(mrg: Segment, into: str, nobody: str, when: When, event: str, source: Source, where: str) -> ElementResult:
    prior, unknown = _whose(mrg.field(1), source)
    if nobody or unknown:
        return dead_letter(where, "", nobody or unknown)
    if prior == into:
        return ignored(where, "MRG-1 and PID-3 name the same record", into)
    if when.at is None:
        return dead_letter(where, prior, f"EVN-6, EVN-2: {when.why}")
    native: Native = {"type": "merge", "source": source.name, "patient": prior, "into": into}
    native["effective"] = when.at.isoformat()
    native["id"] = _identifier(event, native)
    return stored(where, into, (native,))


def _identifier(event: str, native: Native) -> str:
    text = "\x1f".join([event, *(f"{name}={native[name]}" for name in sorted(native))])
    return f"hl7/{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:32]}"
