"""From a phrase to words in the reader's language.

English stands in the code; every other language is a gettext catalogue (`config/locales`). If a catalogue lacks a text,
the text is shown in English, never dropped.
"""

from datetime import datetime, tzinfo
from functools import cache
from string import Formatter
from typing import NamedTuple

from alerts.wording.figures import amount, days_or_hours, number
from alerts.wording.phrase import Amount, Arg, At, Length, Listed, Name, Number, Phrase
from config.languages import ENGLISH, translations
from config.site import Language
from config.vocabulary import label

DISCLAIMER = "Decision support, not a medical device. The bedside monitor stays primary."

KEYS = {
    "handed_over": "handed over",
    "taken_over": "taken over",
    "still_on_it": "still on it?",
    "due": "waiting to be sent",
    "failed": "failed for now",
    "undeliverable": "failed for good",
}
"""Reasons and states by their names in code, if those differ from their English."""


def say(words: str, language: Language, **values: object) -> str:
    """A text of the catalogue, named by its English or by its key, with the values in its braces."""
    english = KEYS.get(words, words)
    found = translations(language).gettext(english) if english else ""
    return found.format(**values) if values else found


def render(words: Phrase, language: Language, zone: tzinfo) -> str:
    """A phrase in the reader's language, with its times on the hospital's clock."""
    return _Renderer(language, zone).read(words)


def in_english(words: Phrase, zone: tzinfo) -> str:
    """A phrase for a journal, a log or a program."""
    return render(words, ENGLISH, zone)


def in_code(words: Phrase, zone: tzinfo) -> str:
    """The same, with readings, statements and drugs named as in messages."""
    return _Renderer(ENGLISH, zone, in_code=True).read(words)


def clock(at: datetime, language: Language, zone: tzinfo) -> str:
    """Day and time of day on the hospital's clock."""
    return f"{date(at, language, zone)} {at.astimezone(zone):%H:%M}"


def date(at: datetime, language: Language, zone: tzinfo) -> str:
    """Day and month on the hospital's clock."""
    local = at.astimezone(zone)
    return f"{local:%d} {say(f'{local:%b}', language)}"


class _Renderer(NamedTuple):
    language: Language
    zone: tzinfo
    in_code: bool = False

    def read(self, words: Phrase) -> str:
        found = translations(self.language)
        if not words.args:
            return found.gettext(words.id) if words.id else ""
        names = _braces(words.id)
        shown = found.gettext(words.id)
        if words.many:
            count = words.args[_braces(words.many).index("n")]
            shown = found.ngettext(words.id, words.many, count if isinstance(count, int) else 2)
            names = _braces(words.many)
        return shown.format_map(dict(zip(names, map(self._shown, words.args), strict=True)))

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
        return str(arg)


@cache
def _braces(text: str) -> tuple[str, ...]:
    """The names in the braces of a text, in order."""
    return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(text) if name))
