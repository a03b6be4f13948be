"""The lock of a channel: one sender at a time, so that a provider that hangs occupies one worker (a bulkhead).

Each channel has one lock for critical pages and one for the others: a critical page never waits for a lesser one. A
circuit breaker limits how many failing channels, and how many slow sends, one priority tries at once: the other
processes stay free for channels that answer.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, cast

from redis import Redis
from redis.client import Pipeline

from alerts.pages.page import Page
from config.site import Urgency
from worker.clock import milliseconds
from worker.delivery.outcome import Outcome
from worker.store.keys import Keys
from worker.store.lease import Lease, owner_token

Priority = Literal["urgent", "ordinary"]

TASKS: Mapping[Priority, str] = {"urgent": "deliver_urgent", "ordinary": "deliver"}
"""The task that delivers the pages of a priority."""

FAILING_FOR = timedelta(minutes=2)
"""A channel counts as failing for this long after its last failure: longer than any page waits for its next attempt."""

SLOW_AFTER = timedelta(seconds=1)
"""A send that takes longer counts like one on a failing channel."""

MAX_FAILING_AT_ONCE = 2
"""The failing channels that one priority tries at once: fewer than it has processes."""

QUEUE_EXPIRY = timedelta(hours=1)
"""The ticker finds waiting pages by their due time anyway; this clears the queue of pages cancelled meanwhile."""


class ChannelLock(NamedTuple):
    """The right to send on a channel, until it is released or expires."""

    channel: str
    priority: Priority
    token: str

    @property
    def text(self) -> str:
        """The lock as a member of the in-flight set; `parse_lock` is the inverse."""
        return f"{self.token} {self.channel}"

    def lease(self, keys: Keys) -> Lease:
        """The lease behind the lock."""
        return Lease(keys.channel_lock(self.channel, self.priority), self.token.encode())


def parse_lock(text: bytes, priority: Priority) -> ChannelLock:
    """A lock from a member of the in-flight set."""
    token, _, channel = text.decode().partition(" ")
    return ChannelLock(channel, priority, token)


class ChannelState(NamedTuple):
    """A channel at an attempt to lock it: was it free, is it ours now, is it failing, how many pages wait for it."""

    free: bool
    ours: bool
    failing: bool
    waiting: int


class Place(NamedTuple):
    """Where a page stands: the number of its shard, and its id."""

    shard: int
    page: str

    @property
    def text(self) -> str:
        """The place as a member of a Redis set; `parse_place` is the inverse."""
        return f"{self.shard} {self.page}"


def parse_place(text: bytes) -> Place:
    """A place from a member of a Redis set."""
    shard, _, page = text.decode().partition(" ")
    return Place(int(shard), page)


def priority_of(urgency: Urgency) -> Priority:
    """The priority of a page."""
    return "urgent" if urgency == "critical" else "ordinary"


def new_lock(channel: str, priority: Priority) -> ChannelLock:
    """A lock to try, with a token of this process."""
    return ChannelLock(channel, priority, owner_token())


def try_lock(pipe: Pipeline, keys: Keys, lock: ChannelLock, now: datetime, period: timedelta) -> None:
    """Try to lock a channel for a period; `read_state` reads the replies."""
    lock.lease(keys).queue_acquire(pipe, period)
    pipe.exists(keys.failing(lock.channel))
    pipe.zremrangebyscore(keys.in_flight(lock.priority), "-inf", milliseconds(now - period))
    pipe.zcount(keys.in_flight(lock.priority), "-inf", milliseconds(now - SLOW_AFTER))
    pipe.zadd(keys.in_flight(lock.priority), {lock.text: milliseconds(now)})
    pipe.zcard(keys.waiting(lock.channel, lock.priority))


def read_state(replies: Iterator[Any]) -> ChannelState:
    """Read the replies to `try_lock`.

    If another worker holds the channel, the caller withdraws its request and does not release that worker's lock.
    """
    free, failing, _, slow, _, waiting = (next(replies) for _ in range(6))
    ours = bool(free) and not (failing and slow >= MAX_FAILING_AT_ONCE)
    return ChannelState(bool(free), ours, bool(failing), int(waiting))


def extend(pipe: Pipeline, keys: Keys, lock: ChannelLock, now: datetime, period: timedelta) -> None:
    """Extend the lock for the next send on the channel; `read_waiting` reads the replies."""
    pipe.pexpire(keys.channel_lock(lock.channel, lock.priority), period)
    pipe.zadd(keys.in_flight(lock.priority), {lock.text: milliseconds(now)})
    pipe.zcard(keys.waiting(lock.channel, lock.priority))


def read_waiting(replies: Iterator[Any]) -> int:
    """Read the replies to `extend`: how many pages wait for the channel."""
    *_, waiting = (next(replies) for _ in range(3))
    return int(waiting)


def count_as_slow(redis: Redis, keys: Keys, lock: ChannelLock, now: datetime) -> None:
    """Count a send on a failing channel as slow from its beginning."""
    redis.zadd(keys.in_flight(lock.priority), {lock.text: milliseconds(now - SLOW_AFTER)})


def release(pipe: Pipeline, keys: Keys, lock: ChannelLock, *, ours: bool) -> None:
    """Release the channel if we still hold it.

    The last reply is the queue length: pages queued before this call saw the channel as busy.
    """
    pipe.zrem(keys.in_flight(lock.priority), lock.text)
    if ours:
        pipe.delete(keys.channel_lock(lock.channel, lock.priority))
    pipe.zcard(keys.waiting(lock.channel, lock.priority))


def check_locked(pipe: Pipeline, keys: Keys, lock: ChannelLock) -> None:
    """Ask whether any worker holds the channel."""
    pipe.exists(keys.channel_lock(lock.channel, lock.priority))


def record_outcome(redis: Redis, keys: Keys, channel: str, outcome: Outcome) -> None:
    """Open or close the circuit breaker of a channel. A permanent refusal is an answer, and comes at once."""
    if outcome in (Outcome.TEMPORARY, Outcome.UNKNOWN):
        redis.set(keys.failing(channel), 1, px=FAILING_FOR)
    else:
        redis.delete(keys.failing(channel))


def enqueue(pipe: Pipeline, keys: Keys, lock: ChannelLock, pages: Iterable[tuple[Place, Page]]) -> None:
    """Queue pages that found their channel busy: the holder of the lock sends them after its own, oldest first."""
    pipe.zadd(keys.waiting(lock.channel, lock.priority), {place.text: milliseconds(page.at) for place, page in pages})
    pipe.pexpire(keys.waiting(lock.channel, lock.priority), QUEUE_EXPIRY)


def set_due(redis: Redis, keys: Keys, priority: Priority, place: Place, at: datetime) -> None:
    """Set when the ticker looks at a page; a page that is no longer owed stays so (XX)."""
    shard = keys.shard(place.shard)
    redis.zadd(shard.due("critical" if priority == "urgent" else "low"), {place.page: milliseconds(at)}, xx=True)


def pop_waiting(redis: Redis, keys: Keys, lock: ChannelLock, count: int = 1) -> list[Place]:
    """Take the oldest pages that wait for a channel out of its queue."""
    found = cast("list[tuple[bytes, float]]", redis.zpopmin(keys.waiting(lock.channel, lock.priority), count))
    return [parse_place(text) for text, _ in found]


def one_per_channel(
    redis: Redis, keys: Keys, owed: Iterable[tuple[Place, Page]], now: datetime, look_again: timedelta
) -> list[tuple[Priority, Place]]:
    """Choose the pages to wake a process for: one for each channel. The others wait behind it, or behind its holder.

    This costs one round trip if each page has a free channel of its own. All pages stay owed: if the holder of a lock
    dies, the ticker finds the pages behind it after `look_again`.
    """
    groups: dict[ChannelLock, list[tuple[Place, Page]]] = defaultdict(list)
    for place, page in owed:
        groups[ChannelLock(page.channel, priority_of(page.urgency), "")].append((place, page))
    if not groups:
        return []
    locked = _locked(redis, keys, groups)
    pipe = redis.pipeline(transaction=True)
    for lock, pages in groups.items():
        if behind := pages if lock in locked else pages[1:]:
            enqueue(pipe, keys, lock, behind)
        for place, _ in behind:
            set_due(pipe, keys, lock.priority, place, now + look_again)
    if len(pipe):
        pipe.execute()
        # A holder may have released its lock before these pages were queued.
        locked &= _locked(redis, keys, groups)
    return [(lock.priority, pages[0][0]) for lock, pages in groups.items() if lock not in locked]


def _locked(redis: Redis, keys: Keys, locks: Collection[ChannelLock]) -> set[ChannelLock]:
    """The channels that some worker holds now."""
    pipe = redis.pipeline(transaction=False)
    for lock in locks:
        check_locked(pipe, keys, lock)
    return {lock for lock, locked in zip(locks, pipe.execute(), strict=True) if locked}
