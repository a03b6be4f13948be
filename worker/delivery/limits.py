"""The rate limit of a channel (a throttle): pages over it wait and then go out in one message. None is dropped."""

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from redis import Redis
from redis.client import Pipeline

from config.site import Limit
from worker.clock import milliseconds
from worker.delivery.channel_lock import Place, parse_place
from worker.store.keys import Keys

BUNDLE_LIMIT = 60
"""Pages in one message at most; the rest follows in the next."""


class RateLimitState(NamedTuple):
    """Until when a channel is full, if it is, and its rate-limited pages, longest wait first.

    Some of those pages may no longer be owed.
    """

    full_until: datetime | None
    rate_limited: list[Place]


UNLIMITED = RateLimitState(None, [])
"""For a page that passes every limit."""


def ask_limit(pipe: Pipeline, keys: Keys, channel: str, limit: Limit, now: datetime) -> None:
    """Ask whether a channel takes a message now, and which pages wait; `read_limit` reads the replies."""
    key = keys.sent(channel)
    pipe.zremrangebyscore(key, "-inf", milliseconds(now - limit.within))
    # Once the first of the last `pages` messages is old enough the channel takes another.
    pipe.zrange(key, -limit.pages, -limit.pages, withscores=True)
    pipe.zrange(keys.rate_limited(channel), 0, BUNDLE_LIMIT - 1)


def read_limit(replies: Iterator[Any], limit: Limit) -> RateLimitState:
    """Read the replies to `ask_limit`."""
    _, first, waiting = (next(replies) for _ in range(3))
    full_until = datetime.fromtimestamp(first[0][1] / 1000, UTC) + limit.within if first else None
    return RateLimitState(full_until, [parse_place(item) for item in waiting])


def count_sent(pipe: Pipeline, keys: Keys, channel: str, limit: Limit, now: datetime) -> None:
    """Count a message that went to a channel, or may have."""
    pipe.zadd(keys.sent(channel), {secrets.token_hex(8): milliseconds(now)})
    pipe.pexpire(keys.sent(channel), limit.within)


def add_rate_limited(pipe: Pipeline, keys: Keys, channel: str, limit: Limit, place: Place, now: datetime) -> None:
    """Add a page over the limit to the next bundle."""
    pipe.zadd(keys.rate_limited(channel), {place.text: milliseconds(now)}, nx=True)
    pipe.pexpire(keys.rate_limited(channel), 2 * limit.within + timedelta(hours=1))


def remove_rate_limited(pipe: Pipeline, keys: Keys, channel: str, places: Sequence[Place]) -> None:
    """Remove pages from the next bundle."""
    pipe.zrem(keys.rate_limited(channel), *[item.text for item in places])


def count_rate_limited(redis: Redis, keys: Keys, channels: Iterable[str]) -> dict[str, int]:
    """Count the owed pages that the limit of each channel delays. Two round trips, one if there are none."""
    names = list(channels)
    pipe = redis.pipeline(transaction=False)
    for name in names:
        pipe.zrange(keys.rate_limited(name), 0, -1)
    waiting = [(name, parse_place(item)) for name, items in zip(names, pipe.execute(), strict=True) for item in items]
    for _, item in waiting:
        pipe.hexists(keys.shard(item.shard).key("outbox"), item.page)
    return dict(Counter(name for (name, _), owed in zip(waiting, pipe.execute(), strict=True) if owed))
