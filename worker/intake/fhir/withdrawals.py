"""What an update no longer says: the messages of the version before it that the new one does not have are withdrawn.

A result whose Observation now names another patient is withdrawn from the first one, and so is a component that was
left out. A message that keeps its patient and its id is corrected by the chart, whatever it says now.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from worker.intake.parsed import ElementOutcome, ElementResult, Native, ParsedResource, stored

TYPES = ("reading", "treatment", "note")
"""What is withdrawn. A registration is not; the right one is sent instead."""


class SentMessage(NamedTuple):
    """As much of a message as its withdrawal needs. `id` is the part of its id after the name of its resource."""

    type: str
    patient: str
    id: str
    effective: str
    what: tuple[str, ...]


_decoder = msgspec.msgpack.Decoder(tuple[SentMessage, ...])


def packed(item: ParsedResource) -> bytes:
    """What the messages of a resource were, for the update that follows."""
    sent = (message for element in item.elements for message in element.messages if message["type"] in TYPES)
    return msgspec.msgpack.encode([_of(message, item.id) for message in sent])


def unpacked(raw: bytes) -> tuple[SentMessage, ...]:
    """The inverse of `packed`; nothing if it cannot be read."""
    try:
        return _decoder.decode(raw) if raw else ()
    except msgspec.MsgspecError:
        return ()


def with_withdrawals(item: ParsedResource, before: Iterable[SentMessage], source: str) -> ParsedResource:
    """An update, with the withdrawals of what it no longer says.

    If a part of it cannot be used, nothing is withdrawn: what that part would have said is not known.
    """
    if item.outcome not in (ElementOutcome.STORED, ElementOutcome.IGNORED):
        return item
    said = {(message["patient"], message["id"]) for element in item.elements for message in element.messages}
    gone = [native for one in before if (one.patient, (native := _native(one, item.id, source))["id"]) not in said]
    made = tuple(_withdrawn(item, native) for native in gone)
    return item._replace(elements=(*item.elements, *made))


def _of(message: Mapping[str, Any], name: str) -> SentMessage:
    named = {"reading": ("reading",), "treatment": ("drug", "action"), "note": ()}[message["type"]]
    what = tuple(message[field] for field in named)
    return SentMessage(
        message["type"], message["patient"], message["id"].removeprefix(name), message["effective"], what
    )


def _native(one: SentMessage, name: str, source: str) -> Native:
    common = {"type": one.type, "id": f"{name}{one.id}", "source": source, "patient": one.patient}
    common |= {"effective": one.effective, "status": "entered_in_error"}
    match one.type, one.what:
        case "reading", (reading,):
            return common | {"reading": reading}
        case "treatment", (drug, action):
            return common | {"drug": drug, "action": action}
    return common | {"text": "withdrawn"}


def _withdrawn(item: ParsedResource, native: Native) -> ElementResult:
    where = item.elements[0].where if item.elements else item.id
    return stored(where, native["patient"], (native,))
