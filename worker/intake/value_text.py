"""Values as laboratories and monitors write them: bounds in words, reasons in place of a number, codes for no value."""

import re
from decimal import Decimal

from config.tables import Tables
from config.vocabulary import READINGS, Sort

_LESS = r"(?:less|lower|smaller|fewer)\s+than|below|under|inferiore\s+a|minore\s+di|meno\s+di"
_MORE = r"(?:greater|more|higher|larger)\s+than|above|over|exceeds|superiore\s+a|maggiore\s+di|oltre|pi[uù]\s+di"
_EQUAL = r"\s+or\s+equal(?:\s+to)?|\s*o\s+uguale\s+a"
_IN_WORDS = re.compile(
    rf"(?:(?P<less>{_LESS})|(?P<more>{_MORE}))(?P<equal>{_EQUAL})?\s+(?P<number>[\d.,]+)", re.IGNORECASE
)
_SIGNS = {"≤": "<=", "≥": ">=", "=<": "<=", "=>": ">=", "</=": "<=", ">/=": ">=", "< =": "<=", "> =": ">="}

NO_VALUE = frozenset(map(Decimal, (-1, -100, -999, -9999, -32768, 8388606, 8388607, 8388608, 8388609, 8388610)))
"""Numbers that monitors send in place of a value. 8388606 to 8388610 are those of a FLOAT of ISO/IEEE 11073-20601
(+INFINITY, NaN, NRes, reserved, -INFINITY); the others were met in messages. No reading of ours can be one of them."""

ZERO = Decimal(0)


def plain_bound(text: str) -> str:
    """A bound in words or in unusual signs as `<`, `<=`, `>` or `>=` and its number; any other text unchanged."""
    if text[:1].isdigit():  # most values
        return text
    for sign, plain in _SIGNS.items():
        if text.startswith(sign):
            return f"{plain}{text.removeprefix(sign).strip()}"
    match = _IN_WORDS.fullmatch(text.strip())
    if match is None:
        return text
    return f"{'<' if match['less'] else '>'}{'=' if match['equal'] else ''}{match['number']}"


def says_there_is_none(reading: str, text: str) -> bool:
    """Whether a text in place of a number says that there is none: words without any digit ("UNABLE TO REPORT").

    Of a bedside score it does not: "unable" is a finding there, not a fault of the laboratory.
    """
    if text[:1].isdigit():
        return False
    is_words = any(sign.isalpha() for sign in text) and not any(sign.isdigit() for sign in text)
    return is_words and READINGS[reading].sort is not Sort.SCORE


def stands_for_none(reading: str, number: Decimal, tables: Tables) -> bool:
    """Whether a number stands for no value: a monitor's code, or a 0 of a vital sign that nobody alive can have.

    A laboratory's 0 is a value, and so is an oxygen flow of 0.
    """
    if number in NO_VALUE:
        return True
    limits = tables.limits.get(reading)
    is_vital = READINGS[reading].sort is Sort.VITAL
    return number == ZERO and is_vital and limits is not None and limits.low is not None and limits.low > 0
