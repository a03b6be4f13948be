"""A channel that fails is tried by one worker at a time, and holds up no other."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from redis import Redis

from alerts.page import Page
from tests.unit.worker.ward import KEYS, NOW, SITE
from worker.clock import milliseconds
from worker.delivery import outbox
from worker.delivery.ailing import REMEMBERED, WELL, remember, take_place
from worker.delivery.channel import Attempt, Outcome
from worker.delivery.outbox import deliver
from worker.packing import Owed, pack, unpack_owed
from worker.store import Store

SHARD = KEYS.of("P1")
HELD = timedelta(seconds=20)
SOON = SITE.on_call.delivery.retry_waits[0]


class Provider:
    """Answers as it is told, and remembers which pages it was given."""

    def __init__(self) -> None:
        self.outcome = Outcome.SENT
        self.given: list[str] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def send(self, _: str, page: Page) -> Attempt:
        self.given.append(page.id)
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        outcome = self.outcome
        meanwhile()
        return Attempt(outcome)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    standing = Provider()
    monkeypatch.setattr(outbox, "send", standing.send)
    return standing


@pytest.fixture(autouse=True)
def _owed(redis: Redis) -> None:
    """Three pages for one channel and one for another, all due now."""
    for page_id, channel in (("a", "phone-1"), ("b", "phone-1"), ("c", "phone-1"), ("d", "phone-2")):
        redis.hset(SHARD.key("outbox"), page_id, pack(Owed(page=page(page_id, channel))))
        redis.zadd(SHARD.key("due"), {page_id: milliseconds(NOW)})


def page(page_id: str, channel: str) -> Page:
    return Page(
        id=page_id,
        patient="P1",
        at=NOW,
        day=2,
        episode="e",
        episodes=("e",),
        condition="crs",
        urgency="high",
        reason="new",
        to="haematologist-1",
        channel=channel,
        title="CRS grade 2",
        text="because fever",
    )


def attempt(store: Store, page_id: str, at: datetime = NOW) -> Outcome | None:
    return deliver(store, SHARD, page_id, at, SITE, "json://127.0.0.1:9")


def due(store: Store, page_id: str) -> timedelta:
    score = store.redis.zscore(SHARD.key("due"), page_id)
    assert score is not None
    return timedelta(milliseconds=score - milliseconds(NOW))


# -- places ----------------------------------------------------------------------------------------


def test_a_channel_that_is_well_may_be_tried_by_any_number(redis: Redis) -> None:
    assert [take_place(redis, KEYS, "phone-1", HELD) for _ in range(5)] == [WELL] * 5


@pytest.mark.parametrize("outcome", [Outcome.TEMPORARY, Outcome.UNKNOWN])
def test_a_channel_that_failed_may_be_tried_by_one(redis: Redis, outcome: Outcome) -> None:
    remember(redis, KEYS, "phone-1", outcome, WELL)
    assert take_place(redis, KEYS, "phone-1", HELD)
    assert take_place(redis, KEYS, "phone-1", HELD) is None
    assert take_place(redis, KEYS, "phone-2", HELD) == WELL


@pytest.mark.parametrize("outcome", [Outcome.SENT, Outcome.PERMANENT])
def test_a_channel_that_answers_is_well_again(redis: Redis, outcome: Outcome) -> None:
    """A refusal for good holds nobody up."""
    remember(redis, KEYS, "phone-1", Outcome.UNKNOWN, WELL)
    remember(redis, KEYS, "phone-1", outcome, WELL)
    assert take_place(redis, KEYS, "phone-1", HELD) == WELL


def test_the_place_is_given_back_by_its_holder_alone(redis: Redis) -> None:
    remember(redis, KEYS, "phone-1", Outcome.UNKNOWN, WELL)
    place = take_place(redis, KEYS, "phone-1", HELD)
    assert place
    remember(redis, KEYS, "phone-1", Outcome.UNKNOWN, WELL)  # began while the channel was well
    remember(redis, KEYS, "phone-1", Outcome.UNKNOWN, "a place that ran out")
    assert take_place(redis, KEYS, "phone-1", HELD) is None
    remember(redis, KEYS, "phone-1", Outcome.UNKNOWN, place)
    assert take_place(redis, KEYS, "phone-1", HELD)


def test_the_place_of_a_worker_that_died_runs_out(redis: Redis) -> None:
    remember(redis, KEYS, "phone-1", Outcome.UNKNOWN, WELL)
    take_place(redis, KEYS, "phone-1", HELD)
    assert 0 < redis.pttl(KEYS.trying("phone-1")) <= HELD / timedelta(milliseconds=1)


def test_a_failure_is_remembered_for_longer_than_a_page_waits(redis: Redis) -> None:
    remember(redis, KEYS, "phone-1", Outcome.UNKNOWN, WELL)
    assert 0 < redis.ttl(KEYS.ailing("phone-1")) <= REMEMBERED.total_seconds()
    assert max(SITE.on_call.delivery.retry_waits) < REMEMBERED


# -- pages -----------------------------------------------------------------------------------------


def test_pages_of_a_channel_that_is_well_are_sent_side_by_side(store: Store, provider: Provider) -> None:
    provider.meanwhile = lambda: attempt(store, "b")
    assert attempt(store, "a") is Outcome.SENT
    assert provider.given == ["a", "b"]


def test_while_an_ailing_channel_is_tried_its_other_pages_wait_and_those_of_others_do_not(
    store: Store, provider: Provider
) -> None:
    others: dict[str, Outcome | None] = {}

    def meanwhile() -> None:
        provider.outcome = Outcome.SENT
        others.update({name: attempt(store, name) for name in ("c", "d")})

    provider.outcome = Outcome.UNKNOWN
    attempt(store, "a")
    provider.meanwhile = meanwhile
    assert attempt(store, "b") is Outcome.UNKNOWN
    assert others == {"c": None, "d": Outcome.SENT}
    assert provider.given == ["a", "b", "d"]


def test_a_page_that_waits_its_turn_is_due_again_soon_and_was_not_tried(store: Store, provider: Provider) -> None:
    provider.outcome = Outcome.UNKNOWN
    attempt(store, "a")
    assert take_place(store.redis, KEYS, "phone-1", HELD)
    assert attempt(store, "c") is None
    assert due(store, "c") == SOON
    assert unpack_owed(store.redis.hget(SHARD.key("outbox"), "c")).attempts == 0
    assert not store.redis.exists(SHARD.claim("c"))


def test_a_page_cancelled_while_it_waits_its_turn_stays_cancelled(
    store: Store, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancelled(redis: Redis, *_: object) -> None:
        redis.hdel(SHARD.key("outbox"), "c")
        redis.zrem(SHARD.key("due"), "c")

    monkeypatch.setattr(outbox.ailing, "take_place", cancelled)
    assert attempt(store, "c") is None
    assert store.redis.zscore(SHARD.key("due"), "c") is None
    assert provider.given == []


def test_once_the_channel_answers_every_page_goes_out(store: Store, provider: Provider) -> None:
    provider.outcome = Outcome.UNKNOWN
    attempt(store, "a")
    provider.outcome = Outcome.SENT
    assert [attempt(store, name, NOW + timedelta(seconds=5)) for name in ("b", "c", "a")] == [Outcome.SENT] * 3
