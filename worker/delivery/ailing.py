"""Channels that fail: each is tried by one worker at a time, so that one that hangs holds up no other's pages.

Without this a provider that does not answer would soon have every delivery process waiting for it.
"""

from datetime import timedelta

from redis import Redis

from worker.delivery.channel import Outcome
from worker.keys import Keys

REMEMBERED = timedelta(minutes=2)
"""A channel ails for this long after its last failure: longer than any page waits to be tried again."""


def may_try(redis: Redis, keys: Keys, channel: str, held: timedelta) -> bool:
    """Whether this worker may try a channel now; where it ails, this takes the one place there is, for `held`."""
    if not redis.exists(keys.ailing(channel)):
        return True
    return bool(redis.set(keys.trying(channel), 1, nx=True, px=held))


def remember(redis: Redis, keys: Keys, channel: str, outcome: Outcome) -> None:
    """Note how an attempt went, and give the place back. A refusal for good is an answer, and comes at once."""
    pipe = redis.pipeline(transaction=False)
    if outcome in (Outcome.TEMPORARY, Outcome.UNKNOWN):
        pipe.set(keys.ailing(channel), 1, px=REMEMBERED)
    else:
        pipe.delete(keys.ailing(channel))
    pipe.delete(keys.trying(channel))
    pipe.execute()
