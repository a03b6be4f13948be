"""Where the time goes: a backlog advanced, and pages delivered, in this process, sampled each millisecond of its
processor time.

A sample counts for the innermost part that stands on the stack; what stands in none is the rest.
Run: .venv/bin/python benchmarks/profiled.py [--tiny]
"""

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import NamedTuple

from harness import FULL, TINY, Ground, Size, machine, say
from neighbours import Phone
from ward import Ward, fever, minutes, registrations, unhurried

from alerts.pages.page import Page
from worker.delivery.deliver import deliver
from worker.delivery.message_context import message_context
from worker.processing.advance import advance
from worker.runtime.runtime import make
from worker.store.keys import Shard

EVERY_SECONDS = 0.001

Parts = Mapping[tuple[str, str], str]
"""The name of a part by file and function."""

JUDGING: Parts = {
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
    ("packing.py", "unpack_state"): "unpacking states",
    ("packing.py", "pack"): "packing states",
    ("store.py", "journal_record"): "the journal",
    ("client.py", "execute"): "Redis: packing commands, reading answers",
    ("store.py", "take"): "taking the batch",
}

DELIVERING: Parts = {
    ("channel.py", "_open"): "Apprise: reading the address",
    ("channel.py", "_notify"): "Apprise: checking and sending",
    ("sessions.py", "send"): "HTTP: the request itself",
    ("message_context.py", "link"): "signing the link",
    ("channel.py", "written"): "wording",
    ("client.py", "execute"): "Redis: packing commands, reading answers",
    ("outbox.py", "_receipt"): "the receipt",
    ("packing.py", "unpack_owed"): "unpacking the page",
}


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
            code = frame.f_code
            part = self._parts.get((code.co_filename.rpartition("/")[2], code.co_name))
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

        def judge() -> int:
            turns = (advance(run.store, shard, run.clock, run.site, unhurried) for shard in run.store.keys.all())
            return sum(turn.messages for turn in turns)

        rounds = []
        for turn in range(size.rounds + 1):
            ward.fill(minutes(size.patients, at, size.minutes, turn))
            at += timedelta(minutes=size.minutes)
            rounds.append(profiled(JUDGING, judge))
    _, *counted = rounds
    return Spent(
        sum((each.found for each in counted), Counter()),
        sum(each.busy for each in counted) / len(counted),
        sum(each.lasted for each in counted) / len(counted),
    )


def delivering(size: Size) -> Spent:
    """Pages, each the first of its patient, to one channel, one after another."""
    with Ground(size.fsync) as ground:
        ward = Ward(ground, "delivering", f"json://127.0.0.1:{Phone(ground).port}")
        run = make(ward.settings, ward.redis)
        patients = [f"B{number:06d}" for number in range(size.pages * size.rounds)]
        ward.fill(registrations(patients, datetime.now(UTC)))
        ward.fill(fever(patient, datetime.now(UTC)) for patient in patients)
        pages = [
            (shard, page)
            for shard in run.store.keys.all()
            for page in advance(run.store, shard, run.clock, run.site, unhurried).pages
        ]

        def send(some: Sequence[tuple[Shard, Page]]) -> int:
            for shard, page in some:
                deliver(run.store, shard, page.id, run.clock, run.site, message_context(run))
            return len(some)

        # With the first, Apprise reads its plugins.
        send(pages[:1])
        return profiled(DELIVERING, lambda: send(pages[1:]))


def main(size: Size) -> None:
    """Print the tables."""
    say(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}")
    for what, spent in (("reading", evaluating(size)), ("page", delivering(size))):
        whole = sum(spent.found.values())
        say(f"\nA {what} takes {spent.lasted:.0f} µs, of which {spent.busy:.0f} of this process.\n")
        say(f"| part | share | µs a {what} |\n| --- | --- | --- |")
        for part, samples in spent.found.most_common():
            say(f"| {part} | {samples / whole:.0%} | {spent.busy * samples / whole:.0f} |")


if __name__ == "__main__":
    main(TINY if "--tiny" in sys.argv else FULL)
