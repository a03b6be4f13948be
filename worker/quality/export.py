"""A site's own stream: what the audit and the journal keep, in the form that `evaluate` and `replay` read.

Pseudonymised, not anonymous: who has the key can tell the patients again, and who knows a rare course may. Kept are
readings, statements, treatments, the time of infusion, the product and the year of birth. Left out are names, places,
people, free text, and people's answers. The times of a patient are moved by whole weeks, so that the hour of the day
and the day of the week stay true, and so do all intervals.
"""

import hmac
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from alerts.message_json import BadMessage, read_message
from alerts.messages import AnyMessage, Discharge, Fault, Merge, Reading, Receipt, Registration, Statement, Treatment
from config.vocabulary import PRODUCTS, product_code
from worker.audit.folder import AuditFolder
from worker.store.shard import Store

WEEKS = 52
"""A patient's times are moved back by 1 to so many weeks."""

OLDEST = 90
"""Years. Whoever is older counts as so old: an age above is rare enough to tell a person."""

KEPT = (Registration, Reading, Statement, Treatment, Discharge, Merge)

OF_A_READING = {"reading", "value", "unit", "by", "low", "high", "items"}

SOMEBODY = "person"


class Pseudonymiser:
    """Names and times under one key. The same key gives the same, so that a later export continues an earlier one."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def name(self, sort: str, text: str) -> str:
        """The pseudonym of a name."""
        return f"{sort}-{self._digest(sort, text).hex()[:12]}"

    def moved_by(self, patient: str) -> timedelta:
        """How far the times of a patient are moved back."""
        return timedelta(weeks=1 + int.from_bytes(self._digest("weeks", patient)[:4], "big") % WEEKS)

    def _digest(self, sort: str, text: str) -> bytes:
        return hmac.new(self._key, f"{sort}\x1f{text}".encode(), sha256).digest()

    def message(self, message: AnyMessage, received: datetime) -> dict[str, Any] | None:
        """A message as it may leave the hospital; None if it is left out."""
        if not isinstance(message, KEPT):
            return None
        back = self.moved_by(message.patient)
        body: dict[str, Any] = {
            "type": message.type,
            "id": self.name("m", f"{message.source} {message.id}"),
            "source": self.name("s", message.source),
            "patient": self.name("p", message.patient),
            "effective": (message.effective - back).isoformat(),
            "received": (received - back).isoformat(),
            "status": str(message.status.name).lower(),
        }
        if message.supersedes is not None:
            body["supersedes"] = self.name("m", f"{message.source} {message.supersedes}")
        return body | {name: value for name, value in self._fields(message, back).items() if value is not None}

    def _fields(self, message: AnyMessage, back: timedelta) -> dict[str, Any]:
        match message:
            case Registration():
                return _registration(message, back)
            case Reading():
                absent = "not measured" if message.absent is not None else None
                return message.model_dump(include=OF_A_READING, mode="json") | {"absent": absent}
            case Statement():
                return {"statement": message.statement, "value": message.value, "by": SOMEBODY}
            case Treatment():
                return message.model_dump(include={"drug", "action", "dose", "unit", "purpose"}, mode="json")
            case Discharge():
                return {"to": message.to}
            case Merge():
                return {"into": self.name("p", message.into)}
        return {}


class Choice(NamedTuple):
    """Patients, all if none is named, and a period in which messages were accepted."""

    patients: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def of(self, items: Iterable[dict[str, str]]) -> Iterator[tuple[AnyMessage, datetime]]:
        """The messages among some journal items."""
        for item in items:
            received = datetime.fromisoformat(item["received"])
            if (self.since and received < self.since) or (self.until and received >= self.until):
                continue
            with suppress(BadMessage):
                message = read_message(item["message"])
                if not message.hops and (not self.patients or message.patient in self.patients):
                    yield message, received


EVERYTHING = Choice()


def as_accepted(messages: Iterable[tuple[AnyMessage, datetime]]) -> Iterator[dict[str, Any]]:
    """Messages as they were accepted, for a replay; receipts and faults, which a replay makes itself, are left out."""
    for message, received in messages:
        if not isinstance(message, Receipt | Fault):
            yield message.model_dump(mode="json", exclude_none=True) | {"received": received.isoformat()}


def _registration(message: Registration, back: timedelta) -> dict[str, Any]:
    infused = (message.infused - back).isoformat() if message.infused is not None else None
    code = product_code(message.product or "")
    born = None
    if message.born is not None:
        oldest = (message.effective - back).year - OLDEST
        born = date(max(message.born.year, oldest), 1, 1).isoformat()
    return {"infused": infused, "product": PRODUCTS.get(code), "born": born, "setting": message.setting}


def pseudonymised(messages: Iterable[tuple[AnyMessage, datetime]], key: bytes) -> Iterator[dict[str, Any]]:
    """Messages with the time at which each came in, as they may leave the hospital."""
    names = Pseudonymiser(key)
    for message, received in messages:
        body = names.message(message, received)
        if body is not None:
            yield body


def kept_messages(
    store: Store, record: AuditFolder | None, chosen: Choice = EVERYTHING
) -> Iterator[tuple[AnyMessage, datetime]]:
    """The chosen messages that the audit keeps, then those of the journals beyond it, with the time each came in.

    What one record forwarded to another that it was merged into is left out: its first copy is there.
    """
    cursors: dict[str, str] = {}
    if record is not None:
        needles = tuple(b'{"patient":' + msgspec.json.encode(name) + b"," for name in chosen.patients)
        # A batch is committed after its messages were accepted.
        later = chosen.until + timedelta(hours=1) if chosen.until else None
        for line in record.found(needles, chosen.since, later):
            if line.link.kind == "batch":
                yield from chosen.of((line.body or {}).get("in", ()))
        cursors = record.end().cursors
    for shard in store.keys.all():
        for _, batch in store.journal(shard, cursors.get(str(shard.number), "-")):
            yield from chosen.of(batch["in"])
