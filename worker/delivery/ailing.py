"""Channels that fail: each is tried by one worker at a time, so that one that hangs holds up no other's pages.

Without this a provider that does not answer would soon have every delivery process waiting for it.
"""

import secrets
from datetime import timedelta

from redis import Redis

from worker.delivery.channel import Outcome
from worker.keys import Keys

REMEMBERED = timedelta(minutes=2)
"""A channel ails for this long after its last failure: longer than any page waits to be tried again."""

WELL = ""
"""The place of whoever tries a channel that does not ail: there are as many as are wanted."""


def take_place(redis: Redis, keys: Keys, channel: str, held: timedelta) -> str | None:
    """A place among those who may try a channel now, kept for `held`; None where the only one is taken."""
    if not redis.exists(keys.ailing(channel)):
        return WELL
    place = secrets.token_hex(8)
    return place if redis.set(keys.trying(channel), place, nx=True, px=held) else None


def remember(redis: Redis, keys: Keys, channel: str, outcome: Outcome, place: str) -> None:
    """Note how an attempt went, and give the place back. A refusal for good is an answer, and comes at once."""
    if outcome in (Outcome.TEMPORARY, Outcome.UNKNOWN):
        redis.set(keys.ailing(channel), 1, px=REMEMBERED)
    else:
        redis.delete(keys.ailing(channel))
    if place != WELL and redis.get(keys.trying(channel)) == place.encode():
        redis.delete(keys.trying(channel))
