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

PAGES_READ = 200
"""Pages read per shard and priority, those due longest first. The others follow once these are sent."""

Entries = list[tuple[bytes, dict[bytes, bytes]]]
Scores = list[tuple[bytes, float]]
"""Replies of the store: entries of a stream, and members of a sorted set with their scores."""

Pages = tuple[tuple[str, int], ...]
"""Page ids, and since when (ms) each is due."""


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
    pages: Pages
    urgent: Pages
    cursor: bytes | None
    crashes: bytes | None


class ExportBacklog(NamedTuple):
    """The backlog of exports: batches, the time of the oldest (ms), refused resources, shards free to export."""

    batches: int
    oldest: int | None
    refused: int
    shards: tuple[int, ...]


class Pending(NamedTuple):
    """Work for the workers: shards to advance, and due pages as (shard, page id), the critical ones apart.

    In the shards of `receipts` nothing waits but receipts of sent pages.
    """

    shards: list[int]
    pages: list[tuple[int, str]]
    urgent: list[tuple[int, str]]
    receipts: tuple[int, ...] = ()


class Backlog(NamedTuple):
    """The waiting work at a time (ms). `store_ms` is the store's own clock, which dates the entries of streams."""

    now: int
    store_ms: int
    shards: tuple[ShardBacklog, ...]
    exports: ExportBacklog | None

    def pending(self) -> Pending:
        """The work that is due now."""
        found = Pending([], [], [])
        receipts = []
        for one in self.shards:
            number = one.shard.number
            due = one.timer is not None and one.timer <= self.now
            if not one.is_leased and (one.messages > one.receipts or due):
                found.shards.append(number)
            elif not one.is_leased and one.messages:
                receipts.append(number)
            found.pages.extend((number, page) for page, at in one.pages if at <= self.now)
            found.urgent.extend((number, page) for page, at in one.urgent if at <= self.now)
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
        times = [at for one in self.shards for at in (one.timer, *(at for _, at in (*one.pages[:1], *one.urgent[:1])))]
        first = min((at for at in times if at is not None), default=None)
        return datetime.fromtimestamp(first / 1000, UTC) if first is not None else None


def read(redis: Redis, keys: Keys, now: datetime, *, exports: bool = False) -> Backlog:
    """Read the backlog of every shard, and with `exports` that of the EHR export, in one round trip."""
    shards, exporting = keys.advanced(), keys.all() if exports else []
    pipe = redis.pipeline(transaction=False)
    pipe.time()
    for shard in shards:
        _ask(pipe, shard)
    for shard in exporting:
        _ask_exports(pipe, shard)
    (seconds, micro), *replies = pipe.execute()
    rows = _rows(replies[: len(replies) - 4 * len(exporting)], len(shards))
    found = tuple(_read(shard, *row) for shard, row in zip(shards, rows, strict=True))
    waits = _exports(exporting, _rows(replies[len(replies) - 4 * len(exporting) :], len(exporting)))
    return Backlog(milliseconds(now), seconds * 1000 + micro // 1000, found, waits if exports else None)


def _ask(pipe: Pipeline, shard: Shard) -> None:
    pipe.get(shard.lease)  # unlike EXISTS it says that the key is of another type
    pipe.xlen(shard.inbox)
    pipe.xrange(shard.inbox, count=1)
    pipe.get(shard.receipts)
    for name in ("timers", "due", "urgent"):
        pipe.zrange(shard.key(name), 0, 0 if name == "timers" else PAGES_READ - 1, withscores=True)
    pipe.mget(shard.key("cursor"), shard.crashes)


def _read(
    shard: Shard,
    lease: bytes | None,
    messages: int,
    head: Entries,
    receipts: bytes | None,
    timers: Scores,
    due: Scores,
    urgent: Scores,
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
        pages=_pages(due),
        urgent=_pages(urgent),
        cursor=place[0],
        crashes=place[1],
    )


def _pages(due: Scores) -> Pages:
    return tuple((page.decode(), int(at)) for page, at in due)


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
