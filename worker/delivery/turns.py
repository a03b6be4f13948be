"""Whose turn it is on a channel: one sender at a time, so that a channel that hangs holds one worker and no more.

Without this a provider that does not answer would soon have every delivery process waiting for it. Critical pages are
a lane of their own: they never wait for a lesser page on the same channel. Of channels that fail, and of sends that
take long, a lane tries only a few at once: the other processes stay free for those that answer.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, cast

from redis import Redis

from config.site import Urgency
from worker.clock import milliseconds
from worker.delivery.outcomes import Outcome
from worker.keys import Keys

Lane = Literal["urgent", "ordinary"]

DELIVERS: Mapping[Lane, str] = {"urgent": "deliver_urgent", "ordinary": "deliver"}
"""The task that delivers the pages of a lane."""

REMEMBERED = timedelta(minutes=2)
"""A channel ails for this long after its last failure: longer than any page waits to be tried again."""

SLOW = timedelta(seconds=1)
"""A send that takes longer counts like one on a channel that ails."""

AILING_AT_ONCE = 2
"""A lane tries at most so many channels that ail at a time: fewer than it has processes."""

FORGOTTEN = timedelta(hours=1)
"""What waits is found by its due time anyway; this only clears away what was cancelled meanwhile."""


class Turn(NamedTuple):
    """The right to send on a channel, until it is given back or runs out."""

    channel: str
    lane: Lane
    token: str


class Place(NamedTuple):
    """Where a page stands: the number of its shard, and its id."""

    shard: int
    page: str

    @property
    def text(self) -> str:
        """As it stands in a key."""
        return f"{self.shard} {self.page}"


def place(text: bytes) -> Place:
    """The inverse of `Place.text`."""
    shard, _, page = text.decode().partition(" ")
    return Place(int(shard), page)


def lane(urgency: Urgency) -> Lane:
    """The lane of a page."""
    return "urgent" if urgency == "critical" else "ordinary"


def take(redis: Redis, keys: Keys, channel: str, lane: Lane, now: datetime, held: timedelta) -> Turn | None:
    """The turn on a channel, kept for `held`; None where another has it, or where too many channels ail just now."""
    turn = Turn(channel, lane, secrets.token_hex(8))
    pipe = redis.pipeline(transaction=False)
    pipe.set(keys.trying(channel, lane), turn.token, nx=True, px=held)
    pipe.exists(keys.ailing(channel))
    pipe.zremrangebyscore(keys.sending(lane), "-inf", milliseconds(now - held))
    pipe.zcount(keys.sending(lane), "-inf", milliseconds(now - SLOW))
    taken, ails, _, slow = pipe.execute()
    if not taken:
        return None
    if ails and slow >= AILING_AT_ONCE:
        redis.delete(keys.trying(channel, lane))
        return None
    began = now - SLOW if ails else now
    redis.zadd(keys.sending(lane), {turn.token: milliseconds(began)})
    return turn


def give_back(redis: Redis, keys: Keys, turn: Turn, outcome: Outcome | None = None) -> None:
    """End a turn and note how it went, if anything was sent. A refusal for good is an answer, and comes at once."""
    if outcome in (Outcome.TEMPORARY, Outcome.UNKNOWN):
        note_failure(redis, keys, turn.channel)
    elif outcome is not None:
        redis.delete(keys.ailing(turn.channel))
    redis.zrem(keys.sending(turn.lane), turn.token)
    if redis.get(keys.trying(turn.channel, turn.lane)) == turn.token.encode():
        redis.delete(keys.trying(turn.channel, turn.lane))


def note_failure(redis: Redis, keys: Keys, channel: str) -> None:
    """A channel has just failed."""
    redis.set(keys.ailing(channel), 1, px=REMEMBERED)


def queue_up(redis: Redis, keys: Keys, channel: str, lane: Lane, waits: Place, now: datetime) -> None:
    """Note a page that found its channel busy: whoever has the turn wakes it when done."""
    pipe = redis.pipeline(transaction=False)
    pipe.zadd(keys.waiting(channel, lane), {waits.text: milliseconds(now)})
    pipe.pexpire(keys.waiting(channel, lane), FORGOTTEN)
    pipe.execute()


def next_waiting(redis: Redis, keys: Keys, channel: str, lane: Lane) -> Place | None:
    """The page that has waited longest for a channel; it no longer stands in the queue."""
    first = cast("list[tuple[bytes, float]]", redis.zpopmin(keys.waiting(channel, lane)))
    return place(first[0][0]) if first else None
