"""From a number as it was sent to a value in the canonical unit, or the reason why it cannot be used."""

from decimal import Decimal
from typing import NamedTuple

from alerts.vocabulary import READINGS, Sort, shown_unit
from config.tables import Tables, UnitRule


class Quantity(NamedTuple):
    """A value in the canonical unit of its reading."""

    value: Decimal
    low: Decimal | None
    high: Decimal | None


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
) -> Quantity:
    """Convert a number and its reference limits, and hold it against the artefact limits.

    A censored value ("<0.1") is a bound: only its own number must be plausible from the side it bounds.

    Raises:
        Unusable: the unit is missing, unknown or of another quantity, or the value is an artefact.
    """
    kind = READINGS[reading]
    if kind.sort is Sort.SCORE:
        return Quantity(number, None, None)
    rule = _rule(reading, unit, tables)
    value = _convert(number, rule, reading)
    limits = tables.limits.get(reading)
    if limits is not None:
        too_low = limits.low is not None and value < limits.low and not comparator.startswith("<")
        too_high = limits.high is not None and value > limits.high and not comparator.startswith(">")
        if too_low or too_high:
            raise Unusable(
                f"{reading} {value.normalize():f} {shown_unit(reading)} is not plausible "
                f"(artefact limits {limits.low} to {limits.high}); check value and unit"
            )
    return Quantity(value, _limit(low, rule, reading), _limit(high, rule, reading))


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
