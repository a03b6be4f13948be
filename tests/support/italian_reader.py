"""An Italian reader, for tests: finds the English that was left in what is to be Italian."""

import re

from alerts.wording.catalogue import italian

ENGLISH = re.compile(
    r"\b(grade|the|of|with|without|could|not|since|least|charted|holds|before|missing|(?<!-)by|was|is|are|only|after|"
    r"unknown|days?|given|and|or|to|from|temperature|pressure|score|points|undetermined|old|ago|so far|because|"
    r"readings|note|conventions)\b"
)
"""Words that no Italian sentence of ours holds: one of them is English left inside."""


def assert_italian(text: str) -> None:
    """The catalogue knows the sentence, and no word of English is left in it."""
    found = italian(text)
    assert found.known, text
    assert not ENGLISH.search(found.text), f"{text} -> {found.text}"
