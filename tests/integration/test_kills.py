"""Processes killed in the middle of the work: what was accepted takes effect once, every page owed arrives."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakeredis import FakeRedis, FakeServer
from redis import Redis
from redis.exceptions import RedisError

from alerts.state import PatientState
from config.site import load_site
from tests.support.hospital import (
    Body,
    Hospital,
    course,
    crs2,
    descendants,
    eventually,
    kill,
    reachable,
)
from worker.clock import StoreClock
from worker.processing.advance import advance
from worker.runtime.queues import FOREIGN_QUEUE, QUEUES
from worker.runtime.runtime import connect, make
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.fake_phone import FakePhone, ReceivedPage
from worker.standalone.supervisor import Supervised
from worker.store.inbox import accept

pytestmark = pytest.mark.server

PATIENTS = 4
SLOW_PHONE = 0.05
"""Seconds the receiver takes to answer, so that a kill finds pages on their way."""


def patients(name: str) -> list[str]:
    return [f"{name} {number}" for number in range(PATIENTS)]


def undisturbed(hospital: Hospital, messages: list[Body]) -> dict[str, PatientState]:
    """The states these messages lead to, evaluated one by one by one worker that nothing happens to."""
    store = make(hospital.settings, FakeRedis(server=FakeServer(version=(7,)))).store
    site = load_site(hospital.settings.config_dir)
    for message in messages:
        accept(store.redis, store.keys, [json.dumps(message).encode()], datetime.now(UTC))
        advance(store, store.keys.of(message["patient"]), StoreClock(store.redis), site)
    return {state.patient: state for state in store.states()}


def holds(hospital: Hospital, messages: list[Body]) -> None:
    """Nothing was lost, nothing counted twice, and every page owed has arrived."""
    hospital.is_idle_soon(within=60)
    assert hospital.store.dead_letters() == []
    for patient, expected in undisturbed(hospital, messages).items():
        found = hospital.store.state(patient)
        assert found is not None
        assert found.chart == expected.chart
        assert found.last_values == expected.last_values
        assert {name: episode.level for name, episode in found.episodes.items()} == {
            name: episode.level for name, episode in expected.episodes.items()
        }
        assert hospital.paged("CRS 2", patient)
        assert hospital.paged("ICANS ", patient)
    hospital.every_page_owed_has_arrived()


@contextmanager
def slow_phone(hospital: Hospital) -> Iterator[None]:
    hospital.phone.behave("/phone-1", delay=SLOW_PHONE)
    yield
    hospital.phone.behave("/phone-1")


# -- the worker ------------------------------------------------------------------------------------


def whole_worker(main: int) -> list[int]:
    return [main, *descendants(main)]


def main_process(main: int) -> list[int]:
    return [main]


def pool_child(main: int) -> list[int]:
    return descendants(main)[:1]


KILLS: list[Callable[[int], list[int]]] = [pool_child, whole_worker, pool_child, main_process, pool_child, whole_worker]


def despite_kills(
    hospital: Hospital, worker: Supervised, messages: list[Body], kills: list[Callable[[int], list[int]]]
) -> None:
    """Send a stream of messages; at even distances in it kill one victim after the other, and go on at once.

    On a busy machine a killed worker takes a while to die. The next kill waits for the one that was started after it.
    """
    spots = {len(messages) * (number + 1) // (len(kills) + 1): victims for number, victims in enumerate(kills)}
    ended = 0
    for place, message in enumerate(messages):
        hospital.client.send([message])
        if place in spots:
            eventually(
                lambda ended=ended: worker.starts > ended and worker.pid and descendants(worker.pid), "the worker runs"
            )
            kill(*spots[place](worker.pid or 0))
            ended += spots[place] is not pool_child


def test_workers_killed_in_the_middle_lose_nothing_and_page_nothing_twice(hospital: Hospital) -> None:
    """Its main process, a process of its pool, or all of them at once."""
    messages = course(patients("killed"), datetime.now(UTC))
    with slow_phone(hospital), hospital.workers() as worker:
        despite_kills(hospital, worker, messages, KILLS)
        holds(hospital, messages)
        ended = sum(victims is not pool_child for victims in KILLS)
        eventually(lambda: worker.starts > ended, "it was started again each time")


@pytest.mark.parametrize("victims", [pool_child, whole_worker])
def test_the_page_of_a_killed_sender_does_not_wait_for_its_claim_to_run_out(
    hospital: Hospital, victims: Callable[[int], list[int]]
) -> None:
    patient = f"held {victims.__name__}"
    site = hospital.settings.config_dir / "site.yaml"  # type: ignore[operator]
    before = site.read_text(encoding="utf-8")
    site.write_text(before.replace("lease: 3 s", "lease: 10 min"), encoding="utf-8")
    hospital.phone.behave("/phone-1", delay=60)
    try:
        with hospital.workers(1) as worker:
            hospital.client.send(crs2(patient))
            keys = hospital.store.keys.partition_of("phone-1")
            eventually(lambda: hospital.redis.hlen(keys.begun), "the page is being sent")
            kill(*victims(worker.pid or 0))
            hospital.phone.behave("/phone-1")
            eventually(lambda: hospital.paged("CRS 2", patient), "it was sent again at once")
    finally:
        hospital.phone.behave("/phone-1")
        site.write_text(before, encoding="utf-8")


# -- the broker ------------------------------------------------------------------------------------


def flush(broker: Redis) -> int:
    """Lose every Celery message, waiting or being worked on; how many there were."""
    pipe = broker.pipeline(transaction=True)
    for queue in (*QUEUES, FOREIGN_QUEUE):
        pipe.llen(queue)
    pipe.hlen("unacked")
    pipe.flushdb()
    return sum(pipe.execute()[:-1])


@contextmanager
def standing_still(worker: Supervised) -> Iterator[None]:
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_losing_every_celery_message_again_and_again_loses_nothing(hospital: Hospital) -> None:
    messages = course(patients("flushed"), datetime.now(UTC))
    lost: list[int] = []
    with hospital.workers() as worker, connect(hospital.settings.broker) as broker:

        def judged_though_flushed() -> bool:
            lost.append(flush(broker))
            return not any(hospital.redis.xlen(shard.inbox) for shard in hospital.store.keys.all())

        for begin in range(0, len(messages), 40):
            # Whoever takes from the queues stands still, so that there certainly is something to lose.
            with standing_still(worker):
                hospital.client.send(messages[begin : begin + 40])
                lost.append(flush(broker))
            eventually(judged_though_flushed, "the tick has found what nobody was woken for")
        holds(hospital, messages)
    assert sum(lost) >= len(messages) // 40


# -- the store -------------------------------------------------------------------------------------


@pytest.fixture
def fragile(redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[tuple[Hospital, EmbeddedRedis]]:
    """An installation with a store of its own, to be killed."""
    assert redis_server.running
    with EmbeddedRedis(tmp_path / "data") as server, FakePhone() as receiver:
        made = Hospital(server.url, server.broker_url, receiver, tmp_path, "fragile")
        yield made, server
        made.close()


def send_until_accepted(hospital: Hospital, message: Body) -> None:
    """As a producer does that hears "the store cannot be reached": send again."""

    def accepted() -> bool:
        try:
            return hospital.client.send([message]) == 1
        except RedisError:
            return False

    eventually(accepted, "the store accepts a message")


def test_a_store_killed_in_the_middle_keeps_what_it_accepted_and_what_it_owes(
    fragile: tuple[Hospital, EmbeddedRedis],
) -> None:
    """The last time the phone is out of order too, so that pages are owed while there is no store."""
    hospital, server = fragile
    messages = course(patients("power cut"), datetime.now(UTC))
    cuts = [len(messages) * number // 4 for number in (1, 2, 3)]
    with slow_phone(hospital), hospital.workers():
        for place, message in enumerate(messages):
            send_until_accepted(hospital, message)
            if place not in cuts:
                continue
            if place == cuts[-1]:
                refused = len(hospital.phone.attempts)
                hospital.phone.behave("/phone-1", status=503)
                eventually(lambda seen=refused: len(hospital.phone.attempts) > seen, "a delivery is refused")
            server.kill()
            assert not reachable(hospital.redis)
            server.start()
        hospital.phone.behave("/phone-1")
        holds(hospital, messages)
        # The tick is what climbs the ladders: it must not have ended with a lost connection.
        hospital.wait_until_ticking()
        # The watchdog, whose first run the store's end may have interrupted, runs again within 15 s.
        eventually(lambda: hospital.command("health").returncode == 0, "all is well")


def goes(server: EmbeddedRedis) -> Callable[[], None]:
    """The store dies; how it is repaired."""
    server.kill()
    return server.start


def is_full(server: EmbeddedRedis) -> Callable[[], None]:
    """The store takes no more; how it is repaired."""

    def limit(most: int) -> None:
        with connect(server.url) as redis:
            redis.config_set("maxmemory", most)

    limit(1)
    return lambda: limit(0)


@pytest.mark.parametrize("trouble", [goes, is_full])
def test_what_the_phone_took_before_it_could_be_recorded_is_not_sent_twice(
    redis_server: EmbeddedRedis, tmp_path: Path, trouble: Callable[[EmbeddedRedis], Callable[[], None]]
) -> None:
    assert redis_server.running
    repairs: list[Callable[[], None]] = []

    def taken(_: ReceivedPage) -> None:
        if not repairs:
            repairs.append(trouble(server))

    with EmbeddedRedis(tmp_path / "data") as server, FakePhone(taken) as receiver:
        hospital = Hospital(server.url, server.broker_url, receiver, tmp_path, "unrecorded")
        with hospital.workers(1):
            hospital.client.send(crs2("unrecorded"))
            eventually(lambda: repairs, "a page is at the phone")
            said = "the store rejects the record of a sent page"
            eventually(lambda: said in hospital.log.read_text(encoding="utf-8"), "its sender holds on to that")
            repairs[0]()
            hospital.is_idle_soon(within=60)
            hospital.every_page_owed_has_arrived()
        hospital.close()
        assert all(times == 1 for times in Counter(page.page_id for page in receiver.received).values())
