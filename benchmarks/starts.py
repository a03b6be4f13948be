"""How long a command takes to say what it can do, and a worker to do its first work."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import count

from harness import Ground, Row, Size, eventually, in_turn, medians
from ward import Ward, registrations

from worker.standalone.supervisor import Supervised, worker_command

AIM_HELP = 0.3
AIM_WORKER = 1.5
HELP = [sys.executable, "-c", "from worker.cli import main; main()", "--help"]
BARE = [sys.executable, "-c", "import click"]


def timed(command: list[str]) -> float:
    """Seconds of a command."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "120"})  # noqa: S603
    return time.perf_counter() - began


def first_task(ward: Ward, ground: Ground, patient: str) -> float:
    """Seconds from a worker's start until what waited for it is committed."""
    ward.redis.flushall()
    ward.fill(registrations([patient], datetime.now(UTC)))
    ward.client.wake([ward.store.keys.of(patient)])
    command = worker_command(["advance", "ingest"], 1)
    began = time.perf_counter()
    with Supervised(command, ward.settings.as_environment(), str(ground.logs / "start.log")):
        eventually(ward.idle, "its first task is done", every=0.002)
        return time.perf_counter() - began


def measure(size: Size) -> list[Row]:
    """The rows of this measure."""
    with Ground(size.fsync) as ground:
        ward, patients = Ward(ground, "start"), count()
        variants = {
            "help": lambda: timed(HELP),
            "python": lambda: timed(BARE),
            "worker": lambda: first_task(ward, ground, f"P{next(patients)}"),
        }
        found = medians(in_turn(variants, size.rounds))
    helped, started = found["help"], found["worker"]
    beside = f"Python and click alone {found['python']:.2f} s"
    return [
        Row("`cartwatch --help`", f"{helped:.2f} s", f"<= {AIM_HELP} s", helped <= AIM_HELP, beside),
        Row(
            "a worker until its first task is done",
            f"{started:.2f} s",
            f"<= {AIM_WORKER} s",
            started <= AIM_WORKER,
            "",
        ),
    ]
