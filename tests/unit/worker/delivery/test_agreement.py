"""A page made under a newer configuration than the sender's: looked at again, left to others, and never lost."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from redis import Redis

from alerts.message_json import read_message
from alerts.messages import SITE_SUBJECT, Fault, Receipt
from alerts.pages.page import Page
from alerts.wording.phrase import Phrase
from config.site import Channel, Site
from tests.support.pages import page
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, owed, send
from tests.support.wording import english
from worker.clock import milliseconds
from worker.delivery import channel_lock
from worker.delivery import deliver as module
from worker.delivery.agreement import RETRY_BEHIND_AFTER, WAITS_FOR_NEWER_CONFIG, owing
from worker.delivery.channel import MessageContext
from worker.delivery.channel_lock import Place
from worker.delivery.deliver import Delivered, deliver
from worker.delivery.outcome import Attempt, Outcome
from worker.monitoring.watchdog import enqueue_emergency_page
from worker.processing.advance import advance
from worker.store.codec import Owed, pack, unpack_owed
from worker.store.shard import Store

SHARD = KEYS.of("P1")


def site_with(written: int, **channels: Channel | None) -> Site:
    """The shipped site as it stood at a time, with other channels or without some."""
    named = {name.replace("_", "-"): channel for name, channel in channels.items()}
    known = {name: channel for name, channel in {**SITE.on_call.channels, **named}.items() if channel is not None}
    return SITE._replace(on_call=SITE.on_call.model_copy(update={"channels": known}), written=written)


OLD = site_with(1000)
NEW = site_with(2000, phone_1=Channel(url="json://127.0.0.1:9/new"))
WITHOUT = site_with(1000, phone_1=None)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Where each page was sent to."""
    sent: list[tuple[str, str]] = []

    def take(channel: Channel, pages: Sequence[Page], _: MessageContext) -> Attempt:
        sent.extend((item.id, channel.url) for item in pages)
        return Attempt(Outcome.SENT)

    monkeypatch.setattr(module, "send", take)
    return sent


@pytest.fixture
def clock() -> Clock:
    return Clock()


def owe(redis: Redis, site: Site, *pages: Page) -> None:
    for item in pages:
        redis.hset(SHARD.key("outbox"), item.id, pack(owing(item, site)))
        redis.zadd(SHARD.due(item.urgency), {item.id: milliseconds(NOW)})


def delivered(store: Store, clock: Clock, site: Site, after_a_look: Site | None = None, id: str = "e7.1") -> Delivered:
    return deliver(store, SHARD, id, clock, site, MessageContext(), lambda: after_a_look or site)


def due_at(redis: Redis, id: str = "e7.1") -> float | None:
    return redis.zscore(SHARD.key("due"), id)


def faults(store: Store) -> list[Fault]:
    entries = store.stream(KEYS.of(SITE_SUBJECT).inbox)
    return [found for _, fields in entries if isinstance(found := read_message(fields[b"m"]), Fault)]


def receipts(store: Store) -> list[Receipt]:
    entries = store.stream(SHARD.inbox)
    return [found for _, fields in entries if isinstance(found := read_message(fields[b"m"]), Receipt)]


def test_the_outbox_says_under_which_version_of_the_channel_a_page_was_made(store: Store) -> None:
    send(store, crs2())
    advance(store, SHARD, Clock(), NEW)
    assert {(item.address, item.written) for item in owed(store)} == {(owing(page(), NEW).address, 2000)}


def test_so_does_the_watchdog(store: Store) -> None:
    enqueue_emergency_page(store, NEW, Phrase("it stands still"), NOW)
    packed = store.redis.hvals(KEYS.of(SITE_SUBJECT).key("outbox"))
    assert packed
    assert {unpack_owed(item).written for item in packed} == {2000}


def test_a_sender_that_is_behind_looks_before_it_sends(
    store: Store, clock: Clock, provider: list[tuple[str, str]]
) -> None:
    owe(store.redis, NEW, page())
    delivered(store, clock, OLD, after_a_look=NEW)
    assert provider == [("e7.1", "json://127.0.0.1:9/new")]
    assert faults(store) == []


def test_a_new_channel_is_never_said_to_be_gone(store: Store, clock: Clock, provider: list[tuple[str, str]]) -> None:
    owe(store.redis, NEW, page())
    assert delivered(store, clock, WITHOUT).outcome is None
    assert (provider, receipts(store), faults(store)) == ([], [], [])


def test_it_is_left_to_a_sender_that_has_the_newer(store: Store, clock: Clock, provider: list[tuple[str, str]]) -> None:
    owe(store.redis, NEW, page())
    left = delivered(store, clock, OLD)
    assert (left.outcome, left.behind) == (None, Place(SHARD.number, "e7.1"))
    assert due_at(store.redis) == milliseconds(NOW + RETRY_BEHIND_AFTER)
    assert not store.redis.exists(SHARD.page_lease("e7.1"), SHARD.unfinished_attempts("e7.1"))
    clock.at += RETRY_BEHIND_AFTER
    delivered(store, clock, NEW)
    assert provider == [("e7.1", "json://127.0.0.1:9/new")]


def test_where_nobody_has_the_newer_it_is_sent_all_the_same_and_said(
    store: Store, clock: Clock, provider: list[tuple[str, str]]
) -> None:
    owe(store.redis, NEW, page())
    while clock.at < NOW + WAITS_FOR_NEWER_CONFIG:
        delivered(store, clock, OLD)
        clock.at += RETRY_BEHIND_AFTER
    assert provider == []
    assert delivered(store, clock, OLD).outcome is Outcome.SENT
    assert provider == [("e7.1", OLD.on_call.channels["phone-1"].url)]
    [fault] = faults(store)
    assert "is older than the one pages are made under" in english(fault.what)
    assert "phone-1" in english(fault.what)


def test_a_channel_that_only_the_newer_knows_is_tried_again_and_the_next_channel_used(
    store: Store, clock: Clock, provider: list[tuple[str, str]]
) -> None:
    owe(store.redis, NEW, page())
    delivered(store, clock, WITHOUT)
    clock.at += WAITS_FOR_NEWER_CONFIG
    assert delivered(store, clock, WITHOUT).outcome is Outcome.TEMPORARY
    assert [(receipt.outcome, english(receipt.detail)) for receipt in receipts(store)] == [
        ("failed", "this machine's configuration is older and does not know the channel")
    ]
    clock.at += timedelta(minutes=1)
    delivered(store, clock, NEW)
    assert provider == [("e7.1", "json://127.0.0.1:9/new")]


def test_a_page_made_under_an_older_one_goes_to_the_address_of_today(
    store: Store, clock: Clock, provider: list[tuple[str, str]]
) -> None:
    owe(store.redis, OLD, page())
    delivered(store, clock, NEW)
    assert provider == [("e7.1", "json://127.0.0.1:9/new")]


def test_a_channel_that_was_taken_out_is_said_to_be_gone(store: Store, clock: Clock) -> None:
    owe(store.redis, OLD, page())
    assert delivered(store, clock, WITHOUT._replace(written=3000)).outcome is Outcome.PERMANENT


def test_where_the_address_is_the_same_nothing_is_looked_at_again(
    store: Store, clock: Clock, provider: list[tuple[str, str]]
) -> None:
    """The rota of the newer one differs, which the evaluation has seen to."""

    def look() -> Site:
        raise AssertionError

    owe(store.redis, OLD._replace(written=5000), page())
    deliver(store, SHARD, "e7.1", clock, OLD, MessageContext(), look)
    assert len(provider) == 1


def test_those_that_wait_behind_a_page_are_looked_at_too(
    store: Store, clock: Clock, provider: list[tuple[str, str]]
) -> None:
    first, second, third = page("e1.1"), page("e2.1"), page("e3.1")
    owe(store.redis, OLD, first, third)
    owe(store.redis, NEW, second)
    priority = channel_lock.new_lock("phone-1", "ordinary")
    with store.redis.pipeline() as pipe:
        channel_lock.enqueue(pipe, KEYS, priority, [(Place(SHARD.number, item.id), item) for item in (second, third)])
        pipe.execute()
    following = delivered(store, clock, OLD, id="e1.1").following
    assert [id for id, _ in provider] == ["e1.1"]
    assert following == channel_lock.Place(SHARD.number, "e2.1")
    assert not store.redis.exists(SHARD.page_lease("e2.1"), SHARD.page_lease("e3.1"))
    delivered(store, clock, NEW, id="e2.1")
    assert provider[1:] == [("e2.1", "json://127.0.0.1:9/new"), ("e3.1", "json://127.0.0.1:9/new")]


def test_those_that_wait_for_a_limit_are_looked_at_too(
    store: Store, clock: Clock, provider: list[tuple[str, str]]
) -> None:
    limited = {"limit": {"pages": 1, "within": "1 min"}}
    old = site_with(1000, phone_1=Channel(url="json://127.0.0.1:9/old", **limited))
    new = site_with(2000, phone_1=Channel(url="json://127.0.0.1:9/new", **limited))
    owe(store.redis, old, page("e1.1"), page("e2.1"))
    owe(store.redis, new, page("e3.1"))
    delivered(store, clock, old, id="e1.1")
    delivered(store, clock, old, id="e2.1")
    delivered(store, clock, new, id="e3.1")
    clock.at += timedelta(minutes=2)
    delivered(store, clock, old, id="e2.1")
    assert [id for id, _ in provider] == ["e1.1", "e2.1"]
    delivered(store, clock.__class__(clock.at + timedelta(minutes=2)), new, id="e3.1")
    assert provider[2:] == [("e3.1", "json://127.0.0.1:9/new")]


def test_packed_it_comes_back(store: Store, clock: Clock) -> None:
    owe(store.redis, NEW, page())
    delivered(store, clock, OLD)
    packed = store.redis.hget(SHARD.key("outbox"), "e7.1")
    assert packed is not None
    assert unpack_owed(packed) == Owed(
        page=page(), address=owing(page(), NEW).address, written=2000, behind_since=milliseconds(NOW)
    )
