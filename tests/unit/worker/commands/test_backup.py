"""`cartwatch backup` and `cartwatch restore`: what they refuse, and what is said of a store that was restored."""

from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from tests.support.stored_ward import KEYS, SITE, Clock, crs2, owed, send
from tests.support.wording import english
from worker.cli import main
from worker.monitoring.set_back import REPORTED_FOR, found
from worker.processing.advance import advance
from worker.store import schema
from worker.store.shard import Store


@pytest.fixture
def file(service: Store, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The backup of a service that owes a page."""
    monkeypatch.setattr("worker.store.snapshot.others_connected", lambda _: [])
    send(service, crs2())
    advance(service, KEYS.of("P1"), clock, SITE)
    path = tmp_path / "b"
    assert run("backup", str(path)).exit_code == 0
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_a_store_that_was_lost_owes_its_pages_again(file: Path, service: Store) -> None:
    before = owed(service)
    service.redis.flushall()
    ended = run("restore", str(file))
    assert ended.exit_code == 0, ended.output
    assert "what was accepted since may be missing" in ended.output
    assert owed(service) == before != []


def test_it_is_reported_from_when_the_state_is_from_the_first_look_on(file: Path, service: Store) -> None:
    service.redis.flushall()
    run("restore", str(file))
    keys = list(service.redis.scan_iter("*restored"))
    assert [service.redis.pttl(key) for key in keys] == [-1], "however long it takes until the service is started"
    [(condition, what)] = found(service).items()
    assert condition == "store set back"
    assert english(what).startswith("restored from the backup of ")
    left = timedelta(milliseconds=int(service.redis.pttl(keys[0])))
    found(service)
    assert timedelta() < left <= REPORTED_FOR


def test_a_store_with_patients_is_replaced_only_if_it_is_said(file: Path, service: Store) -> None:
    send(service, crs2("P2"))
    ended = run("restore", str(file))
    assert (ended.exit_code, "--replace" in ended.output) == (1, True)
    assert run("restore", str(file), "--replace").exit_code == 0
    assert service.redis.xlen(KEYS.of("P2").inbox) <= 1


def test_a_store_that_a_service_uses_is_left_alone(file: Path, service: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.store.snapshot.others_connected", lambda _: ["a worker"])
    before = service.redis.dbsize()
    ended = run("restore", str(file), "--replace")
    assert (ended.exit_code, "stop workers" in ended.output) == (1, True)
    assert service.redis.dbsize() == before


def test_a_backup_of_a_newer_version_or_of_other_shards_is_refused(
    file: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis.flushall()
    monkeypatch.setenv("CARTWATCH_SHARDS", "8")
    assert "CARTWATCH_SHARDS=4" in run("restore", str(file)).output
    monkeypatch.setenv("CARTWATCH_SHARDS", "4")
    monkeypatch.setattr(schema, "VERSION", 0)
    assert "version 1, written by cartwatch" in run("restore", str(file)).output
    assert redis.dbsize() == 0


def test_without_a_place_nothing_is_restored(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARTWATCH_REDIS_URL")
    assert run("restore", str(file)).exit_code == 2


def test_a_file_that_cannot_be_written_is_named(service: Store, tmp_path: Path) -> None:
    del service
    ended = run("backup", str(tmp_path / "missing" / "b"))
    assert ended.exit_code == 1
    assert str(tmp_path / "missing") in ended.output
