"""A phrase: an English text with braces, and the values in them, before it is put into a language.

A phrase is a value: cheap to make, to compare and to store. It becomes words only when somebody reads it
(`alerts/wording/catalogue.py`). Its text is the message id of the gettext catalogues.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Union

import msgspec
from msgspec import Struct, structs
from pydantic import PlainSerializer, PlainValidator


class Name(Struct, frozen=True, array_like=True, tag=1):
    """A reading, statement, drug or code by its name in messages, as in `systolic_bp`. People read its label."""

    code: str


class Amount(Struct, frozen=True, array_like=True, omit_defaults=True, tag=2):
    """A charted number of a reading, shown with its comparator and unit, as in `<0.1 ×10⁹/L`."""

    kind: str
    value: Decimal | None
    comparator: str = ""


class Number(Struct, frozen=True, array_like=True, omit_defaults=True, tag=3):
    """A number with this many decimal places; without `places` with as many as it needs, at most four."""

    value: Decimal
    places: int | None = None


class At(Struct, frozen=True, array_like=True, tag=4):
    """A time, shown on the hospital's clock."""

    at: datetime


class Length(Struct, frozen=True, array_like=True, tag=5):
    """A length of time, shown in days or hours."""

    length: timedelta


class Listed(Struct, frozen=True, array_like=True, omit_defaults=True, tag=6):
    """Several arguments, one after the other."""

    items: tuple["Arg", ...]
    joint: str = ", "


class Phrase(Struct, frozen=True, array_like=True, omit_defaults=True, tag=0):
    """A text with the values of its braces, in order. `many` is the plural of a text that counts `{n}`."""

    id: str
    args: tuple["Arg", ...] = ()
    many: str = ""


Arg = Union[str, int, Phrase, Name, Amount, Number, At, Length, Listed]  # noqa: UP007
"""A `str` is shown unchanged: a name, a formatted number, or a text that a person wrote."""


def phrase(id: str, **args: Arg) -> Phrase:
    """A phrase. The arguments are named in the order of the braces (a test checks that)."""
    return Phrase(id, tuple(args.values()))


def plural(one: str, many: str, **args: Arg) -> Phrase:
    """A phrase whose text depends on the number `n`."""
    return Phrase(one, tuple(args.values()), many)


def joined(items: Sequence[Arg], joint: str = "; ") -> Phrase:
    """Several phrases as one."""
    return Phrase("{list}", (Listed(tuple(items), joint),))


@cache
def named(code: str) -> Phrase:
    """The name of a reading, statement, drug or code alone."""
    return Phrase("{name}", (Name(code),))


def _read(value: Any) -> Phrase:
    """A phrase as a message carries it.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, Phrase):
        return value
    return Phrase(value) if isinstance(value, str) else msgspec.convert(value, Phrase)


Said = Annotated[Phrase, PlainValidator(_read), PlainSerializer(msgspec.to_builtins)]
"""A phrase as a field of a message; a text alone is a phrase without arguments."""


def with_texts(words: Phrase, change: Callable[[str], str]) -> Phrase:
    """A phrase with every foreign text in it changed, such as the name of a source."""
    return structs.replace(words, args=tuple(_changed(arg, change) for arg in words.args))


def _changed(arg: Arg, change: Callable[[str], str]) -> Arg:
    match arg:
        case str():
            return change(arg)
        case Phrase():
            return with_texts(arg, change)
        case Listed():
            return structs.replace(arg, items=tuple(_changed(item, change) for item in arg.items))
    return arg
