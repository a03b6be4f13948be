"""The queues of channels: a commit puts a page into its channel's queue. Senders take it out (`delivery_trip.py`)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from redis import Redis
from redis.client import Pipeline

from config.site import Channel
from worker.clock import milliseconds
from worker.store.backlog import per_shard
from worker.store.codec import Owed, pack, readable, unpack_owed
from worker.store.keys import CRITICAL, ORDINARY, Keys, Partition, Place, Shard, queue_name


def enqueue(pipe: Pipeline, keys: Keys, shard: Shard, owed: Owed, now: datetime) -> Partition:
    """Queue onto an open MULTI that a page is owed: in the outbox of its patient's shard, and in its channel's queue.

    Returns the partition to wake.
    """
    pipe.hset(shard.key("outbox"), owed.page.id, pack(owed))
    return _put(pipe, keys, Place(shard.number, owed.page.id), queue_name(owed.page.channel, owed.page.urgency), now)


def _put(pipe: Pipeline, keys: Keys, place: Place, queue: str, now: datetime) -> Partition:
    partition = keys.partition_of(queue.partition(":")[2])
    pipe.zadd(keys.queue(queue), {place.text: milliseconds(now)}, nx=True)
    pipe.zadd(partition.agenda, {queue: milliseconds(now)}, lt=True)
    return partition


def enqueue_again(redis: Redis, keys: Keys, now: datetime) -> None:
    """Put every owed page into its queue, unless it is there: after a key of a queue was renamed or lost."""
    shards = keys.advanced()
    rows = per_shard(redis, shards, lambda pipe, shard: pipe.hgetall(shard.key("outbox")))
    pipe = redis.pipeline(transaction=False)
    for shard, (outbox,) in zip(shards, rows, strict=True):
        for id, owed in readable(unpack_owed, outbox.items()):
            queue = queue_name(owed.page.channel, owed.page.urgency)
            _put(pipe, keys, Place(shard.number, id.decode()), queue, now)
    pipe.execute()


class QueueLength(NamedTuple):
    """The pages of a channel that are due: how many of a priority, and since when (ms) the first."""

    channel: str
    critical: bool
    pages: int
    oldest: int


def lengths(redis: Redis, keys: Keys, now: datetime) -> Iterator[QueueLength]:
    """Every queue with due pages, in two round trips. A cancelled page counts until its queue is looked at."""
    queues = _queues(redis, keys)
    pipe = redis.pipeline(transaction=False)
    for name in queues:
        pipe.zcount(keys.queue(name), "-inf", milliseconds(now))
        pipe.zrange(keys.queue(name), 0, 0, withscores=True)
    replies = iter(pipe.execute())
    for name in queues:
        pages, first = next(replies), next(replies)
        if pages:
            kind, _, channel = name.partition(":")
            yield QueueLength(channel, kind == CRITICAL, pages, int(first[0][1]))


def _queues(redis: Redis, keys: Keys) -> list[str]:
    """Every queue with pages: each stands in an agenda."""
    pipe = redis.pipeline(transaction=False)
    for partition in keys.partitions():
        pipe.zrange(partition.agenda, 0, -1)
    return [name.decode() for agenda in pipe.execute() for name in agenda]


def names(redis: Redis, keys: Keys) -> list[str]:
    """The keys of all agendas, and of all queues with pages."""
    agendas = [partition.agenda for partition in keys.partitions()]
    return [*agendas, *map(keys.queue, _queues(redis, keys))]


def count_rate_limited(redis: Redis, keys: Keys, channels: Mapping[str, Channel], now: datetime) -> dict[str, int]:
    """Count the pages that the rate limit of each channel delays, in one round trip."""
    pipe = redis.pipeline(transaction=False)
    for name, channel in channels.items():
        pipe.zcount(keys.sent(name), f"({milliseconds(now - channel.limit.within)}", "+inf")
        pipe.zcount(keys.queue(f"{ORDINARY}:{name}"), "-inf", milliseconds(now))
    replies = iter(pipe.execute())
    found = ((name, channel.limit, next(replies), next(replies)) for name, channel in channels.items())
    return {name: waiting for name, limit, used, waiting in found if waiting and used >= limit.pages}
