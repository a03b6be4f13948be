"""Phrases as a test reads them: in English, on the clock of the test site."""

from collections.abc import Iterable
from typing import overload
from zoneinfo import ZoneInfo

from alerts.wording.catalogue import in_code, in_english
from alerts.wording.phrase import Phrase

ROME = ZoneInfo("Europe/Rome")


@overload
def english(words: Phrase | str) -> str: ...
@overload
def english(words: Iterable[Phrase | str]) -> tuple[str, ...]: ...
def english(words: Phrase | str | Iterable[Phrase | str]) -> str | tuple[str, ...]:
    """One phrase, or each of several, as a person reads it; a text stays as it is."""
    if isinstance(words, Phrase):
        return in_english(words, ROME)
    return words if isinstance(words, str) else tuple(map(english, words))


def sentence(words: Iterable[Phrase | str]) -> str:
    """Several phrases as one text."""
    return "; ".join(english(words))


def in_names(words: Iterable[Phrase]) -> tuple[str, ...]:
    """What was missing, with readings named as messages name them."""
    return tuple(in_code(one, ROME) for one in words)
