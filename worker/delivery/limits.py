"""How many messages a channel takes in a time: what is over it waits and is then told in one. Nothing is dropped."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import cast

from redis import Redis

from config.site import Limit
from worker.clock import milliseconds
from worker.delivery.turns import Place, place
from worker.keys import Keys

BUNDLED_AT_ONCE = 60
"""Pages told in one message at most; the rest follows in the next."""


def full_until(redis: Redis, keys: Keys, channel: str, limit: Limit, now: datetime) -> datetime | None:
    """When a channel takes a message again; None where it takes one now."""
    key = keys.sent(channel)
    pipe = redis.pipeline(transaction=False)
    pipe.zremrangebyscore(key, "-inf", milliseconds(now - limit.within))
    # Once the first of the last `pages` messages is old enough there is room.
    pipe.zrange(key, -limit.pages, -limit.pages, withscores=True)
    _, first = pipe.execute()
    return datetime.fromtimestamp(first[0][1] / 1000, UTC) + limit.within if first else None


def note_sent(redis: Redis, keys: Keys, channel: str, limit: Limit, now: datetime) -> None:
    """A message went to a channel, or may have."""
    pipe = redis.pipeline(transaction=False)
    pipe.zadd(keys.sent(channel), {secrets.token_hex(8): milliseconds(now)})
    pipe.pexpire(keys.sent(channel), limit.within)
    pipe.execute()


def hold(redis: Redis, keys: Keys, channel: str, limit: Limit, waits: Place, now: datetime) -> None:
    """Note a page that is over the limit, for the message that will tell of all of them."""
    pipe = redis.pipeline(transaction=False)
    pipe.zadd(keys.held(channel), {waits.text: milliseconds(now)}, nx=True)
    pipe.pexpire(keys.held(channel), 2 * limit.within + timedelta(hours=1))
    pipe.execute()


def held(redis: Redis, keys: Keys, channel: str) -> list[Place]:
    """The pages that wait for a channel because of its limit, longest first; some may no longer be owed."""
    found = cast("list[bytes]", redis.zrange(keys.held(channel), 0, BUNDLED_AT_ONCE - 1))
    return [place(item) for item in found]


def let_go(redis: Redis, keys: Keys, channel: str, places: list[Place]) -> None:
    """These pages wait no longer."""
    if places:
        redis.zrem(keys.held(channel), *[item.text for item in places])


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
