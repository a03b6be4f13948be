"""How many messages a channel takes in a time: what is over it waits and is then told in one. Nothing is dropped."""

import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

from redis import Redis
from redis.client import Pipeline

from config.site import Limit
from worker.clock import milliseconds
from worker.delivery.channel_lock import Place, place
from worker.store.keys import Keys

BUNDLED_AT_ONCE = 60
"""Pages told in one message at most; the rest follows in the next."""


class RateLimitState(NamedTuple):
    """Until when a channel is full, if it is, and the pages that wait because of its limit, longest first. Some of
    them may no longer be owed."""

    full_until: datetime | None
    held: list[Place]


NONE = RateLimitState(None, [])
"""For a page that passes every limit."""


def ask(pipe: Pipeline, keys: Keys, channel: str, limit: Limit, now: datetime) -> None:
    """Ask whether a channel takes a message now, and what waits until it does; `answered` reads the answers."""
    key = keys.sent(channel)
    pipe.zremrangebyscore(key, "-inf", milliseconds(now - limit.within))
    # Once the first of the last `pages` messages is old enough there is room.
    pipe.zrange(key, -limit.pages, -limit.pages, withscores=True)
    pipe.zrange(keys.held(channel), 0, BUNDLED_AT_ONCE - 1)


def answered(answers: Iterator[Any], limit: Limit) -> RateLimitState:
    """Read the answers to `ask`."""
    _, first, held = (next(answers) for _ in range(3))
    full_until = datetime.fromtimestamp(first[0][1] / 1000, UTC) + limit.within if first else None
    return RateLimitState(full_until, [place(item) for item in held])


def note_sent(pipe: Pipeline, keys: Keys, channel: str, limit: Limit, now: datetime) -> None:
    """A message went to a channel, or may have."""
    pipe.zadd(keys.sent(channel), {secrets.token_hex(8): milliseconds(now)})
    pipe.pexpire(keys.sent(channel), limit.within)


def hold(pipe: Pipeline, keys: Keys, channel: str, limit: Limit, waits: Place, now: datetime) -> None:
    """Note a page that is over the limit, for the message that will tell of all of them."""
    pipe.zadd(keys.held(channel), {waits.text: milliseconds(now)}, nx=True)
    pipe.pexpire(keys.held(channel), 2 * limit.within + timedelta(hours=1))


def let_go(pipe: Pipeline, keys: Keys, channel: str, places: Sequence[Place]) -> None:
    """These pages wait no longer."""
    pipe.zrem(keys.held(channel), *[item.text for item in places])


def count_held(redis: Redis, keys: Keys) -> dict[str, int]:
    """How many owed pages wait because of the limit of each channel."""
    names = sorted(cast("list[bytes]", list(redis.scan_iter(keys.held("*")))))
    before = len(keys.held(""))
    counts: dict[str, int] = {}
    for name in names:
        pipe = redis.pipeline(transaction=False)
        for item in map(place, cast("list[bytes]", redis.zrange(name, 0, -1))):
            pipe.hexists(keys.shard(item.shard).key("outbox"), item.page)
        owed = sum(pipe.execute())
        if owed:
            counts[name.decode()[before:]] = owed
    return counts
