"""What the auditor has noted: since when a trouble is seen, whether it was told, and when it counts as mended."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

WAITS_MS = 60_000
"""A worker may be away for this long before it is missed: it is being started, or started again."""

MENDED_MS = timedelta(minutes=1) // timedelta(milliseconds=1)
"""What has not been seen for this long is over: a trouble that comes and goes is one trouble."""

MISSED = "no worker "
"""How the conditions begin that are told after `WAITS_MS`."""

GAP_MS = 40_000
"""Looks further apart than this say nothing about the time between them: nobody looked."""


class Noted(msgspec.Struct, array_like=True):
    """One trouble: since when (ms), when last, whether it was told."""

    since: int
    seen: int
    told: bool = False


Notes = dict[str, Noted]


class Change(msgspec.Struct):
    """What is to be told of a look, and the notes as they then stand."""

    begun: list[str]
    over: list[str]
    notes: Notes


def compare(before: Mapping[str, Noted], found: Mapping[str, str], now: int) -> Change:
    """Carry the notes on by what a look has found at a time (ms)."""
    change = Change([], [], {})
    for condition in found:
        known = before.get(condition)
        told = known is not None and known.told
        since = min(known.since, now) if known is not None and (told or now - known.seen <= GAP_MS) else now
        if not told and (not condition.startswith(MISSED) or now - since >= WAITS_MS):
            change.begun.append(condition)
            told = True
        change.notes[condition] = Noted(since, now, told)
    for condition, known in before.items():
        if condition in found:
            continue
        if not known.told:
            continue  # a worker that was being started
        if 0 <= now - known.seen < MENDED_MS:
            change.notes[condition] = known
        else:
            change.over.append(condition)
    return change


def unpack(raw: bytes | None) -> Notes:
    """The notes as the store has them."""
    return msgspec.json.decode(raw, type=Notes) if raw else {}


def pack(notes: Notes) -> bytes:
    """The inverse."""
    return msgspec.json.encode(notes)
