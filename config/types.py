"""The small types that every configuration file is written in."""

import re
from datetime import timedelta
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

T = TypeVar("T")

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
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
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


class Configuration(BaseModel):
    """Base of every configuration model: a misspelt key is an error, a loaded value never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Proxy(Configuration, Generic[T]):
    """A working convention that no consensus fixes: shown as such on every page that depends on it."""

    value: T
    basis: str = Field(min_length=1, description="Where the convention comes from, in words")
    owner: str = Field(min_length=1, description="Who may change it")
