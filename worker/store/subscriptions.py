"""FHIR Subscriptions by which sources notify us: the counter of each, when it was last heard of, and what it missed.

Each subscription is one field of a hash. A notification is recorded in the transaction that stores its resources.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, cast

import msgspec
from redis import Redis
from redis.client import Pipeline

from alerts.messages import SITE_SUBJECT
from worker.clock import milliseconds
from worker.store.keys import Keys

KEPT = 1000
"""The most subscriptions of an installation."""

GAPS_KEPT = 100
"""The most gaps of a subscription. Beyond, the oldest are joined."""

_BETWEEN = "\x1f"


class Gap(msgspec.Struct, array_like=True, frozen=True):
    """Events that were not received, from the first to the last, and since when (ms) that is known."""

    first: int
    last: int
    since: int

    @property
    def events(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


class SubscriptionState(msgspec.Struct, array_like=True, frozen=True):
    """What is known of a subscription: its last event, when it was last heard of (ms), its status, and its gaps."""

    last: int = 0
    seen: int = 0
    status: str = ""
    gaps: tuple[Gap, ...] = ()


class SubscriptionName(NamedTuple):
    """A subscription, by its source and its own address."""

    source: str
    subscription: str


def heard(
    state: SubscriptionState | None, status: str, count: int | None, events: Iterable[int], now: int, *, begins: bool
) -> SubscriptionState:
    """The state after a notification at a time (ms).

    `count`: the events since the subscription began, by its server; `events`: those that came with their resources.
    `begins`: it is a handshake, after which the counter runs anew. The first notification only sets the counter.
    """
    came = sorted(set(events))
    if state is None or begins:
        return SubscriptionState(max([count or 0, *came]), now, status)
    last, gaps = state.last, list(state.gaps)
    for event in came:
        gaps = [part for gap in gaps for part in _without(gap, event)]
        if event > last + 1:
            gaps.append(Gap(last + 1, event - 1, now))
        last = max(last, event)
    if count is not None and count > last:
        gaps.append(Gap(last + 1, count, now))
        last = count
    while len(gaps) > GAPS_KEPT:
        first, second, *gaps = gaps
        gaps.insert(0, Gap(first.first, second.last, first.since))
    return SubscriptionState(last, now, status, tuple(gaps))


def _without(gap: Gap, event: int) -> list[Gap]:
    if not gap.first <= event <= gap.last:
        return [gap]
    parts = (Gap(gap.first, event - 1, gap.since), Gap(event + 1, gap.last, gap.since))
    return [part for part in parts if part.first <= part.last]


class Subscriptions:
    """The subscriptions of an installation."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._key = keys.subscriptions
        self._last_seen = keys.of(SITE_SUBJECT).key("last_seen")

    def all(self) -> dict[SubscriptionName, SubscriptionState]:
        """Every subscription, by source and name."""
        found = cast("dict[bytes, bytes]", self._redis.hgetall(self._key))
        named = {_name(field): _decoded(raw) for field, raw in found.items()}
        return dict(sorted((name, state) for name, state in named.items() if state is not None))

    def forget(self, name: SubscriptionName) -> bool:
        """Forget a subscription; return whether it was known."""
        return bool(self._redis.hdel(self._key, _BETWEEN.join(name)))

    def begin(
        self,
        pipe: Pipeline,
        name: SubscriptionName,
        status: str,
        count: int | None,
        events: Iterable[int],
        now: datetime,
        *,
        begins: bool,
    ) -> None:
        """Begin a transaction that records a notification, and takes place only if no other was recorded meanwhile."""
        field = _BETWEEN.join(name)
        pipe.watch(self._key)  # type: ignore[no-untyped-call]
        before = _decoded(cast("bytes | None", pipe.hget(self._key, field)))
        is_full = before is None and pipe.hlen(self._key) >= KEPT
        pipe.multi()
        if not is_full:
            after = heard(before, status, count, events, milliseconds(now), begins=begins)
            pipe.hset(self._key, field, msgspec.json.encode(after))
        # A heartbeat holds no message, and is a sign of life of its source all the same.
        pipe.hset(self._last_seen, name.source, milliseconds(now))


def _name(field: bytes) -> SubscriptionName:
    source, _, subscription = field.decode(errors="replace").partition(_BETWEEN)
    return SubscriptionName(source, subscription)


def _decoded(raw: bytes | None) -> SubscriptionState | None:
    try:
        return msgspec.json.decode(raw, type=SubscriptionState) if raw else None
    except msgspec.MsgspecError:
        return None
