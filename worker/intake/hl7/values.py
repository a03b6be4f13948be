"""The contents of OBX-5 to OBX-7, by the type in OBX-2."""

import re

from worker.intake.codes import SentCode
from worker.intake.hl7.tokens import Field, Segment
from worker.intake.results import Value

CODED = frozenset({"CE", "CF", "CWE", "CNE", "IS", "ID"})
NO_NUMBER = frozenset({"RP", "ED", "DT", "TM", "TS", "DTM", "NA", "MA", "NR"})
POINTERS = frozenset({"RP", "ED"})
_RANGE = re.compile(r"\D*?(-?\d+(?:\.\d+)?)\s*(?:-|–|_|to)\s*(\d+(?:\.\d+)?)\D*", re.ASCII)
_ONE_END = re.compile(r"\s*([<>])=?\s*(-?\d+(?:\.\d+)?)\s*", re.ASCII)
_EMPTY = ('""', "")
_LONGEST = 200
_LONGEST_RANGE = 60
MDC = "MDC"


def codings(field: Field) -> tuple[SentCode, ...]:
    """The codes of a CE or CWE: the identifier, its alternate, and for MDC the reference id beside the number."""
    found = []
    for first in (1, 4):
        code, name, system = (field.component(first + place).strip() for place in range(3))
        if code:
            found.append(SentCode(system, code, name))
        if system == MDC and name.startswith("MDC_"):
            found.append(SentCode(system, name, name))
    return tuple(found)


def value(obx: Segment) -> Value:
    """The value of an OBX. Two values in one field are no value. Text stays text."""
    kind, field = obx.field(2).text.strip().upper(), obx.field(5)
    if field.text.strip() in _EMPTY and field.count < 2:
        return Value(absent="no value was sent (OBX-5 is empty)")
    if field.count > 1:
        return Value(text=_all(field), trouble=f"OBX-5: {field.count} values in one field")
    if kind in NO_NUMBER:
        return Value(text=field.text[:_LONGEST], trouble=f"OBX-2: {kind} holds no single value")
    low, high = limits(obx.field(7).text)
    if kind in CODED:
        return Value(text=field.component(9)[:_LONGEST].strip(), codings=codings(field) or _bare(field))
    if kind == "SN":
        text, trouble = _structured(field)
    else:
        text, trouble = _number(field.text), ""
    return Value(text, units(obx.field(6)), trouble=trouble, low=low, high=high)


def _all(field: Field) -> str:
    return "~".join(repetition.text for repetition in field.repetitions[:8])[:_LONGEST]


def _bare(field: Field) -> tuple[SentCode, ...]:
    name = field.component(2).strip()
    return (SentCode("", "", name),) if name else ()


def _number(text: str) -> str:
    """Complete the numbers `.5` and `5.` of HL7; leave any other text unchanged."""
    text = text.strip()[:_LONGEST]
    if re.fullmatch(r"[<>]?=?[+-]?\d*\.\d*", text, re.ASCII) and text.strip("<>=+-.") != "":
        head, _, tail = text.partition(".")
        head = head if head[-1:].isdigit() else f"{head}0"
        return f"{head}.{tail}" if tail else head
    return text


def _structured(field: Field) -> tuple[str, str]:
    """SN: comparator ^ number ^ separator ^ number. A range, a ratio or a multi-part score is no value."""
    comparator, number, separator, second = (field.component(place).strip() for place in range(1, 5))
    whole = field.text[:60]
    if separator or second:
        return whole, f"OBX-5: {whole!r} is a range or a ratio, no single value"
    if comparator not in ("", "=", "<", "<=", ">", ">="):
        return whole, f"OBX-5: the comparator {comparator[:10]!r} is none of <, <=, >, >="
    return f"{comparator.replace('=', '') if comparator == '=' else comparator}{_number(number)}", ""


def units(field: Field) -> tuple[str, ...]:
    """The spellings of a unit, the most trusted first: for MDC the reference id, else the code."""
    first = [field.component(1).strip(), field.component(2).strip()]
    if field.component(3).strip() == MDC:
        first.reverse()
    first += [field.component(4).strip(), field.component(5).strip()]
    return tuple(dict.fromkeys(name for name in first if name))


def limits(text: str) -> tuple[str | None, str | None]:
    """The limits of a reference range: `12-16`, `<5` (no lower limit), `>60` (no upper limit)."""
    if len(text) > _LONGEST_RANGE:
        return None, None
    one = _ONE_END.fullmatch(text)
    if one is not None:
        return (None, one[2]) if one[1] == "<" else (one[2], None)
    match = _RANGE.fullmatch(text.strip())
    return (match[1], match[2]) if match is not None else (None, None)
