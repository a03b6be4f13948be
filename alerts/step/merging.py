"""A merge, seen from one of its two records: what is copied, what is forwarded, and when the old record freezes.

The old record sends the record that continues a copy of its chart, and forwards every later message. It charts those
messages as well: if the merge is retracted, the old record has everything that came in under its name. A frozen record
is not evaluated, and its open episodes are closed. When a record freezes, and which merge holds, is decided in
`alerts/chart/merge_register.py`.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from alerts.chart.chart import Chart
from alerts.chart.charting import why_unusable
from alerts.chart.entry import ABSENT, Entry
from alerts.chart.merge_register import Link
from alerts.episodes.episode import episode_id
from alerts.message_fields import Status
from alerts.messages import MESSAGE, AnyMessage, Merge, MergeNotice
from alerts.state import Effects, PatientState, Unregistered, dead_letter
from alerts.step.system_faults import OWN_SOURCE, fault
from alerts.wording.phrase import Phrase, phrase
from config.site import Site
from config.vocabulary import DRUGS, READINGS, STATEMENTS

HOPS_AT_MOST = 8
"""The most records that may forward one message. More were never merged into each other for one person."""

TOO_MANY_HOPS = f"passed on by {HOPS_AT_MOST} merged records, and still at none that goes on; see `cartwatch merges`"


def take_merges(
    state: PatientState, messages: Sequence[AnyMessage], now: datetime, site: Site, effects: Effects
) -> PatientState:
    """The state with the merges of some messages. What the other records must know is forwarded to them.

    The caller freezes the record, or evaluates it again.
    """
    before = state.merges
    for message in messages:
        if (message.type == "merge" or message.type == "merge_notice") and not why_unusable(message, now, site):
            state = _take(state, message, now, effects)
    after = state.merges
    if after.goes_to is not None and (before.goes_to is None or before.goes_to.other != after.goes_to.other):
        effects.forwarded.extend(charted_again(state.chart, after.goes_to.other, now))
    if after.ended is not None and after.ended != before.ended:
        _report(state, phrase(ENDED_BY_NEWER, source=after.ended.source), after.ended, now, effects)
    return state


def _take(state: PatientState, message: Merge | MergeNotice, now: datetime, effects: Effects) -> PatientState:
    if isinstance(message, Merge):
        return _into_another(state, message, now, effects)
    if message.patient != message.into:
        return replace(state, merges=state.merges.answered(_link(message, message.into, now)))
    effects.forwarded.append(message.model_copy(update={"patient": message.old}))
    merges = state.merges.receiving(_link(message, message.old, now))
    if state.discharged_at is not None and merges.stays_after(state.discharged_at):
        state = replace(state, discharged_at=None, review_at=now)
    return replace(state, merges=merges)


def _into_another(state: PatientState, message: Merge, now: datetime, effects: Effects) -> PatientState:
    link = _link(message, message.into, now)
    merges = state.merges.merged(link)
    if merges == state.merges:
        return state
    link = merges.link(link)
    if link.is_retracted:
        _report(state, phrase(RETRACTED, who=message.by or message.source), link, now, effects)
    stays = state.registered and state.discharged_at is None
    effects.forwarded.append(_notice(state.patient, link, stays=stays))
    return replace(state, merges=merges)


def _link(message: Merge | MergeNotice, other: str, now: datetime) -> Link:
    return Link(
        other=other,
        at=message.effective.astimezone(UTC),
        received=(message.received or now).astimezone(UTC),
        source=message.source,
        id=message.id,
        by=message.by or "",
        status=int(message.status),
        stays=isinstance(message, MergeNotice) and message.stays,
    )


def _notice(patient: str, link: Link, *, stays: bool) -> MergeNotice:
    return MergeNotice(
        type="merge_notice",
        id=link.id,
        source=link.source,
        patient=link.other,
        effective=link.at,
        received=link.received,
        status=Status(link.status),
        old=patient,
        into=link.other,
        by=link.by or None,
        stays=stays,
    )


ENDED_BY_NEWER = "a merge from {source} is ended by a newer one the other way; see `cartwatch merges`"
RETRACTED = "a merge was retracted, says {who}; see `cartwatch merges`"


def _report(state: PatientState, what: Phrase, link: Link, now: datetime, effects: Effects) -> None:
    """Report a technical incident, one for each record. Its name reveals nothing of the patient."""
    name = f"merge {episode_id(state.patient, 'merge', 0)}"
    effects.faults.append(fault(name, what, f"{link.source} {link.id} {link.status}", now))


def unregistered_of(state: PatientState) -> Unregistered | None:
    """The unregistered patient of a chart that is no longer frozen; None if the patient is registered."""
    entries = sorted((entry for series in state.chart.entries.values() for entry in series), key=lambda one: one.place)
    if state.registered or not entries:
        return None
    known = Unregistered(0, entries[0].effective, entries[0].effective)
    for entry in entries:
        known = known.and_by(entry.source, entry.effective)
    return known


# -- what is forwarded -----------------------------------------------------------------------------


def pass_on(message: AnyMessage, into: str, now: datetime, effects: Effects) -> None:
    """Forward a message to the record that continues. A message in a circle becomes a dead letter."""
    onward = _passed_on(message, into, now)
    if (onward.hops or 0) <= HOPS_AT_MOST:
        effects.forwarded.append(onward)
        return
    effects.dead_letters.append(dead_letter(message, TOO_MANY_HOPS, now))
    what = Phrase("messages go round among merged records; see `cartwatch merges` and `cartwatch dead-letters`")
    effects.faults.append(fault("merge ring", what, f"{message.source} {message.id}", now))


def _passed_on(message: AnyMessage, into: str, now: datetime) -> AnyMessage:
    hops = (message.hops or 0) + 1
    return message.model_copy(update={"patient": into, "received": message.received or now, "hops": hops})


def charted_again(chart: Chart, into: str, now: datetime) -> Iterator[AnyMessage]:
    """Every entry of a chart as a message for another record, in canonical units, with its source and id."""
    for registration in chart.registrations:
        body = {name: getattr(registration, name) for name in registration.__struct_fields__}
        said = {name: value for name, value in body.items() if value not in (None, "")}
        about = f"merged {registration.effective.isoformat()}"
        known = {"id": about, "source": OWN_SOURCE, "received": registration.known_from}
        yield _message(said | {"type": "registration"} | known, into, now)
    for left in chart.discharges:
        if left.to:
            about = f"merged discharge {left.at.isoformat()}"
            body = {"type": "discharge", "id": about, "source": OWN_SOURCE, "effective": left.at, "to": left.to}
            yield _message(body, into, now)
    for kind, series in chart.entries.items():
        for entry in series:
            yield _message(_body(kind, entry), into, now)


def _message(body: dict[str, Any], into: str, now: datetime) -> AnyMessage:
    return MESSAGE.validate_python({"received": now, **body, "patient": into, "hops": 1})


def _body(kind: str, entry: Entry) -> dict[str, Any]:
    body: dict[str, Any] = {"id": entry.id, "source": entry.source, "effective": entry.effective}
    if entry.charted_for is not None:
        body |= {"effective": entry.charted_for, "received": entry.effective}
    body |= {"status": Status(entry.status), "by": entry.by or None}
    if kind in STATEMENTS:
        return body | {"type": "statement", "statement": kind, "value": entry.is_true}
    if kind in DRUGS:
        dose = {"dose": entry.value, "unit": entry.unit or None, "action": entry.code, "purpose": entry.note or None}
        return body | {"type": "treatment", "drug": kind} | dose
    return body | {"type": "reading", "reading": kind, "unit": READINGS[kind].unit or None} | _value(entry)


def _value(entry: Entry) -> dict[str, str | Decimal | None]:
    if entry.code == ABSENT:
        return {"absent": entry.note or "not said"}
    if entry.value is None:
        return {"value": entry.code}
    return {"value": f"{entry.comparator}{entry.value:f}", "low": entry.low, "high": entry.high}
