"""The watchdog finds what should have been done and was not, says so once, and says when it is over."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from alerts.messages import SITE_SUBJECT
from config.settings import Settings
from tests.support.alert_manager import managed
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, reading, registration, send, waiting
from tests.support.wording import english
from tests.support.workers import tick_on, ticking
from worker.clock import StoreClock, milliseconds
from worker.delivery.deliver import Deliverer
from worker.monitoring import beats, floods, incidents
from worker.monitoring import watchdog as module
from worker.monitoring.beats import drifts
from worker.monitoring.canary import CANARY, TIMEOUT
from worker.monitoring.overdue import OVERDUE, find
from worker.monitoring.watchdog import WatchdogActions, last_run, run_watchdog
from worker.processing.advance import advance
from worker.runtime.queues import QUEUES
from worker.runtime.runtime import Runtime
from worker.store import backlog
from worker.store.codec import unpack_owed
from worker.store.inbox import accept
from worker.store.keys import SYNTHETIC, queue_name
from worker.store.shard import Store

SHARD = KEYS.shard(2)
SITES = KEYS.of(SITE_SUBJECT)
ROUND = timedelta(seconds=15)


@pytest.fixture
def run(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """An installation that is well."""
    monkeypatch.setattr(module, "violations", lambda *_, **__: [])
    monkeypatch.setattr(store.redis, "info", lambda _: {"run_id": "one"})
    ticking(store, QUEUES, NOW)
    return Runtime(Settings(heartbeat_url="http://127.0.0.1:9/beat"), SITE, store, clock)


def look(run: Runtime) -> WatchdogActions:
    """The next look, whoever just had one; before and after it the workers do what is theirs for the site."""
    work_for_the_site(run)
    tick_on(run.store, run.clock.now())
    run.store.redis.delete(KEYS.watchdog_claim)
    found = run_watchdog(run, run.clock.now())
    work_for_the_site(run)
    return found


def work_for_the_site(run: Runtime) -> None:
    """Evaluate its faults; its pages are sent."""
    advance(run.store, SITES, run.clock, SITE)
    if not run.store.redis.exists(SITES.lease):
        for page in (unpack_owed(packed).page for packed in run.store.redis.hvals(SITES.key("outbox"))):
            run.store.redis.zrem(KEYS.partition_of(page.channel).agenda, queue_name(page.channel, page.urgency))


def go_round(run: Runtime) -> None:
    """What the workers do with what waits in the synthetic patient's shard."""
    loop = KEYS.canary
    advance(run.store, loop, run.clock, run.site_of(loop))
    delivery = Deliverer(run)
    delivery.wake(KEYS.partition_of(SYNTHETIC).number)
    delivery.until_idle()
    advance(run.store, loop, run.clock, run.site_of(loop))


def forward(run: Runtime, wait: timedelta) -> None:
    assert isinstance(run.clock, Clock)
    run.clock.at += wait


def notified(store: Store) -> set[str]:
    """The technical episodes that are open."""
    state = store.state(SITE_SUBJECT)
    return set(state.episodes) if state is not None else set()


# -- who runs --------------------------------------------------------------------------------------


def test_of_all_workers_one_runs_in_fifteen_seconds(run: Runtime) -> None:
    run_watchdog(run, NOW)
    assert run_watchdog(run, NOW) == WatchdogActions()
    assert last_run(run.store).runs == 1
    assert 0 < run.store.redis.pttl(KEYS.watchdog_claim) <= 15_000


def test_in_a_replay_nothing_can_be_late(store: Store, clock: Clock) -> None:
    run = Runtime(Settings(clock="simulated"), SITE, store, clock)
    assert run_watchdog(run, NOW) == WatchdogActions()
    assert last_run(store).last_run is None


# -- what is overdue -------------------------------------------------------------------------------


def in_inbox(redis: Redis, at: int) -> None:
    redis.xadd(SHARD.inbox, {"m": b"{}"}, id=f"{at}-0")


def late(name: str) -> Callable[[Redis, int], None]:
    def put(redis: Redis, _: int) -> None:
        redis.zadd(SHARD.key(name), {"x": milliseconds(NOW - OVERDUE)})

    return put


def late_queue(redis: Redis, _: int) -> None:
    redis.zadd(KEYS.partition(2).agenda, {"queue:x": milliseconds(NOW - OVERDUE)})


def locked(redis: Redis, _: int) -> None:
    redis.set(SHARD.lease, "somebody")


@pytest.mark.parametrize(
    ("kind", "put"),
    [
        ("messages", in_inbox),
        ("ladders", late("timers")),
        ("pages", late_queue),
        ("leases", locked),
    ],
)
def test_every_kind_of_overdue_obligation_is_opened_and_closed(
    run: Runtime, kind: str, put: Callable[[Redis, int], None]
) -> None:
    store = run.store
    put(store.redis, (store.redis.time()[0] - 11) * 1000)
    assert find(store, backlog.read(store.redis, KEYS, NOW)).kinds()[kind] == 1
    assert not look(run).heartbeat
    assert notified(store) == {f"overdue {kind}"}
    assert last_run(store).overdue[kind] == 1
    for key in ("inbox", "timers", "lease"):
        store.redis.delete(SHARD.key(key))
    store.redis.delete(KEYS.partition(2).agenda)
    go_round(run)
    forward(run, ROUND)
    look(run)
    assert notified(store) == {f"overdue {kind}"}, "one that comes and goes is one trouble"
    go_round(run)
    forward(run, timedelta(minutes=1))
    look(run)
    assert notified(store) == set()


def test_while_nothing_is_overdue_the_outside_hears_it_as_often_as_it_is_to(run: Runtime) -> None:
    assert look(run).heartbeat
    assert not look(run).heartbeat
    run.store.redis.delete(f"{KEYS.watchdog}:heartbeat")
    assert look(run).heartbeat


def test_without_an_address_there_is_no_heartbeat(store: Store, clock: Clock, run: Runtime) -> None:
    del run
    assert not look(Runtime(Settings(), SITE, store, clock)).heartbeat


def test_an_alert_manager_is_kept_alive_without_a_heartbeat(store: Store, clock: Clock, run: Runtime) -> None:
    assert look(run).heartbeat
    run.store.redis.delete(f"{KEYS.watchdog}:heartbeat")
    assert look(Runtime(Settings(), managed(SITE, "cartwatch"), store, clock)).heartbeat


def test_where_the_site_s_own_shard_stands_still_the_page_bypasses_the_processing(run: Runtime) -> None:
    redis = run.store.redis
    redis.set(SITES.lease, "somebody who never ends")
    look(run)
    [owed] = {unpack_owed(packed).page.to for packed in redis.hvals(SITES.key("outbox"))} - {"technician-1"}
    assert owed == "haematologist-1"
    look(run)
    assert redis.hlen(SITES.key("outbox")) == 2, "once"


# -- workers and clocks ----------------------------------------------------------------------------


def without(run: Runtime, queue: str) -> None:
    """Its workers no longer say that they tick."""
    ticking(run.store, [name for name in QUEUES if name != queue], run.clock.now())


@pytest.mark.parametrize("queue", ["advance", "deliver"])
def test_workers_that_stay_away_are_missed_after_a_minute(run: Runtime, queue: str) -> None:
    without(run, queue)
    for _ in range(4):
        assert not look(run).heartbeat
        assert notified(run.store) == set()
        go_round(run)
        forward(run, ROUND)
    look(run)
    assert notified(run.store) == {f"no worker {queue}"}


@pytest.mark.parametrize("away", [timedelta(seconds=5), timedelta(hours=2)])
def test_after_a_restart_a_worker_that_is_still_being_started_is_not_missed(run: Runtime, away: timedelta) -> None:
    """Nor by what was seen when the service was started the time before."""
    without(run, "deliver")
    look(run)
    go_round(run)
    ticking(run.store, QUEUES, run.clock.now())
    for _ in range(3):
        forward(run, ROUND)
        look(run)
        go_round(run)
    forward(run, away)
    without(run, "deliver")
    look(run)
    assert notified(run.store) == set()


@pytest.mark.parametrize(
    ("kind", "late"), [("pages", {KEYS.partition(2).agenda: "queue:x"}), ("ladders", {SHARD.key("timers"): "x"})]
)
def test_after_a_restart_what_could_not_be_done_meanwhile_is_no_fault_until_the_next_look(
    run: Runtime, kind: str, late: dict[str, str]
) -> None:
    look(run)
    forward(run, timedelta(hours=2))
    for key, member in late.items():
        run.store.redis.zadd(key, {member: milliseconds(NOW)})
    look(run)
    assert notified(run.store) == set()
    go_round(run)
    forward(run, ROUND)
    look(run)
    assert notified(run.store) == {f"overdue {kind}"}


def clock_ahead_by(store: Store, seconds: float) -> StoreClock:
    """What a machine knows of the store whose clock is so far ahead of its own."""
    clock = StoreClock(store.redis)
    clock.learn((int(time.time() + seconds), 0), time.monotonic())
    return clock


def beat_by(run: Runtime, clock: StoreClock) -> None:
    """A beat of a worker that knows the store's clock so."""
    pipe = run.store.redis.pipeline()
    beats.beat(pipe, KEYS, QUEUES, clock)
    pipe.execute()
    tick_on(run.store, run.clock.now())


def test_a_clock_that_differs_from_the_store_s_is_reported(run: Runtime) -> None:
    beat_by(run, clock_ahead_by(run.store, 8))
    look(run)
    [(machine, seconds)] = drifts(beats.read(run.store.redis, KEYS, run.clock.now())).items()
    assert -9.5 < seconds < -6.5
    assert notified(run.store) == {f"clock drift {machine}"}


def test_a_clock_that_differs_a_little_is_not_recorded(run: Runtime) -> None:
    beat_by(run, clock_ahead_by(run.store, 2))
    look(run)
    assert drifts(beats.read(run.store.redis, KEYS, run.clock.now())) == {}


def test_a_store_that_was_restarted_writes_its_file_anew(run: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(run.store.redis, "bgrewriteaof", lambda: asked.append("anew"))
    look(run)
    look(run)
    assert asked == []
    monkeypatch.setattr(run.store.redis, "info", lambda _: {"run_id": "two"})
    look(run)
    look(run)
    assert asked == ["anew"]


def test_a_violation_of_the_store_is_reported(run: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    from worker.store.requirements import Violation

    trouble = Violation("store eviction", "maxmemory-policy allkeys-lru drops keys", "set maxmemory-policy noeviction")
    monkeypatch.setattr(module, "violations", lambda *_, **__: [trouble])
    assert not look(run).heartbeat
    assert notified(run.store) == {"store eviction"}


def test_a_source_of_which_dead_letters_are_dropped_is_reported_once(
    run: Runtime, memory: Callable[[int, int], None]
) -> None:
    memory(10, 1_000_000)
    seen = []
    for number in range(3):
        for letter in range(60):
            accept(run.store.redis, KEYS, [f"junk {number} {letter}".encode()], run.clock.now(), "monitor-7")
        look(run)
        seen.append(sorted(name for name in notified(run.store) if name.startswith("dead letters")))
    assert seen == [["dead letters monitor-7"]] * 3
    forward(run, timedelta(minutes=11))
    look(run)
    forward(run, timedelta(minutes=2))
    look(run)
    assert not {name for name in notified(run.store) if name.startswith("dead letters")}


# -- the canary -----------------------------------------------------------------------------------


def test_the_synthetic_patient_s_page_goes_the_whole_way_and_is_timed(run: Runtime) -> None:
    look(run)
    forward(run, timedelta(seconds=2))
    go_round(run)
    forward(run, ROUND)
    look(run)
    found = last_run(run.store)
    assert (found.canary_latency, found.canary_arrived) == (timedelta(seconds=2), run.clock.now())
    go_round(run)
    state = run.store.state(SYNTHETIC)
    assert state is not None
    assert state.episodes == {}, "it is over"
    forward(run, ROUND)
    look(run)
    assert last_run(run.store) == found._replace(last_run=run.clock.now(), runs=3)


def test_it_goes_round_again_on_its_timer(run: Runtime) -> None:
    for _ in range(3):
        look(run)
        go_round(run)
        forward(run, ROUND)
        look(run)
        assert last_run(run.store).canary_arrived == run.clock.now()
        forward(run, timedelta(minutes=5))


def test_one_that_does_not_come_back_is_reported_until_the_next_that_does(run: Runtime) -> None:
    look(run)
    for _ in range(TIMEOUT // ROUND):
        forward(run, ROUND)
        look(run)
    assert notified(run.store) == set()
    forward(run, timedelta(seconds=1))
    assert not look(run).heartbeat
    assert CANARY in notified(run.store)
    for _ in range(8):
        go_round(run)
        forward(run, timedelta(minutes=1))
        look(run)
    assert notified(run.store) == set()


def test_it_is_shown_nowhere_and_pages_nobody(run: Runtime) -> None:
    look(run)
    go_round(run)
    assert run.store.state(SYNTHETIC) is not None
    assert [state.patient for state in run.store.states()] == []
    pages: list[Any] = [page for shard in KEYS.all() for page in run.store.redis.hvals(shard.key("outbox"))]
    assert pages == []


# -- unregistered patients ---------------------------------------------------------------------------


def unregistered_episodes(run: Runtime) -> list[str]:
    state = run.store.state(SITE_SUBJECT)
    found = state.episodes.values() if state is not None else ()
    return [english(episode.title) for episode in found if episode.condition.startswith("unregistered")]


def test_patients_who_stay_unregistered_are_paged_after_a_while_and_closed_when_they_are_registered(
    run: Runtime,
) -> None:
    send(run.store, [reading("temperature", 37, source="monitor-7")])
    advance(run.store, KEYS.of("P1"), run.clock, SITE)
    forward(run, timedelta(minutes=14))
    look(run)
    assert unregistered_episodes(run) == []
    forward(run, timedelta(minutes=1))
    look(run)
    [title] = unregistered_episodes(run)
    assert title.startswith("1 unregistered patient sends readings, from monitor-7; register the patient with")
    send(run.store, [registration()])
    advance(run.store, KEYS.of("P1"), run.clock, SITE)
    for _ in range(6):
        forward(run, ROUND)
        look(run)
    assert unregistered_episodes(run) == []


def test_another_patient_who_stays_unregistered_pages_anew_and_at_most_once_in_the_wait(run: Runtime) -> None:
    for number, patient in enumerate(("P1", "P2", "P3")):
        send(run.store, [reading("temperature", 37, patient=patient, source=f"monitor-{number}")])
        advance(run.store, KEYS.of(patient), run.clock, SITE)
        forward(run, timedelta(minutes=2))
    forward(run, timedelta(minutes=10))
    titles = []
    for _ in range(80):
        look(run)
        titles += unregistered_episodes(run)
        forward(run, ROUND)
    assert [title.split(";")[0] for title in dict.fromkeys(titles)] == [
        "1 unregistered patient sends readings, from monitor-0",
        "3 unregistered patients send readings, from monitor-0, monitor-1, monitor-2",
    ]


def test_a_state_that_can_be_read_again_is_evaluated_within_a_run(run: Runtime) -> None:
    shard = KEYS.of("P1")
    run.store.redis.hset(shard.key("states"), "P1", b"damaged")
    send(run.store, crs2(), run.clock.now())
    advance(run.store, shard, run.clock, SITE)
    assert shard not in look(run).wake
    run.store.redis.hdel(shard.key("states"), "P1")
    forward(run, ROUND)
    assert shard in look(run).wake
    assert waiting(run.store) == 3


def test_incidents_that_cannot_be_read_are_notified_again(run: Runtime) -> None:
    run.store.redis.hset(KEYS.watchdog, "incidents", b"damaged")
    look(run)
    assert incidents.unpack(run.store.redis.hget(KEYS.watchdog, "incidents")) == {}


def test_a_failover_is_no_restart(run: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new primary has run for long, and its file is whole: to write it anew would cost at the worst moment."""
    asked: list[str] = []
    monkeypatch.setattr(run.store.redis, "bgrewriteaof", lambda: asked.append("anew"))
    look(run)
    monkeypatch.setattr(run.store.redis, "info", lambda _: {"run_id": "two", "uptime_in_seconds": 3600})
    look(run)
    assert asked == []


# -- floods ----------------------------------------------------------------------------------------


def flood(run: Runtime, number: int, source: str = "monitor-7") -> None:
    """Have so many messages of a source evaluated."""
    run.store.redis.hincrby(KEYS.messages_lately, source, number)


def floods_notified(run: Runtime) -> set[str]:
    return {condition for condition in notified(run.store) if condition.startswith(incidents.FLOOD)}


def test_a_source_that_goes_on_sending_too_much_is_one_incident_that_names_it(run: Runtime) -> None:
    rate = run.settings.source_rate
    look(run)
    for _ in range(6):
        forward(run, ROUND)
        flood(run, (rate + 10) * 15)
        flood(run, rate * 15, "busy engine")
        look(run)
    assert floods_notified(run) == {"flood of monitor-7"}
    state = run.store.state(SITE_SUBJECT)
    assert state is not None
    assert f"monitor-7 sends {rate + 10} messages a second" in english(state.episodes["flood of monitor-7"].title)
    for _ in range(6):
        forward(run, ROUND)
        look(run)
    assert floods_notified(run) == set()


def test_a_back_fill_is_no_flood(run: Runtime) -> None:
    look(run)
    forward(run, ROUND)
    flood(run, 86_400)
    for _ in range(6):
        look(run)
        forward(run, ROUND)
    assert floods_notified(run) == set()


def test_what_a_source_sent_is_counted_where_it_is_evaluated(run: Runtime) -> None:
    send(run.store, [registration(), *(reading("crp", number) for number in range(5))])
    advance(run.store, KEYS.of("P1"), run.clock, SITE)
    assert floods.take_counts(run.store.redis, KEYS) == {"ehr": 1, "monitor-7": 5}
    assert floods.take_counts(run.store.redis, KEYS) == {}
    assert floods.totals(run.store.redis, KEYS) == {"ehr": 1, "monitor-7": 5}


def test_names_that_a_stranger_invents_take_no_more_than_their_place(run: Runtime) -> None:
    for number in range(floods.SOURCES_COUNTED + 10):
        flood(run, 1, f"s{number}")
    flood(run, 1000)
    floods.take_counts(run.store.redis, KEYS)
    found = floods.totals(run.store.redis, KEYS)
    assert (found["monitor-7"], found[floods.OTHERS], len(found)) == (1000, 11, floods.SOURCES_COUNTED + 1)


def test_an_audit_and_a_backup_that_waited_while_the_service_was_stopped_are_no_incident(
    run: Runtime, tmp_path: Path
) -> None:
    run.store.audited = True
    keeping = Runtime(run.settings.model_copy(update={"backup_dir": tmp_path}), SITE, run.store, run.clock)
    for minutes in (0, 180):
        forward(keeping, timedelta(minutes=minutes))
        look(keeping)
        assert not {"audit", "backup"} & set(last_run(run.store).notified)
    forward(keeping, ROUND)
    look(keeping)
    assert {"audit", "backup"} <= set(last_run(run.store).notified), "nor do they come now"
