"""What a killed process owned is released at once; what others own is not touched."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from redis import Redis

from alerts.pages.page import Page
from config.site import Channel
from tests.support.pages import owe, page
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, everything, send, waiting
from worker.clock import milliseconds
from worker.delivery import channel_lock, page_lease
from worker.delivery import deliver as module
from worker.delivery.channel import MessageContext
from worker.delivery.deliver import deliver
from worker.delivery.outcome import Attempt, Outcome
from worker.monitoring import orphans
from worker.monitoring.orphans import release_orphans
from worker.processing.advance import advance
from worker.store.keys import Shard
from worker.store.lease import RemoteOwners
from worker.store.shard import Store


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture
def owner_is_dead(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Whether the processes whose tokens are looked at are gone."""

    def say(gone: bool) -> None:
        monkeypatch.setattr(orphans, "owner_is_dead", lambda _: gone)

    return say


def die_while_sending(store: Store, item: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_: Channel, __: Sequence[Page], ___: MessageContext) -> Attempt:
        raise Killed

    monkeypatch.setattr(module, "send", die)
    with pytest.raises(Killed):
        deliver(store, KEYS.of(item.patient), item.id, Clock(), SITE, MessageContext())
    monkeypatch.setattr(module, "send", lambda *_: Attempt(Outcome.SENT))


def due(redis: Redis, shard: Shard, item: Page) -> float | None:
    return redis.zscore(shard.due(item.urgency), item.id)


@pytest.mark.parametrize("urgency", ["high", "critical"])
def test_the_page_of_a_sender_that_was_killed_is_due_at_once_and_can_be_sent(
    redis: Redis, store: Store, monkeypatch: pytest.MonkeyPatch, owner_is_dead: Callable[[bool], None], urgency: str
) -> None:
    item = page(urgency=urgency)
    shard = KEYS.of(item.patient)
    owe(redis, item)
    die_while_sending(store, item, monkeypatch)
    owner_is_dead(True)
    later = Clock(NOW + timedelta(seconds=1))
    release_orphans(store, SITE.on_call.channels, later.now(), RemoteOwners())
    assert due(redis, shard, item) == milliseconds(later.now())
    assert deliver(store, shard, item.id, later, SITE, MessageContext()).outcome is Outcome.SENT
    assert not redis.exists(shard.key("outbox"))
    assert redis.zcard(KEYS.in_flight(channel_lock.priority_of(item.urgency))) == 0


def test_pages_it_had_claimed_ahead_are_free_too(
    redis: Redis, store: Store, monkeypatch: pytest.MonkeyPatch, owner_is_dead: Callable[[bool], None]
) -> None:
    pages = [page(f"e{number}.1", patient=f"P{number}") for number in range(3)]
    owe(redis, *pages)
    with redis.pipeline() as pipe:
        places = [(channel_lock.Place(KEYS.of(item.patient).number, item.id), item) for item in pages[1:]]
        channel_lock.enqueue(pipe, KEYS, channel_lock.new_lock("phone-1", "ordinary"), places)
        pipe.execute()
    calls = 0

    def dies_at_the_second(*_: object) -> Attempt:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Killed
        return Attempt(Outcome.SENT)

    monkeypatch.setattr(module, "send", dies_at_the_second)
    with pytest.raises(Killed):
        deliver(store, KEYS.of(pages[0].patient), pages[0].id, Clock(), SITE, MessageContext())
    assert len(list(redis.scan_iter("*:page_lease:*"))) == 2
    owner_is_dead(True)
    release_orphans(store, SITE.on_call.channels, NOW, RemoteOwners())
    assert list(redis.scan_iter("*:page_lease:*")) == []


def test_a_turn_is_free_though_its_lane_no_longer_counts_it(
    redis: Redis, store: Store, monkeypatch: pytest.MonkeyPatch, owner_is_dead: Callable[[bool], None]
) -> None:
    """Somebody asked for another channel when turns had come to last less long."""
    item = page()
    owe(redis, item)
    die_while_sending(store, item, monkeypatch)
    redis.delete(KEYS.in_flight("ordinary"))
    owner_is_dead(True)
    release_orphans(store, SITE.on_call.channels, NOW, RemoteOwners())
    assert deliver(store, KEYS.of(item.patient), item.id, Clock(), SITE, MessageContext()).outcome is Outcome.SENT


@pytest.mark.parametrize("begun", [False, True])
def test_whoever_meets_the_claim_of_a_dead_process_takes_it_away_and_the_page_is_due(
    redis: Redis, store: Store, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    """It was killed before it had locked the channel, or had moved the due time on already."""
    item = page()
    shard = KEYS.of(item.patient)
    owe(redis, item)
    claim = page_lease.acquire(
        redis, KEYS, [channel_lock.Place(shard.number, item.id)], Clock(), timedelta(minutes=1)
    ).leases[0]
    if begun:
        with redis.pipeline() as pipe:
            page_lease.begin_attempt(pipe, claim, NOW, SITE.on_call.delivery)
            pipe.execute()
    assert deliver(store, shard, item.id, Clock(), SITE, MessageContext()) == module.NOTHING
    assert redis.exists(shard.page_lease(item.id)), "whoever has it is there"
    monkeypatch.setattr(page_lease, "owner_is_dead", lambda _: True)
    monkeypatch.setattr(module, "send", lambda *_: Attempt(Outcome.SENT))
    assert deliver(store, shard, item.id, Clock(), SITE, MessageContext()) == module.NOTHING
    assert deliver(store, shard, item.id, Clock(), SITE, MessageContext()).outcome is Outcome.SENT


def test_the_shard_of_a_killed_worker_is_released(store: Store, owner_is_dead: Callable[[bool], None]) -> None:
    send(store, crs2())
    shard = KEYS.of("P1")
    assert store.take(shard, Clock()) is not None
    assert advance(store, shard, Clock(), SITE).batches == 0
    owner_is_dead(True)
    release_orphans(store, SITE.on_call.channels, NOW, RemoteOwners())
    assert advance(store, shard, Clock(), SITE).batches == 1
    assert waiting(store) == 0


def test_what_a_process_holds_that_is_there_is_not_touched(
    redis: Redis, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process is there: the real look."""
    item = page()
    owe(redis, item)
    die_while_sending(store, item, monkeypatch)
    send(store, crs2("P2"))
    assert store.take(KEYS.of("P2"), Clock()) is not None
    before = everything(redis)
    release_orphans(store, SITE.on_call.channels, NOW + timedelta(seconds=1), RemoteOwners())
    assert everything(redis) == before


def test_a_page_cancelled_meanwhile_stays_cancelled(
    redis: Redis, store: Store, monkeypatch: pytest.MonkeyPatch, owner_is_dead: Callable[[bool], None]
) -> None:
    item = page()
    shard = KEYS.of(item.patient)
    owe(redis, item)
    die_while_sending(store, item, monkeypatch)
    redis.zrem(shard.key("due"), item.id)
    owner_is_dead(True)
    release_orphans(store, SITE.on_call.channels, NOW, RemoteOwners())
    assert due(redis, shard, item) is None


def test_what_another_has_taken_over_meanwhile_is_theirs(
    redis: Redis, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = page()
    shard = KEYS.of(item.patient)
    owe(redis, item)
    die_while_sending(store, item, monkeypatch)
    trying = KEYS.channel_lock("phone-1", "ordinary")

    def another_takes_it(before: bytes) -> bool:
        if redis.get(shard.page_lease(item.id)) == before:
            redis.set(shard.page_lease(item.id), "another")
            redis.set(trying, "another")
        return before != b"another"

    monkeypatch.setattr(orphans, "owner_is_dead", another_takes_it)
    release_orphans(store, SITE.on_call.channels, NOW, RemoteOwners())
    assert (redis.get(shard.page_lease(item.id)), redis.get(trying)) == (b"another", b"another")
