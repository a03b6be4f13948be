"""Who was discharged leaves the working state once the audit has them; who is erased stands nowhere any more."""

import logging
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from tests.support.stored_ward import KEYS, NOW, SITE, Clock, crs2, owed, reading, send
from worker.audit.chain import verify
from worker.audit.feed import feed
from worker.audit.folder import AuditFolder
from worker.audit.retention import StillWatchedError, archive_discharged, forget
from worker.audit.story import facts_of
from worker.cli import main
from worker.client import Client
from worker.processing.advance import advance
from worker.runtime.runtime import Runtime
from worker.store.erasure import erase, erased
from worker.store.inbox import accept


def evaluated(run: Runtime, *bodies: dict[str, Any]) -> None:
    send(run.store, bodies, run.clock.now())
    for shard in KEYS.all():
        advance(run.store, shard, run.clock, SITE)


def discharge(patient: str, clock: Clock) -> dict[str, Any]:
    body = {"type": "discharge", "id": f"d {patient}", "source": "ehr", "patient": patient}
    return body | {"effective": clock.now().isoformat()}


def merge(patient: str, into: str, clock: Clock) -> dict[str, Any]:
    return discharge(patient, clock) | {"type": "merge", "id": f"m {patient}", "into": into}


def everywhere(redis: Redis, text: str) -> list[str]:
    """The keys in which a text stands, also where it is packed."""
    found = []
    for key in redis.scan_iter("*"):
        kind = redis.type(key)
        match kind:
            case b"hash":
                plain = repr(redis.hgetall(key))
            case b"zset":
                plain = repr(redis.zrange(key, 0, -1))
            case b"stream":
                plain = repr(redis.xrange(key))
            case _:
                plain = repr(redis.get(key))
        if text in plain:
            found.append(key.decode())
    return found


def owed_to(run: Runtime, patient: str) -> list[str]:
    return [one.page.id for one in owed(run.store, patient) if one.page.patient == patient]


@pytest.fixture
def ward(audited: Runtime, folder: AuditFolder, clock: Clock) -> Runtime:
    """P1 and P2 were paged, and P1 was discharged; the audit has it all. More waits, and some could not be used."""
    evaluated(audited, *crs2("P1-SECRET"), *crs2("P2"))
    clock.forward(minutes=5)
    evaluated(audited, discharge("P1-SECRET", clock))
    feed(audited, folder)
    accept(audited.store.redis, KEYS, [b'{"patient": "P1-SECRET", "no": "message"}'], NOW, source="lab")
    for shard in KEYS.all():
        advance(audited.store, shard, audited.clock, SITE)
    send(audited.store, [reading("temperature", "37.7", "P1-SECRET"), reading("temperature", "37.7", "P2")])
    return audited


def test_an_erased_patient_stands_nowhere_and_the_others_everywhere(
    ward: Runtime, folder: AuditFolder, redis: Redis
) -> None:
    before = [fact for fact in facts_of(folder, "P2") if fact["kind"] != "message"]
    pages = owed_to(ward, "P2")
    assert facts_of(folder, "P1-SECRET")
    assert forget(ward, ["P1-SECRET"]) > 0
    assert everywhere(redis, "P1-SECRET") == []
    for shard in KEYS.all():
        for _, record in ward.store.journal(shard):
            assert "P1-SECRET" not in repr(record)
    assert all(b"P1-SECRET" not in line for _, _, line in folder.lines())
    assert facts_of(folder, "P1-SECRET") == []
    assert [fact for fact in facts_of(folder, "P2") if fact["kind"] != "message"] == before
    assert owed_to(ward, "P2") == pages != []
    assert ward.store.state("P1-SECRET") is None
    assert redis.xlen(KEYS.of("P2").inbox) >= 1
    assert not redis.hgetall(KEYS.dead_letters)


def test_the_record_is_whole_and_says_that_contents_were_erased_and_not_whose(
    ward: Runtime, folder: AuditFolder
) -> None:
    count = forget(ward, ["P1-SECRET"])
    result = verify(folder.lines())
    assert (result.faults, result.erased) == ([], count)
    [body] = [line.body for line in folder.found() if line.link.kind == "erased"]
    assert body is not None
    assert (body["patients"], len(body["records"])) == (1, count)
    evaluated(ward, reading("temperature", "39.9", "P2"))
    feed(ward, folder)
    feed(ward, AuditFolder(folder.path))
    assert verify(folder.lines()).faults == []


def test_closed_files_are_erased_too(ward: Runtime, folder: AuditFolder, clock: Clock) -> None:
    clock.forward(days=1)
    feed(ward, folder)
    assert folder.files()[0].is_packed
    forget(ward, ["P1-SECRET"])
    assert facts_of(folder, "P1-SECRET") == []
    assert verify(folder.lines()).faults == []


def test_a_patient_who_is_watched_is_not_erased(ward: Runtime) -> None:
    with pytest.raises(StillWatchedError, match="discharge the patient first"):
        forget(ward, ["P2"])
    assert ward.store.state("P2") is not None


def test_merged_records_are_erased_together(audited: Runtime, folder: AuditFolder, clock: Clock) -> None:
    evaluated(audited, *crs2("P1"), *crs2("P2"))
    evaluated(audited, merge("P1", "P2", clock))
    evaluated(audited, discharge("P2", clock))
    feed(audited, folder)
    with pytest.raises(StillWatchedError, match="is merged with P2"):
        forget(audited, ["P1"])
    forget(audited, ["P1", "P2"])
    assert everywhere(audited.store.redis, "P1") == everywhere(audited.store.redis, "P2") == []
    batches = [line.content or b"" for line in folder.found() if line.link.kind == "batch"]
    assert not any(name in content for name in (b'"P1', b'"P2') for content in batches)


@pytest.mark.usefixtures("ward")
def test_erasing_leaves_a_journal_its_ids(redis: Redis) -> None:
    def ids() -> dict[int, list[bytes]]:
        return {shard.number: [id_ for id_, _ in redis.xrange(shard.key("journal"))] for shard in KEYS.all()}

    before = ids()
    erase(redis, KEYS, erased(redis, KEYS, ["P1-SECRET"]))
    assert all(set(ids()[number]) <= set(before[number]) for number in before)
    assert ids()[KEYS.of("P2").number]


# -- archiving -------------------------------------------------------------------------------------


@pytest.fixture
def discharged(audited: Runtime, folder: AuditFolder, clock: Clock) -> Runtime:
    evaluated(audited, *crs2("P1-SECRET"), *crs2("P2"))
    evaluated(audited, discharge("P1-SECRET", clock))
    feed(audited, folder)
    return audited


def after_days(run: Runtime, days: int) -> Runtime:
    run.clock.forward(days=days)  # type: ignore[attr-defined]
    return run


def test_a_patient_discharged_long_ago_leaves_the_state_and_stays_in_the_audit(
    discharged: Runtime, folder: AuditFolder, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    ward = discharged
    archive_discharged(after_days(ward, 89))
    assert ward.store.state("P1-SECRET") is not None
    caplog.set_level(logging.INFO)
    archive_discharged(after_days(ward, 3))
    assert ward.store.state("P1-SECRET") is None
    assert ward.store.state("P2") is not None
    assert not redis.zscore(KEYS.of("P1-SECRET").key("timers"), "P1-SECRET")
    assert {"page", "message"} <= {fact["kind"] for fact in facts_of(folder, "P1-SECRET")}
    assert [line.link.kind for line in folder.found()].count("archived") == 1
    assert "P1-SECRET" not in caplog.text
    assert verify(folder.lines()).faults == []


def test_nobody_is_archived_without_an_audit_or_while_it_cannot_be_written(
    discharged: Runtime, folder: AuditFolder
) -> None:
    ward = discharged
    after_days(ward, 100)
    without = Runtime(ward.settings.model_copy(update={"audit_dir": None}), SITE, ward.store, ward.clock)
    archive_discharged(without)
    with folder.locked(NOW):
        archive_discharged(ward)
    assert ward.store.state("P1-SECRET") is not None


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def command(command_environment: None, redis: Redis, folder: AuditFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    del command_environment
    monkeypatch.setenv("CARTWATCH_AUDIT_DIR", str(folder.path))
    monkeypatch.setattr("worker.runtime.runtime.connect", lambda *_, **__: redis)
    monkeypatch.setattr(Client, "wake", lambda *_: None)


def run(*arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(main, ["forget", *arguments], input=given)


@pytest.mark.usefixtures("command")
def test_the_command_asks_first(ward: Runtime) -> None:
    assert run("P1-SECRET", given="n\n").exit_code == 1
    assert ward.store.state("P1-SECRET") is not None
    ended = run("P1-SECRET", "--yes")
    assert (ended.exit_code, ended.output.startswith("erased; ")) == (0, True)
    assert ward.store.state("P1-SECRET") is None
    assert "discharge the patient first" in run("P2", "--yes").output
