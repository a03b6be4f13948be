"""Stuck work: everything that has waited too long, shard by shard."""

from datetime import timedelta
from typing import NamedTuple

from redis.client import Pipeline

from worker.store.backlog import Backlog, ShardBacklog, appended_at, per_shard
from worker.store.keys import Shard
from worker.store.shard import Store

OVERDUE = timedelta(seconds=10)
"""Work that has waited longer than this is overdue: some part does not run."""

SPARE_LEASES = 2
"""A lease with more than this many of its lengths left was not acquired by our worker, and would never be released."""

OVERDUE_MS = OVERDUE // timedelta(milliseconds=1)


class Overdue(NamedTuple):
    """The amount of overdue work of each kind, by the number of its shard; of pages, by that of its partition."""

    messages: dict[int, int]
    ladders: dict[int, int]
    pages: dict[int, int]
    leases: dict[int, int]

    @property
    def total(self) -> int:
        return sum(sum(waits.values()) for waits in self)

    def kinds(self) -> dict[str, int]:
        """The amount of each kind."""
        return {kind: sum(waits.values()) for kind, waits in self._asdict().items()}


def find(store: Store, backlog: Backlog) -> Overdue:
    """All overdue work in a backlog. Another round trip reads leases, late timers and the cursors of inboxes.

    A shard's inbox counts once, however many messages wait in it. A partition of channels counts once, if no worker
    looks at a queue that is due. Stream entries are compared with the store's clock. A backlog that batches are working
    off is not overdue
    (`store/fair_shares.py`).
    """
    limit, store_limit = backlog.now - OVERDUE_MS, backlog.store_ms - OVERDUE_MS
    known = {one.shard: one for one in backlog.shards}

    def ask(pipe: Pipeline, shard: Shard) -> None:
        one = known[shard]
        if one.is_leased:
            pipe.pttl(shard.lease)
        if _is_before(one.timer, limit):
            pipe.zcount(shard.key("timers"), "-inf", limit)
        if _is_worked_off(one):
            pipe.xrange(shard.inbox, min=one.cursor or "-", count=1)

    found = Overdue({}, {}, {}, {})
    for one, row in zip(backlog.shards, per_shard(store.redis, known, ask), strict=True):
        replies = iter(row)
        # -2: the lease has ended meanwhile; -1: it never ends.
        lease = next(replies) if one.is_leased else -2
        ladders = next(replies) if _is_before(one.timer, limit) else 0
        oldest = appended_at(next(replies)) if _is_worked_off(one) else one.oldest
        counts = (
            _is_before(oldest, store_limit),
            ladders,
            False,
            lease == -1 or lease > store.lease_ms * SPARE_LEASES,
        )
        for kind, count in zip(found, counts, strict=True):
            if count:
                kind[one.shard.number] = int(count)
    found.pages.update({one.number: 1 for one in backlog.partitions if _is_before(one.first, limit)})
    return found


def _is_before(at: int | None, limit: int) -> bool:
    return at is not None and at <= limit


def _is_worked_off(one: ShardBacklog) -> bool:
    """Whether batches are committed while a backlog waits before the cursor. A batch in progress is one crash."""
    return one.cursor is not None and (one.crashes or b"0") in (b"0", b"1")
