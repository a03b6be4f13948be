"""ORA^R41: what an alert manager reports of an alert of ours (IHE ACM, PCD-05).

A person who accepts has acknowledged; one who rejects hands over; a person who calls it false closes it. Everything
else is a receipt: in particular, that somebody has read an alert acknowledges nothing.
"""

import re

import msgspec

from alerts.wording.phrase import phrase
from config.intake import Source
from worker.intake.answers import OF_ALERT
from worker.intake.hl7.names import Named
from worker.intake.hl7.tokens import Hl7Message, Segment
from worker.intake.parsed import ElementResult, Native, dead_letter, ignored, stored
from worker.intake.times import hl7

ACCEPTED = ("ACCEPTED", "ACCEPTEDPOSITIVE", "ACCEPTEDNOTRELEVANT")
FALSE_ALARM = "ACCEPTEDFALSE"
REJECTED = "REJECTED"
UNDELIVERABLE = "UNDELIVERABLE"
RECEIPTS = (
    *("RECEIVED", "DELIVERED", "READ", "CALLBACKSTART", "CALLBACKEND", "CANCELLED", "COMPLETED", "ACTIONURI"),
    UNDELIVERABLE,
)

_ALERT = re.compile(r"(?P<page>(?P<episode>[0-9a-f]{12})\.\d{1,9})-[0-9a-f]+", re.ASCII)


def alert_answers(message: Hl7Message, raw: bytes, source: Source) -> list[ElementResult]:
    """The answers and receipts of a message, one for each PRT."""
    channel = source.policy.alert_manager
    if channel is None:
        return [dead_letter("ORA", "", "intake.yaml names no `alert_manager` for this source")]
    answered = message.first("MSA")
    alert = _ALERT.fullmatch(answered.field(2).text.strip()) if answered is not None else None
    if alert is None:
        return [dead_letter("MSA", "", "MSA-2: this is no alert of ours")]
    named = Named(raw)
    reports = message.all("PRT")
    if not reports:
        return [ignored("ORA", "no PRT: it reports nothing of a person")]
    return [
        _answer(report, f"PRT {number}", alert, named.followed_by(str(number).encode()), message, source, channel)
        for number, report in enumerate(reports, start=1)
    ]


def _answer(
    report: Segment, where: str, alert: re.Match[str], id: str, message: Hl7Message, source: Source, channel: str
) -> ElementResult:
    state = (report.field(3).component(2) or report.field(3).component(1)).strip().upper()
    when = _time(report, message, source)
    if when is None:
        return dead_letter(where, "", "PRT-11, MSH-7: no time that can be used")
    patient = f"{OF_ALERT}{alert['episode']}"
    native: Native = {"id": id, "source": source.name, "patient": patient, "effective": when}
    if state in RECEIPTS:
        outcome = "undeliverable" if state == UNDELIVERABLE else "sent"
        native |= {"type": "receipt", "page": alert["page"], "channel": channel, "outcome": outcome}
        return stored(where, patient, ({**native, "detail": _detail(state)},))
    by = _person(report, source)
    if not by:
        return dead_letter(where, "", f"PRT-5: {state[:20]} of nobody")
    native |= {"episode": alert["episode"], "page": alert["page"], "by": by, "via": channel}
    if state in ACCEPTED:
        return stored(where, patient, ({**native, "type": "acknowledgement"},))
    if state == FALSE_ALARM:
        return stored(where, patient, ({**native, "type": "closure", "verdict": "false_alarm", "why": state},))
    if state == REJECTED:
        return stored(where, patient, ({**native, "type": "hand_over"},))
    return ignored(where, f"PRT-3: {state[:20]!r} is no state of IHE ACM")


def _detail(state: str) -> object:
    return msgspec.to_builtins(phrase("the alert manager answered {code}", code=state))


def _person(report: Segment, source: Source) -> str:
    """The person as site.yaml names them; else as the manager does."""
    named = report.field(5)
    id = named.component(1).strip()
    name = " ".join(part for part in (named.component(3).strip(), named.component(2).strip()) if part)
    return source.policy.people.get(id) or source.policy.people.get(name) or id or name


def _time(report: Segment, message: Hl7Message, source: Source) -> str | None:
    for text in (report.field(11).text, message.segments[0].field(7).text):
        when = hl7(text, source.zone)
        if when.at is not None and not when.day:
            return when.at.isoformat()
    return None
