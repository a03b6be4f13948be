"""The backlog: what waits, how much and for how long, shard by shard. One round trip, whatever the number of shards.

The ticker, the watchdog, health, metrics and the replay read it here.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from redis import Redis
from redis.client import Pipeline

from worker.clock import milliseconds
from worker.store.keys import Keys, Shard

Entries = list[tuple[bytes, dict[bytes, bytes]]]
Scores = list[tuple[bytes, float]]
"""Replies of the store: entries of a stream, and members of a sorted set with their scores."""


class ShardBacklog(NamedTuple):
    """The waiting work of one shard.

    `oldest`: the time (ms) at which the first entry of the inbox was appended. `receipts`: how many of the messages are
    receipts of sent pages, which are not urgent. `timer`: the earliest timer (ms). Pages are in the order in which they
    are due; critical ones are kept apart.
    """

    shard: Shard
    is_leased: bool
    messages: int
    oldest: int | None
    receipts: int
    timer: int | None
    cursor: bytes | None
    crashes: bytes | None


class PartitionBacklog(NamedTuple):
    """What waits in a partition of the channels: when (ms) the first queue is to be looked at, and how many pages were
    begun and not ended."""

    number: int
    is_leased: bool
    first: int | None
    begun: int


class ExportBacklog(NamedTuple):
    """The backlog of exports: batches, the time of the oldest (ms), refused resources, shards free to export."""

    batches: int
    oldest: int | None
    refused: int
    shards: tuple[int, ...]


class Pending(NamedTuple):
    """Work for the workers: shards to advance, and partitions of channels to deliver.

    In the shards of `receipts` nothing waits but receipts of sent pages.
    """

    shards: list[int]
    partitions: list[int]
    receipts: tuple[int, ...] = ()


class Backlog(NamedTuple):
    """What waits at a time (ms). `store_ms` is the store's own clock, which dates the entries of streams."""

    now: int
    store_ms: int
    shards: tuple[ShardBacklog, ...]
    partitions: tuple[PartitionBacklog, ...]
    exports: ExportBacklog | None

    def pending(self) -> Pending:
        """What is due now. The owner of a partition sees by itself what becomes due."""
        found = Pending([], [])
        receipts = []
        for one in self.shards:
            number = one.shard.number
            due = one.timer is not None and one.timer <= self.now
            if not one.is_leased and (one.messages > one.receipts or due):
                found.shards.append(number)
            elif not one.is_leased and one.messages:
                receipts.append(number)
        for part in self.partitions:
            due = part.first is not None and part.first <= self.now
            if not part.is_leased and (due or part.begun):
                found.partitions.append(part.number)
        return found._replace(receipts=tuple(receipts))

    @property
    def messages(self) -> int:
        """The number of messages in all inboxes."""
        return sum(one.messages for one in self.shards)

    def oldest_message(self) -> int | None:
        """The time (ms) at which the oldest of them was appended, by the store's clock."""
        return min((one.oldest for one in self.shards if one.oldest is not None), default=None)

    def next_due(self) -> datetime | None:
        """The time of the next timer or page; None if there is none."""
        times = [*(one.timer for one in self.shards), *(part.first for part in self.partitions)]
        first = min((at for at in times if at is not None), default=None)
        return datetime.fromtimestamp(first / 1000, UTC) if first is not None else None


def read(redis: Redis, keys: Keys, now: datetime, *, exports: bool = False) -> Backlog:
    """Read the backlog of every shard and partition, and with `exports` that of the EHR export, in one round trip."""
    shards, partitions, exporting = keys.advanced(), keys.partitions(), keys.all() if exports else []
    pipe = redis.pipeline(transaction=False)
    pipe.time()
    for partition in partitions:
        pipe.get(partition.lease)
        pipe.zrange(partition.agenda, 0, 0, withscores=True)
        pipe.hlen(partition.begun)
    for shard in shards:
        _ask(pipe, shard)
    for shard in exporting:
        _ask_exports(pipe, shard)
    (seconds, micro), *replies = pipe.execute()
    parts = _rows(replies[: 3 * len(partitions)], len(partitions))
    of_shards = replies[3 * len(partitions) : len(replies) - 4 * len(exporting)]
    found = tuple(_read(shard, *row) for shard, row in zip(shards, _rows(of_shards, len(shards)), strict=True))
    waits = _exports(exporting, _rows(replies[len(replies) - 4 * len(exporting) :], len(exporting)))
    channels = tuple(
        PartitionBacklog(partition.number, bool(lease), int(agenda[0][1]) if agenda else None, begun)
        for partition, (lease, agenda, begun) in zip(partitions, parts, strict=True)
    )
    return Backlog(milliseconds(now), seconds * 1000 + micro // 1000, found, channels, waits if exports else None)


def _ask(pipe: Pipeline, shard: Shard) -> None:
    pipe.get(shard.lease)  # unlike EXISTS it says that the key is of another type
    pipe.xlen(shard.inbox)
    pipe.xrange(shard.inbox, count=1)
    pipe.get(shard.receipts)
    pipe.zrange(shard.key("timers"), 0, 0, withscores=True)
    pipe.mget(shard.key("cursor"), shard.crashes)


def _read(
    shard: Shard,
    lease: bytes | None,
    messages: int,
    head: Entries,
    receipts: bytes | None,
    timers: Scores,
    place: list[bytes | None],
) -> ShardBacklog:
    return ShardBacklog(
        shard=shard,
        is_leased=bool(lease),
        messages=messages,
        oldest=appended_at(head),
        # An invalid count counts as none: the shard is woken, and the command that fails moves the key away.
        receipts=int(receipts) if receipts is not None and receipts.isdigit() else 0,
        timer=int(timers[0][1]) if timers else None,
        cursor=place[0],
        crashes=place[1],
    )


def _ask_exports(pipe: Pipeline, shard: Shard) -> None:
    pipe.xlen(shard.exports)
    pipe.xrange(shard.exports, count=1)
    pipe.exists(shard.export_lease)
    pipe.xlen(shard.key("refused"))


def _exports(shards: list[Shard], rows: list[list[Any]]) -> ExportBacklog:
    committed = [int(fields[b"at"]) for _, head, _, _ in rows for _, fields in head]
    free = [shard.number for shard, (batches, _, lease, _) in zip(shards, rows, strict=True) if batches and not lease]
    return ExportBacklog(
        sum(row[0] for row in rows), min(committed, default=None), sum(row[3] for row in rows), tuple(free)
    )


def _rows(replies: list[Any], count: int) -> list[list[Any]]:
    """The replies of each of `count` shards, each with the same commands."""
    size = len(replies) // count if count else 0
    return [replies[start * size : (start + 1) * size] for start in range(count)]


def appended_at(entries: Entries) -> int | None:
    """The time (ms) at which the first of a stream's entries was appended, by the store's clock."""
    return int(entries[0][0].split(b"-")[0]) if entries else None


def per_shard(redis: Redis, shards: Iterable[Shard], ask: Callable[[Pipeline, Shard], object]) -> list[list[Any]]:
    """The replies of each shard to the commands that `ask` queues for it, in one round trip."""
    pipe = redis.pipeline(transaction=False)
    counts = []
    for shard in shards:
        before = len(pipe)
        ask(pipe, shard)
        counts.append(len(pipe) - before)
    replies = iter(pipe.execute())
    return [[next(replies) for _ in range(count)] for count in counts]
