"""From a number as it was sent to a value in the canonical unit, or the reason why it cannot be used."""

from decimal import Decimal
from typing import NamedTuple

from config.tables import Tables, UnitLookalike, UnitRule
from config.vocabulary import READINGS, Sort, shown_unit


class CanonicalQuantity(NamedTuple):
    """A value in the canonical unit of its reading; an `unusual` one is used, and a person is to check it."""

    value: Decimal
    low: Decimal | None
    high: Decimal | None
    unusual: bool = False


class Unusable(ValueError):
    """The number is kept and shown, never computed with; the text says why and how to mend it."""


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
    """Convert a number and its reference limits, and hold it against the artefact limits.

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
            hint = f", sent as {number} {unit} it looks like {looks_like}" if looks_like else ""
            raise Unusable(
                f"{reading} {value.normalize():f} {shown_unit(reading)} is not plausible "
                f"(artefact limits {limits.low} to {limits.high}){hint}; check value and unit"
            )
        if looks_like:
            raise Unusable(f"{reading} sent as {number} {unit} looks like {looks_like}; check value and unit")
        unusual = _outside(value, limits.confirm_low, limits.confirm_high, comparator)
    return CanonicalQuantity(value, _limit(low, rule, reading), _limit(high, rule, reading), unusual)


def _outside(value: Decimal, low: Decimal | None, high: Decimal | None, comparator: str) -> bool:
    too_low = low is not None and value < low and not comparator.startswith("<")
    too_high = high is not None and value > high and not comparator.startswith(">")
    return too_low or too_high


def _looks_like(
    reading: str, number: Decimal, comparator: str, rule: UnitRule, alike: UnitLookalike | None, tables: Tables
) -> str:
    """The unit that a number looks to be in, whatever the spelling of that it came in; empty where it looks right."""
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
        raise Unusable(f"{reading}: the unit is missing; send it, as in {kind.unit!r}")
    if rule is None:
        raise Unusable(f"{reading}: the unit {unit!r} is not known; send {kind.unit!r} or add it to units.csv")
    if rule.refused:
        raise Unusable(f"{reading}: the unit {unit!r} is not used: {rule.refused}")
    return rule


def _convert(number: Decimal, rule: UnitRule, reading: str) -> Decimal:
    if rule.ratio and number > 1:
        raise Unusable(f"{reading}: {number} with a ratio's unit must be at most 1; send it in {rule.canonical!r}")
    if rule.fahrenheit:
        number -= 32
    return number * rule.numerator / rule.denominator


def _limit(limit: Decimal | None, rule: UnitRule, reading: str) -> Decimal | None:
    return None if limit is None else _convert(limit, rule, reading)
