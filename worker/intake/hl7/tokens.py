r"""HL7 v2 syntax: segments, fields, repetitions, components, subcomponents. Their meaning is not known here.

A message is split into lines at once, and a line into fields on demand: most segments are never used.

Accepted are CR, LF and CRLF line ends, also mixed; a byte order mark; any separators of MSH-1 and MSH-2; and every
character set of MSH-18. A line that begins no segment continues the text of the segment above it.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from worker.intake.budget import Budget
from worker.intake.hl7.charsets import decode
from worker.intake.hl7.escapes import unescape

_USUAL = "^~\\&"
_SHOWN = 20
_AROUND = "\x00\x0b\x1c\r\n\t \ufeff"
"""What may surround a message: white space, a byte order mark, and the framing of a recorded file."""

_LINE_ENDS = re.compile(r"\r\n|\r|\n")


class Hl7Error(ValueError):
    """Bytes that are no HL7 message. The text gives the reason and shows only the first characters."""


class Separators(NamedTuple):
    """The separators of one message, empty if it has none, and its codec."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str
    codec: str = "utf-8"

    def clean(self, text: str) -> str:
        """Replace the escapes of a text."""
        if not self.escape or self.escape not in text:
            return text
        return unescape(text, self.escape, _meanings(self), self.codec)


@lru_cache(maxsize=64)
def _meanings(signs: Separators) -> dict[str, str]:
    # \P\ is the truncation sign of version 2.7: `#` unless MSH-2 names another. No known sender does.
    return {
        "F": signs.field,
        "S": signs.component,
        "T": signs.subcomponent,
        "R": signs.repetition,
        "E": signs.escape,
        "P": "#",
    }


class Repetition:
    """One value of a field."""

    __slots__ = ("_raw", "_signs")

    def __init__(self, raw: str, signs: Separators) -> None:
        self._raw = raw
        self._signs = signs

    @property
    def text(self) -> str:
        """The whole value, unescaped; component separators stay."""
        return self._signs.clean(self._raw)

    def component(self, c: int, sub: int = 1) -> str:
        """One subcomponent, unescaped; empty if absent. Both numbers count from 1."""
        return self._signs.clean(_part(_part(self._raw, self._signs.component, c), self._signs.subcomponent, sub))

    def __bool__(self) -> bool:
        return bool(self._raw)


class Field:
    """A field. It is true if it is not empty. HL7's explicit null `""` is text like any other."""

    __slots__ = ("_raw", "_signs")

    def __init__(self, raw: str, signs: Separators) -> None:
        self._raw = raw
        self._signs = signs

    @property
    def repetitions(self) -> list[Repetition]:
        """The values; none if the field is empty."""
        if not self._raw:
            return []
        sign = self._signs.repetition
        return [Repetition(raw, self._signs) for raw in (self._raw.split(sign) if sign else [self._raw])]

    @property
    def count(self) -> int:
        """The number of values, without parsing them."""
        if not self._raw:
            return 0
        return self._raw.count(self._signs.repetition) + 1 if self._signs.repetition else 1

    @property
    def text(self) -> str:
        """The first repetition, whole and unescaped."""
        return self._signs.clean(_part(self._raw, self._signs.repetition, 1))

    @property
    def raw(self) -> str:
        """The field as written, with escapes and separators."""
        return self._raw

    def component(self, c: int, sub: int = 1, repetition: int = 0) -> str:
        """One subcomponent, unescaped; empty if absent. Components count from 1, repetitions from 0."""
        if not self._raw:
            return ""
        signs = self._signs
        raw = _part(self._raw, signs.repetition, repetition + 1)
        return signs.clean(_part(_part(raw, signs.component, c), signs.subcomponent, sub))

    def __bool__(self) -> bool:
        return bool(self._raw)


class Segment:
    """One segment. Fields are numbered as in HL7, so that MSH-1 is the field separator itself."""

    __slots__ = ("_fields", "_line", "_signs", "name")

    def __init__(self, line: str, signs: Separators) -> None:
        self.name = line[:3]
        self._line = line
        self._signs = signs
        self._fields: list[str] | None = None

    def field(self, n: int) -> Field:
        """Field `n`, counted from 1; empty if the segment is shorter."""
        if self._fields is None:
            self._fields = self._line.split(self._signs.field)
        if self.name != "MSH":
            return Field(self._fields[n] if 0 < n < len(self._fields) else "", self._signs)
        if n <= 2:
            # The separators are no text. Split by themselves they would fall apart.
            return Field(self._header(n), Separators(self._signs.field, "", "", "", ""))
        return Field(self._fields[n - 1] if n <= len(self._fields) else "", self._signs)

    def _header(self, n: int) -> str:
        if n == 1:
            return self._signs.field
        return self._line[4:].split(self._signs.field, 1)[0] if n == 2 else ""


class Hl7Message:
    """The segments of one message, in order. The first is its MSH."""

    __slots__ = ("segments", "separators")

    def __init__(self, segments: list[Segment], separators: Separators) -> None:
        self.segments = segments
        self.separators = separators

    def first(self, name: str) -> Segment | None:
        """The first segment of this name."""
        return next((segment for segment in self.segments if segment.name == name), None)

    def all(self, name: str) -> list[Segment]:
        """Every segment of this name."""
        return [segment for segment in self.segments if segment.name == name]


def read(raw: bytes, budget: Budget | None = None) -> Hl7Message:
    """Parse one message.

    Raises:
        OverBudget: to read it costs too much.
        Hl7Error: it does not begin with an MSH, the MSH names no separators, or a second MSH follows
            (`worker.intake.hl7.batches.split` takes those apart).
    """
    budget = budget or Budget()
    text, codec = decode(raw, budget)
    text = text.strip(_AROUND)
    signs = _separators(text, codec)
    segments = [Segment(line, signs) for line in budget.during(_lines(text, signs.field, budget))]
    if sum(segment.name == "MSH" for segment in segments) > 1:
        raise Hl7Error("more than one MSH: this is a batch, not a message")
    return Hl7Message(segments, signs)


def begins_segment(line: str, separator: str) -> bool:
    """Whether a line is a segment: three capitals or digits, the first a capital, and the field separator."""
    name = line[:3]
    return line[3:4] == separator and name.isascii() and name.isalnum() and name.upper() == name and name[0].isalpha()


def _separators(text: str, codec: str) -> Separators:
    if not text.startswith("MSH"):
        begin = text[:3] if text[:3].isalnum() else "something else"
        raise Hl7Error(f"begins with {begin!r} instead of MSH" if text else "is empty")
    field = text[3:4]
    if not field or field.isalnum() or not field.isprintable() or field == " ":
        raise Hl7Error("MSH-1: no field separator")
    written = _LINE_ENDS.split(text[4:_SHOWN], 1)[0].partition(field)[0]
    if any(sign.isalnum() or sign.isspace() for sign in written) or len(written) >= _SHOWN - 4:
        raise Hl7Error("MSH-2: these are no encoding characters")
    signs = list(written[:4])
    if len(set(written)) < len(written):
        # Some software doubles a backslash on the way; then those of the text are doubled as well.
        raise Hl7Error("MSH-2: the same encoding character twice")
    for usual in _USUAL[len(signs) :]:
        signs.append("" if usual in signs or usual == field else usual)
    component, repetition, escape, subcomponent = signs
    return Separators(field, component, repetition, escape, subcomponent, codec)


def _lines(text: str, separator: str, budget: Budget) -> list[str]:
    """The lines of a message, one for each segment."""
    lines: list[str] = []
    continued: list[str] = []
    for line in budget.during(_LINE_ENDS.split(text)):
        bare = line.lstrip()
        if not bare:
            continue
        if begins_segment(bare, separator):
            _join(lines, continued)
            lines.append(bare)
        else:
            continued.append(line)
    _join(lines, continued)
    return lines


def _join(lines: list[str], continued: list[str]) -> None:
    if continued:
        lines[-1] = "\n".join([lines[-1], *continued])
        continued.clear()


def _part(raw: str, sign: str, number: int) -> str:
    """The `number`th part, counted from 1; the whole text if the message has no such separator."""
    if not sign or sign not in raw:
        return raw if number == 1 else ""
    if number == 1:
        return raw[: raw.index(sign)]
    parts = raw.split(sign, number) if number > 0 else ()
    return parts[number - 1] if len(parts) >= number > 0 else ""
