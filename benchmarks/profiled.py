"""Where the time goes: a backlog advanced, and pages delivered, in this process, sampled each millisecond of its
processor time.

A sample counts for the innermost part that stands on the stack; what stands in none is the rest.
Run: .venv/bin/python benchmarks/profiled.py [--tiny]
"""

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import CodeType, FrameType
from typing import Any, NamedTuple

from harness import FULL, TINY, Ground, Size, machine, say
from redis.client import Pipeline
from ward import Ward, minutes, unhurried

from alerts.assessment.assessment import assess_onward
from alerts.assessment.result_cache import ChartAt
from alerts.grading import crs, ctcae, news2
from alerts.message_json import read_message
from alerts.rules.run import findings, next_review
from alerts.step.folding import fold_messages
from alerts.step.grades import issue_grades
from alerts.step.step import _follow, _notify
from worker.processing.advance import advance
from worker.runtime.runtime import make
from worker.store.codec import Codec, StateCodec
from worker.store.journal import journal_record
from worker.store.shard import Store

EVERY_SECONDS = 0.001

Parts = Mapping[CodeType, str]
"""The name of a part by a function's code: a function that is gone fails here, instead of counting as the rest."""


def parts(named: Mapping[Callable[..., Any], str]) -> Parts:
    """By function, as it is written below."""
    return {function.__code__: name for function, name in named.items()}


EVALUATING = parts(
    {
        read_message: "reading and checking JSON",
        fold_messages: "charting",
        crs.followed: "CRS",
        news2.total: "NEWS2",
        news2.score: "NEWS2",
        ctcae.grades: "CTCAE, the rows of fever",
        ChartAt.get_or_compute: "what the laboratory decides, where it is not cached",
        assess_onward: "the rest of the assessment",
        findings: "alert rules",
        next_review: "alert rules",
        _follow: "episodes and journal lines",
        issue_grades: "episodes and journal lines",
        _notify: "ladders and pages",
        Codec.unpack: "unpacking",
        Codec.pack: "packing",
        StateCodec.pack: "packing",
        journal_record: "the journal",
        Pipeline.execute: "Redis: packing commands, reading answers",
        Store.take: "taking the batch",
    }
)


class Sampler:
    """Counts where the processor is found, from `__enter__` to `__exit__`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
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
            part = self._parts.get(frame.f_code)
            if part is not None:
                self.found[part] += 1
                return
            frame = frame.f_back
        self.found["the rest"] += 1


class Spent(NamedTuple):
    """Samples of each part, and microseconds of processor time, and altogether, for one of what was done."""

    found: Counter[str]
    busy: float
    lasted: float


def profiled(parts: Parts, act: Callable[[], int]) -> Spent:
    """Sample what is done by `act`, which says how many of it were done."""
    sampler = Sampler(parts)
    began, busy = time.perf_counter(), time.process_time()
    with sampler:
        count = act()
    return Spent(
        sampler.found,
        (time.process_time() - busy) / count * 1e6,
        (time.perf_counter() - began) / count * 1e6,
    )


def evaluating(size: Size) -> Spent:
    """Readings on the whole way from the inbox to the committed state."""
    with Ground(size.fsync) as ground:
        ward = Ward(ground, "evaluating")
        run = make(ward.settings, ward.redis)
        at = datetime.now(UTC) - timedelta(minutes=size.minutes * (size.rounds + 1))
        ward.admit([f"P{n}" for n in range(size.patients)], at - timedelta(days=size.days, minutes=5), size.days)

        def evaluate() -> int:
            runs = (advance(run.store, shard, run.clock, run.site, unhurried) for shard in run.store.keys.all())
            return sum(done.messages for done in runs)

        rounds = []
        for turn in range(size.rounds + 1):
            ward.fill(minutes(size.patients, at, size.minutes, turn))
            at += timedelta(minutes=size.minutes)
            rounds.append(profiled(EVALUATING, evaluate))
    _, *counted = rounds
    return Spent(
        sum((each.found for each in counted), Counter()),
        sum(each.busy for each in counted) / len(counted),
        sum(each.lasted for each in counted) / len(counted),
    )


def main(size: Size) -> None:
    """Print the tables."""
    say(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}")
    spent = evaluating(size)
    whole = sum(spent.found.values())
    say(f"\nA reading takes {spent.lasted:.0f} µs, of which {spent.busy:.0f} of this process.\n")
    say("| part | share | µs a reading |\n| --- | --- | --- |")
    for part, samples in spent.found.most_common():
        say(f"| {part} | {samples / whole:.0%} | {spent.busy * samples / whole:.0f} |")


if __name__ == "__main__":
    main(TINY if "--tiny" in sys.argv else FULL)
