"""The supervisor: it restarts processes that end, such as a Celery worker whose Redis died, and the embedded Redis."""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from worker.standalone.child_process import die_with_parent
from worker.standalone.embedded_redis import EmbeddedRedis, EmbeddedRedisError

log = logging.getLogger(__name__)

STOP_SECONDS = 60
"""Measured: a prefork worker under load takes up to 32 s to end. Killing it earlier only costs a redelivery."""

LOG_BYTES = 20 * 1024 * 1024
LOG_LOOK_SECONDS = 60.0

QUICK_SECONDS = 0.2
SLOW_SECONDS = 5.0


def worker_command(queues: Sequence[str], processes: int, pool: str = "") -> list[str]:
    """The command line of one Celery worker."""
    return [sys.executable, "-m", "celery", *worker_arguments(queues, processes, pool)]


def worker_arguments(queues: Sequence[str], processes: int, pool: str = "") -> list[str]:
    """The arguments of that command line. A worker for `ingest` also consumes Celery's default queue.

    A worker that only delivers is one process: its tasks only wake the thread that delivers.
    """
    names = list(queues)
    pool = pool or ("solo" if names == ["deliver"] else "prefork")
    if "ingest" in names:
        names.append("celery")
    return [
        *("--app", "worker.app", "worker", "--queues", ",".join(names)),
        *("--concurrency", str(processes), "--pool", pool, "--without-gossip", "--without-mingle"),
        *("--without-heartbeat", "--loglevel", os.environ.get("CARTWATCH_LOG_LEVEL", "INFO")),
    ]


class Supervised:
    """One process that is restarted whenever it ends, until it is stopped."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log_to: str | None = None,
        name: str = "worker process",
    ) -> None:
        self._command = list(command)
        self._name = name
        self._environment = {**os.environ, **environment}
        self._log_to = log_to
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def request_stop(self) -> None:
        """Terminate the process and stop restarting it. Does not wait, so that several can end at once."""
        if not self._stopping.is_set():
            self._stopping.set()
            if (process := self._process) is not None and process.poll() is None:
                process.terminate()

    def stop(self) -> None:
        """Terminate the process, wait, and kill it after `STOP_SECONDS`."""
        self.request_stop()
        process = self._process
        if process is not None and process.poll() is None:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join()

    def _run(self) -> None:
        wait = QUICK_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                ended_well = self._once()
            except OSError as error:
                # No memory, no free process, no disk for the log: this may pass.
                log.error("%s cannot be started (%s)", self._name, error)
                ended_well = False
            if self._stopping.is_set():
                return
            log.warning("%s ended (%s), restarting it", self._name, "normally" if ended_well else "with an error")
            if time.monotonic() - began > SLOW_SECONDS:
                wait = QUICK_SECONDS
            self._stopping.wait(wait)
            wait = min(wait * 2, SLOW_SECONDS)

    def _once(self) -> bool:
        output = open(self._log_to, "ab") if self._log_to else None  # noqa: SIM115
        try:
            process = subprocess.Popen(  # noqa: S603
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C reaches the whole process group: only the supervisor must end the process.
                process_group=0,
                # This thread lives until the process has ended.
                preexec_fn=die_with_parent(),
            )
            self._process = process
            self.starts += 1
            if self._stopping.is_set():
                process.send_signal(signal.SIGTERM)
            return process.wait() == 0
        finally:
            if output is not None:
                output.close()


def keep_running(server: EmbeddedRedis, stop: threading.Event) -> None:
    """Restart an embedded Redis whenever it ends, at the same address and on the same folder, until `stop` is set.

    Call it from the thread that lives longest: the server ends with that thread.
    """
    wait, began = QUICK_SECONDS, time.monotonic()
    while not stop.wait(QUICK_SECONDS):
        if server.running:
            continue
        if time.monotonic() - began > SLOW_SECONDS:
            wait = QUICK_SECONDS
        elif stop.wait(wait):
            return
        began, wait = time.monotonic(), min(wait * 2, SLOW_SECONDS)
        log.warning("the embedded Redis ended, restarting it")
        try:
            server.start(stop)
        except (EmbeddedRedisError, OSError) as error:
            log.error("the embedded Redis cannot be restarted, retrying (%s)", error)


def rotate_log(log: Path, stop: threading.Event) -> None:
    """Rotate a log whenever it is long, until `stop` is set: the text moves to a second file, which is overwritten.

    Processes append to the log, so they continue at its new end. A line that is written meanwhile may be lost.
    """
    while not stop.wait(LOG_LOOK_SECONDS):
        with contextlib.suppress(OSError):
            if log.stat().st_size > LOG_BYTES:
                shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)
