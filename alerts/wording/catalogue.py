"""From a phrase to words in the reader's language."""

import re
from collections.abc import Iterator
from datetime import datetime, tzinfo
from functools import cache, lru_cache
from string import Formatter
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
from alerts.wording.figures import amount, days_or_hours, number
from alerts.wording.phrase import Amount, Arg, At, Length, Listed, Name, Number, Phrase
from alerts.wording.template import UNITS, Part, Row, Template, split
from config.languages import ENGLISH, translations
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
    """A text of the catalogue, named by its English or by its key, with its braces filled in with what is shown."""
    english = KEYS.get(words, words)
    told = translations(language).gettext(english) if english else ""
    return told.format(**values) if values else told


def render(words: Phrase | str, language: Language, zone: tzinfo) -> str:
    """A phrase in the reader's language, with its times on the hospital's clock."""
    return translate(words, language) if isinstance(words, str) else _Reader(language, zone).read(words)


def in_english(words: Phrase | str, zone: tzinfo) -> str:
    """A phrase for a journal, a log or a program."""
    return render(words, ENGLISH, zone)


def in_code(words: Phrase | str, zone: tzinfo) -> str:
    """The same with readings, statements and drugs named as messages name them."""
    return words if isinstance(words, str) else _Reader(ENGLISH, zone, in_code=True).read(words)


def clock(at: datetime, language: Language, zone: tzinfo) -> str:
    """Day and time of day on the hospital's clock."""
    return f"{date(at, language, zone)} {at.astimezone(zone):%H:%M}"


def date(at: datetime, language: Language, zone: tzinfo) -> str:
    """Day and month on the hospital's clock."""
    local = at.astimezone(zone)
    return f"{local:%d} {say(f'{local:%b}', language)}"


class _Reader(NamedTuple):
    language: Language
    zone: tzinfo
    in_code: bool = False

    def read(self, words: Phrase) -> str:
        found = translations(self.language)
        if not words.args:
            return found.gettext(words.id) if words.id else ""
        names = _braces(words.id)
        told = found.gettext(words.id)
        if words.many:
            count = words.args[_braces(words.many).index("n")]
            told = found.ngettext(words.id, words.many, count if isinstance(count, int) else 2)
            names = _braces(words.many)
        return told.format_map(dict(zip(names, map(self._shown, words.args), strict=True)))

    def _shown(self, arg: Arg) -> str:
        match arg:
            case Phrase():
                return self.read(arg)
            case Name():
                return arg.code if self.in_code else say(label(arg.code), self.language)
            case Amount():
                return amount(arg.kind, arg.value, arg.comparator)
            case Number():
                return number(arg.value) if arg.places is None else f"{arg.value:.{arg.places}f}"
            case At():
                return clock(arg.at, self.language, self.zone)
            case Length():
                length, unit = days_or_hours(arg.length)
                return say("{n} d", self.language, n=length) if unit == "d" else f"{length} h"
            case Listed():
                return arg.joint.join(map(self._shown, arg.items))
            case str() if self.language != ENGLISH:
                return italian(arg).text
        return str(arg)


@cache
def _braces(text: str) -> tuple[str, ...]:
    """The names of the braces of a text, in the order in which they stand."""
    return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(text) if name))


def _named() -> Iterator[Row]:
    """The names of readings, statements and drugs as code writes them, for what a grader lists as missing."""
    shown = dict(names.ROWS)
    for name in (*READINGS, *STATEMENTS, *DRUGS):
        if label(name) in shown:
            yield name, shown[label(name)]
            yield name.replace("_", " "), shown[label(name)]


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
