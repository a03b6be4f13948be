"""The output of `cartwatch parse`: the result of parsing a file, without storing it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from config.intake import Intake
from config.tables import Tables
from worker.intake import read
from worker.intake.parsed import ElementOutcome, ElementResult, Parsed

MOST_REASONS = 5
NO_RESULTS = ("registration", "discharge", "merge")
"""Messages that are stored and hold no result. `disposition` counts results; `why` lists these messages."""


def preview_lines(
    raw: bytes, name: str, source: str, intake: Intake, tables: Tables, now: datetime
) -> Iterator[dict[str, Any]]:
    """One line for each message, resource or Bundle of a file."""
    for parsed in read.parse_any(raw, source, intake, tables, now):
        yield line(parsed, name)


def line(parsed: Parsed, name: str) -> dict[str, Any]:
    """The outcome of one delivery."""
    elements = parsed.elements
    patients = list(dict.fromkeys(element.patient for element in elements if element.patient))
    body: dict[str, Any] = {
        "file": name,
        "disposition": _disposition(parsed),
        "patient": patients[0] if patients else None,
        "readings": [_reading(element) for element in elements if element.shown is not None],
        "why": _why(parsed),
    }
    return body | {"patients": patients} if len(patients) > 1 else body


def _disposition(parsed: Parsed) -> str:
    for item in parsed.items:
        if any(element.understood or _holds_result(element, item.form) for element in item.elements):
            return "accept"
    return "reject" if any(element.outcome is ElementOutcome.REFUSED for element in parsed.elements) else "ignore"


def _holds_result(element: ElementResult, form: str) -> bool:
    if element.outcome not in (ElementOutcome.STORED, ElementOutcome.DEAD_LETTER):
        return False
    return (
        not form.startswith("hl7")
        or not element.messages
        or any(item["type"] not in NO_RESULTS for item in element.messages)
    )


def _reading(element: ElementResult) -> dict[str, Any]:
    shown = element.shown
    assert shown is not None, "asked for by the caller"
    body = {name: value for name, value in shown._asdict().items() if name != "raw"}
    if shown.raw:
        body["raw"] = shown.raw
    return body | {"why": element.why} if element.why else body


def _why(parsed: Parsed) -> str:
    said = [f"{element.where}: {element.why}" for element in parsed.elements if element.why]
    for element in parsed.elements:
        for message in element.messages:
            if message["type"] == "merge":
                said.append(f"{element.where}: {message['patient']} continues as {message['into']}")
            elif message["type"] in NO_RESULTS:
                said.append(f"{element.where}: {message['type']} of {message['patient']}")
    if parsed.test:
        said.insert(0, "a test or training message: kept apart, never charted")
    more = len(said) - MOST_REASONS
    return "; ".join(said[:MOST_REASONS]) + (f"; and {more} more" if more > 0 else "")
