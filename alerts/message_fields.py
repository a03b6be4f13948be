"""The field types of messages: text, exact numbers, values of readings, times with an offset, and the status."""

import re
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, StringConstraints, WithJsonSchema

from config.vocabulary import ICE_ITEMS, READINGS, SCORE_HIGHEST, Sort


def visible(text: str) -> str:
    """A text with its invisible characters written out: control characters, line ends, marks of direction.

    `\\n` and `\\u200b` stand for them, so that a name begins no new line, and different ids look different.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _written_out(longest: int) -> AfterValidator:
    def write_out(text: str) -> str:
        if len(shown := visible(text)) > longest:
            raise ValueError(f"more than {longest} characters once its invisible ones are written out")
        return shown

    return AfterValidator(write_out)


Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), _written_out(200)]
LongText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000, strip_whitespace=True),
    AfterValidator(lambda text: " ".join(text.splitlines())),
    _written_out(2000),
]
"""Text that a person types. Line ends become spaces."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d.*")
_BOUND = Decimal("1e12")
_LONGEST_VALUE = 60
_FIRST_YEAR, _LAST_YEAR = 1900, 2200


NUMBER = r"[+-]?\d{1,15}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,2})?"
_NUMBER = re.compile(rf"(<=|>=|<|>)?\s*({NUMBER})")


class Bound(NamedTuple):
    """A number, and `<`, `<=`, `>` or `>=` if it is only a bound."""

    comparator: str
    number: Decimal


def parse_number(value: Any) -> Bound | None:
    """A JSON number or a number in text, exactly; None if it is no number.

    Raises:
        ValueError: a number that no reading can have.
    """
    text = str(value).strip()
    # A cache: the same vital signs recur. A text too long for a number is not cached.
    return _parsed(text) if len(text) <= _LONGEST_VALUE else _parsed.__wrapped__(text)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Bound | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    number = Decimal(match[2])
    if abs(number) > _BOUND:
        raise ValueError("the number is too large: nothing measured here exceeds 1e12")
    return Bound(match[1] or "", number)


def _decimal(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError("write a number, as a JSON number or as text")
    found = parse_number(value)
    if found is None or found.comparator:
        raise ValueError(f"{str(value)[:40]!r} is not a number of at most 15 digits")
    return found.number


A_NUMBER = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": rf"^\s*{NUMBER}\s*$"}]}
"""What a number is in a JSON Schema: a JSON number or text."""

Number = Annotated[Decimal, BeforeValidator(_decimal), WithJsonSchema(A_NUMBER)]


def _reading_value(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal | None):
        raise ValueError("write a number, a code, or a bound such as '<0.1'")
    if len(str(value)) > _LONGEST_VALUE:
        raise ValueError(f"a value has at most {_LONGEST_VALUE} characters")
    return value


ReadingValue = Annotated[
    Any, BeforeValidator(_reading_value), WithJsonSchema({"type": ["number", "string"], "maxLength": _LONGEST_VALUE})
]


def check_number(reading: str, value: Any) -> None:
    """Check the value of a numeric reading.

    Raises:
        ValueError: it is neither a number nor a bound, or a score lies outside its range.
    """
    try:
        found = parse_number(value)
    except ValueError as error:
        raise ValueError(f"value: {error}") from error
    if found is None:
        raise ValueError(
            f"value: {str(value)[:40]!r} is neither a number of at most 15 digits nor a bound such as '<0.1'"
        )
    if READINGS[reading].sort is Sort.SCORE:
        highest = SCORE_HIGHEST[reading]
        if found.comparator or found.number != int(found.number) or not 0 <= found.number <= highest:
            raise ValueError(f"value: {reading} is a whole number from 0 to {highest}")


def check_ice_items(reading: str, items: dict[str, int]) -> None:
    """Check the items of an ICE score.

    Raises:
        ValueError: the reading is not `ice`, an item is missing or unknown, or its points lie outside its range.
    """
    if reading != "ice":
        raise ValueError("items: only ice has items")
    if set(items) != set(ICE_ITEMS):
        raise ValueError(f"items: give all of {', '.join(ICE_ITEMS)} and nothing else")
    for name, points in items.items():
        if not 0 <= points <= ICE_ITEMS[name]:
            raise ValueError(f"items.{name}: {points} is not within 0 to {ICE_ITEMS[name]}")


def _time(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and _TIME.fullmatch(value)):
        return value
    raise ValueError("write ISO 8601 with the offset, as in 2024-06-14T08:00:00+02:00")


def _of_our_age(at: datetime) -> datetime:
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ValueError(f"the year must lie from {_FIRST_YEAR} to {_LAST_YEAR}")
    return at


Time = Annotated[
    AwareDatetime,
    BeforeValidator(_time),
    AfterValidator(_of_our_age),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d\d-\d\d[Tt ]\d.*([Zz]|[+-]\d\d:?\d\d)$",
            "examples": ["2024-06-14T08:00:00+02:00"],
        }
    ),
]


class Status(IntEnum):
    """The status of a result. Of two versions of one message the higher status holds."""

    PRELIMINARY = 0
    FINAL = 1
    CORRECTED = 2
    ENTERED_IN_ERROR = 3


_STATUS_NAMES = {status.name.lower(): status for status in Status}


def _status(value: Any) -> Any:
    if isinstance(value, str):
        if value not in _STATUS_NAMES:
            raise ValueError(f"{value[:40]!r} is not one of {', '.join(_STATUS_NAMES)}")
        return _STATUS_NAMES[value]
    return value


StatusName = Annotated[
    Status,
    BeforeValidator(_status),
    WithJsonSchema({"type": "string", "enum": list(_STATUS_NAMES)}),
]
