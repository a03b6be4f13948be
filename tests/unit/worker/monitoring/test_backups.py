"""Scheduled backups: one process makes one when it is due; the newest are kept; one that does not come is reported."""

from pathlib import Path

import pytest
from redis import Redis

from config.settings import Settings
from tests.support.stored_ward import KEYS, SITE, Clock, crs2, send
from worker.monitoring import backups
from worker.monitoring.backups import back_up_if_due, late
from worker.runtime.runtime import Runtime
from worker.store.backup_file import read_header
from worker.store.shard import Store


@pytest.fixture
def scheduled(store: Store, redis: Redis, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """A service that makes a backup each hour and keeps three."""
    monkeypatch.setattr(backups, "connect_patiently", lambda _: redis)
    send(store, crs2())
    return Runtime(Settings(backup_dir=tmp_path / "backups", backup_keep=3), SITE, store, clock)


def made(run: Runtime) -> list[str]:
    assert run.settings.backup_dir is not None
    return sorted(path.name for path in run.settings.backup_dir.glob("*"))


def test_one_is_made_at_once_and_then_when_it_is_due(scheduled: Runtime, clock: Clock) -> None:
    for minutes in (0, 30, 29):
        clock.forward(minutes=minutes)
        back_up_if_due(scheduled)
    assert made(scheduled) == ["cartwatch-20240614T080000Z.backup"]
    clock.forward(minutes=1)
    back_up_if_due(scheduled)
    assert made(scheduled)[1:] == ["cartwatch-20240614T090000Z.backup"]
    assert scheduled.settings.backup_dir is not None
    assert read_header(scheduled.settings.backup_dir / made(scheduled)[0]).shards == KEYS.shards


def test_the_newest_are_kept(scheduled: Runtime, clock: Clock) -> None:
    for _ in range(5):
        back_up_if_due(scheduled)
        clock.forward(hours=1)
    assert [name[19:21] for name in made(scheduled)] == ["10", "11", "12"]


def test_two_processes_make_one(scheduled: Runtime, redis: Redis) -> None:
    redis.set(f"{KEYS.namespace}:backup_lease", "another process")
    back_up_if_due(scheduled)
    assert not Path(str(scheduled.settings.backup_dir)).exists()


def test_one_that_was_missed_twice_is_an_incident_until_it_is_made(scheduled: Runtime, clock: Clock) -> None:
    def found() -> list[str]:
        return list(late(scheduled.store, scheduled.settings, clock.now()))

    assert found() == []
    clock.forward(minutes=50)
    assert found() == []
    clock.forward(minutes=20)
    assert found() == ["backup"]
    back_up_if_due(scheduled)
    assert found() == []


def test_without_a_folder_none_is_made_or_missed(store: Store, clock: Clock) -> None:
    run = Runtime(Settings(), SITE, store, clock)
    back_up_if_due(run)
    assert late(store, run.settings, clock.forward(days=9)) == {}
