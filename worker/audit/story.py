"""What the audit says about one patient or one episode: who was notified of what, why, how it arrived, who answered."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from alerts.message_fields import visible
from alerts.message_json import BadMessage, read_message
from alerts.messages import Receipt
from alerts.wording.catalogue import in_english
from worker.audit.chain import AuditLine
from worker.audit.folder import AuditFolder

Fact = dict[str, Any]
"""One message or effect: `n`, the number of its record; `at`, when it was committed; `kind`; and what it is."""

ANSWERS = ("acknowledged", "handed_over", "silenced", "silence_ended", "closed")

SHOWN = ("registration", "statement", "treatment", "discharge", "merge", "note")
"""Messages that the text lists. Readings are listed with the pages that rest on them; JSON has them all."""


def facts_of(
    folder: AuditFolder, subject: str, since: datetime | None = None, until: datetime | None = None
) -> list[Fact]:
    """The facts about a patient, or those about an episode, in the order of the record; empty if there are none.

    The evidence of each page carries its message, as it was accepted, if that stands in the period.
    """
    found = list(facts(_lines(folder, subject, since, until)))
    if not found and (patient := patient_of(folder, subject)):
        found = list(_of_episode(list(facts(_lines(folder, patient, since, until))), subject))
    return found


def patient_of(folder: AuditFolder, episode: str) -> str:
    """The patient of an episode; empty if the audit does not know it."""
    for line in folder.found((b'"episode":' + msgspec.json.encode(episode),)):
        return str((line.body or {}).get("patient", ""))
    return ""


def _lines(folder: AuditFolder, patient: str, since: datetime | None, until: datetime | None) -> Iterator[AuditLine]:
    needle = b'{"patient":' + msgspec.json.encode(patient) + b","
    return (line for line in folder.found((needle,), since, until) if (line.body or {}).get("patient") == patient)


def facts(lines: Iterable[AuditLine]) -> Iterator[Fact]:
    """The facts of some lines."""
    messages: dict[tuple[str, str], Any] = {}
    for line in lines:
        body = line.body if line.link.kind == "batch" else None
        for item in (body or {}).get("in", ()):
            message = _decoded(item["message"])
            if isinstance(message, dict):
                messages[str(message.get("source")), str(message.get("id"))] = message
            kind = "receipt" if isinstance(message, dict) and message.get("type") == "receipt" else "message"
            yield {"n": line.link.n, "at": line.link.at, "kind": kind, "received": item["received"], "message": message}
        for event in (body or {}).get("events", ()):
            fact = {"n": line.link.n, **event, "configuration": (body or {}).get("rules", "")}
            if event["kind"] == "page":
                fact["evidence"] = [
                    one | {"message": messages.get((one["source"], one["id"]))} for one in event.get("evidence", ())
                ]
            yield fact


def _decoded(text: str) -> Any:
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(text)
    return text


def _of_episode(found: list[Fact], episode: str) -> Iterator[Fact]:
    """The facts about one episode: its pages with their receipts, the answers to it, its end."""
    pages = {fact["page"] for fact in found if fact["kind"] == "page" and episode in fact["episodes"]}
    for fact in found:
        message = fact.get("message")
        about = isinstance(message, dict) and (message.get("page") in pages or message.get("episode") == episode)
        if about or fact.get("page") in pages or fact.get("episode") == episode:
            yield fact


# -- as text ---------------------------------------------------------------------------------------


def text(found: Iterable[Fact], zone: ZoneInfo) -> Iterator[str]:
    """The lines of some facts, for a person."""
    readings = 0
    for fact in found:
        if fact["kind"] == "message" and _type(fact) not in SHOWN:
            readings += _type(fact) == "reading"
            continue
        at = datetime.fromisoformat(fact["at"]).astimezone(zone)
        yield from (visible(line) for line in _lines_of(fact, f"{at:%Y-%m-%d %H:%M:%S}"))
    if readings:
        yield f"{readings} reading(s) beside these: see --json"


def _type(fact: Fact) -> str:
    return str(fact["message"].get("type", "")) if isinstance(fact["message"], dict) else ""


def _lines_of(fact: Fact, at: str) -> Iterator[str]:
    kind = fact["kind"]
    if kind == "page":
        yield f"{at}  page {fact['page']} [{fact['urgency']}] to {fact['to']} on {fact['channel']}: {fact['title']}"
        yield from (f"{'':21}rests on {_evidence(one)}" for one in fact["evidence"])
        rules = ", ".join(f"{system} {version}" for system, version in fact.get("rules", {}).items())
        yield f"{'':21}by {rules or 'no rule'}; conventions {fact['configuration']}; record {fact['n']}"
    elif kind == "receipt":
        yield f"{at}  delivery: {_receipt(fact['message'])}"
    elif kind == "message":
        message = fact["message"]
        more = (message.get(name) for name in ("statement", "drug", "action", "value", "into", "to", "text", "by"))
        shown = [message["type"], *(str(value) for value in more if value is not None)]
        yield f"{at}  {' '.join(shown)} from {message['source']} ({message['id']})"
    elif kind in ANSWERS:
        who = " ".join(str(fact[name]) for name in ("by", "to", "until", "reason", "why") if fact.get(name))
        yield f"{at}  {kind.replace('_', ' ')}: {fact['condition']} {fact['episode']} {who}".rstrip()
    else:
        value = next((fact[name] for name in ("grade", "score", "value", "suspected") if name in fact), None)
        yield f"{at}  {kind} {fact.get('system', '')}: {'undetermined' if value is None else value}"


def _evidence(one: Fact) -> str:
    message = one.get("message") or {}
    value = [str(message[name]) for name in ("value", "unit") if message.get(name) is not None]
    return f"{' '.join([one['kind'], *value])} at {one['at']} from {one['source']} ({one['id']})"


def _receipt(message: Fact) -> str:
    with suppress(BadMessage):
        read = read_message(msgspec.json.encode(message))
        if isinstance(read, Receipt):
            why = in_english(read.detail, ZoneInfo("UTC"))
            return f"{read.page} on {read.channel}: {read.outcome}{f' ({why})' if why else ''}"
    return f"{message.get('page')}: {message.get('outcome')}"
