"""Conversion of a number as sent to its canonical unit, or the reason why it is rejected."""

from datetime import UTC
from decimal import Decimal
from typing import NamedTuple

from alerts.wording.catalogue import in_code
from alerts.wording.phrase import Name, Phrase, joined, phrase
from config.tables import Limits, Tables, UnitLookalike, UnitRule
from config.vocabulary import READINGS, Sort, shown_unit


class CanonicalQuantity(NamedTuple):
    """A value in the canonical unit of its reading. An `unusual` one is used, and a person must check it."""

    value: Decimal
    low: Decimal | None
    high: Decimal | None
    unusual: bool = False


class Unusable(ValueError):
    """The number is rejected: shown, never computed with.

    `why` is the reason alone, as a page shows it; `said` adds how the sender can fix it.
    """

    def __init__(self, why: Phrase, said: Phrase) -> None:
        super().__init__(why)
        self.why, self.said = why, said

    def __str__(self) -> str:
        return in_code(self.said, UTC)


def _refused(reading: str, why: Phrase, advice: Phrase | None = None) -> Unusable:
    of = phrase("{name}: {what}", name=Name(reading), what=why)
    return Unusable(why, of if advice is None else joined([of, advice]))


CHECK = Phrase("check value and unit")


def canonical(
    reading: str,
    number: Decimal,
    unit: str | None,
    tables: Tables,
    *,
    low: Decimal | None = None,
    high: Decimal | None = None,
    comparator: str = "",
) -> CanonicalQuantity:
    """Convert a number and its reference limits, and compare it with the artefact limits.

    A censored value ("<0.1") is a bound: only its own number must be plausible from the side it bounds.

    Raises:
        Unusable: the unit is missing, unknown, of another quantity or looks like another, or the value is an artefact.
    """
    kind = READINGS[reading]
    if kind.sort is Sort.SCORE:
        return CanonicalQuantity(number, None, None)
    rule = _rule(reading, unit, tables)
    value = _convert(number, rule, reading)
    limits = tables.limits.get(reading)
    unusual = False
    if limits is not None:
        if limits.lowest_from is not None and limits.low is not None and limits.lowest_from <= value < limits.low:
            value = limits.low
        looks_like = _looks_like(reading, number, comparator, rule, limits.alike, tables)
        if _outside(value, limits.low, limits.high, comparator):
            why = _implausible(reading, value, limits, f"{number} {unit}", looks_like)
            raise Unusable(why, joined([why, CHECK]))
        if looks_like:
            text = "{what} sent as {sent} looks like {sent2}"
            why = phrase(text, what=Name(reading), sent=f"{number} {unit}", sent2=looks_like)
            raise Unusable(why, joined([why, CHECK]))
        unusual = _outside(value, limits.confirm_low, limits.confirm_high, comparator)
    return CanonicalQuantity(value, _limit(low, rule, reading), _limit(high, rule, reading), unusual)


def _implausible(reading: str, value: Decimal, limits: Limits, sent: str, looks_like: str) -> Phrase:
    amount = f"{value.normalize():f} {shown_unit(reading)}"
    what = phrase("{what} {amount}", what=Name(reading), amount=amount)
    low, high = str(limits.low), str(limits.high)
    if not looks_like:
        return phrase("{what} is not plausible (artefact limits {n} to {n2})", what=what, n=low, n2=high)
    text = "{what} is not plausible (artefact limits {n} to {n2}), sent as {sent} it looks like {sent2}"
    return phrase(text, what=what, n=low, n2=high, sent=sent, sent2=looks_like)


def _outside(value: Decimal, low: Decimal | None, high: Decimal | None, comparator: str) -> bool:
    too_low = low is not None and value < low and not comparator.startswith("<")
    too_high = high is not None and value > high and not comparator.startswith(">")
    return too_low or too_high


def _looks_like(
    reading: str, number: Decimal, comparator: str, rule: UnitRule, alike: UnitLookalike | None, tables: Tables
) -> str:
    """The unit that a number appears to have, if not the one it was sent in; else empty."""
    if alike is None or comparator.startswith("<"):
        return ""
    of = tables.units.get((READINGS[reading].units, alike.unit))
    within = (alike.low is None or number >= alike.low) and (alike.high is None or number <= alike.high)
    return alike.looks_like if within and of is not None and _same(rule, of) else ""


def _same(rule: UnitRule, other: UnitRule) -> bool:
    """Whether two spellings are of one unit."""
    return rule._replace(refused="") == other._replace(refused="")


def _rule(reading: str, unit: str | None, tables: Tables) -> UnitRule:
    kind = READINGS[reading]
    rule = tables.units.get((reading, unit or "")) or tables.units.get((kind.units, unit or ""))
    if rule is None and not unit:
        raise _refused(reading, Phrase("the unit is missing"), phrase("send it, as in {note}", note=repr(kind.unit)))
    if rule is None:
        advice = phrase("send {note} or add it to units.csv", note=repr(kind.unit))
        raise _refused(reading, phrase("the unit {note} is not known", note=repr(unit)), advice)
    if rule.refused:
        why = phrase("the unit {note} is not used: {own}", note=repr(unit), own=Phrase(rule.refused))
        raise _refused(reading, why)
    return rule


def _convert(number: Decimal, rule: UnitRule, reading: str) -> Decimal:
    if rule.ratio and number > 1:
        why = phrase("{n} with a ratio's unit must be at most 1", n=str(number))
        raise _refused(reading, why, phrase("send it in {note}", note=repr(rule.canonical)))
    if rule.fahrenheit:
        number -= 32
    return number * rule.numerator / rule.denominator


def _limit(limit: Decimal | None, rule: UnitRule, reading: str) -> Decimal | None:
    return None if limit is None else _convert(limit, rule, reading)
