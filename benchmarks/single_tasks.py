"""Readings that a producer sends as one Celery task each, beside a task that does nothing.

Each `ingest` appends its reading to the inbox, on disk, before it is acknowledged; another worker advances meanwhile.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice

from harness import Ground, Row, Size, eventually, freeze, in_turn, medians, thaw
from neighbours import Plain
from ward import Ward, minutes, registrations
from whole_way import noop

AIM = 0.9


def ingest(ground: Ground, size: Size, pool: str) -> Callable[[], float]:
    """Readings a second that arrive as single tasks, with one process for `ingest` and one that advances."""
    ward = Ward(ground, f"single-{pool}")
    worker = ward.work(["ingest"], 1, pool)
    ward.work(["advance"], 1)
    plain = Plain(ground, "sender", broker=ward.settings.broker)
    start = datetime.now(UTC) - timedelta(hours=12)
    ward.settle(registrations([f"P{number}" for number in range(size.patients)], start))
    turn = 0

    def measure() -> float:
        nonlocal start, turn
        needed = 1 + size.tasks // (6 * size.patients)
        bodies = list(islice(minutes(size.patients, start, needed, turn), size.tasks))
        start, turn = start + timedelta(minutes=needed), turn + 1
        freeze(worker)
        plain.send("ingest", bodies)
        began = time.perf_counter()
        thaw(worker)
        eventually(lambda: plain.idle("celery", "ingest"), "every task is done", within=120)
        lasted = time.perf_counter() - began
        eventually(ward.idle, "what they brought is evaluated", within=120)
        return len(bodies) / lasted

    return measure


def measure(size: Size) -> list[Row]:
    """The rows of this measure."""
    with Ground(size.fsync) as ground:
        variants = {f"ingest {pool}": ingest(ground, size, pool) for pool in ("prefork", "solo")}
        variants |= {f"noop {pool}": noop(ground, pool, size) for pool in ("prefork", "solo")}
        found = medians(in_turn(variants, size.rounds))
    ratios = {pool: found[f"ingest {pool}"] / found[f"noop {pool}"] for pool in ("prefork", "solo")}
    return [
        Row(
            f"one Celery task a reading ({pool}), over a no-op task",
            f"{ratio:.2f} x",
            f">= {AIM} x",
            ratio >= AIM,
            f"{found[f'ingest {pool}']:.0f}/s; no-op {found[f'noop {pool}']:.0f}/s",
        )
        for pool, ratio in ratios.items()
    ]
