"""The configuration in force: read again when it has changed, kept when the new one cannot be used, and said so."""

import os
from pathlib import Path

import pytest

from alerts.messages import SITE_SUBJECT, read_message
from config.problems import ConfigurationError
from config.settings import Settings
from tests.unit.config.builders import folder
from tests.unit.worker.ward import KEYS, NOW, SITE, Clock
from worker import reload as module
from worker import tick as ticking
from worker.app import app
from worker.reload import LOOK_EVERY_SECONDS, InForce, report
from worker.runtime import Runtime, make
from worker.store import Store


class Timer:
    """Seconds, as a test says."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def in_force(tmp_path: Path, timer: Timer) -> InForce:
    folder(tmp_path)
    of = InForce.of(tmp_path)
    return InForce(of.site, tmp_path, timer)


def write(path: Path, *changes: tuple[str, str]) -> None:
    """Change the file, at another time than before whatever the clock of the file system."""
    folder(path, *changes)
    stamp = (path / "site.yaml").stat().st_mtime_ns + 1_000_000 * (1 + len(changes) + len(str(changes)))
    os.utime(path / "site.yaml", ns=(stamp, stamp))


def later(in_force: InForce, timer: Timer, looks: int = 2) -> str:
    """The hospital's name after so many looks at the files."""
    for _ in range(looks):
        timer.at += LOOK_EVERY_SECONDS
        name = in_force.site.on_call.name
    return name


RENAMED = ("name: Example hospital", "name: Another hospital")
BROKEN = ("time_zone: Europe/Rome", "time_zone: Rome")


def test_what_has_changed_is_in_force_after_two_looks(in_force: InForce, timer: Timer, tmp_path: Path) -> None:
    write(tmp_path, RENAMED)
    assert in_force.site.on_call.name == "Example hospital"
    assert later(in_force, timer, looks=1) == "Example hospital", "it may still be being written"
    assert later(in_force, timer, looks=1) == "Another hospital"
    assert in_force.refused == ""


def test_a_file_is_read_only_once_it_stands_still(in_force: InForce, timer: Timer, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("name: Ano")
    later(in_force, timer, looks=1)
    write(tmp_path, RENAMED)
    later(in_force, timer, looks=1)
    assert in_force.refused == ""
    assert later(in_force, timer, looks=1) == "Another hospital"


def test_files_are_looked_at_every_five_seconds_at_most(
    in_force: InForce, timer: Timer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[object] = []
    monkeypatch.setattr(module, "look", lambda folder: looks.append(folder) or {})
    for _ in range(41):
        timer.at += 0.25
        assert in_force.site
    assert len(looks) == 2


def test_a_file_that_has_not_changed_is_not_read_again(
    in_force: InForce, timer: Timer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "load_site", None)
    assert later(in_force, timer, looks=5) == "Example hospital"


def test_one_that_cannot_be_used_leaves_the_one_before_in_force(
    in_force: InForce, timer: Timer, tmp_path: Path
) -> None:
    write(tmp_path, RENAMED, BROKEN)
    assert later(in_force, timer) == "Example hospital"
    assert "time_zone: 'Rome' is not a time zone" in in_force.refused


def test_one_that_is_refused_is_not_read_again_until_it_changes(
    in_force: InForce, timer: Timer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, BROKEN)
    later(in_force, timer)
    monkeypatch.setattr(module, "load_site", None)
    later(in_force, timer, looks=5)
    assert in_force.refused


def test_mended_it_is_in_force(in_force: InForce, timer: Timer, tmp_path: Path) -> None:
    write(tmp_path, BROKEN)
    later(in_force, timer)
    write(tmp_path, RENAMED)
    assert later(in_force, timer) == "Another hospital"
    assert in_force.refused == ""


def test_put_back_as_it_was_it_is_no_longer_refused(in_force: InForce, timer: Timer, tmp_path: Path) -> None:
    before = (tmp_path / "site.yaml").stat()
    write(tmp_path, BROKEN)
    later(in_force, timer)
    folder(tmp_path)
    os.utime(tmp_path / "site.yaml", ns=(before.st_mtime_ns, before.st_mtime_ns))
    later(in_force, timer)
    assert in_force.refused == ""


def test_the_shipped_example_never_takes_the_place_of_a_file_that_vanished(
    in_force: InForce, timer: Timer, tmp_path: Path
) -> None:
    write(tmp_path, RENAMED)
    later(in_force, timer)
    (tmp_path / "site.yaml").unlink()
    assert later(in_force, timer) == "Another hospital"
    assert in_force.refused == "site.yaml: no longer there: put it back, or restart"


def test_a_folder_that_vanished_leaves_everything_in_force(in_force: InForce, timer: Timer, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").unlink()
    tmp_path.rmdir()
    assert later(in_force, timer) == "Example hospital"
    assert "no longer there" in in_force.refused


def test_a_file_that_joins_the_folder_counts(in_force: InForce, timer: Timer, tmp_path: Path) -> None:
    (tmp_path / "limits.csv").write_text("nonsense\n")
    later(in_force, timer)
    assert "limits.csv:1: no column reading" in in_force.refused


def test_what_an_editor_leaves_behind_does_not(in_force: InForce, timer: Timer, tmp_path: Path) -> None:
    (tmp_path / "site.yaml~").write_text("nonsense")
    later(in_force, timer)
    assert in_force.refused == ""


def test_at_the_start_one_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    folder(tmp_path, BROKEN)
    with pytest.raises(ConfigurationError):
        InForce.of(tmp_path)


def test_a_runtime_reads_the_configuration_in_force(store: Store, tmp_path: Path) -> None:
    folder(tmp_path, RENAMED)
    assert make(Settings(config_dir=tmp_path), store.redis).site.on_call.name == "Another hospital"
    assert Runtime(Settings(), SITE, store, Clock()).site is SITE


# -- said to the technician ------------------------------------------------------------------------


def said(store: Store, *in_force: InForce) -> list[tuple[str, bool]]:
    """The faults that are raised when each of these workers ticks: words and whether over."""
    before = {entry for shard in store.keys.all() for entry, _ in store.stream(shard.inbox)}
    for one in in_force:
        report(store, one, NOW)
    entries = [(entry, fields) for shard in store.keys.all() for entry, fields in store.stream(shard.inbox)]
    found = [read_message(fields[b"m"]) for entry, fields in entries if entry not in before]
    return [(message.what, message.over) for message in found if message.type == "fault"]


def refusing(why: str = "site.yaml:3: time_zone: no") -> InForce:
    one = InForce(SITE)
    one.refused = why
    return one


def test_a_refusal_is_said_once_and_its_end_once(store: Store) -> None:
    one = refusing()
    [(what, over)] = said(store, one)
    assert what.endswith("cannot be used; the one before stays in force: site.yaml:3: time_zone: no")
    assert not over
    assert said(store, one, one) == []
    one.refused = ""
    assert said(store, one, one) == [("the configuration can be used again", True)]


def test_of_several_workers_one_speaks(store: Store) -> None:
    workers = [refusing(), refusing()]
    assert len(said(store, *workers)) == 1
    for one in workers:
        one.refused = ""
    assert len(said(store, *workers)) == 1


def test_a_worker_that_has_not_looked_yet_ends_nothing(store: Store) -> None:
    behind = InForce(SITE)
    assert said(store, behind) == []
    assert len(said(store, refusing(), behind)) == 1


def test_a_worker_that_starts_with_a_mended_one_says_so(store: Store) -> None:
    said(store, refusing())
    assert said(store, InForce(SITE)) == [("the configuration can be used again", True)]


def test_it_is_over_when_no_machine_refuses_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = refusing(), refusing()
    said(store, here)
    monkeypatch.setattr("worker.reload.socket.gethostname", lambda: "another")
    said(store, there)
    there.refused = ""
    assert said(store, there) == []
    monkeypatch.undo()
    here.refused = ""
    assert said(store, here) == [("the configuration can be used again", True)]


def test_what_could_not_be_said_is_said_at_the_next_tick(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ConnectionError

    one = refusing()
    with monkeypatch.context() as gone:
        gone.setattr(module, "append", fail)
        with pytest.raises(ConnectionError):
            report(store, one, NOW)
    assert len(said(store, one)) == 1


def test_each_tick_looks_and_wakes_the_shard_that_tells_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[tuple[str, tuple[int, ...]]] = []
    run = Runtime(Settings(), refusing(), store, Clock())
    monkeypatch.setattr(ticking, "runtime", lambda: run)
    monkeypatch.setattr(ticking, "_is_taken_from", lambda _: True)
    monkeypatch.setattr(app, "send_task", lambda name, arguments=(): woken.append((name, arguments)))
    ticking.tick()
    assert woken == [("advance", (KEYS.of(SITE_SUBJECT).number,))]
    assert store.redis.xlen(KEYS.of(SITE_SUBJECT).inbox) == 1
