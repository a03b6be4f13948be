"""Parsing of bytes in any format: HL7 v2, FHIR and native messages, one or many in a body."""

import json
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from alerts.chart.quantities import Unusable, canonical
from alerts.message_json import BadMessage, read_message
from alerts.messages import Reading, Treatment
from config.intake import Intake, Source
from config.tables import Tables
from config.vocabulary import READINGS
from worker.intake.budget import Budget, OverBudget
from worker.intake.fhir.entries import UnreadableResource
from worker.intake.fhir.entries import decode as decode_fhir
from worker.intake.fhir.take import take_resource
from worker.intake.hl7 import tokens
from worker.intake.hl7.batches import split
from worker.intake.hl7.header import message_key, read_header
from worker.intake.hl7.take import source_of
from worker.intake.hl7.take import take as take_hl7
from worker.intake.parsed import ElementOutcome, ElementResult, Parsed, ParsedResource, Preview, hl7_text, refused

UNKNOWN = "unknown"
_HEADERS = (b"MSH", b"FHS", b"BHS")
_AROUND = b"\xef\xbb\xbf\x0b\x1c\r\n\t \x00"


def hl7(
    raw: bytes, intake: Intake, tables: Tables, source: Source | None = None, budget: Budget | None = None
) -> Parsed:
    """Parse one HL7 message. If `source` is None, MSH-3 and MSH-4 name the source.

    A message that cannot be parsed is one refused element, and the store keeps its text.

    Raises:
        OverBudget: to read it costs too much. Nothing else.
    """
    budget = budget or Budget()
    try:
        message = tokens.read(raw, budget)
    except tokens.Hl7Error as error:
        return _unread(raw, source.name if source is not None else _sender(raw), str(error))
    found = source or source_of(message, intake)
    if found is None:
        return _unread(raw, _sender(raw), "MSH-3, MSH-4: this source is not listed in intake.yaml")
    return take_hl7(message, raw, found, tables, budget)


def fhir(raw: bytes, source: Source, tables: Tables, now: datetime, budget: Budget | None = None) -> Parsed:
    """Parse one FHIR resource or Bundle.

    Raises:
        UnreadableResource: it is neither.
        OverBudget: to read it costs too much.
    """
    return take_resource(decode_fhir(raw), source, tables, now, budget or Budget())


def _sender(raw: bytes) -> str:
    header = read_header(raw)
    if header is None:
        return UNKNOWN
    names = (header.sending_application, header.sending_facility)
    return "/".join(name.partition(header.component)[0].strip() for name in names if name)[:100].strip() or UNKNOWN


def _unread(raw: bytes, source: str, why: str) -> Parsed:
    item = ParsedResource(*hl7_text(raw), "", (refused("MSH", why),))
    return Parsed(source, (item,), key=message_key(raw))


def parse_any(raw: bytes, name: str, intake: Intake, tables: Tables, now: datetime) -> Iterator[Parsed]:
    """Parse every message of a file: an HL7 message or batch, a FHIR resource or Bundle, native JSON, list or lines."""
    bare = raw.strip(_AROUND)
    if bare[:3] in _HEADERS:
        batch = split(raw, Budget(seconds=math.inf))
        for one in batch.messages:
            yield _hl7(one, intake, tables)
        if not batch.messages:
            yield _unread(raw, UNKNOWN, "a batch without a message")
        return
    source = intake.source(name)
    if source is None:
        yield _refusal("json", f"the source {name} is not listed in intake.yaml")
        return
    for one in _pieces(bare):
        yield _json(one, source, tables, now)


def _hl7(raw: bytes, intake: Intake, tables: Tables) -> Parsed:
    try:
        return hl7(raw, intake, tables)
    except OverBudget as error:
        return _unread(raw, _sender(raw), str(error))


def _pieces(raw: bytes) -> list[bytes]:
    """The JSON values of a body: one value, the items of a list, or one value in each line."""
    try:
        if raw.startswith(b"["):
            return [bytes(one) for one in msgspec.json.decode(raw, type=list[msgspec.Raw])] or [raw]
        msgspec.json.decode(raw, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return _lines(raw)
    return [raw]


def _lines(raw: bytes) -> list[bytes]:
    """The lines of a body, if the first line is a JSON value; else the body as one piece that cannot be parsed."""
    lines = [line for line in (line.strip() for line in raw.split(b"\n")) if line]
    try:
        msgspec.json.decode(lines[0] if lines else b"", type=msgspec.Raw)
    except (ValueError, RecursionError):
        return [raw]
    return lines


def _json(raw: bytes, source: Source, tables: Tables, now: datetime) -> Parsed:
    try:
        found: Any = decode_fhir(raw)
        return take_resource(found, source, tables, now, Budget())
    except OverBudget as error:
        return _refusal("fhir", str(error))
    except UnreadableResource as error:
        if b'"type"' not in raw:
            return _refusal("fhir", str(error))
    return Parsed(source.name, (native(raw, tables),))


def _refusal(form: str, why: str) -> Parsed:
    return Parsed(UNKNOWN, (ParsedResource(form, "", "", (refused(form, why),)),))


def native(raw: bytes, tables: Tables) -> ParsedResource:
    """Parse one native message, as it will be charted."""
    text = raw.decode(errors="replace")
    try:
        message = read_message(raw)
    except BadMessage as error:
        return ParsedResource("native", text, "", (refused("message", str(error)),))
    body: dict[str, Any] = json.loads(raw)
    shown, why = None, ""
    status = message.status.name.lower()
    at = message.effective.isoformat()
    if isinstance(message, Treatment):
        shown = Preview("drug", message.drug, None, at, status, "given")
    elif isinstance(message, Reading):
        shown, why = _reading(message, tables, status, at)
    outcome = ElementOutcome.DEAD_LETTER if why else ElementOutcome.STORED
    element = ElementResult(outcome, message.type, message.patient, why, (body,), shown)
    return ParsedResource("native", text, message.id, (element,))


def _reading(message: Reading, tables: Tables, status: str, at: str) -> tuple[Preview, str]:
    number, kept = message.number, message.value
    if status == "entered_in_error" or number is None:
        value = None if kept is None else str(kept)
        use = "retract" if status == "entered_in_error" else "no-value" if value is None else "use"
        return Preview(message.reading, value, None, at, status, use), ""
    try:
        found = canonical(
            message.reading,
            number,
            message.unit,
            tables,
            low=message.low,
            high=message.high,
            comparator=message.comparator,
        )
    except Unusable as error:
        raw = f"{message.value} {message.unit or ''}".strip()
        return Preview(message.reading, None, None, at, status, "implausible", raw), str(error)
    value = f"{message.comparator}{round(found.value, 6).normalize():f}"
    return Preview(message.reading, value, READINGS[message.reading].unit or None, at, status, "use"), ""
