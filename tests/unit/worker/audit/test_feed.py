"""The audit is fed from the journals: they lose nothing that is not on disk, and nothing is recorded twice."""

import gzip
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, reading, send
from worker.audit.chain import verify
from worker.audit.feed import behind, feed, recorded
from worker.audit.folder import AuditFolder
from worker.processing.advance import advance
from worker.runtime.runtime import Runtime
from worker.store.journal import recorded_to, trim_recorded
from worker.store.shard import Store

SHARD = KEYS.of("P1")


def evaluated(run: Runtime, *bodies: dict[str, Any]) -> None:
    send(run.store, bodies, run.clock.now())
    for shard in KEYS.all():
        advance(run.store, shard, run.clock, SITE)


def batches(folder: AuditFolder) -> list[dict[str, Any]]:
    return [line.body or {} for line in folder.found() if line.link.kind == "batch"]


def incoming(folder: AuditFolder) -> list[str]:
    return [item["message"] for body in batches(folder) for item in body["in"]]


def is_whole(folder: AuditFolder) -> bool:
    return not verify(folder.lines()).faults


def test_what_came_in_and_what_followed_stands_in_the_audit_patient_by_patient(
    audited: Runtime, folder: AuditFolder
) -> None:
    evaluated(audited, *crs2("P1"), *crs2("P2"))
    feed(audited, folder)
    assert {body["patient"] for body in batches(folder)} >= {"P1", "P2"}
    for body in batches(folder):
        assert all(f'"patient": "{body["patient"]}"' in item["message"] for item in body["in"])
        assert {event["patient"] for event in body["events"]} <= {body["patient"]}
    assert any(event["kind"] == "page" for body in batches(folder) for event in body["events"])
    assert is_whole(folder)


def test_a_journal_is_trimmed_only_after_the_audit_has_it(audited: Runtime, folder: AuditFolder, redis: Redis) -> None:
    for number in range(20):
        evaluated(audited, reading("temperature", f"37.{number:02}"))
    assert redis.xlen(SHARD.key("journal")) == 20, "nothing of it is on disk"
    feed(audited, folder)
    assert redis.xlen(SHARD.key("journal")) == 3
    assert len(incoming(folder)) == 20


def test_a_full_store_drops_nothing_that_the_audit_lacks(audited: Runtime, folder: AuditFolder, redis: Redis) -> None:
    for number in range(5):
        evaluated(audited, reading("temperature", f"37.{number:02}"))
    feed(audited, folder)
    for number in range(5, 9):
        evaluated(audited, reading("temperature", f"37.{number:02}"))
    trim_recorded(redis, SHARD, recorded_to(redis, KEYS, SHARD), length=0)
    assert redis.xlen(SHARD.key("journal")) == 4, "those that the audit lacks"


def test_nothing_is_recorded_twice(audited: Runtime, folder: AuditFolder, redis: Redis) -> None:
    evaluated(audited, *crs2())
    feed(audited, folder)
    redis.delete(KEYS.audit)  # as if the process had died between the disk and the store
    evaluated(audited, reading("temperature", "39.5"))
    feed(audited, AuditFolder(folder.path))
    assert len(incoming(folder)) == len(set(incoming(folder))) == 4
    assert is_whole(folder)


@pytest.mark.parametrize("cut", range(1, 400, 13))
def test_a_line_that_a_crash_left_unfinished_is_cut_and_recorded_again(
    audited: Runtime, folder: AuditFolder, redis: Redis, cut: int
) -> None:
    evaluated(audited, *crs2("P1"), *crs2("P2"))
    feed(audited, folder)
    expected = batches(folder)
    [file] = folder.files()
    os.truncate(file.path, file.path.stat().st_size - cut)
    redis.delete(KEYS.audit)
    again = AuditFolder(file.path.parent)
    feed(audited, again)
    assert sorted(map(str, batches(again))) == sorted(map(str, expected))
    assert is_whole(again)
    assert "cut" in {line.link.kind for line in again.found()}


def test_more_than_is_read_at_once_is_recorded_in_one_pass(
    audited: Runtime, folder: AuditFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.audit.feed.AT_ONCE", 2)
    for number in range(9):
        evaluated(audited, reading("temperature", f"37.{number:02}"))
    feed(audited, folder)
    assert len(incoming(folder)) == 9


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("days", [0, 1])
def test_after_a_failover_to_a_clock_that_is_behind_nothing_is_left_out(
    audited: Runtime, folder: AuditFolder, redis: Redis, clock: Clock, restarted: bool, days: int
) -> None:
    journal = SHARD.key("journal")
    for number in range(3):
        evaluated(audited, reading("temperature", f"37.{number:02}"))
    packed = [fields for _, fields in redis.xrange(journal)]
    redis.delete(journal)
    for at, fields in zip(("100000-0", "103000-0", "104000-7"), packed, strict=True):
        redis.xadd(journal, fields, id=at)
    feed(audited, folder)
    redis.delete(journal)  # the last entry was not copied, and the new primary's clock is two seconds behind
    for at, fields in zip(("100000-0", "103000-0", "103500-0"), packed, strict=True):
        redis.xadd(journal, fields, id=at)
    clock.forward(days=days)
    for _ in range(2):
        folder = AuditFolder(folder.path) if restarted else folder
        feed(audited, folder)
    origins = [line.link.origin.partition(" ")[2] for line in folder.found() if line.link.origin]
    assert origins == ["100000-0", "103000-0", "104000-7", "103500-0"]
    redis.xadd(journal, packed[0], id="110000-0")
    feed(audited, folder)
    assert [line.link.origin for line in folder.found()][-1].endswith("110000-0")
    assert is_whole(folder)


def test_a_folder_that_was_set_back_says_which_records_are_missing(audited: Runtime, folder: AuditFolder) -> None:
    evaluated(audited, *crs2())
    feed(audited, folder)
    [file] = folder.files()
    older = file.path.read_bytes()
    evaluated(audited, reading("temperature", "39.5"))
    feed(audited, folder)
    last = recorded(audited).n
    file.path.write_bytes(older)
    again = AuditFolder(folder.path)
    feed(audited, again)
    [gap] = [line.body for line in again.found() if line.link.kind == "gap"]
    assert gap is not None
    assert gap["last"] == last
    assert len(incoming(again)) == 4, "what the journal still has is recorded again"


def test_a_file_ends_with_its_day_and_the_chain_goes_on(audited: Runtime, folder: AuditFolder, clock: Clock) -> None:
    evaluated(audited, *crs2())
    feed(audited, folder)
    clock.forward(days=1)
    evaluated(audited, reading("temperature", "39.5", at=clock.now()))
    feed(audited, folder)
    first, second = folder.files()
    assert (first.is_packed, second.is_packed) == (True, False)
    with gzip.open(first.path) as lines:
        assert lines.readline().endswith(b"}\n")
    assert is_whole(folder)
    assert len(incoming(folder)) == 4
    since = NOW + timedelta(hours=12)
    assert next(line.link.n for line in folder.found(since=since)) == second.first


def test_two_processes_do_not_write_at_once(audited: Runtime, folder: AuditFolder) -> None:
    evaluated(audited, *crs2())
    with folder.locked(NOW):
        assert feed(audited, AuditFolder(folder.path)) == 0
    assert feed(audited, AuditFolder(folder.path)) > 0


def test_a_lost_lease_leaves_the_journal_as_it_is(
    audited: Runtime, folder: AuditFolder, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        evaluated(audited, reading("temperature", f"37.{number:02}"))
    flush = AuditFolder.flush

    def slowly(self: AuditFolder) -> None:
        flush(self)
        redis.set(KEYS.audit_lease, "another")

    monkeypatch.setattr(AuditFolder, "flush", slowly)
    feed(audited, folder)
    assert redis.xlen(SHARD.key("journal")) == 9


def test_another_machine_continues_the_record_only_after_the_first_stands_still(
    audited: Runtime, folder: AuditFolder, clock: Clock, tmp_path: Path
) -> None:
    evaluated(audited, *crs2())
    feed(audited, folder)
    other = AuditFolder(tmp_path / "other machine")
    evaluated(audited, reading("temperature", "39.5"))
    assert feed(audited, other) == 0
    clock.forward(minutes=11)
    feed(audited, other)
    assert len(incoming(other)) == 1, "only what the first folder lacks"
    assert {line.link.kind for line in other.found()} >= {"moved"}
    assert feed(audited, folder) == 0
    assert is_whole(other)


def test_a_new_configuration_is_recorded_once_and_without_its_addresses(audited: Runtime, folder: AuditFolder) -> None:
    feed(audited, folder)
    feed(audited, folder)
    conventions = SITE.conventions.model_copy(update={"ctcae_version": "6.0"})
    phones = {"phone-1": SITE.on_call.channels["phone-1"].model_copy(update={"url": "ntfys://user:secret@ntfy.org/t"})}
    changed = SITE._replace(conventions=conventions, on_call=SITE.on_call.model_copy(update={"channels": phones}))
    feed(Runtime(audited.settings, changed, audited.store, audited.clock), folder)
    found = [line.body or {} for line in folder.found() if line.link.kind == "configuration"]
    assert [body["conventions"]["ctcae_version"] for body in found] == ["5.0", "6.0"]
    assert found[1]["on_call"]["channels"]["phone-1"]["url"] == "ntfys://"


def test_old_files_are_dropped_and_the_record_says_so(audited: Runtime, folder: AuditFolder, clock: Clock) -> None:
    evaluated(audited, *crs2())
    feed(audited, folder)
    clock.forward(days=40)
    feed(audited, folder)
    run = Runtime(audited.settings.model_copy(update={"audit_days": 30}), SITE, audited.store, clock)
    feed(run, folder)
    assert incoming(folder) == []
    assert is_whole(folder)


def test_an_audit_that_stands_still_is_an_incident(audited: Runtime, folder: AuditFolder, clock: Clock) -> None:
    assert behind(audited.store, clock.now()) == {}, "it has just been started"
    clock.forward(minutes=11)
    assert list(behind(audited.store, clock.now())) == ["audit"]
    feed(audited, folder)
    assert behind(audited.store, clock.now()) == {}


def test_without_an_audit_nothing_is_expected(store: Store, clock: Clock) -> None:
    assert behind(store, clock.forward(days=1)) == {}
