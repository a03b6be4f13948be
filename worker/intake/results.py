"""One result in any format to a native message, or the reason why there is none."""

from contextlib import suppress
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from alerts.chart.quantities import Unusable, canonical
from alerts.message_fields import Bound, parse_number
from alerts.wording.phrase import Name, phrase
from config.codes import GLASGOW, Code
from config.intake import Source
from config.tables import Tables
from config.vocabulary import READINGS, Sort
from worker.intake.codes import SentCode, value_of
from worker.intake.parsed import ElementOutcome, ElementResult, Native, Preview, Unmapped, dead_letter, ignored, stored
from worker.intake.times import When
from worker.intake.value_text import plain_bound, says_there_is_none, stands_for_none

GLASGOW_UNIT = "{score}"


class Use(Enum):
    """The use that the status of a result allows."""

    USE = "use"
    RETRACT = "retract"
    NO_VALUE = "no-value"
    NOT_USABLE = "not-usable"


class ResultStatus(NamedTuple):
    """A status: the sender's word, the use that it allows, and the native status."""

    word: str
    use: Use
    native: str = "final"


class Value(NamedTuple):
    """The value of a result. `text`: a number, a bound or words. `units`: its spellings, the most trusted first.

    `absent`: why there is no value. `trouble`: why it cannot be read. `given`: whether the sender sent any value.
    """

    text: str = ""
    units: tuple[str, ...] = ()
    codings: tuple[SentCode, ...] = ()
    absent: str = ""
    trouble: str = ""
    low: str | None = None
    high: str | None = None

    @property
    def given(self) -> bool:
        """Whether there is a value of any sort."""
        return bool(self.text or self.codings)


class CodedResult(NamedTuple):
    """One coded result of one patient."""

    where: str
    patient: str
    id: str
    code: Code
    life: ResultStatus
    when: When
    value: Value


def to_message(result: CodedResult, source: Source, tables: Tables) -> ElementResult:
    """The native message of a result, or why there is none: status first, then time, then value.

    1. A status that is no result yet: ignored, shown.
    2. A time that cannot be placed: a dead letter. A day alone is no time of a vital sign, a score or a bedside code.
    3. A retraction needs no value; an absent value is charted with its reason.
    4. A value that cannot be read, converted or believed: a dead letter, never corrected by a guess.
    """
    life, value = result.life, result.value
    if result.code.reading not in READINGS and result.code.reading != GLASGOW:
        return ignored(result.where, f"{result.code.reading} is no reading", result.patient)
    if life.use is Use.NOT_USABLE:
        use = "ambiguous" if value.trouble else "not-usable" if value.given else "no-value"
        return ignored(
            result.where,
            f"status {life.word} is no result",
            result.patient,
            understood=True,
            shown=_shown(result, tables, use),
        )
    trouble = _untimely(result)
    if trouble:
        return dead_letter(result.where, result.patient, trouble, _shown(result, tables, _use_of(result)))
    if life.use is Use.RETRACT:
        native = _native(result, source) | {"status": "entered_in_error"}
        if result.code.reading == GLASGOW:
            native = _note(result, source) | {"status": "entered_in_error"}
        return stored(result.where, result.patient, (native,), _shown(result, tables, "retract"))
    if value.trouble:
        return dead_letter(result.where, result.patient, value.trouble, _shown(result, tables, "ambiguous"))
    if life.use is Use.NO_VALUE or not value.given:
        return _absent(result, source)
    if why := _no_value(result, tables):
        return _absent(result._replace(value=value._replace(absent=why)), source)
    if result.code.reading == GLASGOW:
        return stored(result.where, result.patient, (_note(result, source),), _plain(result, value.text, GLASGOW_UNIT))
    if READINGS[result.code.reading].sort is Sort.CODE:
        return _coded(result, source)
    return _number(result, source, tables)


def _use_of(result: CodedResult) -> str:
    if result.life.use is not Use.USE:
        return str(result.life.use.value)
    if result.value.trouble:
        return "ambiguous"
    return "use" if result.value.given else "no-value"


def _untimely(result: CodedResult) -> str:
    if result.when.at is None:
        return f"time: {result.when.why}"
    kind = READINGS.get(result.code.reading)
    if result.when.day and (kind is None or kind.sort is not Sort.LABORATORY):
        return f"time: {result.when.shown} is a day, and a {result.code.reading.replace('_', ' ')} needs the hour"
    return ""


def _native(result: CodedResult, source: Source) -> Native:
    at = result.when.at
    assert at is not None, "checked by `_untimely`"
    native: Native = {
        "type": "reading",
        "id": result.id,
        "source": source.name,
        "patient": result.patient,
        "effective": at.isoformat(),
        "reading": result.code.reading,
    }
    if result.life.native != "final":
        native["status"] = result.life.native
    by = result.code.by or _found_by(result.code.reading, source)
    if by:
        native["by"] = by
    return native


def _found_by(reading: str, source: Source) -> str:
    sort = READINGS[reading].sort if reading in READINGS else None
    if sort is Sort.LABORATORY:
        return "laboratory"
    if sort is Sort.SCORE:
        return "person"
    return source.policy.by or ("monitor" if source.policy.type == "monitor" else "")


def _note(result: CodedResult, source: Source) -> Native:
    native = _native(result, source)
    native.pop("reading")
    native.pop("by", None)
    return native | {"type": "note", "text": f"GCS {result.value.text or 'withdrawn'}"[:200]}


def _absent(result: CodedResult, source: Source) -> ElementResult:
    why = result.value.absent or "no value was sent"
    shown = _plain(result, None, None, "no-value")
    if result.code.reading == GLASGOW:
        return ignored(result.where, why, result.patient, understood=True, shown=shown)
    return stored(result.where, result.patient, (_native(result, source) | {"absent": why[:2000]},), shown)


def _no_value(result: CodedResult, tables: Tables) -> str:
    """Why a number or a text stands for no value; empty if it does not."""
    reading, text = result.code.reading, result.value.text
    if reading not in READINGS or READINGS[reading].sort is Sort.CODE or not text:
        return ""
    if says_there_is_none(reading, text):
        return text
    with suppress(ValueError):
        bound = parse_number(text)
        if bound is not None and not bound.comparator and stands_for_none(reading, bound.number, tables):
            return f"{text} was sent, which stands for no value"
    return ""


def _coded(result: CodedResult, source: Source) -> ElementResult:
    value = result.value
    reading = result.code.reading
    sent = value.text or next((coding.name or coding.code for coding in value.codings), "")
    known = result.code.value or value_of(source.codes, reading, value.codings, value.text)
    if not known:
        shown = _plain(result, None, None, "ambiguous", sent)
        return ElementResult(
            ElementOutcome.DEAD_LETTER,
            result.where,
            result.patient,
            f"{reading}: {sent[:60]!r} is none of its values; map it under `values.{reading}`",
            shown=shown,
            unmapped=Unmapped("value", reading, sent[:100], sent[:100]),
        )
    return stored(
        result.where,
        result.patient,
        (_native(result, source) | {"value": known},),
        _plain(result, known, None, raw=sent),
    )


def _number(result: CodedResult, source: Source, tables: Tables) -> ElementResult:
    value, reading = result.value, result.code.reading
    if (text := plain_bound(value.text)) != value.text:
        value = value._replace(text=text)
    unit = chosen_unit(reading, value.units, tables)
    raw = f"{value.text} {unit or ''}".strip()
    try:
        bound = parse_number(value.text)
        if bound is None:
            why = f"{reading}: {value.text[:40]!r} is no number of at most 15 digits and no bound such as '<0.1'"
            return dead_letter(result.where, result.patient, why, _plain(result, None, None, "ambiguous", raw))
    except ValueError as error:
        why = f"{reading}: {error}"
        return dead_letter(result.where, result.patient, why, _plain(result, None, None, "implausible", raw))
    native = _native(result, source) | {"value": value.text}
    if READINGS[reading].sort is not Sort.SCORE and unit is not None:
        native["unit"] = unit
    low, high = _limits(value)
    try:
        other = _contradicted(reading, value.units, unit, bound.number, tables)
        if other:
            text = "{name}: {unit} and {other} are different units of one value"
            contradiction = phrase(text, name=Name(reading), unit=repr(unit), other=repr(other))
            raise Unusable(contradiction, contradiction)
        quantity = canonical(reading, bound.number, unit, tables, low=low, high=high, comparator=bound.comparator)
    except Unusable as error:
        shown = _plain(result, None, None, "implausible", raw)
        unknown = unit is None or not _known(reading, unit, tables)
        unmapped = Unmapped("unit", reading, (unit or "")[:40], raw[:100]) if unknown else None
        # The chart shows such a value and never computes with it: its message is stored, and the chart rejects it.
        going = stored(result.where, result.patient, (native,), shown)
        return going._replace(outcome=ElementOutcome.DEAD_LETTER, why=going.why or str(error), unmapped=unmapped)
    native |= {name: str(limit) for name, limit in (("low", low), ("high", high)) if limit is not None}
    sent = raw if quantity.value != bound.number else ""
    shown = _plain(result, _written(bound, quantity.value), READINGS[reading].unit, raw=sent)
    return stored(result.where, result.patient, (native,), shown)


def chosen_unit(reading: str, units: tuple[str, ...], tables: Tables) -> str | None:
    """The first spelling that the tables know, else the first that was sent."""
    return next((unit for unit in units if _known(reading, unit, tables)), units[0] if units else None)


def _known(reading: str, unit: str, tables: Tables) -> bool:
    return (reading, unit) in tables.units or (READINGS[reading].units, unit) in tables.units


def _contradicted(reading: str, units: tuple[str, ...], unit: str | None, number: Decimal, tables: Tables) -> str:
    """Another spelling of the unit that would give the number another value than `unit` does."""
    if unit is None or READINGS[reading].sort is Sort.SCORE:
        return ""
    for other in units:
        if other == unit or not _known(reading, other, tables):
            continue
        one, two = (
            tables.units.get((reading, name)) or tables.units[READINGS[reading].units, name] for name in (unit, other)
        )
        if (one.fahrenheit, one.numerator * two.denominator) != (two.fahrenheit, two.numerator * one.denominator):
            return other if number else ""
    return ""


def _limits(value: Value) -> tuple[Decimal | None, Decimal | None]:
    found = []
    for limit in (value.low, value.high):
        try:
            bound = parse_number(limit) if limit else None
        except ValueError:
            bound = None
        found.append(bound.number if bound is not None and not bound.comparator else None)
    return found[0], found[1]


def _shown(result: CodedResult, tables: Tables, use: str) -> Preview:
    """The preview of a result that is not computed with: its value if it can be converted."""
    value, reading = result.value, result.code.reading
    unit = chosen_unit(reading, value.units, tables) if reading in READINGS else None
    if use in ("ambiguous", "no-value") or not value.text or reading not in READINGS:
        return _plain(result, None, None, use, value.text)
    try:
        bound = parse_number(value.text)
        if bound is not None:
            quantity = canonical(reading, bound.number, unit, tables, comparator=bound.comparator)
            return _plain(result, _written(bound, quantity.value), READINGS[reading].unit, use)
    except ValueError:
        pass
    return _plain(result, None, None, use, value.text)


def _plain(result: CodedResult, value: str | None, unit: str | None, use: str = "use", raw: str = "") -> Preview:
    return Preview(result.code.reading, value, unit, result.when.shown, result.life.word, use, raw)


def _written(bound: Bound, value: Decimal) -> str:
    return f"{bound.comparator}{round(value, 6).normalize():f}"
