"""The process that writes the audit is killed again and again: nothing is missing, nothing is there twice."""

import json
import multiprocessing
import os
import random
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.settings import Settings
from tests.support.hospital import reading
from tests.support.stored_ward import SITE
from worker.audit import folder as module
from worker.audit.chain import verify
from worker.audit.feed import feed
from worker.audit.folder import AuditFolder
from worker.clock import StoreClock
from worker.processing.advance import advance
from worker.runtime.runtime import Runtime, connect
from worker.store.inbox import accept
from worker.store.keys import Keys
from worker.store.shard import Store

pytestmark = pytest.mark.server

KEYS = Keys("killed", 2)
KILLS = 12


def runtime(url: str, folder: Path) -> Runtime:
    redis = connect(url)
    store = Store(redis, KEYS, batch=50, lease_seconds=2, journal_length=5, audited=True)
    settings = Settings(redis_url=url, audit_dir=folder, namespace=KEYS.namespace, shards=KEYS.shards)
    return Runtime(settings, SITE, store, StoreClock(redis))


def work(url: str, folder: Path) -> None:
    """Accept, evaluate and record, until killed. Files are short, so that many are ended and compressed."""
    module.FILE_BYTES = 20_000
    run, record = runtime(url, folder), AuditFolder(folder)
    while True:
        number = int(run.store.redis.incr("number"))
        body = reading("temperature", "37.1", f"P{number % 3}", datetime.now(UTC), id=str(number))
        accept(run.store.redis, KEYS, [json.dumps(body).encode()], datetime.now(UTC))
        run.store.redis.sadd("accepted", number)
        for shard in KEYS.all():
            advance(run.store, shard, run.clock, SITE)
        feed(run, record)


def recorded(folder: Path) -> list[int]:
    lines = AuditFolder(folder).found()
    bodies = [json.loads(item["message"]) for line in lines for item in (line.body or {}).get("in", ())]
    return sorted(int(body["id"]) for body in bodies if body["source"] == "ward")


@pytest.mark.timeout(300)
def test_a_writer_that_is_killed_leaves_a_whole_record(redis_url: str, tmp_path: Path) -> None:
    folder, chance = tmp_path / "audit", random.Random(21)
    run = runtime(redis_url, folder)
    context = multiprocessing.get_context("spawn")
    for _ in range(KILLS):
        process = context.Process(target=work, args=(redis_url, folder))
        process.start()
        before = int(run.store.redis.get("number") or 0)
        deadline = time.monotonic() + 60
        while int(run.store.redis.get("number") or 0) < before + 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.2))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        # The leases of the killed process would expire.
        run.store.redis.delete(KEYS.audit_lease, *(shard.lease for shard in KEYS.all()))
    for shard in KEYS.all():
        advance(run.store, shard, run.clock, SITE)
    feed(run, AuditFolder(folder))
    accepted = {int(number) for number in run.store.redis.smembers("accepted")}
    found = recorded(folder)
    assert len(found) == len(set(found)), "nothing is there twice"
    assert accepted <= set(found), "nothing is missing"
    assert verify(AuditFolder(folder).lines()).faults == []
    assert sum(file.is_packed for file in AuditFolder(folder).files()) > 1
