"""Numbers and lengths of time as people write them; the same in every language.

Numbers keep their decimal point. A comma would be misread by people who compare a page with the laboratory's print.
"""

from datetime import timedelta
from decimal import Decimal

from config.vocabulary import shown_unit


def number(value: Decimal) -> str:
    """A number for people: no exponent, no trailing zeros, at most four decimal places."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def charted(kind: str, value: Decimal | None) -> str:
    """A charted number; a temperature always has its first decimal, as in `39.0`."""
    if value is None:
        return ""
    text = number(value)
    return f"{text}.0" if kind == "temperature" and "." not in text else text


def amount(kind: str, value: Decimal | None, comparator: str = "") -> str:
    """A charted number with its comparator and unit, as in `<0.1 ×10⁹/L`."""
    return f"{comparator}{charted(kind, value)} {shown_unit(kind)}".strip()


def days_or_hours(length: timedelta) -> tuple[str, str]:
    """A length of time in the larger of days and hours that fits it: `("7", "d")`, `("24", "h")`, `("1.5", "h")`."""
    hours = Decimal(length // timedelta(minutes=1)) / 60
    if hours > 48 and hours % 24 == 0:
        return number(hours / 24), "d"
    return number(hours), "h"


def span(length: timedelta) -> str:
    """The same as one English text."""
    return " ".join(days_or_hours(length))
