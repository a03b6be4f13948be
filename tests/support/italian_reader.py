"""An Italian reader, for tests: finds the English that was left in what is to be Italian."""

import re
from collections.abc import Iterator
from datetime import UTC
from functools import cache

from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from alerts.wording.catalogue import in_english, render
from alerts.wording.phrase import Arg, Listed, Name, Phrase
from config.languages import LOCALES
from config.vocabulary import label

ENGLISH = re.compile(
    r"\b(grade|the|of|with|without|could|not|since|least|charted|holds|before|missing|(?<!-)by|was|is|are|only|after|"
    r"unknown|days?|given|and|or|to|from|temperature|pressure|score|points|undetermined|old|ago|so far|because|"
    r"readings|note|conventions)\b"
)
"""Words that no Italian sentence of ours holds: one of them is English left inside."""


@cache
def entries(language: str = "it") -> dict[str, Message]:
    """The entries of a language's catalogue, by message id."""
    with (LOCALES / f"{language}.po").open("rb") as file:
        found = read_po(file, locale=language)
    return {message.id if isinstance(message.id, str) else message.id[0]: message for message in found if message.id}


def has_words(text: str) -> bool:
    """Whether something of a text is to be translated: letters outside the braces."""
    return re.search("[A-Za-z]{2}", re.sub(r"\{\w*\}|\b(?:LLN|ULN|ANC|mg|g|dL)\b|/µL|CV|C V P U", "", text)) is not None


def parts(words: Arg) -> Iterator[Phrase]:
    """A phrase and every phrase that stands in it."""
    if isinstance(words, Phrase):
        yield words
        yield from (part for arg in words.args for part in parts(arg))
    elif isinstance(words, Name):
        yield Phrase(label(words.code))
    elif isinstance(words, Listed):
        yield from (part for item in words.items for part in parts(item))


def assert_italian(words: Phrase) -> None:
    """The catalogue has every phrase, and no word of English is left in the whole."""
    assert [part.id for part in parts(words) if has_words(part.id) and part.id not in entries()] == []
    text = render(words, "it", UTC)
    assert not ENGLISH.search(text), f"{in_english(words, UTC)} -> {text}"
