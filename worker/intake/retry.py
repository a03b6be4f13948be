"""Retry of dead letters, after a map, a table or a policy was fixed."""

from datetime import datetime
from typing import NamedTuple

from alerts.state import DeadLetter
from config.intake import Intake
from config.tables import Tables
from worker.intake import read
from worker.intake.budget import OverBudget
from worker.intake.fhir.entries import UnreadableResource
from worker.intake.parsed import ElementOutcome, ElementResult, Native, Parsed, hl7_bytes
from worker.intake.store import IntakeStore
from worker.store import dead_letters
from worker.store.keys import Shard


class Retried(NamedTuple):
    """The counts of texts that became messages, are no longer needed, or remain; and the shards to wake."""

    stored: int
    dropped: int
    kept: int
    wake: list[Shard]


def retry(store: IntakeStore, intake: Intake, tables: Tables, now: datetime) -> Retried:
    """Parse every text again. The parts that still cannot be used remain dead letters."""
    stored = dropped = kept = 0
    wake: dict[int, Shard] = {}
    for one in dead_letters.everything(store.redis, store.keys):
        messages: list[Native] = []
        left: list[DeadLetter] = []
        for record in one.letter.records():
            became = again(record, intake, tables, now)
            if became is None:
                left.append(record)
            else:
                messages += [message for message in became if message not in messages]
        kept += bool(left)
        if len(left) < len(one.letter.reasons):
            woken = store.replace_letter(one, messages, left, now)
            wake |= {shard.number: shard for shard in woken}
            stored += bool(messages)
            dropped += not messages and not left
    return Retried(stored, dropped, kept, list(wake.values()))


def again(record: DeadLetter, intake: Intake, tables: Tables, now: datetime) -> list[Native] | None:
    """The native messages of a dead letter now; none if it is no longer needed, None if it is still unusable."""
    if record.form == "native":
        item = read.native(record.raw.encode(), tables)
        return _messages(item.elements)
    parsed = _parsed(record, intake, tables, now)
    if parsed is None or parsed.test or parsed.answers:
        return None
    where = record.id.rpartition(" ")[2]
    elements = tuple(element for element in parsed.elements if _same(element.where, where, record.form))
    # A message that could not be parsed at all has no element with that place, so every element counts.
    return _messages(elements or tuple(parsed.elements))


def _parsed(record: DeadLetter, intake: Intake, tables: Tables, now: datetime) -> Parsed | None:
    source = intake.source(record.source)
    try:
        if record.form.startswith("hl7"):
            raw = hl7_bytes(record.form, record.raw)
            return read.hl7(raw, intake, tables, intake.sources.get(record.source))
        return read.fhir(record.raw.encode(), source, tables, now) if source is not None else None
    except (UnreadableResource, OverBudget):
        return None


def _same(place: str, recorded: str, form: str) -> bool:
    """Whether two places name the same part of a resource, in its Bundle or alone."""
    if form == "fhir":
        return place.partition(".")[2] == recorded.partition(".")[2]
    return place == recorded


def _messages(elements: tuple[ElementResult, ...]) -> list[Native] | None:
    if any(element.outcome in (ElementOutcome.DEAD_LETTER, ElementOutcome.REFUSED) for element in elements):
        return None
    return [message for element in elements for message in element.messages]
