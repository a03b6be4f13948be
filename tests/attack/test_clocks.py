"""Wrong clocks: a machine's is only for its log; pages, next looks and times of acceptance are the store's."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.messages import SITE_SUBJECT
from tests.support.hospital import Hospital, crs2, eventually
from tests.support.stored_ward import Clock
from worker.clock import milliseconds
from worker.monitoring.clock_jump import CONDITION
from worker.processing.advance import advance
from worker.runtime.runtime import make
from worker.standalone.service import DELIVERS
from worker.standalone.supervisor import Supervised, worker_command
from worker.store.inbox import accept

pytestmark = pytest.mark.server

WRONG_CLOCK = Path(__file__).parent / "wrong_clock"
DAY = 24 * 3600


@contextmanager
def worker(hospital: Hospital, wrong_by: int) -> Iterator[None]:
    """The only worker, on a machine whose clock is wrong."""
    command = worker_command(["advance", "ingest", *DELIVERS], 1)
    path = os.pathsep.join(filter(None, (str(WRONG_CLOCK), os.environ.get("PYTHONPATH"))))
    wrong = {"PYTHONPATH": path, "WRONG_CLOCK_SECONDS": str(wrong_by)}
    with Supervised(command, {**hospital.settings.as_environment(), **wrong}, str(hospital.log)):
        hospital.wait_until_ticking()
        yield


def next_look(hospital: Hospital, patient: str) -> timedelta:
    """How far ahead the next look at a patient lies."""
    score = hospital.redis.zscore(hospital.store.keys.of(patient).key("timers"), patient)
    assert score is not None
    return timedelta(milliseconds=score - milliseconds(datetime.now(UTC)))


def incidents(hospital: Hospital) -> set[str]:
    """The technical episodes that are open."""
    state = hospital.store.state(SITE_SUBJECT)
    return set(state.episodes) if state is not None else set()


@pytest.mark.parametrize("wrong_by", [DAY, -DAY], ids=["a day ahead", "a day behind"])
def test_a_worker_whose_clock_is_wrong_does_nothing_wrong(hospital: Hospital, wrong_by: int) -> None:
    bed = f"bed {wrong_by}"
    with worker(hospital, wrong_by):
        hospital.client.send(crs2(bed))
        eventually(lambda: hospital.paged("CRS", bed), "the page of a worker with a wrong clock arrives", 15)
        eventually(lambda: not hospital.redis.hlen(hospital.store.keys.of(bed).key("outbox")), "its receipt is there")
    assert hospital.store.dead_letters() == []
    assert timedelta(minutes=9) < next_look(hospital, bed) <= timedelta(minutes=10)


def test_what_a_store_whose_clock_was_ahead_has_left_holds_nothing_up(hospital: Hospital) -> None:
    """It was a day ahead and was set right while no worker ran: a page is due and a wake-up lasts until tomorrow."""
    store, ahead = hospital.store, datetime.now(UTC) + timedelta(seconds=DAY)
    bed, other = "bed tomorrow", "bed today"
    site = make(hospital.settings, hospital.redis).site
    messages = [json.dumps(body).encode() for body in crs2(bed, ahead)]
    accept(store.redis, store.keys, messages, ahead)
    advance(store, store.keys.of(bed), Clock(ahead), site)
    hospital.redis.hset(store.keys.watchdog, "last_run", ahead.isoformat())
    other_shard = store.keys.of(other)
    for key in (other_shard.wakeup_pending, other_shard.lease, store.keys.tick_claimed("due")):
        hospital.redis.set(key, 1, ex=DAY + 2)
    hospital.redis.set(store.keys.watchdog_claim, 1, ex=DAY + 2)
    with hospital.workers(1):
        hospital.client.send(crs2(other))
        eventually(lambda: hospital.paged("CRS", other), "the other patient is paged", 15)
        eventually(lambda: hospital.paged("CRS", bed), "the page of tomorrow arrives today", 15)
        eventually(lambda: CONDITION in incidents(hospital), "the jump is an incident", 15)
    assert next_look(hospital, bed) <= timedelta(minutes=15)
