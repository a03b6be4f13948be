"""Supervision: a process that ends is started again, until it is stopped."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from worker.standalone import supervisor as module
from worker.standalone.embedded_redis import EmbeddedRedis, EmbeddedRedisError
from worker.standalone.supervisor import Supervised, keep_running, rotate_log, worker_command

LIVES = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
DIES = [sys.executable, "-c", "import sys; sys.exit(3)"]


def eventually(condition: Callable[[], object], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not so within {within} s"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").exists() or ") Z " not in Path(f"/proc/{pid}/stat").read_text()


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUICK_SECONDS", 0.01)


def test_a_process_runs_until_it_is_stopped() -> None:
    with Supervised(LIVES, {}) as process:
        eventually(lambda: process.pid)
        pid = process.pid
        assert pid is not None
        assert alive(pid)
    assert not alive(pid)
    assert process.pid is None
    assert process.starts == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_was_killed_is_started_again(number: signal.Signals) -> None:
    with Supervised(LIVES, {}) as process:
        eventually(lambda: process.pid)
        first = process.pid
        assert first is not None
        os.kill(first, number)
        eventually(lambda: process.pid not in (None, first))
        assert process.starts == 2


def test_a_process_that_ends_by_itself_is_started_again() -> None:
    with Supervised([sys.executable, "-c", ""], {}) as process:
        eventually(lambda: process.starts >= 3)


def test_one_that_cannot_stay_up_is_started_more_and_more_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    with Supervised(DIES, {}) as process:
        wait = process._stopping.wait
        monkeypatch.setattr(process._stopping, "wait", lambda seconds: waits.append(seconds) or wait(0.001))
        eventually(lambda: len(waits) >= 12)
    assert waits[1:4] == [wait * 2 for wait in waits[0:3]]
    assert max(waits) == module.SLOW_SECONDS


def test_stopping_does_not_wait_for_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUICK_SECONDS", 600.0)
    process = Supervised(DIES, {})
    with process:
        eventually(lambda: process.starts == 1 and process.pid is None)
        began = time.monotonic()
    assert time.monotonic() - began < 10


def test_a_process_that_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.2)
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    log = tmp_path / "log"
    with Supervised([sys.executable, "-c", stubborn], {}, str(log)) as process:
        eventually(lambda: log.exists() and log.read_text() == "up\n")
        pid = process.pid
        assert pid is not None
    assert not alive(pid)


def test_a_program_that_cannot_be_started_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As when the machine has no memory for another process just now."""
    program = tmp_path / "program"
    with Supervised([str(program)], {}) as process:
        eventually(lambda: "cannot be started" in caplog.text)
        program.write_text("#!/bin/sh\nexec sleep 600\n")
        program.chmod(0o755)
        eventually(lambda: process.pid)


def test_its_output_is_appended_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    with Supervised(LIVES, {}, str(log)):
        eventually(lambda: log.read_text() == "before\nup\n")


def test_it_gets_its_environment_and_this_process_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CARTWATCH_TEST_OURS", "ours")
    program = "import os; print(os.environ['CARTWATCH_TEST_OURS'], os.environ['CARTWATCH_TEST_ITS'], flush=True)"
    log = tmp_path / "log"
    with Supervised([sys.executable, "-c", program], {"CARTWATCH_TEST_ITS": "its"}, str(log)):
        eventually(lambda: log.exists() and log.read_text().startswith("ours its\n"))


if sys.platform == "linux":  # only Linux ends a child with its parent

    def test_a_process_ends_when_its_supervisor_is_killed() -> None:
        program = (
            "import sys, time; from worker.standalone.supervisor import Supervised\n"
            "process = Supervised([sys.executable, '-c', 'import time; time.sleep(600)'], {}); process.__enter__()\n"
            "while not process.pid: time.sleep(0.01)\n"
            "print(process.pid, flush=True); time.sleep(600)"
        )
        parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)  # noqa: S603
        with parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            assert alive(pid)
            parent.kill()
        eventually(lambda: not alive(pid))


# -- the embedded Redis ----------------------------------------------------------------------------


class Server:
    """An embedded Redis that ends again as often as it is asked to."""

    def __init__(self, ends: int, stop: threading.Event, error: Exception | None = None) -> None:
        self.starts = 0
        self._ends, self._stop, self._error = ends, stop, error

    @property
    def running(self) -> bool:
        return False

    def start(self, stop: threading.Event) -> None:
        assert stop is self._stop
        self.starts += 1
        if self.starts == self._ends:
            stop.set()
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize("error", [None, EmbeddedRedisError("the disk is full"), OSError(28, "no space left")])
def test_an_embedded_redis_is_started_again_ever_more_slowly_whatever_fails(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    stop, waits = threading.Event(), []
    wait = stop.wait
    monkeypatch.setattr(stop, "wait", lambda seconds: waits.append(seconds) or wait(0.001))
    server = Server(12, stop, error)
    keep_running(cast("EmbeddedRedis", server), stop)
    assert server.starts == 12
    assert max(waits) == module.SLOW_SECONDS
    assert [seconds for seconds in waits if seconds > module.QUICK_SECONDS][:2] == [
        module.QUICK_SECONDS * 2,
        module.QUICK_SECONDS * 4,
    ]


def test_a_log_that_is_long_is_begun_anew_and_its_writers_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOG_BYTES", 10)
    monkeypatch.setattr(module, "LOG_LOOK_SECONDS", 0.001)
    log, stop = tmp_path / "cartwatch.log", threading.Event()
    with log.open("ab", buffering=0) as writer:
        writer.write(b"a line that is long\n")
        keeper = threading.Thread(target=rotate_log, args=(log, stop))
        keeper.start()
        eventually(lambda: log.stat().st_size == 0)
        writer.write(b"next\n")
        stop.set()
        keeper.join()
    assert log.read_text() == "next\n"
    assert (tmp_path / "cartwatch.log.1").read_text() == "a line that is long\n"


# -- the command of a worker -----------------------------------------------------------------------


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_a_worker_takes_from_its_queues_with_its_processes() -> None:
    command = worker_command(["advance"], 3)
    assert command[:3] == [sys.executable, "-m", "celery"]
    assert option(command, "--app") == "worker.app"
    assert option(command, "--queues") == "advance"
    assert option(command, "--concurrency") == "3"
    assert option(command, "--pool") == "prefork"


def test_a_worker_that_takes_messages_in_also_reads_celerys_own_queue() -> None:
    assert option(worker_command(["advance", "ingest"], 1), "--queues") == "advance,ingest,celery"
