"""Small types of the configuration files."""

import re
from datetime import time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

T = TypeVar("T")

LONGEST = timedelta(days=3660)
"""Ten years: the longest duration that can be added to any time."""

LONGEST_NUMBER = 20
"""Decimal places before or behind the point."""

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)\s*")


def parse_duration(text: Any) -> Any:
    """Read "90 s", "15 min", "72 h" or "7 d".

    Raises:
        ValueError: for anything else that is written as text.
    """
    if not isinstance(text, str):
        return text
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write a number and one of s, min, h, d, as in '15 min'")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"{text!r} is longer than {LONGEST.days} days")
    return timedelta(seconds=seconds)


def is_of_use(number: Decimal) -> bool:
    """Whether a number can be compared and written in full: `1E+999999999` has a billion digits."""
    return number.is_finite() and -LONGEST_NUMBER <= number.adjusted() <= LONGEST_NUMBER


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


def parse_clock_time(value: Any) -> Any:
    """Read an hour and a minute, as "06:00".

    Raises:
        ValueError: for anything else. YAML reads an unquoted 14:00 as a number.
    """
    if isinstance(value, time):
        return value
    match = _CLOCK_TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a time of day: write it in quotes, as in '06:00'")
    return time(int(match[1]), int(match[2]))


ClockTime = Annotated[time, BeforeValidator(parse_clock_time)]


class Configuration(BaseModel):
    """Base of every configuration model: a misspelt key is an error, a loaded value never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


EXAMPLE = "example value, not yet set by this centre"


class Convention(Configuration, Generic[T]):
    """A working convention that no consensus fixes: shown as such on every page that depends on it."""

    value: T
    basis: str = Field(min_length=1, description="Where the convention comes from, in words")
    owner: str = Field(min_length=1, description="Who may change it")

    @field_validator("value")
    @classmethod
    def _of_use(cls, value: T) -> T:
        if isinstance(value, Decimal) and not is_of_use(value):
            raise ValueError(f"{value} is not a number that can be compared")
        return value

    @property
    def shown_basis(self) -> str:
        """The basis for a clinician. That of a shipped placeholder says only that the value is an example."""
        return EXAMPLE if self.basis.startswith("placeholder") else self.basis
