"""The only round trip of a sender, `make_trips`.

It records the outcomes of the last messages and begins the next pages, in one script for each partition of the
channels, so that all of them share one write to disk. A page is recorded as begun before it is handed out. Only the
owner of the partition's lease (its fencing token) may begin or fail a page. That a page was sent is recorded for
anybody.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from redis import Redis

from config.site import Limit
from worker.clock import Clock, StoreClock, milliseconds
from worker.store import schema
from worker.store.codec import Owed, pack
from worker.store.delivery_script import SCRIPT
from worker.store.keys import Keys, Partition, Place, parse_place

BUNDLE_LIMIT = 60
"""Pages in one message at most; the rest follows in the next."""


class InboxNews(NamedTuple):
    """A message for an inbox: the key of the stream, the message as JSON text, and when it was accepted (ISO 8601)."""

    inbox: str
    text: str
    received: str


class DuePage(NamedTuple):
    """A page that is to be sent now, as the outbox holds it. `crashed`: attempts that began before and never ended."""

    place: Place
    packed: bytes
    crashed: int


class DueQueue(NamedTuple):
    """The due pages of a queue, those due longest first, and the rate limit of its channel.

    `used`: messages that the channel was sent within the time of its limit. `opens`: when it takes the next, if it is
    full. If it is not, the first page has been begun.
    """

    name: str
    pages: list[DuePage]
    used: int
    opens: datetime | None

    @property
    def channel(self) -> str:
        """The channel of the queue."""
        return self.name.partition(":")[2]


class TripReply(NamedTuple):
    """The reply to a round trip: whether we own the partition or have `lost` it, whether `more` is due than was handed
    out, the places that may be sent of those to begin, and the queues that were handed out."""

    owned: bool
    lost: bool
    more: bool
    standing: frozenset[str]
    queues: list[DueQueue]


class Trip:
    """What a sender asks of a partition in its next round trip: outcomes to record, pages to begin, what is due.

    `busy` are the queues that are being sent. `room` limits how many queues are handed out. `anew`: the last reply was
    lost, or there was none, so pages that were begun and are not being sent are due.
    """

    def __init__(self, keys: Keys, partition: Partition) -> None:
        self._keys, self.partition = keys, partition
        self._packed: list[bytes] = []
        self._lists: dict[str, list[Any]] = {
            name: [] for name in ("sent", "failed", "given_back", "waits", "begin", "used")
        }
        self._counts: dict[str, int] = {}
        self.anew = self.leave = False
        self.busy: Sequence[str] = ()
        self.room = 0

    def __bool__(self) -> bool:
        return bool(self._counts) or any(self._lists.values())

    @property
    def records_sent(self) -> bool:
        """Whether it records that a page was sent."""
        return bool(self._lists["sent"])

    def sent(self, place: Place, queue: str, news: InboxNews) -> None:
        """Record that a page was sent: it is no longer owed."""
        shard = self._keys.shard(place.shard)
        self._lists["sent"].append((place.text, queue, news, shard.receipts))

    def failed(self, place: Place, queue: str, owed: Owed, due: datetime, news: InboxNews | None) -> None:
        """Record that a page is still owed, and when it is tried next; not if it was cancelled meanwhile."""
        self._lists["failed"].append((place.text, queue, milliseconds(due), self._add(owed), news or ()))

    def give_back(self, place: Place, queue: str) -> None:
        """Undo that a page was begun. Its queue stays due."""
        self._lists["given_back"].append((place.text, queue))

    def wait(self, queue: str, until: datetime) -> None:
        """Look at a queue again at a time, whatever is due in it before."""
        self._lists["waits"].append((queue, milliseconds(until)))

    def begin(self, place: Place, queue: str, *, begun: bool, owed: Owed | None = None, news: InboxNews | None) -> None:
        """Begin a page, unless it is `begun`, and ask whether it is still owed. Store a changed one with its news."""
        packed = self._add(owed) if owed is not None else False
        self._lists["begin"].append((place.text, queue, not begun, packed, news or ()))

    def use(self, channel: str, entry: str, now: datetime, limit: Limit) -> None:
        """Count a message that went to a channel, or may have, against its rate limit."""
        within = limit.within // timedelta(milliseconds=1)
        self._lists["used"].append((channel, entry, milliseconds(now), within))

    def count(self, counts: Mapping[str, int]) -> None:
        """Add to the measurements."""
        for field, number in counts.items():
            self._counts[field] = self._counts.get(field, 0) + number

    def _add(self, owed: Owed) -> int:
        self._packed.append(pack(owed))
        return _ARGUMENTS + len(self._packed)

    def arguments(self, limits: Mapping[str, tuple[int, int]]) -> list[Any]:
        """The arguments of the script after the time."""
        asked = {
            **self._lists,
            "counts": list(self._counts.items()),
            "busy": self.busy,
            "room": self.room,
            "anew": self.anew,
            "leave": self.leave,
            "limits": limits,
            "bundle": BUNDLE_LIMIT,
        }
        fixed = [f"{self._keys.namespace}:", schema.VERSION, json.dumps(asked)]
        return [*fixed, *self._packed]


_ARGUMENTS = 6
"""The arguments of the script before the packed pages."""


def make_trips(
    redis: Redis,
    keys: Keys,
    clock: Clock,
    trips: Sequence[tuple[Trip, bytes]],
    period: timedelta,
    limits: Mapping[str, tuple[int, int]],
) -> list[TripReply]:
    """One round trip for several partitions, each with the token of our lease.

    `limits` are the rate limits of the channels: messages, and within how long (ms).

    Raises:
        NewerStoreError: a newer version has written to the store.
    """
    asked = time.monotonic()
    now = "" if isinstance(clock, StoreClock) else str(milliseconds(clock.now()))
    pipe = redis.pipeline(transaction=False)
    for trip, token in trips:
        one = trip.partition
        names = (one.lease, one.wakeup_pending, one.agenda, one.begun, keys.measurements, keys.schema)
        arguments = trip.arguments(limits)
        pipe.eval(SCRIPT, len(names), *names, token, period // timedelta(milliseconds=1), now, *arguments)
    replies = pipe.execute()
    if isinstance(clock, StoreClock):
        seconds, micro = replies[0][0]
        clock.learn((int(seconds), int(micro)), asked)
    if any(reply[1] == b"version" for reply in replies):
        schema.record_version(redis, keys)
        return make_trips(redis, keys, clock, trips, period, limits)
    return [_reply(*reply[1:]) for reply in replies]


def _reply(state: bytes, standing: Iterable[bytes] = (), handed: Iterable[Any] = ()) -> TripReply:
    queues = [
        DueQueue(
            name.decode(),
            [DuePage(parse_place(place), packed, crashed) for place, packed, crashed, _ in pages],
            used,
            datetime.fromtimestamp(int(opens) / 1000, UTC) if opens else None,
        )
        for name, used, opens, pages in handed
    ]
    places = frozenset(place.decode() for place in standing)
    return TripReply(state in (b"ours", b"more"), state == b"lost", state == b"more", places, queues)
