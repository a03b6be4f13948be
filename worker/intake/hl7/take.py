"""One HL7 v2 message to native messages, by its type."""

from config.intake import Intake, Source
from config.tables import Tables
from worker.intake.budget import Budget
from worker.intake.hl7.administrations import administrations
from worker.intake.hl7.admissions import admissions
from worker.intake.hl7.alert_answers import alert_answers
from worker.intake.hl7.header import message_key
from worker.intake.hl7.results import results
from worker.intake.hl7.tokens import Hl7Message, Segment
from worker.intake.parsed import (
    FOREIGN_ALERT,
    ElementResult,
    Parsed,
    ParsedResource,
    dead_letter,
    hl7_text,
    ignored,
    refused,
)

RESULTS = {"ORU": ("R01", "R30", "R31", "R32", ""), "OUL": ("R21", "R22", "R23", "R24", "")}


ANSWER, ALERT = ("ORA", "R41"), ("ORU", "R40")
"""The answer to an alert of ours (IHE ACM, PCD-05), and an alert of another system (PCD-04)."""


def source_of(message: Hl7Message, intake: Intake) -> Source | None:
    """The source of MSH-3 and MSH-4; None if they are not listed and unlisted senders are refused."""
    header = message.segments[0]
    return intake.hl7(header.field(3).component(1).strip(), header.field(4).component(1).strip())


def take(message: Hl7Message, raw: bytes, source: Source, tables: Tables, budget: Budget) -> Parsed:
    """The elements of a message. Nothing is lost: an element that cannot be used states the reason.

    Raises:
        OverBudget: to read it costs too much.
    """
    header = message.segments[0]
    elements = tuple(_elements(message, raw, source, tables, budget))
    control = header.field(10).text.strip()[:100]
    processing = header.field(11).component(1).strip().upper()
    test = bool(processing) and processing not in source.policy.processing
    item = ParsedResource(*hl7_text(raw), control, elements)
    return Parsed(source.name, (item,), test=test, key=message_key(raw), answers=_kind(header) == ANSWER)


def _elements(message: Hl7Message, raw: bytes, source: Source, tables: Tables, budget: Budget) -> list[ElementResult]:
    header = message.segments[0]
    kind, event = _kind(header)
    if event in RESULTS.get(kind, ()):
        made = results(message, raw, source, tables, budget, specimens=kind == "OUL")
        return made or [_nothing(kind, "OBX", raw)]
    if kind == "RAS":
        return administrations(message, source, budget) or [_nothing(kind, "RXA", raw)]
    if kind == "ADT":
        return admissions(message, event, source, budget)
    if (kind, event) == ANSWER:
        return alert_answers(message, raw, source)
    if (kind, event) == ALERT:
        return [
            refused(FOREIGN_ALERT, "ORU^R40 reports an alert: cartwatch reads results and takes no alerts of others")
        ]
    return [ignored(kind[:10] or "MSH-9", f"{kind[:10]}^{event[:10]} is acknowledged, never read")]


def _kind(header: Segment) -> tuple[str, str]:
    """The type and the event of a message (MSH-9)."""
    kind = header.field(9)
    return kind.component(1).strip().upper(), kind.component(2).strip().upper()


def _nothing(kind: str, name: str, raw: bytes) -> ElementResult:
    """Ignore a message without results, or dead-letter it if a segment of results stands in the middle of a line."""
    if name.encode() in raw:
        return dead_letter(kind, "", f"{name}: no line begins with it, and one holds it; segments must end with CR")
    return ignored(kind, f"no {name}")
