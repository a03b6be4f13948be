"""What became of one thing that came in: every element ends in exactly one of five ways."""

from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import ValidationError

from alerts.messages import MESSAGE, explain

Native = dict[str, Any]


class Outcome(StrEnum):
    """How an element ends."""

    STORED = "stored"
    DEAD_LETTER = "dead letter"
    IGNORED = "ignored"
    REFUSED = "refused"
    OVER_QUOTA = "no room"


class Unmapped(NamedTuple):
    """A code or a unit that nothing is known about, as a site completes its map from it."""

    sort: str
    system: str
    code: str
    example: str


class Preview(NamedTuple):
    """What `cartwatch parse` shows of a result: canonical value and unit, the status it came with, and its use.

    `use` is `use`, `retract`, `no-value`, `not-usable`, `implausible`, `ambiguous`; of a drug `given` or `not-given`.
    """

    reading: str
    value: str | None
    unit: str | None
    effective: str | None
    status: str
    use: str
    raw: str = ""


class ElementResult(NamedTuple):
    """One result, administration or event, and what became of it.

    `messages` are native; of an element that is set aside they are what the chart shows and never computes with.
    `understood` marks an ignored element as one that was understood and holds nothing to take.
    """

    outcome: Outcome
    where: str
    patient: str = ""
    why: str = ""
    messages: tuple[Native, ...] = ()
    shown: Preview | None = None
    unmapped: Unmapped | None = None
    understood: bool = False


LATIN = "hl7/latin-1"
"""The form of an HL7 text that is not UTF-8: kept byte by byte, so that it can be read again as it came."""


def hl7_text(raw: bytes) -> tuple[str, str]:
    """The form and the text of an HL7 message, from which `hl7_bytes` makes the same bytes again."""
    try:
        return "hl7", raw.decode()
    except UnicodeDecodeError:
        return LATIN, raw.decode("latin-1")


def hl7_bytes(form: str, text: str) -> bytes:
    """The inverse of `hl7_text`."""
    return text.encode("latin-1" if form == LATIN else "utf-8")


class ParsedResource(NamedTuple):
    """One resource or HL7 message: its text, so that it can be tried again, and its elements in order."""

    form: str
    raw: str
    id: str
    elements: tuple[ElementResult, ...]
    why: str = ""

    @property
    def outcome(self) -> Outcome:
        """The worst of its elements that concerns the sender: refused only where nothing of it was kept."""
        found = {element.outcome for element in self.elements}
        for outcome in (Outcome.OVER_QUOTA, Outcome.DEAD_LETTER, Outcome.STORED, Outcome.REFUSED):
            if outcome in found:
                return outcome
        return Outcome.IGNORED


class Parsed(NamedTuple):
    """Everything of one delivery. `test` marks test and training messages: kept apart, never charted."""

    source: str
    items: tuple[ParsedResource, ...]
    test: bool = False
    key: str = ""

    @property
    def elements(self) -> list[ElementResult]:
        """Every element in order."""
        return [element for item in self.items for element in item.elements]

    @property
    def messages(self) -> list[Native]:
        """Every native message, to be appended in this order."""
        return [message for element in self.elements for message in element.messages]


def stored(where: str, patient: str, messages: tuple[Native, ...], shown: Preview | None = None) -> ElementResult:
    """An element whose native messages are sound; set aside where one of them is not."""
    try:
        for message in messages:
            MESSAGE.validate_python(message)
    except ValidationError as error:
        return ElementResult(Outcome.DEAD_LETTER, where, patient, explain(error), shown=shown)
    return ElementResult(Outcome.STORED, where, patient, messages=messages, shown=shown)


def dead_letter(where: str, patient: str, why: str, shown: Preview | None = None) -> ElementResult:
    """Kept with its text and the reason, to be tried again."""
    return ElementResult(Outcome.DEAD_LETTER, where, patient, why, shown=shown)


def ignored(
    where: str, why: str, patient: str = "", *, understood: bool = False, shown: Preview | None = None
) -> ElementResult:
    """Understood or not, nothing that is watched."""
    return ElementResult(Outcome.IGNORED, where, patient, why, shown=shown, understood=understood)


def refused(where: str, why: str) -> ElementResult:
    """Nothing was kept; the sender is told why."""
    return ElementResult(Outcome.REFUSED, where, why=why)
