"""Whose turn it is on a channel: one sender at a time, so that a channel that hangs holds one worker and no more.

Without this a provider that does not answer would soon have every delivery process waiting for it. Critical pages are
a lane of their own: they never wait for a lesser page on the same channel. Of channels that fail, and of sends that
take long, a lane tries only a few at once: the other processes stay free for those that answer.
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

Lane = Literal["urgent", "ordinary"]

DELIVERS: Mapping[Lane, str] = {"urgent": "deliver_urgent", "ordinary": "deliver"}
"""The task that delivers the pages of a lane."""

REMEMBERED = timedelta(minutes=2)
"""A channel ails for this long after its last failure: longer than any page waits to be tried again."""

SLOW_AFTER = timedelta(seconds=1)
"""A send that takes longer counts like one on a channel that ails."""

MAX_FAILING_AT_ONCE = 2
"""A lane tries at most so many channels that ail at a time: fewer than it has processes."""

FORGOTTEN = timedelta(hours=1)
"""What waits is found by its due time anyway; this only clears away what was cancelled meanwhile."""


class Turn(NamedTuple):
    """The right to send on a channel, until it is given back or runs out."""

    channel: str
    lane: Lane
    token: str

    @property
    def text(self) -> str:
        """As it stands among what its lane sends; `held` is the inverse."""
        return f"{self.token} {self.channel}"

    def lease(self, keys: Keys) -> Lease:
        """The lease that the lock is."""
        return Lease(keys.trying(self.channel, self.lane), self.token.encode())


def held(text: bytes, lane: Lane) -> Turn:
    """A turn among what a lane sends."""
    token, _, channel = text.decode().partition(" ")
    return Turn(channel, lane, token)


class ChannelState(NamedTuple):
    """What a channel says to who asks for its turn: whether nobody had it, whether it may be used, whether the channel
    ails, and how many pages wait for it."""

    free: bool
    ours: bool
    ails: bool
    waiting: int


class Place(NamedTuple):
    """Where a page stands: the number of its shard, and its id."""

    shard: int
    page: str

    @property
    def text(self) -> str:
        """As it stands in a key."""
        return f"{self.shard} {self.page}"


def place(text: bytes) -> Place:
    """The inverse of `Place.text`."""
    shard, _, page = text.decode().partition(" ")
    return Place(int(shard), page)


def lane(urgency: Urgency) -> Lane:
    """The lane of a page."""
    return "urgent" if urgency == "critical" else "ordinary"


def turn(channel: str, lane: Lane) -> Turn:
    """The turn to ask for."""
    return Turn(channel, lane, owner_token())


def ask(pipe: Pipeline, keys: Keys, turn: Turn, now: datetime, held: timedelta) -> None:
    """Ask for the turn on a channel, to be kept for `held`; `answered` reads the answers."""
    turn.lease(keys).queue_take(pipe, held)
    pipe.exists(keys.ailing(turn.channel))
    pipe.zremrangebyscore(keys.sending(turn.lane), "-inf", milliseconds(now - held))
    pipe.zcount(keys.sending(turn.lane), "-inf", milliseconds(now - SLOW_AFTER))
    pipe.zadd(keys.sending(turn.lane), {turn.text: milliseconds(now)})
    pipe.zcard(keys.waiting(turn.channel, turn.lane))


def answered(answers: Iterator[Any]) -> ChannelState:
    """Read the answers to `ask`. Where another has the turn it is not given back, only no longer asked for."""
    taken, ails, _, slow, _, waiting = (next(answers) for _ in range(6))
    return ChannelState(
        bool(taken), bool(taken) and not (ails and slow >= MAX_FAILING_AT_ONCE), bool(ails), int(waiting)
    )


def keep(pipe: Pipeline, keys: Keys, turn: Turn, now: datetime, held: timedelta) -> None:
    """Go on: the next send on the channel begins, and the turn lasts on from now."""
    pipe.pexpire(keys.trying(turn.channel, turn.lane), held)
    pipe.zadd(keys.sending(turn.lane), {turn.text: milliseconds(now)})
    pipe.zcard(keys.waiting(turn.channel, turn.lane))


def kept(answers: Iterator[Any]) -> int:
    """Read the answers to `keep`: how many pages wait for the channel."""
    *_, waiting = (next(answers) for _ in range(3))
    return int(waiting)


def count_as_slow(redis: Redis, keys: Keys, turn: Turn, now: datetime) -> None:
    """A send on a channel that ails counts from its beginning like one that takes long."""
    redis.zadd(keys.sending(turn.lane), {turn.text: milliseconds(now - SLOW_AFTER)})


def end(pipe: Pipeline, keys: Keys, turn: Turn, *, ours: bool) -> None:
    """Send no more; where the turn is (still) ours, another may have it. The last answer is how many pages wait for
    the channel: who queued up before this found it busy."""
    pipe.zrem(keys.sending(turn.lane), turn.text)
    if ours:
        pipe.delete(keys.trying(turn.channel, turn.lane))
    pipe.zcard(keys.waiting(turn.channel, turn.lane))


def is_taken(pipe: Pipeline, keys: Keys, turn: Turn) -> None:
    """Ask whether somebody has the turn."""
    pipe.exists(keys.trying(turn.channel, turn.lane))


def note(redis: Redis, keys: Keys, channel: str, outcome: Outcome) -> None:
    """Note how a send went. A refusal for good is an answer, and comes at once."""
    if outcome in (Outcome.TEMPORARY, Outcome.UNKNOWN):
        redis.set(keys.ailing(channel), 1, px=REMEMBERED)
    else:
        redis.delete(keys.ailing(channel))


def queue_up(pipe: Pipeline, keys: Keys, turn: Turn, waits: Iterable[tuple[Place, Page]]) -> None:
    """Note pages that find their channel busy: whoever has the turn sends them after its own, the oldest first."""
    pipe.zadd(keys.waiting(turn.channel, turn.lane), {place.text: milliseconds(page.at) for place, page in waits})
    pipe.pexpire(keys.waiting(turn.channel, turn.lane), FORGOTTEN)


def due(redis: Redis, keys: Keys, kind: Lane, waits: Place, at: datetime) -> None:
    """When the tick looks at a page; one that is no longer owed stays so (XX)."""
    shard = keys.shard(waits.shard)
    redis.zadd(shard.due("critical" if kind == "urgent" else "low"), {waits.page: milliseconds(at)}, xx=True)


def next_waiting(redis: Redis, keys: Keys, turn: Turn, count: int = 1) -> list[Place]:
    """The oldest pages that wait for a channel; they no longer stand in the queue."""
    found = cast("list[tuple[bytes, float]]", redis.zpopmin(keys.waiting(turn.channel, turn.lane), count))
    return [place(text) for text, _ in found]


def spread(
    redis: Redis, keys: Keys, owed: Iterable[tuple[Place, Page]], now: datetime, look_again: timedelta
) -> list[tuple[Lane, Place]]:
    """The pages to wake a process for: one for each channel. The others wait behind it, or behind who sends there now.

    One round trip where each page has a channel of its own that nobody sends on. All of them are owed: should whoever
    has the turn die, the tick finds the others after `look_again`.
    """
    groups: dict[Turn, list[tuple[Place, Page]]] = defaultdict(list)
    for place, page in owed:
        groups[Turn(page.channel, lane(page.urgency), "")].append((place, page))
    if not groups:
        return []
    busy = _busy(redis, keys, groups)
    pipe = redis.pipeline(transaction=True)
    for turn, pages in groups.items():
        if behind := pages if turn in busy else pages[1:]:
            queue_up(pipe, keys, turn, behind)
        for place, _ in behind:
            due(pipe, keys, turn.lane, place, now + look_again)
    if len(pipe):
        pipe.execute()
        # Whoever had a turn may have ended it before these stood in its queue.
        busy &= _busy(redis, keys, groups)
    return [(turn.lane, pages[0][0]) for turn, pages in groups.items() if turn not in busy]


def _busy(redis: Redis, keys: Keys, turns: Collection[Turn]) -> set[Turn]:
    """The turns that somebody has now."""
    pipe = redis.pipeline(transaction=False)
    for turn in turns:
        is_taken(pipe, keys, turn)
    return {turn for turn, taken in zip(turns, pipe.execute(), strict=True) if taken}
