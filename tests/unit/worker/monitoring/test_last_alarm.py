"""The last alarm: what it takes for an outage, and whom it asks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from alerts.wording.phrase import Phrase, phrase
from config.settings import Settings
from tests.support.italian_reader import assert_italian
from tests.support.stored_ward import KEYS, NOW
from worker.clock import milliseconds
from worker.monitoring import emergency_page, last_alarm
from worker.monitoring.last_alarm import LastAlarm, Progress, reason_of
from worker.store import schema
from worker.store.requirements import NewerDataError, UnfitStoreError
from worker.store.shard import Store

SHARD = KEYS.shard(2)
Sent = list[tuple[str, ...]]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found = [1000.0]
    monkeypatch.setattr("worker.monitoring.last_alarm.time.monotonic", lambda: found[0])
    return found


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The direct pages."""
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found: Sent = []

    class Ended:
        def poll(self) -> int:
            return 0

    def send(_: Settings, *words: str, at: datetime) -> Ended:
        del at
        found.append(words)
        return Ended()

    monkeypatch.setattr(emergency_page, "send_directly", send)
    return found


@pytest.fixture
def watch(store: Store, sent: Sent, now: list[float], monkeypatch: pytest.MonkeyPatch) -> LastAlarm:
    del sent, now
    monkeypatch.setattr(last_alarm, "_impatient", lambda _: store.redis)
    monkeypatch.setattr(last_alarm, "violations", lambda *_, **__: [])
    return LastAlarm(Settings(namespace=KEYS.namespace, shards=KEYS.shards))


def checks(watch: LastAlarm, now: list[float], seconds: float) -> None:
    end = now[0] + seconds
    while now[0] < end:
        now[0] += last_alarm.CHECK_SECONDS
        watch.check()


def refuse(store: Store, monkeypatch: pytest.MonkeyPatch, error: RedisError | None) -> None:
    def answer(*_: object, **__: object) -> bool:
        if error is not None:
            raise error
        return True

    monkeypatch.setattr(store.redis, "set", answer)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("refused"),
        TimeoutError("hangs"),
        OutOfMemoryError("full"),
        ReadOnlyError("replica"),
        ResponseError("MISCONF"),
        BusyLoadingError("loading"),
    ],
)
def test_a_store_that_cannot_be_used_is_paged_within_15_s_once_and_so_is_its_end(
    store: Store, watch: LastAlarm, now: list[float], sent: Sent, monkeypatch: pytest.MonkeyPatch, error: RedisError
) -> None:
    checks(watch, now, 5)
    assert sent == []
    refuse(store, monkeypatch, error)
    checks(watch, now, 12)
    [(title, line, advice)] = sent
    assert (title, advice) == (emergency_page.CANNOT_PAGE, emergency_page.ADVICE)
    assert line == phrase("the state store cannot be used: {what}", what=reason_of(error))
    for text in (title, line, advice):
        assert_italian(text)
    checks(watch, now, 300)
    assert len(sent) == 1
    refuse(store, monkeypatch, None)
    checks(watch, now, 10)
    assert [words[0] for words in sent] == [emergency_page.CANNOT_PAGE, emergency_page.PAGES_AGAIN]
    assert_italian(sent[1][1])
    refuse(store, monkeypatch, error)
    checks(watch, now, 12)
    assert len(sent) == 3


def test_a_store_that_is_started_again_at_once_is_no_outage(
    store: Store, watch: LastAlarm, now: list[float], sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(store, monkeypatch, ConnectionError("refused"))
    checks(watch, now, 4)
    refuse(store, monkeypatch, None)
    checks(watch, now, 60 - 5)
    assert sent == []


def keep_looking(store: Store, watch: LastAlarm, now: list[float], seconds: float) -> None:
    """While the workers' watchdog looks too."""
    end = now[0] + seconds
    while now[0] < end:
        store.redis.hset(KEYS.watchdog, "last_run", str(now[0] // 15))
        checks(watch, now, last_alarm.CHECK_SECONDS)


def test_what_waits_is_looked_at_at_every_third_check(
    store: Store, watch: LastAlarm, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    pipeline = store.redis.pipeline

    def counted(**options: Any) -> Any:
        looks.append(now[0])
        return pipeline(**options)

    monkeypatch.setattr(store.redis, "pipeline", counted)
    checks(watch, now, 9 * last_alarm.CHECK_SECONDS)
    assert len(looks) == 3


def test_pages_that_are_owed_while_none_is_sent_are_paged_directly(
    store: Store, watch: LastAlarm, now: list[float], sent: Sent
) -> None:
    agenda = KEYS.partition(1).agenda
    store.redis.zadd(agenda, {"queue:phone-1": milliseconds(NOW)})
    keep_looking(store, watch, now, 15)
    assert sent == []
    keep_looking(store, watch, now, 15)
    assert [words[1] for words in sent] == [Phrase("pages are owed and none is sent")]
    store.redis.delete(agenda)
    keep_looking(store, watch, now, 40)
    assert [words[0] for words in sent] == [emergency_page.CANNOT_PAGE, emergency_page.PAGES_AGAIN]


def test_pages_of_which_some_are_sent_are_no_outage(
    store: Store, watch: LastAlarm, now: list[float], sent: Sent
) -> None:
    for number in range(12):
        store.redis.zadd(KEYS.partition(1).agenda, {"queue:phone-1": milliseconds(NOW) + number})
        keep_looking(store, watch, now, 10)
    assert sent == []


def test_messages_that_wait_while_none_is_evaluated_are_paged_directly(
    store: Store, watch: LastAlarm, now: list[float], sent: Sent
) -> None:
    store.redis.xadd(SHARD.inbox, {"m": b"{}"}, id=f"{(store.redis.time()[0] - 60) * 1000}-0")
    keep_looking(store, watch, now, 40)
    assert [words[1] for words in sent] == [Phrase("messages wait and none is evaluated")]


def test_workers_that_never_start_or_all_stand_still_are_paged_directly(
    watch: LastAlarm, now: list[float], sent: Sent
) -> None:
    checks(watch, now, 55)
    assert sent == []
    checks(watch, now, 10)
    assert [words[1] for words in sent] == [Phrase("no worker runs")]


def test_a_worker_that_goes_on_refusing_its_store_is_paged_though_none_runs(now: list[float], sent: Sent) -> None:
    for _ in range(4):
        last_alarm.refused(Settings(), UnfitStoreError("maxmemory-policy allkeys-lru"))
        now[0] += 4
    assert [words[0] for words in sent] == [emergency_page.CANNOT_PAGE]
    assert_italian(sent[0][1])


def test_in_a_replay_there_are_no_outages(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(last_alarm, "start", lambda *_: started.append(1))
    with last_alarm.watching(Settings(clock="simulated")):
        assert started == []


def test_what_waits_moves_when_some_of_it_is_gone() -> None:
    progress = Progress()
    assert progress.still_since(frozenset(), 1) is None
    assert progress.still_since(frozenset("a"), 2) == 2
    assert progress.still_since(frozenset("ab"), 3) == 2
    assert progress.still_since(frozenset("b"), 4) == 4


@pytest.mark.parametrize(("last_run", "paged"), [(timedelta(seconds=10), 0), (timedelta(minutes=5), 1), (None, 1)])
def test_a_worker_refused_for_newer_data_is_paged_only_where_no_newer_one_runs(
    store: Store, now: list[float], sent: Sent, monkeypatch: pytest.MonkeyPatch, last_run: timedelta | None, paged: int
) -> None:
    monkeypatch.setattr(last_alarm, "_impatient", lambda _: store.redis)
    monkeypatch.setattr(store.redis, "close", lambda: None)
    settings = Settings(namespace=KEYS.namespace)
    if last_run is not None:
        store.redis.hset(KEYS.watchdog, "last_run", (datetime.now(UTC) - last_run).isoformat())
    for _ in range(4):
        last_alarm.refused(settings, NewerDataError("stored data"))
        now[0] += 4
    assert len(sent) == paged


def test_a_newer_store_does_not_keep_an_outage_open(
    store: Store, sent: Sent, watch: LastAlarm, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old gateway that runs on beside newer workers: their store is well."""
    store.redis.set(KEYS.schema, schema.VERSION + 1)
    refuse(store, monkeypatch, ConnectionError("refused"))
    checks(watch, now, 20)
    refuse(store, monkeypatch, None)
    checks(watch, now, 20)
    assert [words[0] for words in sent][-1] == emergency_page.PAGES_AGAIN
