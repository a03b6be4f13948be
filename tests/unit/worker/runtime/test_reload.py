"""The configuration in force: read again when it has changed, kept when the new one cannot be used, and said so."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from alerts.message_json import read_message
from alerts.messages import SITE_SUBJECT
from config.problems import ConfigurationError
from config.settings import Settings
from config.site import Site, load_site
from tests.support.configuration import folder
from tests.support.stored_ward import KEYS, NOW, SITE, Clock
from tests.support.wording import english
from worker import ticker as ticking
from worker.app import app
from worker.monitoring.config_refused import report
from worker.runtime import reload as module
from worker.runtime.reload import LOOK_EVERY_SECONDS, SETTLED_SECONDS, SiteConfig, fingerprint
from worker.runtime.runtime import Runtime, make
from worker.store.shard import Store


class Timer:
    """Seconds, as a test says."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


class Wall:
    """The clock on the wall, so far ahead of the file system's as a test says."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def in_force(tmp_path: Path, timer: Timer, wall: Wall) -> SiteConfig:
    folder(tmp_path)
    return SiteConfig.of(tmp_path, timer, wall)


def write(path: Path, *changes: tuple[str, str]) -> None:
    """Change the file."""
    folder(path, *changes)


def later(in_force: SiteConfig, timer: Timer, seconds: float = SETTLED_SECONDS + LOOK_EVERY_SECONDS) -> str:
    """The hospital's name after a time in which a process is asked each second."""
    for _ in range(int(seconds / LOOK_EVERY_SECONDS)):
        timer.at += LOOK_EVERY_SECONDS
        name = in_force.site.on_call.name
    return name


def asked_after(in_force: SiteConfig, timer: Timer, wall: Wall, idle: float) -> str:
    """The hospital's name as the first task sees it in a process that was asked nothing for so long."""
    timer.at += idle
    wall.ahead += idle
    return in_force.site.on_call.name


RENAMED = ("name: Example hospital", "name: Another hospital")
BROKEN = ("time_zone: Europe/Rome", "time_zone: Rome")


@pytest.mark.parametrize("idle", [SETTLED_SECONDS, 60, 3600])
def test_the_first_task_of_a_process_that_idled_uses_what_has_changed(
    in_force: SiteConfig, timer: Timer, wall: Wall, tmp_path: Path, idle: float
) -> None:
    write(tmp_path, RENAMED)
    assert asked_after(in_force, timer, wall, idle) == "Another hospital"
    assert in_force.refused == ""


def test_a_file_that_has_just_changed_may_still_be_being_written(
    in_force: SiteConfig, timer: Timer, wall: Wall, tmp_path: Path
) -> None:
    write(tmp_path, RENAMED)
    assert asked_after(in_force, timer, wall, SETTLED_SECONDS - 1) == "Example hospital"
    assert asked_after(in_force, timer, wall, 1) == "Another hospital"


def test_a_file_that_is_being_written_is_not_read(
    in_force: SiteConfig, timer: Timer, wall: Wall, tmp_path: Path
) -> None:
    (tmp_path / "site.yaml").write_text("name: Ano")
    asked_after(in_force, timer, wall, SETTLED_SECONDS - 1)
    wall.ahead = 0  # written on until now
    write(tmp_path, RENAMED)
    asked_after(in_force, timer, wall, SETTLED_SECONDS - 1)
    assert in_force.refused == ""
    assert asked_after(in_force, timer, wall, 1) == "Another hospital"


def test_what_changes_while_it_is_read_is_read_again(
    in_force: SiteConfig, timer: Timer, wall: Wall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes may pause for longer than files need to settle, or by another clock."""

    def load(path: Path) -> Site:
        found = load_site(path)
        write(tmp_path, RENAMED)
        return found

    write(tmp_path, ("name: Example hospital", "name: Half a hospital"))
    with monkeypatch.context() as written_on:
        written_on.setattr(module, "load_site", load)
        assert asked_after(in_force, timer, wall, 60) == "Example hospital"
    assert asked_after(in_force, timer, wall, 60) == "Another hospital"


def test_what_changes_while_a_process_starts_is_read_again(
    timer: Timer, wall: Wall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(tmp_path)

    def load(path: Path) -> Site:
        found = load_site(path)
        write(tmp_path, RENAMED)
        return found

    with monkeypatch.context() as starting:
        starting.setattr(module, "load_site", load)
        in_force = SiteConfig.of(tmp_path, timer, wall)
    assert asked_after(in_force, timer, wall, 60) == "Another hospital"


def replaced(path: Path, text: str) -> None:
    """As an editor saves: the new file takes the place of the old in one step."""
    (path / "site.yaml.new").write_text(text)
    (path / "site.yaml.new").rename(path / "site.yaml")


def preserved(path: Path, text: str) -> None:
    """As `cp -p`, `rsync -t` and `git` of another file of the same size: the time of the content is an old one."""
    before = (path / "site.yaml").stat()
    (path / "site.yaml").write_text(text.ljust(before.st_size))
    os.utime(path / "site.yaml", ns=(before.st_atime_ns, before.st_mtime_ns))


def linked(path: Path, text: str) -> None:
    """As a ConfigMap: the files are links through a folder that is exchanged."""
    before = (path / "site.yaml").stat()
    (path / "..2").mkdir()
    (path / "..2/site.yaml").write_text(text.ljust(before.st_size))
    os.utime(path / "..2/site.yaml", ns=(before.st_atime_ns, before.st_mtime_ns))
    (path / "..data").symlink_to("..2")
    (path / "site.yaml").unlink()
    (path / "site.yaml").symlink_to("..data/site.yaml")


@pytest.mark.parametrize("change", [replaced, preserved, linked])
def test_however_a_file_changes_it_is_noticed(
    in_force: SiteConfig, timer: Timer, wall: Wall, tmp_path: Path, change: Callable[[Path, str], None]
) -> None:
    text = (tmp_path / "site.yaml").read_text().replace("name: Example hospital", "name: Other hospital")
    change(tmp_path, text)
    assert asked_after(in_force, timer, wall, 60) == "Other hospital"


def test_a_link_that_is_exchanged_is_noticed(in_force: SiteConfig, timer: Timer, wall: Wall, tmp_path: Path) -> None:
    text = (tmp_path / "site.yaml").read_text()
    linked(tmp_path, text)
    asked_after(in_force, timer, wall, 60)
    (tmp_path / "..3").mkdir()
    (tmp_path / "..3/site.yaml").write_text(text.replace("name: Example hospital", "name: Other hospital"))
    (tmp_path / "..next").symlink_to("..3")
    (tmp_path / "..next").rename(tmp_path / "..data")
    assert asked_after(in_force, timer, wall, 60) == "Other hospital"


@pytest.mark.parametrize("ahead", [30, 10 * 365 * 86400])
def test_files_from_a_clock_that_is_ahead_count_once_they_stand_still(
    in_force: SiteConfig, timer: Timer, wall: Wall, tmp_path: Path, ahead: float
) -> None:
    wall.ahead = -ahead
    write(tmp_path, RENAMED)
    assert later(in_force, timer, LOOK_EVERY_SECONDS) == "Example hospital"
    assert later(in_force, timer) == "Another hospital"


def test_files_are_looked_at_once_a_second_at_most(
    in_force: SiteConfig, timer: Timer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[object] = []
    files = fingerprint(tmp_path)
    monkeypatch.setattr(module, "fingerprint", lambda folder: looks.append(folder) or files)
    for _ in range(9):
        timer.at += LOOK_EVERY_SECONDS / 4
        assert in_force.site
    assert len(looks) == 2


@pytest.mark.parametrize("looked", [0.1, 0.9])
def test_a_look_a_moment_ago_does_not_hide_that_the_files_have_settled(
    in_force: SiteConfig, timer: Timer, wall: Wall, tmp_path: Path, looked: float
) -> None:
    write(tmp_path, RENAMED)
    assert asked_after(in_force, timer, wall, SETTLED_SECONDS - looked) == "Example hospital"
    assert asked_after(in_force, timer, wall, looked) == "Another hospital"


def test_who_must_know_looks_at_once(in_force: SiteConfig, wall: Wall, tmp_path: Path) -> None:
    write(tmp_path, RENAMED)
    wall.ahead = SETTLED_SECONDS
    assert in_force.site.on_call.name == "Example hospital"
    in_force.refresh(at_once=True)
    assert in_force.site.on_call.name == "Another hospital"


def test_who_asks_while_another_thread_reads_a_change_waits_for_it(timer: Timer, wall: Wall, tmp_path: Path) -> None:
    reads, asked = threading.Event(), threading.Event()
    folder(tmp_path)

    def slowly(changed: Path | None) -> Site:
        if wall.ahead:
            reads.set()
            assert asked.wait(10)
        return load_site(changed)

    in_force = SiteConfig(slowly, tmp_path, timer, wall)
    inner = in_force._looking

    class Looking:
        """The lock, which says when somebody asks for it while the change is read."""

        release = inner.release

        def acquire(self, *, timeout: float) -> bool:
            if reads.is_set():
                asked.set()
            return inner.acquire(timeout=timeout)

    in_force._looking = Looking()  # type: ignore[assignment]
    write(tmp_path, RENAMED)
    timer.at, wall.ahead = timer.at + 60, 60
    reader = threading.Thread(target=in_force.refresh)
    reader.start()
    assert reads.wait(10)
    assert in_force.site.on_call.name == "Another hospital"
    reader.join()


def test_a_folder_that_hangs_is_waited_for_once_and_ends_nobody(
    in_force: SiteConfig, timer: Timer, wall: Wall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = in_force.site.on_call.name
    write(tmp_path, RENAMED)
    timer.at, wall.ahead = timer.at + 60, 60
    with in_force._looking:  # another thread checks, and its file system does not answer
        monkeypatch.setattr(module, "WAITED_FOR_SECONDS", 0.01)
        assert in_force.site.on_call.name == before
        monkeypatch.setattr(module, "WAITED_FOR_SECONDS", 600.0)
        assert in_force.site.on_call.name == before
    assert in_force.site.on_call.name == "Another hospital"


def test_a_process_that_watches_keeps_up_though_it_is_asked_nothing(
    in_force: SiteConfig, timer: Timer, wall: Wall, tmp_path: Path
) -> None:
    """What is refused later must not bring back what was in force before it idled."""

    class Minutes(threading.Event):
        changes = iter([lambda: write(tmp_path, RENAMED), lambda: write(tmp_path, BROKEN), lambda: None])

        def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002
            change = next(self.changes, self.set)
            change()
            timer.at += 60
            wall.ahead += 60
            return self.is_set()

    over = Minutes()
    in_force.watch(over)
    assert threading.Event.wait(over, 10)
    assert "time_zone" in in_force.refused
    assert in_force._value.on_call.name == "Another hospital"


def test_a_file_that_has_not_changed_is_not_read_again(
    in_force: SiteConfig, timer: Timer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "load_site", None)
    assert later(in_force, timer) == "Example hospital"


def test_one_that_cannot_be_used_leaves_the_one_before_in_force(
    in_force: SiteConfig, timer: Timer, tmp_path: Path
) -> None:
    write(tmp_path, RENAMED, BROKEN)
    assert later(in_force, timer) == "Example hospital"
    assert "time_zone: 'Rome' is not a time zone" in in_force.refused


def test_one_that_is_refused_is_not_read_again_until_it_changes(
    in_force: SiteConfig, timer: Timer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, BROKEN)
    later(in_force, timer)
    monkeypatch.setattr(module, "load_site", None)
    later(in_force, timer)
    assert in_force.refused


def test_once_fixed_it_is_in_force(in_force: SiteConfig, timer: Timer, tmp_path: Path) -> None:
    write(tmp_path, BROKEN)
    later(in_force, timer)
    write(tmp_path, RENAMED)
    assert later(in_force, timer) == "Another hospital"
    assert in_force.refused == ""


def test_put_back_as_it_was_it_is_no_longer_refused(in_force: SiteConfig, timer: Timer, tmp_path: Path) -> None:
    before = (tmp_path / "site.yaml").stat()
    write(tmp_path, BROKEN)
    later(in_force, timer)
    folder(tmp_path)
    os.utime(tmp_path / "site.yaml", ns=(before.st_mtime_ns, before.st_mtime_ns))
    later(in_force, timer)
    assert in_force.refused == ""


def test_the_shipped_example_never_takes_the_place_of_a_file_that_vanished(
    in_force: SiteConfig, timer: Timer, tmp_path: Path
) -> None:
    write(tmp_path, RENAMED)
    later(in_force, timer)
    (tmp_path / "site.yaml").unlink()
    assert later(in_force, timer) == "Another hospital"
    assert in_force.refused == "site.yaml: no longer there: put it back, or restart"


def test_a_folder_that_vanished_leaves_everything_in_force(in_force: SiteConfig, timer: Timer, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").unlink()
    tmp_path.rmdir()
    assert later(in_force, timer) == "Example hospital"
    assert "no longer there" in in_force.refused


def test_a_file_that_joins_the_folder_counts(in_force: SiteConfig, timer: Timer, tmp_path: Path) -> None:
    (tmp_path / "limits.csv").write_text("nonsense\n")
    later(in_force, timer)
    assert "limits.csv:1: no column reading" in in_force.refused


def test_what_an_editor_leaves_behind_does_not(in_force: SiteConfig, timer: Timer, tmp_path: Path) -> None:
    (tmp_path / "site.yaml~").write_text("nonsense")
    (tmp_path / ".site.yaml").write_text("nonsense")
    (tmp_path / ".#site.yaml").symlink_to("somebody@here.4711")
    (tmp_path / "lock.yaml").symlink_to("nowhere")
    later(in_force, timer)
    assert in_force.refused == ""


def test_at_the_start_one_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    folder(tmp_path, BROKEN)
    with pytest.raises(ConfigurationError):
        SiteConfig.of(tmp_path)


def test_a_runtime_reads_the_configuration_in_force(store: Store, tmp_path: Path) -> None:
    folder(tmp_path, RENAMED)
    assert make(Settings(config_dir=tmp_path), store.redis).site.on_call.name == "Another hospital"
    assert Runtime(Settings(), SITE, store, Clock()).site is SITE


# -- said to the technician ------------------------------------------------------------------------


def said(store: Store, *in_force: SiteConfig) -> list[tuple[str, bool]]:
    """The faults that are raised when each of these workers ticks: words and whether over."""
    before = {entry for shard in store.keys.all() for entry, _ in store.stream(shard.inbox)}
    for one in in_force:
        report(store, one, NOW)
    entries = [(entry, fields) for shard in store.keys.all() for entry, fields in store.stream(shard.inbox)]
    found = [read_message(fields[b"m"]) for entry, fields in entries if entry not in before]
    return [(english(message.what), message.over) for message in found if message.type == "fault"]


def refusing(why: str = "site.yaml:3: time_zone: no") -> SiteConfig:
    one = SiteConfig.always(SITE)
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
    behind = SiteConfig.always(SITE)
    assert said(store, behind) == []
    assert len(said(store, refusing(), behind)) == 1


def test_a_worker_that_starts_with_a_fixed_one_says_so(store: Store) -> None:
    said(store, refusing())
    assert said(store, SiteConfig.always(SITE)) == [("the configuration can be used again", True)]


def test_it_is_over_when_no_machine_refuses_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = refusing(), refusing()
    said(store, here)
    monkeypatch.setattr("worker.monitoring.config_refused.socket.gethostname", lambda: "another")
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
        gone.setattr("worker.monitoring.config_refused.append", fail)
        with pytest.raises(ConnectionError):
            report(store, one, NOW)
    assert len(said(store, one)) == 1


def test_each_tick_looks_and_wakes_the_shard_that_reports_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[tuple[str, tuple[int, ...]]] = []
    run = Runtime(Settings(), refusing(), store, Clock())
    monkeypatch.setattr(ticking, "runtime", lambda: run)
    monkeypatch.setattr(ticking, "_is_consumed", lambda *_: True)
    monkeypatch.setattr(app, "send_task", lambda name, arguments=(), **_: woken.append((name, arguments)))
    ticking.tick(app)
    assert woken == [("advance", (KEYS.of(SITE_SUBJECT).number,))]
    assert store.redis.xlen(KEYS.of(SITE_SUBJECT).inbox) == 1
