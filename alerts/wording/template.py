"""One row of the catalogue as a template: what may stand in its braces, and how a sentence is recognised by it.

    {at}      a date, mostly with its time; its month is named in the other language
    {n}       a number, which may be a bound
    {amount}  a number and its unit
    {sign}    <, <=, > or >=
    {cell}    a printed cell without words, such as `<0.75 - 0.5`
    {span}    a length of time: `7 d`, `24 h`
    {what}    another text of the catalogue
    {list}    texts of the catalogue, separated by commas
    {own}     a text that may be a site's own: translated where the catalogue has it, else shown as it is written
    {free}    whatever somebody wrote: kept
    {note}    the same inside brackets, and so without any
    {who}     names, which hold no semicolon: kept
    {sent}    a value as somebody sent it: kept
    {formula} numbers with their units and signs: kept

A second one of a kind carries a number, as in `{n2}`. Numbers keep their decimal point: a comma would be read as
another number by those who compare a page with the laboratory's print.
"""

import re
from functools import cached_property
from string import Formatter
from typing import NamedTuple

from config.vocabulary import READINGS, shown_unit

Row = tuple[str, str]
"""English and Italian."""

UNITS = tuple(
    sorted({unit for name in READINGS if (unit := shown_unit(name))} | {"mg", "g", "µg", "U", "points"}, key=len)
)[::-1]

_NUMBER = r"[<>]?=?[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_UNIT = "|".join(re.escape(unit) for unit in UNITS)

KINDS = {
    "at": r"\d{4}-\d\d-\d\d \d\d:\d\d|\d\d [A-Z][a-z]{2}(?: \d{4})?(?: \d\d:\d\d)?",
    "n": _NUMBER,
    "amount": rf"{_NUMBER}(?: (?:{_UNIT}))?",
    "sign": "[<>]=?",
    "cell": r"[-\d.<>=% ]+",
    "span": r"[-+]?\d+(?:\.\d+)? (?:d|h|min|s)",
    "what": ".+?",
    "list": ".+?",
    "own": ".*?",
    "free": ".*?",
    "note": "[^()]*",
    "who": "[^;]+",
    "sent": "[^():;,]{1,100}",
    "formula": "[^()=]+",
}
"""What each kind of brace matches."""


class Part(NamedTuple):
    """One filled brace of a sentence: its name in the row, its kind, and what stands in it."""

    name: str
    kind: str
    text: str


class Template:
    """A row with braces. A sentence of it begins with `start` and holds `needle`, which is quickly seen."""

    def __init__(self, row: Row) -> None:
        self.row = row
        pieces = [(literal, name) for literal, name, _, _ in Formatter().parse(row[0])]
        self.names = tuple(name for _, name in pieces if name)
        literals = [literal for literal, _ in pieces]
        self.weight = sum(map(len, literals))
        self.needle = max(literals, key=len)
        self.start = literals[0]
        self._pieces = pieces

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(
            "".join(
                re.escape(literal) + (f"(?P<{name}>{KINDS[kind(name)]})" if name else "")
                for literal, name in self._pieces
            )
        )

    def match(self, text: str) -> tuple[Part, ...] | None:
        """What stands in the braces of a sentence of this row; None where it is no such sentence."""
        found = self._pattern.fullmatch(text)
        return None if found is None else tuple(Part(name, kind(name), found[name]) for name in self.names)


def kind(name: str) -> str:
    """The kind of a brace: its name without the number."""
    return name.rstrip("0123456789")


def split(text: str) -> list[str]:
    """The members of a list: separated by commas that do not stand in brackets."""
    members, depth, start = [], 0, 0
    for spot, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and text.startswith(", ", spot):
            members.append(text[start:spot])
            start = spot + 2
    return [*members, text[start:]]
