"""The list of resources that the EHR refused, with its reasons."""

from collections.abc import Iterator
from typing import cast

from alerts.state import DeadLetter
from worker.store.backlog import per_shard
from worker.store.codec import readable, unpack_dead_letter
from worker.store.shard import Store


def refused(store: Store) -> Iterator[DeadLetter]:
    """Every resource on the list, shard by shard, oldest first."""
    for shard in store.keys.all():
        packed = ((entry, fields.get(b"s", b"")) for entry, fields in store.stream(shard.key("refused")))
        yield from (record for _, record in readable(unpack_dead_letter, packed))


def forget_refused(store: Store) -> int:
    """Empty the list; return how many there were."""
    shards = store.keys.all()
    counts = per_shard(store.redis, shards, lambda pipe, shard: pipe.xlen(shard.key("refused")))
    store.redis.delete(*[shard.key("refused") for shard in shards])
    return sum(cast("list[int]", [count for (count,) in counts]))
