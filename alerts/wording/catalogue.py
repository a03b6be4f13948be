"""The catalogue put together: a sentence in, the same sentence in the reader's language out."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from alerts.wording import (
    board,
    common,
    conventions,
    crs,
    ctcae,
    headings,
    icans,
    interface,
    names,
    refusals,
    reminders,
    scores,
    screens,
    technical,
    trend,
)
from alerts.wording.template import UNITS, Part, Row, Template, split
from config.site import Language
from config.vocabulary import DRUGS, READINGS, STATEMENTS, label

SENTENCES: tuple[Row, ...] = (
    *headings.WORDS,
    *names.ROWS,
    *common.ROWS,
    *crs.ROWS,
    *icans.ROWS,
    *ctcae.ROWS,
    *scores.ROWS,
    *screens.ROWS,
    *reminders.ROWS,
    *conventions.ROWS,
    *technical.ROWS,
)
"""What graders, rules and faults say, and `translate` recognises."""

SAID: tuple[Row, ...] = (*headings.SAID, *interface.ROWS, *board.ROWS, *refusals.ROWS, *trend.ROWS)
"""What the code fills in itself, with `say`."""

ROWS = (*SENTENCES, *SAID)
KEYS = {**headings.KEYS, **interface.KEYS}
"""Names used in code for words of the catalogue: `handed_over` is "handed over"."""

MONTHS = dict(names.MONTHS)

JOINTS = ("; ", ": ")
"""Where a sentence that has no row is taken apart into sentences that have one."""
SPLITS_TRIED = 8

LONGEST = 2000
"""Characters of a sentence that is looked for; what is longer was written by no grader."""
DEEPEST = 16
"""Sentences within sentences; ours need six or so."""

CACHED = 4096

# Numbers, units and signs are the same in both languages.
_WORDLESS = re.compile(
    r"(?:[^A-Za-zµ°]|(?<![A-Za-z])(?:LLN|ULN|ANC|SpO2|x|h|min|"
    + "|".join(re.escape(unit) for unit in UNITS if unit[0] not in "%×")
    + r")(?![A-Za-z]))+"
)
_NAMES_IN_CODE = [name for name in (*READINGS, *STATEMENTS, *DRUGS) if label(name) != name]
_NAME_IN_CODE = re.compile(rf"(?<![-\w./`])(?:{'|'.join(sorted(_NAMES_IN_CODE, key=len, reverse=True))})(?![-\w./`])")
_MONTH = re.compile("[A-Z][a-z]{2}")


class Translated(NamedTuple):
    """A text in Italian; not `known` where the catalogue lacks it, and then as it was written."""

    text: str
    known: bool


def translate(text: str, language: Language) -> str:
    """A text of the catalogue in a language; one that the catalogue lacks is shown as it is, never dropped.

    Graders name a missing reading as messages do; in either language it is named as a person names it.
    """
    if not text:
        return text
    return _NAME_IN_CODE.sub(lambda found: label(found[0]), text) if language == "en" else italian(text).text


def say(words: str, language: Language, **values: object) -> str:
    """A row, named by its English or by its key, with its braces filled in; the values are shown as they are given."""
    english = KEYS.get(words, words)
    said = english if language == "en" else _SAID.get(english, english)
    return said.format(**values) if values else said


def _named() -> Iterator[Row]:
    """The names of readings, statements and drugs as code writes them, for what a grader lists as missing."""
    shown = dict(names.ROWS)
    for name in (*READINGS, *STATEMENTS, *DRUGS):
        if label(name) in shown:
            yield name, shown[label(name)]
            yield name.replace("_", " "), shown[label(name)]


_SAID = dict(ROWS)
_KNOWN = {**dict(_named()), **dict(SENTENCES)}
_TEMPLATES = sorted((Template(row) for row in SENTENCES if "{" in row[0]), key=lambda template: -template.weight)
"""Those that say most in their own words first."""


def _beginning(letter: str) -> tuple[tuple[str, Template], ...]:
    """The templates, with their needles, of sentences that may begin with a letter."""
    return tuple((template.needle, template) for template in _TEMPLATES if template.start[:1] in ("", letter))


_ANYWHERE = _beginning("")
_BEGINNING = {template.start[0]: _beginning(template.start[0]) for template in _TEMPLATES if template.start}


def italian(text: str) -> Translated:
    """A text in Italian: a row of its own, a template, no words at all, or parts that are known."""
    return _italian(text, DEEPEST)


@lru_cache(CACHED)
def _italian(text: str, depth: int) -> Translated:
    """The same, at most so many sentences within sentences deep: what people write has no such bound."""
    if (found := _KNOWN.get(text)) is not None:
        return Translated(found, True)
    if _WORDLESS.fullmatch(text):
        return Translated(text, True)
    if depth == 0 or len(text) > LONGEST:
        return Translated(text, False)
    for needle, template in _BEGINNING.get(text[:1], _ANYWHERE):
        if needle in text and (parts := template.match(text)) is not None:
            filled = _fill(template, parts, depth - 1)
            if filled is not None:
                return Translated(filled, True)
    return _taken_apart(text, depth - 1) or Translated(text, False)


def _fill(template: Template, parts: tuple[Part, ...], depth: int) -> str | None:
    values = {}
    for part in parts:
        value = _part(part, depth)
        if value is None:
            return None
        values[part.name] = value
    return template.row[1].format(**values)


def _part(part: Part, depth: int) -> str | None:
    """What stands in a brace, in Italian; None where it must be known and is not."""
    match part.kind:
        case "what":
            found = _italian(part.text, depth)
            return found.text if found.known else None
        case "list":
            members = [_italian(member, depth) for member in split(part.text)]
            return ", ".join(member.text for member in members) if all(member.known for member in members) else None
        case "own":
            return _italian(part.text, depth).text if part.text else ""
        case "at":
            return _MONTH.sub(lambda month: MONTHS.get(month[0], month[0]), part.text)
        case "span":
            return part.text.replace(" d", " gg")
    return part.text


def _taken_apart(text: str, depth: int) -> Translated | None:
    """Two parts, both known, at the first joint where there are such."""
    for joint in JOINTS:
        spot = text.find(joint)
        for _ in range(SPLITS_TRIED):
            if spot < 0:
                break
            first = _italian(text[:spot], depth)
            if first.known:
                second = _italian(text[spot + len(joint) :], depth)
                if second.known:
                    return Translated(f"{first.text}{joint}{second.text}", True)
            spot = text.find(joint, spot + 1)
    return None
