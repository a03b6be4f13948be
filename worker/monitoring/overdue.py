"""Stuck work: what has waited too long, shard by shard."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from worker.clock import milliseconds
from worker.store.keys import Shard
from worker.store.shard import Store

Entries = list[tuple[bytes, dict[bytes, bytes]]]

OVERDUE = timedelta(seconds=10)
"""Work that has waited longer than this is overdue: something does not run."""

SPARE_LEASES = 2
"""A lease with more than so many of its lengths left was not taken by our worker, and would never be released."""


class Overdue(NamedTuple):
    """How much of each kind has waited too long, by the number of its shard."""

    messages: dict[int, int]
    ladders: dict[int, int]
    pages: dict[int, int]
    leases: dict[int, int]

    @property
    def total(self) -> int:
        """How many in all."""
        return sum(sum(waits.values()) for waits in self)

    def kinds(self) -> dict[str, int]:
        """How many of each kind."""
        return {kind: sum(waits.values()) for kind, waits in self._asdict().items()}


def find(store: Store, now: datetime) -> Overdue:
    """Everything overdue. One round trip, and a second if a backlog waits (`worker/store/fair_shares.py`).

    A shard's inbox counts once, however much waits in it. Stream entries are compared with the store's clock.
    A backlog that is being worked off is not overdue.
    """
    pipe = store.redis.pipeline(transaction=False)
    pipe.time()
    shards = store.keys.advanced()
    limit = milliseconds(now - OVERDUE)
    for shard in shards:
        pipe.xrange(shard.inbox, count=1)
        pipe.zcount(shard.key("timers"), "-inf", limit)
        pipe.zcount(shard.key("due"), "-inf", limit)
        pipe.zcount(shard.key("urgent"), "-inf", limit)
        pipe.pttl(shard.lease)
        pipe.mget(shard.key("cursor"), shard.crashes)
    (seconds, micro), *answers = pipe.execute()
    long_ago = seconds * 1000 + micro // 1000 - OVERDUE // timedelta(milliseconds=1)
    longest_lease = store.lease_ms * SPARE_LEASES
    found = Overdue({}, {}, {}, {})
    rows = [answers[start : start + 6] for start in range(0, len(answers), 6)]
    inboxes = _besides_backlogs(store, shards, [(row[0], *row[5]) for row in rows])
    for shard, inbox, (_, timers, due, urgent, lease, _) in zip(shards, inboxes, rows, strict=True):
        # -2: there is no lease; -1: one that never ends.
        stuck = lease == -1 or lease > longest_lease
        counts = (_is_older(inbox, long_ago), timers, due + urgent, stuck)
        for kind, count in zip(found, counts, strict=True):
            if count:
                kind[shard.number] = int(count)
    return found


def _besides_backlogs(
    store: Store, shards: Sequence[Shard], heads: Sequence[tuple[Entries, bytes | None, bytes | None]]
) -> list[Entries]:
    """The oldest entry of each inbox; where batches are committed and a backlog waits, the oldest of the others.

    `heads` are the oldest entry, the cursor and how often the shard was taken in vain. A batch that is worked on now
    counts as once.
    """
    oldest = [head for head, _, _ in heads]
    asked = [
        (place, cursor)
        for place, (_, cursor, crashes) in enumerate(heads)
        if cursor is not None and (crashes or b"0") in (b"0", b"1")
    ]
    if asked:
        pipe = store.redis.pipeline(transaction=False)
        for place, cursor in asked:
            pipe.xrange(shards[place].inbox, min=cursor, count=1)
        for (place, _), entries in zip(asked, pipe.execute(), strict=True):
            oldest[place] = entries
    return oldest


def _is_older(entries: Iterable[tuple[bytes, Any]], limit: int) -> bool:
    return any(int(entry.split(b"-")[0]) < limit for entry, _ in entries)
