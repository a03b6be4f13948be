"""Where the time of the whole way goes: a backlog advanced in this process, sampled each millisecond of processor time.

A sample counts for the innermost part that stands on the stack; what stands in none is the rest.
Run: .venv/bin/python benchmarks/profiled.py
"""

import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import FrameType

from harness import FULL, Ground, Size, machine, say
from ward import Ward, minutes

from worker.advance import advance
from worker.clock import SystemClock
from worker.runtime import make

EVERY_SECONDS = 0.001

PARTS = {
    ("messages.py", "read_message"): "reading and checking JSON",
    ("step.py", "fold"): "charting",
    ("crs.py", "followed"): "CRS",
    ("news2.py", "score"): "NEWS2",
    ("ctcae.py", "grades"): "CTCAE, the rows of fever",
    ("held.py", "hold"): "what the laboratory decides, where it is not held",
    ("assessment.py", "assess_onward"): "the rest of the assessment",
    ("findings.py", "findings"): "alert rules",
    ("findings.py", "next_review"): "alert rules",
    ("step.py", "_follow"): "episodes and journal lines",
    ("step.py", "_note_grades"): "episodes and journal lines",
    ("step.py", "tell"): "ladders and pages",
    ("packing.py", "unpack_watch"): "unpacking states",
    ("packing.py", "pack"): "packing states",
    ("store.py", "journal_record"): "the journal",
    ("client.py", "execute"): "Redis: packing commands, reading answers",
    ("store.py", "take"): "taking the batch",
}


class Sampler:
    """Counts where the processor is found, from `__enter__` to `__exit__`."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()

    def __enter__(self) -> "Sampler":
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, EVERY_SECONDS, EVERY_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def _sample(self, _: int, frame: FrameType | None) -> None:
        while frame is not None:
            code = frame.f_code
            part = PARTS.get((code.co_filename.rpartition("/")[2], code.co_name))
            if part is not None:
                self.found[part] += 1
                return
            frame = frame.f_back
        self.found["the rest"] += 1


def profiled(size: Size) -> tuple[Counter[str], float]:
    """Samples of each part, and microseconds of processor time a reading."""
    with Ground(size.fsync) as ground:
        ward = Ward(ground, "profile")
        run, clock = make(ward.settings, ward.redis), SystemClock()
        at = datetime.now(UTC) - timedelta(minutes=size.minutes * (size.rounds + 1))
        ward.admit([f"P{n}" for n in range(size.patients)], at - timedelta(days=size.days, minutes=5), size.days)
        sampler, count, spent = Sampler(), 0, 0.0
        for turn in range(size.rounds + 1):
            ward.fill(minutes(size.patients, at, size.minutes, turn))
            at += timedelta(minutes=size.minutes)
            began = time.process_time()
            if turn == 0:
                for shard in run.store.keys.all():
                    advance(run.store, shard, clock, run.site)
                continue
            with sampler:
                count += sum(advance(run.store, shard, clock, run.site).messages for shard in run.store.keys.all())
            spent += time.process_time() - began
    return sampler.found, spent / count * 1e6


def main(size: Size = FULL) -> None:
    """Print the table."""
    say(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}\n")
    found, spent = profiled(size)
    whole = sum(found.values())
    say(f"| part | share | µs a reading, of {spent:.0f} |\n| --- | --- | --- |")
    for part, samples in found.most_common():
        say(f"| {part} | {samples / whole:.0%} | {spent * samples / whole:.0f} |")


if __name__ == "__main__":
    main()
