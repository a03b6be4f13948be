"""One task sends the pages that wait for its channel one after another, each as safely as if it were alone."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from unittest.mock import patch

import pytest
from redis import Redis
from redis.exceptions import ConnectionError

from alerts.pages.page import Page
from config.site import Channel
from tests.support.pages import owe, page
from tests.support.stored_ward import KEYS, NOW, SITE, Clock
from worker.clock import milliseconds
from worker.delivery import channel_lock
from worker.delivery import deliver as module
from worker.delivery.channel import MessageContext
from worker.delivery.channel_lock import Place
from worker.delivery.deliver import PREFETCH, TIME_SLICE, Delivered, deliver
from worker.delivery.outcome import Attempt, Outcome
from worker.store.codec import Owed, pack, unpack_owed
from worker.store.shard import Store

ORDINARY = channel_lock.new_lock("phone-1", "ordinary")
LEASE = SITE.on_call.delivery.lease
"""No limit but time: twenty messages are the shipped one."""


class Provider:
    """Takes the given messages, and then acts as the test says."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.answers: dict[str, Outcome] = {}
        self.after: dict[str, Callable[[], object]] = {}

    def send(self, _: Channel, pages: Sequence[Page], __: MessageContext) -> Attempt:
        [only] = pages
        self.given.append(only.id)
        self.after.get(only.id, lambda: None)()
        return Attempt(self.answers.get(only.id, Outcome.SENT))


class Outage:
    """The store is not reached, until that was waited for a few times."""

    LASTS = 5

    def __init__(self, redis: Redis) -> None:
        self._server = redis.connection_pool.connection_kwargs["server"]
        self.waited = 0
        self.lasts = self.LASTS

    def begin(self) -> None:
        self._server.connected = False

    def end(self) -> None:
        self._server.connected = True

    def wait(self, _: float) -> None:
        self.waited += 1
        if self.waited >= self.lasts:
            self.end()


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    standing = Provider()
    monkeypatch.setattr(module, "send", standing.send)
    return standing


def place_of(item: Page) -> Place:
    return Place(KEYS.of(item.patient).number, item.id)


def row(redis: Redis, count: int) -> list[Page]:
    """Pages to one phone, of patients in every shard; all but the first wait behind it."""
    pages = [
        page(f"e{number}.1", patient=f"P{number}", at=NOW + timedelta(milliseconds=number)) for number in range(count)
    ]
    owe(redis, *pages)
    pipe = redis.pipeline()
    for item in pages[1:]:
        channel_lock.enqueue(pipe, KEYS, ORDINARY, [(place_of(item), item)])
    pipe.execute()
    return pages


def send(store: Store, item: Page, clock: Clock | None = None) -> Delivered:
    return deliver(store, KEYS.of(item.patient), item.id, clock or Clock(), SITE, MessageContext())


def left(redis: Redis) -> list[str]:
    return sorted(name.decode() for shard in KEYS.all() for name in redis.hkeys(shard.key("outbox")))


def is_due(redis: Redis, item: Page) -> timedelta | None:
    score = redis.zscore(KEYS.of(item.patient).key("due"), item.id)
    return None if score is None else timedelta(milliseconds=score - milliseconds(NOW))


def keys_left(redis: Redis) -> list[str]:
    """Page leases, counts of attempts and channel locks that are still there."""
    names = [name.decode() for name in redis.scan_iter("*")]
    return [
        name
        for name in names
        if any(part in name for part in (":page_lease:", ":unfinished_attempts:", ":channel_lock:"))
    ]


def test_everything_that_waits_for_the_channel_is_sent_in_order_and_receipted(
    redis: Redis, store: Store, provider: Provider
) -> None:
    pages = row(redis, PREFETCH + 4)
    done = send(store, pages[0])
    assert provider.given == [item.id for item in pages]
    assert [item.id for item in done.sent] == provider.given
    assert (done.outcome, done.following, done.wake) == (Outcome.SENT, None, ())
    assert left(redis) == []
    receipts = [fields[b"m"].decode() for shard in KEYS.all() for _, fields in store.stream(shard.inbox)]
    assert sorted(text.split('"page":"')[1].split('"')[0] for text in receipts) == sorted(provider.given)
    assert keys_left(redis) == []


def test_a_page_in_a_row_costs_one_round_trip(redis: Redis, store: Store, provider: Provider) -> None:
    def trips(count: int) -> int:
        pages = row(redis, count)
        sent = 0
        original = redis.pipeline

        def counting(*given: object, **named: object) -> object:
            nonlocal sent
            pipe = original(*given, **named)
            execute = pipe.execute

            def counted(*more: object) -> object:
                nonlocal sent
                sent += bool(len(pipe))
                return execute(*more)

            pipe.execute = counted
            return pipe

        with patch.object(redis, "pipeline", counting):
            send(store, pages[0])
        return sent

    alone, several = trips(1), trips(1 + PREFETCH)
    assert alone == 3, "acquire, begin, record"
    assert several - alone == PREFETCH + 1, "one each, and one to acquire them all"
    assert len(provider.given) == 2 + PREFETCH


@pytest.mark.parametrize("outcome", [Outcome.TEMPORARY, Outcome.UNKNOWN])
def test_after_a_failure_the_others_wait_for_their_own_time(
    redis: Redis, store: Store, provider: Provider, outcome: Outcome
) -> None:
    pages = row(redis, 5)
    provider.answers[pages[1].id] = outcome
    done = send(store, pages[0])
    assert provider.given == [pages[0].id, pages[1].id]
    assert left(redis) == [item.id for item in pages[1:]]
    assert [shard.number for shard in done.wake] == [KEYS.of(pages[1].patient).number]
    assert done.following is None
    assert keys_left(redis) == [], "no prefetched page is still leased"
    assert [is_due(redis, item) for item in pages[2:]] == [timedelta()] * 3
    assert channel_lock.pop_waiting(redis, KEYS, ORDINARY, 9) == [place_of(item) for item in pages[2:]]


def test_a_page_that_is_refused_for_good_holds_up_nobody(redis: Redis, store: Store, provider: Provider) -> None:
    pages = row(redis, 3)
    provider.answers[pages[1].id] = Outcome.PERMANENT
    send(store, pages[0])
    assert provider.given == [item.id for item in pages]
    assert left(redis) == [pages[1].id]


@pytest.fixture
def outage(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Outage:
    """A store that goes and comes back."""
    standing = Outage(redis)
    monkeypatch.setattr("redis.retry.sleep", standing.wait)
    return standing


@pytest.mark.parametrize("count", [1, 3])
def test_what_was_sent_while_the_store_went_is_recorded_when_it_is_back(
    redis: Redis, store: Store, provider: Provider, outage: Outage, count: int
) -> None:
    """Forgotten, it would be sent twice. What was to follow waits for the tick."""
    pages = row(redis, count)
    provider.after[pages[0].id] = outage.begin
    done = send(store, pages[0])
    assert outage.waited == Outage.LASTS
    assert provider.given == [pages[0].id]
    assert [item.id for item in done.sent] == provider.given
    assert left(redis) == [item.id for item in pages[1:]]
    assert [len(list(store.stream(shard.inbox))) for shard in KEYS.all() if shard == KEYS.of(pages[0].patient)] == [1]
    assert keys_left(redis) == []
    assert [is_due(redis, item) for item in pages[1:]] == [timedelta()] * (count - 1)


def test_a_page_claimed_ahead_is_given_back_when_the_store_goes(
    redis: Redis, store: Store, provider: Provider, outage: Outage
) -> None:
    pages = row(redis, 4)
    provider.after[pages[1].id] = outage.begin
    send(store, pages[0])
    assert provider.given == [pages[0].id, pages[1].id]
    assert left(redis) == [item.id for item in pages[2:]]
    assert keys_left(redis) == []
    assert channel_lock.pop_waiting(redis, KEYS, ORDINARY, 9) == [place_of(item) for item in pages[2:]]


def test_a_store_that_stays_away_is_an_error_and_the_page_is_sent_again(
    redis: Redis, store: Store, provider: Provider, outage: Outage
) -> None:
    [only] = row(redis, 1)
    outage.lasts = 10_000
    provider.after[only.id] = outage.begin
    with pytest.raises(ConnectionError):
        send(store, only)
    outage.end()
    assert left(redis) == [only.id]
    assert is_due(redis, only) == LEASE


def test_when_time_is_over_another_goes_on_with_who_waited_longest(
    redis: Redis, store: Store, provider: Provider
) -> None:
    pages, clock = row(redis, 5), Clock()
    provider.after[pages[1].id] = lambda: clock.forward(seconds=TIME_SLICE.total_seconds())
    done = send(store, pages[0], clock)
    assert provider.given == [pages[0].id, pages[1].id]
    assert done.following == place_of(pages[2])
    assert is_due(redis, pages[2]) == TIME_SLICE
    assert keys_left(redis) == []
    assert channel_lock.pop_waiting(redis, KEYS, ORDINARY, 9) == [place_of(item) for item in pages[3:]]


def test_a_page_that_comes_to_wait_while_the_last_is_sent_is_sent_too(
    redis: Redis, store: Store, provider: Provider
) -> None:
    [first] = row(redis, 1)
    later = page("late.1", patient="P9")

    def comes() -> None:
        owe(redis, later)
        assert send(store, later).outcome is None

    provider.after[first.id] = comes
    send(store, first)
    assert provider.given == [first.id, later.id]


def test_who_finds_the_channel_busy_just_before_it_is_free_asks_again(
    redis: Redis, store: Store, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its page would wait for the tick."""
    [only] = row(redis, 1)
    redis.set(KEYS.channel_lock("phone-1", "ordinary"), "another")
    queue_up = channel_lock.enqueue

    def ends(*given: object) -> None:
        redis.delete(KEYS.channel_lock("phone-1", "ordinary"))
        queue_up(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(channel_lock, "enqueue", ends)
    assert send(store, only).outcome is Outcome.SENT
    assert provider.given == [only.id]


def test_a_page_cancelled_while_it_waits_behind_another_is_not_sent(
    redis: Redis, store: Store, provider: Provider
) -> None:
    pages = row(redis, 4)
    shard = KEYS.of(pages[2].patient)

    def cancel() -> None:
        redis.hdel(shard.key("outbox"), pages[2].id)
        redis.zrem(shard.key("due"), pages[2].id)
        redis.delete(shard.page_lease(pages[2].id), shard.unfinished_attempts(pages[2].id))

    provider.after[pages[1].id] = cancel  # it is prefetched by then
    send(store, pages[0])
    assert provider.given == [pages[0].id, pages[1].id, pages[3].id]
    assert left(redis) == []
    assert is_due(redis, pages[2]) is None


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_a_worker_that_dies_in_a_row_leaves_every_page_to_be_found(
    redis: Redis, store: Store, provider: Provider
) -> None:
    pages = row(redis, 5)

    def die() -> None:
        raise Killed

    provider.after[pages[2].id] = die
    with pytest.raises(Killed):
        send(store, pages[0])
    provider.after.clear()
    assert left(redis) == [item.id for item in pages[2:]]
    assert is_due(redis, pages[2]) == LEASE, "noticed when its lease has expired"
    assert all(is_due(redis, item) == timedelta() for item in pages[3:])
    assert redis.get(KEYS.of(pages[2].patient).unfinished_attempts(pages[2].id)) == b"1"
    for name in redis.scan_iter("*"):
        if b":page_lease:" in name or b":channel_lock:" in name:
            assert 0 < redis.pttl(name) <= LEASE / timedelta(milliseconds=1)
            redis.delete(name)  # it runs out
    clock = Clock(NOW + LEASE)
    for item in pages[2:]:
        send(store, item, clock)
    assert left(redis) == []
    assert sorted(provider.given[3:]) == [item.id for item in pages[2:]]


def test_what_failed_before_counts_its_attempts_in_a_row_too(redis: Redis, store: Store, provider: Provider) -> None:
    first, second = row(redis, 2)
    shard = KEYS.of(second.patient)
    redis.hset(shard.key("outbox"), second.id, pack(Owed(page=second, attempts=3, reported="failed")))
    provider.answers[second.id] = Outcome.TEMPORARY
    send(store, first)
    packed = redis.hget(shard.key("outbox"), second.id)
    assert packed is not None
    assert unpack_owed(packed).attempts == 4
    assert is_due(redis, second) == SITE.on_call.delivery.retry_backoff[3]
