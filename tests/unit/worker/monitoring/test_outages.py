"""An outage is paged once for a machine, and again when the next one comes."""

import os
import stat
from pathlib import Path

import pytest

from worker.monitoring.outages import FORGOTTEN_SECONDS, Outage
from worker.runtime.private_folder import private_folder

AFTER, QUIET = 7.0, 6.0


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def outage() -> Outage:
    """As another process of the same installation has it."""
    return Outage("cartwatch", "store", after=AFTER, quiet=QUIET)


def test_of_several_processes_one_pages_and_one_says_that_it_is_over() -> None:
    processes = [outage() for _ in range(8)]
    assert [one.trouble(100, 104) for one in processes] == [False] * 8
    assert sum(one.trouble(100, 107) for one in processes) == 1
    assert sum(one.trouble(100, 130) for one in processes) == 0
    assert [one.well(135) for one in processes] == [None] * 8, "one of them saw it just now"
    assert [lasted for one in processes if (lasted := one.well(136)) is not None] == [30]


def test_who_is_slow_to_notice_the_end_does_not_page_again() -> None:
    first, slow = outage(), outage()
    assert first.trouble(100, 107)
    assert first.well(120) is not None
    assert not slow.trouble(101, 120.1)


def test_the_next_outage_is_paged_however_soon() -> None:
    one = outage()
    assert one.trouble(100, 107)
    assert one.well(120) is not None
    assert not one.trouble(121, 122)
    assert one.trouble(121, 128)


def test_a_process_that_is_started_again_and_again_reports_one_trouble() -> None:
    assert not outage().trouble(100, 100)
    assert not outage().trouble(104, 104)
    assert outage().trouble(109, 109)


def test_an_outage_that_nobody_has_seen_for_long_does_not_silence_the_next() -> None:
    assert outage().trouble(100, 107)
    later = 107 + FORGOTTEN_SECONDS + 1
    assert not outage().trouble(later, later)
    assert outage().trouble(later, later + AFTER)


def test_what_was_written_before_the_machine_was_started_again_counts_for_nothing() -> None:
    assert outage().trouble(1e12, 1e12 + AFTER)
    assert outage().trouble(100, 107)


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "damaged"])
def test_only_a_plain_file_counts(tmp_path: Path, kind: str) -> None:
    mark = tmp_path / "cartwatch-outage-cartwatch-store"
    if kind == "pipe":
        os.mkfifo(mark)
    elif kind == "link":
        mark.symlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        mark.mkdir()
    else:
        mark.write_text("x" * 160)
    one = outage()
    assert one.trouble(100, 107)
    assert not one.trouble(100, 109), "also without a record a process pages once"
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_anybody_may_make_in_the_temporary_folder_silences_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    open_to_all = tmp_path / f"cartwatch-{os.getuid()}"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(PermissionError):
        private_folder()
    assert outage().trouble(100, 107)
    assert list(open_to_all.iterdir()) == []


def test_the_folder_is_the_user_s_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert stat.S_IMODE(private_folder().stat().st_mode) == 0o700


def test_the_record_is_written_in_place_because_the_disk_may_be_full(tmp_path: Path) -> None:
    one = outage()
    [mark] = tmp_path.iterdir()
    before = mark.stat()
    one.trouble(100, 107)
    assert (mark.stat().st_size, mark.stat().st_ino) == (before.st_size, before.st_ino)
    assert stat.S_IMODE(before.st_mode) == 0o600
