"""Delivery without phones: a provider that answers as a test says, and a process that delivers until nothing is due."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from redis import Redis

from alerts.message_json import read_message
from alerts.messages import Receipt
from alerts.pages.page import Page
from config.settings import Settings
from config.site import Channel, Site
from tests.support.stored_ward import KEYS, SITE, Clock
from worker.delivery import sending
from worker.delivery.channel import MessageContext
from worker.delivery.deliver import Deliverer
from worker.delivery.outcome import Attempt, Outcome
from worker.runtime.reload import SiteConfig
from worker.runtime.runtime import Runtime
from worker.store.delivery_trip import Trip, make_trips
from worker.store.keys import Shard
from worker.store.lease import Lease
from worker.store.shard import Store


class FakeProvider:
    """Takes what it is given, in its order, and answers as the test says; `meanwhile` happens before it answers."""

    def __init__(self) -> None:
        self.given: list[list[str]] = []
        self.urls: list[str] = []
        self.answers: dict[str, Attempt] = {}
        self.meanwhile: dict[str, Callable[[], object]] = {}

    def send(self, channel: Channel, pages: Sequence[Page], _: MessageContext) -> Attempt:
        """Stands for `worker.delivery.channel.send`."""
        self.given.append([page.id for page in pages])
        self.urls.append(channel.url)
        first = pages[0].id
        self.meanwhile.pop(first, lambda: None)()
        return self.answers.get(first, Attempt(Outcome.SENT))

    @property
    def ids(self) -> list[str]:
        """All pages, in the order in which they came."""
        return [id for message in self.given for id in message]


def fake_provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """A provider for all channels."""
    provider = FakeProvider()
    monkeypatch.setattr(sending, "send", provider.send)
    return provider


class Sender(Deliverer):
    """A delivery process whose thread is the test's: `deliver` returns when nothing is due or under way."""

    def __init__(
        self, store: Store, site: Site = SITE, clock: Clock | None = None, newest: Callable[[], Site] | None = None
    ) -> None:
        self.woken: list[int] = []
        self.pages_sent: list[str] = []
        self.all_woken = threading.Event()
        self.clock = clock or Clock()
        run: Any = _Run(Settings(receiver_url="json://127.0.0.1:9"), site, store, self.clock)
        run.newest = newest
        super().__init__(run, self._note, lambda page, _: self.pages_sent.append(page.id))

    def _note(self, woken: Any) -> None:
        self.woken.extend(one.number for one in woken if isinstance(one, Shard))
        self.all_woken.set()

    def deliver(self) -> None:
        """Wake every partition."""
        for partition in KEYS.partitions():
            self.wake(partition.number)
        self.until_idle()
        self._senders.close()


class _Run(Runtime):
    newest: Callable[[], Site] | None = None

    def newest_site_of(self, shard: Any) -> Site:
        if self.newest is not None:
            self.configuration = SiteConfig.always(self.newest())
        return self.site_of(shard)


def receipts(store: Store) -> list[Receipt]:
    """The receipts that wait in the inboxes."""
    raws = [fields[b"m"] for shard in KEYS.advanced() for _, fields in store.stream(shard.inbox)]
    return [found for found in map(read_message, raws) if isinstance(found, Receipt)]


def owed_ids(redis: Redis) -> set[str]:
    """The pages that are still owed."""
    return {name.decode() for shard in KEYS.all() for name in redis.hkeys(shard.key("outbox"))}


def begun(redis: Redis) -> dict[str, bytes]:
    """The pages that stand as begun: how often, and in which queue."""
    found = [redis.hgetall(partition.begun) for partition in KEYS.partitions()]
    return {place.decode().partition(" ")[2]: value for each in found for place, value in each.items()}


def die_while_sending(store: Store, clock: Clock) -> Lease:
    """What a process leaves behind that is killed while it sends all that is due on phone-1."""
    partition = KEYS.partition_of("phone-1")
    trip = Trip(KEYS, partition)
    trip.room = 8
    lease = Lease.of(partition.lease)
    make_trips(store.redis, KEYS, clock, [(trip, lease.token)], SITE.on_call.delivery.lease, {})
    return lease
