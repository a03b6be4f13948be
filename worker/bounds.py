"""How much may be set aside, and how much is. Texts that nobody can use must not fill the store of those that can.

What was accepted already is always kept. What only now asks to be is refused to its sender once the list is full.
"""

from redis import Redis

from worker.keys import Keys

MANY = 10_000
"""From so many records on the technician is told that the list fills up."""

MOST = 20_000
"""With so many records the list is full: what holds nothing usable is refused."""

RESERVE = 20_000
"""Records beyond `MOST` for messages that hold something usable as well: these are refused last."""

FULL = "not kept: the list of what is set aside is full; send again once it is emptied"


def count(redis: Redis, keys: Keys) -> int:
    """How many records are set aside, in one round trip."""
    pipe = redis.pipeline(transaction=False)
    for shard in keys.all():
        pipe.xlen(shard.key("set_aside"))
    return sum(pipe.execute())
