"""A jump of the store's clock: what is repaired, what is reported, and that nothing lies further ahead than it may."""

from datetime import timedelta

import pytest
from redis import Redis

from alerts.messages import SITE_SUBJECT
from config.site import Feed
from tests.support.pages import page
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, owed, reading, send
from tests.support.wording import english
from worker.clock import JUMP_SECONDS, StoreClock, milliseconds
from worker.monitoring import clock_jump
from worker.monitoring.canary import Canary
from worker.monitoring.clock_jump import CONDITION, found, look_again, notice
from worker.monitoring.silent_feeds import last_seen
from worker.processing.advance import advance
from worker.store import channel_queues
from worker.store.channel_queues import enqueue
from worker.store.codec import Owed
from worker.store.commit import LOOK_AT_LEAST_EVERY
from worker.store.shard import Store
from worker.ticker import pending

SHARD = KEYS.of("P1")
DAY = timedelta(days=1)
DAY_SECONDS = DAY.total_seconds()


class Jumped(StoreClock):
    """The store's clock as a worker has read it after a jump."""

    def __init__(self, redis: Redis, jumped: float, at: Clock) -> None:
        super().__init__(redis)
        self._jumped = jumped
        self.now = at.now  # type: ignore[method-assign]


def after(store: Store, jumped: float, looked: bytes | None = None, at: Clock | None = None) -> None:
    """A tick looks for a jump."""
    notice(store, Jumped(store.redis, jumped, at or Clock()), looked)


def looks(store: Store) -> set[str]:
    """The patients who are due."""
    return {name.decode() for shard in KEYS.all() for name in store.redis.zrangebyscore(shard.key("timers"), 0, ms())}


def ms() -> int:
    return milliseconds(NOW)


# -- what is reported ------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "shown"), [(DAY_SECONDS, "+86400 s"), (-DAY_SECONDS, "-86400 s")])
def test_a_jump_is_reported_for_a_while(store: Store, seconds: float, shown: str) -> None:
    after(store, seconds)
    after(store, 0.0)
    [(condition, what)] = found(store).items()
    assert condition == CONDITION
    assert shown in english(what)
    assert 0 < store.redis.pttl(f"{KEYS.watchdog}:jump") <= 600_000


def test_where_nothing_jumped_nothing_is_reported_or_changed(store: Store) -> None:
    store.redis.zadd(SHARD.key("timers"), {"P1": ms() + 1000})
    after(store, 0.0, NOW.isoformat().encode())
    after(store, 0.0, (NOW - DAY).isoformat().encode())
    assert found(store) == {}
    assert looks(store) == set()


def test_a_clock_that_went_back_while_no_worker_ran_is_noticed_by_the_last_look(store: Store) -> None:
    after(store, 0.0, (NOW + DAY).isoformat().encode())
    assert "-86400 s" in english(found(store)[CONDITION])
    after(store, 0.0, store.redis.hget(KEYS.watchdog, "last_run"))
    assert store.redis.hget(KEYS.watchdog, "last_run") == NOW.isoformat().encode()


# -- what is repaired after a jump back --------------------------------------------------------------


@pytest.mark.parametrize("again", [1, 3])
def test_keys_that_end_by_themselves_end_when_they_would_have(store: Store, again: int) -> None:
    """However many workers notice it."""
    store.redis.set(SHARD.wakeup_pending, 1, px=DAY + timedelta(seconds=2))
    store.redis.set(SHARD.lease, "x", px=timedelta(seconds=30))
    store.redis.set(f"{KEYS.namespace}:lasting", 1)
    for _ in range(again):
        after(store, -DAY_SECONDS)
    assert 0 < store.redis.pttl(SHARD.wakeup_pending) <= 2000
    assert 29_000 < store.redis.pttl(SHARD.lease) <= 30_000
    assert store.redis.pttl(f"{KEYS.namespace}:lasting") == -1


def test_a_key_that_had_ended_is_gone(store: Store) -> None:
    store.redis.set(KEYS.tick_claimed("due"), 1, px=DAY - timedelta(seconds=JUMP_SECONDS / 2))
    after(store, -DAY_SECONDS)
    assert store.redis.pttl(KEYS.tick_claimed("due")) <= 1


def test_a_jump_forwards_takes_no_time_from_keys(store: Store) -> None:
    store.redis.set(SHARD.lease, "x", px=2 * DAY)
    after(store, DAY_SECONDS)
    assert store.redis.pttl(SHARD.lease) > DAY_SECONDS * 1000


def tomorrow(store: Store) -> Clock:
    """A patient of whom nobody has answered, evaluated a day ahead of what the store's clock shows then."""
    clock = Clock(NOW + DAY)
    send(store, crs2(at=clock.at), clock.at)
    advance(store, SHARD, clock, SITE)
    for item in owed(store):
        store.redis.hdel(SHARD.key("outbox"), item.page.id)
    store.redis.delete(*channel_queues.names(store.redis, KEYS))
    return Clock(NOW)


def test_the_ladder_of_an_open_episode_goes_on_after_a_jump_back(store: Store) -> None:
    clock = tomorrow(store)
    assert pending(store, NOW).shards == []
    after(store, -DAY_SECONDS)
    assert pending(store, NOW).shards == [SHARD.number]
    run = advance(store, SHARD, clock, SITE)
    assert [page.at for page in run.pages] == [NOW]
    score = store.redis.zscore(SHARD.key("timers"), "P1")
    assert score is not None
    assert ms() < score <= milliseconds(NOW + timedelta(minutes=30))


def test_pages_that_wait_are_tried_at_once_after_a_jump_back(store: Store) -> None:
    pipe = store.redis.pipeline()
    enqueue(pipe, KEYS, SHARD, Owed(page=page()), NOW + DAY)
    pipe.execute()
    after(store, -DAY_SECONDS)
    assert pending(store, NOW).partitions == [KEYS.partition_of("phone-1").number]
    assert store.redis.zrange(KEYS.queue("queue:phone-1"), 0, -1, withscores=True)[0][1] == ms()


def test_a_feed_seen_tomorrow_counts_as_seen_now_after_a_jump_back(store: Store) -> None:
    """Else nobody would notice for a day that it has fallen silent."""
    site = SITE._replace(
        on_call=SITE.on_call.model_copy(update={"feeds": {"lab": Feed(silent_after=timedelta(hours=1))}})
    )
    store.redis.hset(SHARD.key("last_seen"), "lab", milliseconds(NOW + DAY))
    store.redis.hset(f"{KEYS.namespace}:feeds", "lab", milliseconds(NOW + DAY))
    after(store, -DAY_SECONDS)
    assert last_seen(store, site, NOW)["lab"].at == NOW


@pytest.mark.parametrize(("began", "again"), [(DAY, True), (-timedelta(seconds=1), False)])
def test_a_canary_sent_tomorrow_is_given_up(began: timedelta, again: bool) -> None:
    state = {b"canary_sent": (NOW + began).isoformat().encode(), b"canary_under_way": b"1"}
    canary = Canary(state, None, timedelta(minutes=5), NOW)
    assert [message.over for message in canary.messages()] == ([True, False] if again else [])
    assert canary.overdue() == {}


# -- no next look lies further ahead than it may -----------------------------------------------------


def test_a_patient_is_looked_at_again_within_hours_though_nothing_is_due(store: Store) -> None:
    send(store, [*crs2(), reading("temperature", "36.6", at=NOW)])
    advance(store, SHARD, Clock(), SITE)
    score = store.redis.zscore(SHARD.key("timers"), "P1")
    assert score is not None
    assert score <= milliseconds(NOW + LOOK_AT_LEAST_EVERY)


@pytest.mark.parametrize("key", [SHARD.key("timers"), KEYS.partition(1).agenda])
@pytest.mark.parametrize(
    ("ahead", "is_due"),
    [(DAY, True), (LOOK_AT_LEAST_EVERY + clock_jump.WRITTEN_AHEAD, False), (timedelta(minutes=15), False)],
)
def test_what_lies_too_far_ahead_is_looked_at_at_once(store: Store, key: str, ahead: timedelta, is_due: bool) -> None:
    store.redis.zadd(key, {"x": milliseconds(NOW + ahead)})
    assert look_again(store, NOW) == int(is_due)
    assert store.redis.zscore(key, "x") == (ms() if is_due else milliseconds(NOW + ahead))


def test_the_site_s_own_episodes_are_looked_at_too(store: Store) -> None:
    key = KEYS.of(SITE_SUBJECT).key("timers")
    store.redis.zadd(key, {SITE_SUBJECT: milliseconds(NOW + DAY)})
    after(store, -DAY_SECONDS)
    assert store.redis.zscore(key, SITE_SUBJECT) == ms()
