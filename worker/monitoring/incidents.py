"""Incidents of the watchdog: when each opens, whether somebody was notified, and when it closes."""

import logging
from collections.abc import Mapping
from datetime import timedelta

import msgspec

log = logging.getLogger(__name__)

WAITS_MS = 60_000
"""A worker may be absent for this long before it is reported missing, because it is being started or restarted. A
source may send too much for as long."""

CLOSED_AFTER_MS = timedelta(minutes=1) // timedelta(milliseconds=1)
"""An incident that was not seen for this long is closed. An intermittent trouble is therefore one incident."""

MISSED = "no worker "
"""The prefix of the conditions that are reported only after `WAITS_MS`."""

FLOOD = "flood of "
"""The prefix of the conditions of sources that send too much. They wait too: a back-fill is soon over."""

GAP_MS = 40_000
"""If two runs are further apart than this, nothing is known of the time between them."""


class Incident(msgspec.Struct, array_like=True):
    """One trouble: its start (ms), when it was last seen, and whether somebody was notified."""

    since: int
    seen: int
    notified: bool = False


Incidents = dict[str, Incident]
"""By condition."""


class IncidentChanges(msgspec.Struct):
    """The conditions opened and closed by a run, and the incidents afterwards."""

    opened: list[str]
    closed: list[str]
    incidents: Incidents


def compare(before: Mapping[str, Incident], found: Mapping[str, object], now: int) -> IncidentChanges:
    """Update the incidents with the findings of a run at a time (ms)."""
    change = IncidentChanges([], [], {})
    for condition in found:
        known = before.get(condition)
        notified = known is not None and known.notified
        since = min(known.since, now) if known is not None and (notified or now - known.seen <= GAP_MS) else now
        if not notified and (not condition.startswith((MISSED, FLOOD)) or now - since >= WAITS_MS):
            change.opened.append(condition)
            notified = True
        change.incidents[condition] = Incident(since, now, notified)
    for condition, known in before.items():
        if condition in found:
            continue
        if not known.notified:
            continue  # a worker that was being started, or a back-fill
        if 0 <= now - known.seen < CLOSED_AFTER_MS:
            change.incidents[condition] = known
        else:
            change.closed.append(condition)
    return change


def unpack(raw: bytes | None) -> Incidents:
    """Decode the incidents from the store. If they cannot be read, everything open is notified again."""
    try:
        return msgspec.json.decode(raw, type=Incidents) if raw else {}
    except msgspec.MsgspecError as error:
        log.error("the watchdog's incidents cannot be read (%s)", type(error).__name__)
        return {}


def pack(incidents: Incidents) -> bytes:
    """Encode the incidents for the store."""
    return msgspec.json.encode(incidents)
