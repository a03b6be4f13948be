"""What messages are read by: one version at a time, taken over when it has changed, said when it cannot be used."""

import os
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as StoreDown

from alerts.message_json import read_message
from alerts.messages import SITE_SUBJECT
from config.problems import ConfigurationError
from config.settings import Settings
from config.site import DEFAULTS
from tests.support.configuration import folder
from tests.support.desk import SleepingClient
from tests.support.feeds import obx, oru
from tests.support.stored_ward import KEYS, NOW, SITE, Clock
from tests.support.wording import english
from tests.unit.worker.runtime.test_reload import Timer, refusing
from worker.intake import read
from worker.intake.watched_config import WatchedIntakeConfig, refresh_and_report
from worker.monitoring.config_refused import report
from worker.runtime.reload import LOOK_EVERY_SECONDS, SiteConfig
from worker.runtime.runtime import Runtime
from worker.store.shard import Store

LOCAL = oru(obx("C1^CRP^LAB"))
MAPPED = "codes: {LAB: {C1: crp}}\n"
BROKEN = "codes: {LAB: {C1: crpp}}\n"


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder(tmp_path)
    (tmp_path / "intake.yaml").write_text("codes: {}\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def in_force(site: Path, timer: Timer) -> WatchedIntakeConfig:
    return WatchedIntakeConfig(site, timer)


def write(site: Path, text: str, name: str = "intake.yaml") -> None:
    """Change a file, at another time than before whatever the clock of the file system."""
    path = site / name
    stamp = path.stat().st_mtime_ns + 1_000_000
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(stamp, stamp))


def later(in_force: WatchedIntakeConfig, timer: Timer) -> None:
    """After files that stand still have settled."""
    for _ in range(3):
        timer.at += LOOK_EVERY_SECONDS
        in_force.refresh()


def takes(in_force: WatchedIntakeConfig) -> int:
    """How many readings the local code becomes."""
    intake, site = in_force.value
    return len(read.hl7(LOCAL, intake, site.tables).messages)


def test_a_fixed_map_holds_without_a_restart(in_force: WatchedIntakeConfig, timer: Timer, site: Path) -> None:
    assert takes(in_force) == 0
    write(site, MAPPED)
    later(in_force, timer)
    assert (takes(in_force), in_force.refused) == (1, "")


def test_one_that_cannot_be_used_leaves_the_one_before_in_force(
    in_force: WatchedIntakeConfig, timer: Timer, site: Path
) -> None:
    write(site, MAPPED)
    later(in_force, timer)
    write(site, BROKEN)
    later(in_force, timer)
    assert takes(in_force) == 1
    assert "intake.yaml:1: codes: LAB.C1" in in_force.refused


@pytest.mark.parametrize("name", ["site.yaml", "units.csv"])
def test_codes_and_units_are_of_one_version(in_force: WatchedIntakeConfig, timer: Timer, site: Path, name: str) -> None:
    """A change of both of which one cannot be used changes neither."""
    (site / "units.csv").write_text("nonsense\n", encoding="utf-8")
    write(site, "name: nobody\n", name)
    write(site, MAPPED)
    before = in_force.value
    later(in_force, timer)
    assert in_force.value is before
    assert in_force.refused


def test_a_version_once_asked_for_does_not_change(in_force: WatchedIntakeConfig, timer: Timer, site: Path) -> None:
    held = in_force.value
    write(site, MAPPED)
    later(in_force, timer)
    assert in_force.value is not held
    assert read.hl7(LOCAL, held.intake, held.tables).messages == []


@pytest.mark.parametrize("name", ["intake.yaml", "codes.csv"])
def test_the_shipped_one_never_takes_the_place_of_a_file_that_vanished(site: Path, timer: Timer, name: str) -> None:
    (site / "codes.csv").write_text((DEFAULTS / "codes.csv").read_text())
    in_force = WatchedIntakeConfig(site, timer)
    (site / name).unlink()
    later(in_force, timer)
    assert in_force.refused == f"{name}: no longer there: put it back, or restart"


def test_at_the_start_one_that_cannot_be_used_is_an_error(site: Path) -> None:
    write(site, BROKEN)
    with pytest.raises(ConfigurationError):
        WatchedIntakeConfig(site)


# -- said to the technician ------------------------------------------------------------------------


def faults(store: Store) -> list[tuple[bool, str]]:
    entries = store.stream(KEYS.of(SITE_SUBJECT).inbox)
    found = [read_message(fields[b"m"]) for _, fields in entries]
    return [(message.over, english(message.what)) for message in found if message.type == "fault"]


def test_a_refusal_is_said_and_so_is_its_end(
    in_force: WatchedIntakeConfig, timer: Timer, site: Path, redis: Redis, store: Store
) -> None:
    settings = Settings(namespace=KEYS.namespace, shards=KEYS.shards)
    run, client = Runtime(settings, SITE, store, Clock()), SleepingClient(settings, redis)

    def look() -> list[bool]:
        for _ in range(3):
            timer.at += LOOK_EVERY_SECONDS
            refresh_and_report(in_force, run, client)
        return [over for over, _ in faults(store)]

    assert look() == []
    write(site, BROKEN)
    assert look() == [False]
    assert "intake.yaml:1: codes: LAB.C1" in faults(store)[0][1]
    assert [shard.number for shard in client.woken] == [KEYS.of(SITE_SUBJECT).number]
    assert look() == [False]
    write(site, MAPPED)
    assert look() == [False, True]


def test_a_worker_that_has_no_part_in_it_does_not_end_it(in_force: WatchedIntakeConfig, store: Store) -> None:
    in_force.refused = "intake.yaml:1: no"
    report(store, in_force, NOW)
    report(store, SiteConfig.always(SITE), NOW)
    assert [over for over, _ in faults(store)] == [False]


def test_it_is_over_once_nothing_on_the_machine_is_refused(in_force: WatchedIntakeConfig, store: Store) -> None:
    worker = refusing()
    in_force.refused = worker.refused
    for one in (worker, in_force):
        report(store, one, NOW)
    worker.refused = ""
    report(store, worker, NOW)
    assert not any(over for over, _ in faults(store))
    in_force.refused = ""
    report(store, in_force, NOW)
    assert faults(store)[-1] == (True, "the configuration can be used again")


def test_a_store_that_is_away_is_tried_again(
    in_force: WatchedIntakeConfig, store: Store, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(namespace=KEYS.namespace, shards=KEYS.shards)
    run, client = Runtime(settings, SITE, store, Clock()), SleepingClient(settings, redis)
    in_force.refused = "intake.yaml:1: no"

    def down(*_: object) -> None:
        raise StoreDown

    with monkeypatch.context() as away:
        away.setattr(redis, "hgetall", down)
        refresh_and_report(in_force, run, client)
    refresh_and_report(in_force, run, client)
    assert [over for over, _ in faults(store)] == [False]
