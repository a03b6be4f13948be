"""What the measures share: a ground to measure on, workers as real processes, variants in turn, and a row of the table.

Everything listens on loopback only, writes to a temporary folder, and ends with the run.
"""

import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import NamedTuple, Self

from redis import Redis

from worker.runtime.runtime import connect
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.supervisor import Supervised

HERE = Path(__file__).parent
LOGS = "CARTWATCH_BENCHMARK_LOGS"
"""A folder that keeps what the workers say; else it is thrown away."""


class Size(NamedTuple):
    """How much is measured. Every figure of a table comes from FULL; TINY shows that a measure runs."""

    rounds: int = 5
    patients: int = 200
    minutes: int = 10
    days: int = 3
    tasks: int = 600
    pages: int = 150
    stay: tuple[int, ...] = (1, 16, 30)
    crowd: int = 1000
    stream: timedelta = timedelta(days=1)
    processes: tuple[int, ...] = (1, 2, 4)
    fsync: str = "always"


FULL = Size()
TINY = Size(
    rounds=1,
    patients=20,
    minutes=3,
    days=1,
    tasks=20,
    pages=4,
    stay=(1, 2),
    crowd=40,
    stream=timedelta(hours=1),
    processes=(1, 2),
)


class Row(NamedTuple):
    """One line of the table: the ratio first, what was aimed at, whether it is met, and the figures behind it."""

    measure: str
    ratio: str
    aim: str
    met: bool | None
    seen: str

    def cells(self) -> tuple[str, ...]:
        """As it stands in the table."""
        met = {True: "met", False: "**missed**", None: ""}[self.met]
        return self.measure, f"**{self.ratio}**", self.aim, met, self.seen


class Ground:
    """A Redis that by default writes every change to disk before it answers, and a folder; a context manager."""

    def __init__(self, fsync: str = "always") -> None:
        self.fsync = fsync
        self._stack = ExitStack()
        self._databases = 0

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="cartwatch-benchmark-")))
        self.logs = Path(os.environ.get(LOGS, self.folder))
        self.server = self._stack.enter_context(EmbeddedRedis())
        self.client(self.server.url).config_set("appendfsync", self.fsync)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def database(self) -> str:
        """The address of a database nobody else uses."""
        base = self.server.url.rpartition("/")[0]
        self._databases += 1
        return f"{base}/{self._databases - 1}"

    def client(self, url: str) -> Redis:
        """A connection that ends with the ground."""
        return self._stack.enter_context(connect(url))

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Supervised:
        """A process that ends with the ground."""
        return self._stack.enter_context(Supervised(command, environment, str(self.logs / f"{name}.log")))

    def keep(self, ends: Callable[[], None]) -> None:
        """Call something at the end."""
        self._stack.callback(ends)


def in_turn(variants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Every variant once as a warm-up that does not count, then each in turn, so that all see the same machine."""
    found: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, measure in variants.items():
            figure = measure()
            if number:
                found[name].append(figure)
    return found


def medians(found: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """What each variant comes to."""
    return {name: median(figures) for name, figures in found.items()}


def eventually(condition: Callable[[], object], what: str, within: float = 60.0, every: float = 0.005) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: it was not, in time.
    """
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"within {within:.0f} s it did not come true that {what}")
        time.sleep(every)


def percentile(figures: Sequence[float], share: float) -> float:
    """The figure that so large a share of all does not exceed."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def freeze(*workers: Supervised) -> None:
    """Let workers take nothing."""
    _signal(workers, signal.SIGSTOP)


def thaw(*workers: Supervised) -> None:
    """Let them go on."""
    _signal(workers, signal.SIGCONT)


def _signal(workers: Sequence[Supervised], number: signal.Signals) -> None:
    for worker in workers:
        if worker.pid is None:
            raise RuntimeError("a worker has ended; see its log")
        os.kill(worker.pid, number)


def machine() -> str:
    """Where the figures come from."""
    load = os.getloadavg()[0]
    cores = os.cpu_count()
    return (
        f"{cores} cores, {platform.machine()}, {platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}, load {load:.1f} at the start, one write to disk takes {_disk():.2f} ms"
    )


def _disk() -> float:
    """Milliseconds until a small write is on the disk: what Redis waits for before it answers."""
    with tempfile.TemporaryFile() as file:
        waits = []
        for _ in range(100):
            file.write(b"x" * 200)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            waits.append((time.perf_counter() - began) * 1000)
    return median(waits)


def say(text: str) -> None:
    """A line that is seen at once."""
    print(text, file=sys.stdout, flush=True)  # noqa: T201
