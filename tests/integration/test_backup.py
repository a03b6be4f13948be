"""Backups of a service that works: each is of one moment; restored on another machine, the same pages are owed."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.hospital import Hospital, crs2, eventually, reading
from tests.support.stored_ward import SITE
from worker.clock import StoreClock
from worker.processing.advance import advance
from worker.runtime.runtime import connect
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.fake_phone import FakePhone
from worker.standalone.supervisor import Supervised, worker_command
from worker.store.inbox import accept
from worker.store.keys import Keys
from worker.store.shard import Store
from worker.store.snapshot import restore_snapshot, take_snapshot

pytestmark = pytest.mark.server

KEYS = Keys("moments", 2)
ROUNDS = 15


def numbers(store: Store) -> list[int]:
    """The numbers of the messages that a store knows, evaluated or waiting; a number twice is there twice."""
    found = []
    for shard in KEYS.all():
        texts = [item["message"] for _, record in store.journal(shard) for item in record["in"]]
        texts += [fields[b"m"].decode() for _, fields in store.redis.xrange(shard.inbox)]
        bodies = (json.loads(text) for text in texts)
        found += [int(body["id"]) for body in bodies if body["source"] == "ward"]
    return sorted(found)


def test_every_backup_of_a_store_at_work_is_of_one_moment(redis_url: str) -> None:
    with connect(redis_url) as redis, EmbeddedRedis() as other, connect(other.url) as elsewhere:
        store = Store(redis, KEYS, batch=50, lease_seconds=5, journal_length=100_000)
        over = threading.Event()

        def accepts() -> None:
            number = 0
            while not over.is_set():
                now = datetime.now(UTC)
                ids = range(number, number + 5)
                bodies = [reading("temperature", "37.1", f"P{one % 4}", now, id=str(one)) for one in ids]
                accept(redis, KEYS, [json.dumps(body).encode() for body in bodies], now)
                number += 5

        def evaluates() -> None:
            own = Store(redis, KEYS, batch=50, lease_seconds=5, journal_length=100_000)
            clock = StoreClock(redis)
            while not over.is_set():
                for shard in KEYS.all():
                    advance(own, shard, clock, SITE)

        threads = [threading.Thread(target=one, daemon=True) for one in (accepts, evaluates)]
        for thread in threads:
            thread.start()
        counts = []
        try:
            eventually(lambda: len(numbers(store)) > 20, "some messages are evaluated")
            for _ in range(ROUNDS):
                copied = list(take_snapshot(redis, KEYS).keys)
                restore_snapshot(elsewhere, KEYS, iter(copied), ("mark", b""))
                found = numbers(Store(elsewhere, KEYS, batch=50, lease_seconds=5, journal_length=100_000))
                assert found == list(range(len(found))), "none is missing, and none is there twice"
                counts.append(len(found))
        finally:
            over.set()
            for thread in threads:
                thread.join(20)
        assert len(set(counts)) > ROUNDS // 2, "it was at work meanwhile"


@pytest.fixture
def phone() -> Iterator[FakePhone]:
    with FakePhone() as found:
        yield found


def said(hospital: Hospital) -> set[str]:
    """The pages that say from when the state is."""
    return {page["page"] for page in hospital.events("page") if page["condition"] == "store set back"}


@pytest.mark.timeout(300)
def test_restored_on_another_machine_the_same_pages_are_owed_and_none_is_sent_twice(
    redis_server: EmbeddedRedis, redis_url: str, phone: FakePhone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital = Hospital(redis_url, redis_server.broker_url, phone, tmp_path, "lost")
    file = tmp_path / "backup"
    with hospital.workers():
        hospital.client.send(crs2("P1"))
        eventually(lambda: hospital.paged("CRS 2", "P1"), "the first page has arrived", 100)
        hospital.is_idle_soon(100)
    with Supervised(worker_command(["advance"], 1), hospital.settings.as_environment(), str(hospital.log)):
        hospital.client.send(crs2("P2"))
        eventually(
            lambda: any("P2" in page["title"] for page in hospital.events("page")), "the second page is owed", 100
        )
        made = hospital.command("backup", str(file))
        assert made.returncode == 0, made.stderr
        hospital.client.send(crs2("P3"))
        refused = hospital.command("restore", str(file), "--replace")
        assert "stop workers" in refused.stderr, "a service uses the store"
    sent = [page.page_id for page in phone.received]
    hospital.close()

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # the other machine has seen nothing
    with EmbeddedRedis(tmp_path / "other machine") as server:
        there = Hospital(server.url, server.broker_url, phone, tmp_path / "there", "lost")
        restored = there.command("restore", str(file))
        assert restored.returncode == 0, restored.stderr
        with there.workers():
            eventually(lambda: there.paged("CRS 2", "P2"), "the page that was owed arrives", 100)
            eventually(lambda: said(there) & {page.page_id for page in phone.received}, "it is reported", 100)
            there.is_idle_soon(100)
        again = [page.page_id for page in phone.received][len(sent) :]
        assert not set(sent) & set(again), "none that was sent before"
        assert len(again) == len(set(again))
        assert not there.paged("CRS 2", "P3"), "accepted after the backup"
        there.close()
