"""A parsed delivery. Each of its elements has exactly one of five outcomes."""

from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import ValidationError

from alerts.message_json import errors_in_words
from alerts.messages import MESSAGE

Native = dict[str, Any]


class ElementOutcome(StrEnum):
    STORED = "stored"
    DEAD_LETTER = "dead letter"
    IGNORED = "ignored"
    REFUSED = "refused"
    OVER_QUOTA = "over quota"


class Unmapped(NamedTuple):
    """A code or unit without a mapping. A site completes its map from these."""

    sort: str
    system: str
    code: str
    example: str


class Preview(NamedTuple):
    """The preview of a result by `cartwatch parse`: canonical value and unit, the status as sent, and its use.

    `use` is one of `use`, `retract`, `no-value`, `not-usable`, `implausible`, `ambiguous`; for a drug `given` or
    `not-given`.
    """

    reading: str
    value: str | None
    unit: str | None
    effective: str | None
    status: str
    use: str
    raw: str = ""


class ElementResult(NamedTuple):
    """One result, administration or event, and its outcome.

    `messages` are native. The chart shows those of a dead-lettered element and never computes with them. `understood`:
    the element was understood, and contains nothing to chart.
    """

    outcome: ElementOutcome
    where: str
    patient: str = ""
    why: str = ""
    messages: tuple[Native, ...] = ()
    shown: Preview | None = None
    unmapped: Unmapped | None = None
    understood: bool = False


LATIN = "hl7/latin-1"
"""The form of an HL7 text that is not UTF-8. The store keeps it byte by byte, so that a retry reads the same bytes."""


def hl7_text(raw: bytes) -> tuple[str, str]:
    """The form and the text of an HL7 message. `hl7_bytes` restores the bytes."""
    try:
        return "hl7", raw.decode()
    except UnicodeDecodeError:
        return LATIN, raw.decode("latin-1")


def hl7_bytes(form: str, text: str) -> bytes:
    """The inverse of `hl7_text`."""
    return text.encode("latin-1" if form == LATIN else "utf-8")


FOREIGN_ALERT = "ORU^R40"
"""The place of an alert of another system. Its sender must hear that nobody here was notified of it."""


class ParsedResource(NamedTuple):
    """One resource or HL7 message: its text, for a retry, and its elements in order.

    `id`: the control id of a message, type and logical id of a resource. `identifiers`: its business identifiers, by
    which a sender finds a resource again. `status`: the HTTP status of its answer, if its outcome alone does not say
    it. `update`: it was sent as an update. `again`: it was stored by an earlier delivery.
    """

    form: str
    raw: str
    id: str
    elements: tuple[ElementResult, ...]
    status: str = ""
    identifiers: tuple[str, ...] = ()
    update: bool = False
    again: bool = False

    @property
    def outcome(self) -> ElementOutcome:
        """The worst outcome of its elements, for the sender. It is refused only if nothing of it was stored."""
        found = {element.outcome for element in self.elements}
        for outcome in (
            ElementOutcome.OVER_QUOTA,
            ElementOutcome.DEAD_LETTER,
            ElementOutcome.STORED,
            ElementOutcome.REFUSED,
        ):
            if outcome in found:
                return outcome
        return ElementOutcome.IGNORED


class Parsed(NamedTuple):
    """One delivery. `test`: it consists of test or training messages, which are stored apart and never charted.

    `answers`: it answers alerts, whose patients the store knows (`worker/intake/answers.py`).
    """

    source: str
    items: tuple[ParsedResource, ...]
    test: bool = False
    key: str = ""
    answers: bool = False

    @property
    def elements(self) -> list[ElementResult]:
        """Every element in order."""
        return [element for item in self.items for element in item.elements]

    @property
    def messages(self) -> list[Native]:
        """Every native message, in the order of appending."""
        return [message for element in self.elements for message in element.messages]


def stored(where: str, patient: str, messages: tuple[Native, ...], shown: Preview | None = None) -> ElementResult:
    """An element with native messages. If one of them is invalid, the element is a dead letter."""
    try:
        for message in messages:
            MESSAGE.validate_python(message)
    except ValidationError as error:
        return ElementResult(ElementOutcome.DEAD_LETTER, where, patient, errors_in_words(error), shown=shown)
    return ElementResult(ElementOutcome.STORED, where, patient, messages=messages, shown=shown)


def dead_letter(where: str, patient: str, why: str, shown: Preview | None = None) -> ElementResult:
    """A dead letter: the text and the reason are stored for a retry."""
    return ElementResult(ElementOutcome.DEAD_LETTER, where, patient, why, shown=shown)


def ignored(
    where: str, why: str, patient: str = "", *, understood: bool = False, shown: Preview | None = None
) -> ElementResult:
    """An element that contains nothing watched. `understood`: it was understood."""
    return ElementResult(ElementOutcome.IGNORED, where, patient, why, shown=shown, understood=understood)


def refused(where: str, why: str) -> ElementResult:
    """A refused element: nothing of it is stored, and the answer gives the reason."""
    return ElementResult(ElementOutcome.REFUSED, where, why=why)
