"""What judging a reading costs, by part, in this process and without Redis: read, charted, graded, compared, packed.

First a ward as the whole way sees it: patients three days into their stay, a backlog of ten minutes of six vital signs
a minute, evaluated patient by patient. Then, where it is present, real charting as if each value had come on time.
A figure is processor time, and the median of some rounds; the parts are samples of the same rounds.
Run: .venv/bin/python benchmarks/judging.py [--tiny]
"""

import gzip
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import NamedTuple

from harness import FULL, TINY, Row, Size, machine, say
from msgspec.structs import replace
from profiled import EVALUATING, Sampler
from stay import of_days
from ward import minutes

from alerts.message_json import read_message
from alerts.messages import AnyMessage
from alerts.state import PatientState
from alerts.step.step import step
from config.site import Site, load_site
from worker.store.codec import pack, unpack_state

AIM = 150.0
"""Microseconds of processor time for a reading."""

START = datetime(2024, 6, 12, 8, tzinfo=UTC)

STREAM = Path(__file__).parents[2] / "shared" / "streams" / "icu.ndjson.gz"
"""Real charting. It is kept beside the repository and is no part of it."""

LONGEST_STAYS = 6


class Batch(NamedTuple):
    """Messages of one patient that are evaluated at once, and when."""

    patient: str
    raw: Sequence[bytes]
    now: datetime


class Cost(NamedTuple):
    """Microseconds of processor time a reading, and the share of each part."""

    reading: float
    parts: Counter[str]

    def table(self) -> Iterator[str]:
        """The parts as Markdown, the dearest first."""
        whole = sum(self.parts.values())
        yield "| part | share | µs a reading |\n| --- | --- | --- |"
        for part, samples in self.parts.most_common():
            yield f"| {part} | {samples / whole:.0%} | {self.reading * samples / whole:.1f} |"


def ward(size: Size, turn: int) -> list[Batch]:
    """The backlog of one round: all minutes of a patient together, as one worker would take them."""
    at = START + timedelta(days=size.days, minutes=5 + turn * size.minutes)
    bodies = sorted(minutes(size.patients, at, size.minutes, turn), key=lambda body: str(body["patient"]))
    now = at + timedelta(minutes=size.minutes)
    return [
        Batch(patient, [json.dumps(body).encode() for body in theirs], now)
        for patient, theirs in groupby(bodies, key=lambda body: str(body["patient"]))
    ]


def charting() -> list[Batch]:
    """The longest of the real stays: what is true at one time comes in then, and together."""
    with gzip.open(STREAM, "rt", encoding="utf-8") as lines:
        bodies = [json.loads(line) for line in lines]
    counts = Counter(body["patient"] for body in bodies)
    longest = {patient for patient, _ in counts.most_common(LONGEST_STAYS)}
    bodies = [body | {"received": body["effective"]} for body in bodies if body["patient"] in longest]
    bodies.sort(key=lambda body: (body["patient"], datetime.fromisoformat(body["effective"])))
    return [
        Batch(patient, [json.dumps(body).encode() for body in theirs], datetime.fromisoformat(at))
        for (patient, at), theirs in groupby(bodies, key=lambda body: (body["patient"], body["effective"]))
    ]


def judge(states: dict[str, PatientState], batches: Iterable[Batch], site: Site) -> int:
    """Evaluate batches, as a worker does between reading an inbox and its commit; how many readings there were."""
    count = 0
    for patient, raw, now in batches:
        messages: list[AnyMessage] = [read_message(one) for one in raw]
        states[patient], _ = step(states[patient], messages, now, site)
        pack(states[patient])
        count += len(messages)
    return count


def cost(states: dict[str, PatientState], rounds: Iterable[Sequence[Batch]], site: Site) -> Cost:
    """What the rounds cost after a first one, which warms up. Each is measured once: a patient lives only once."""
    found, sampler = [], Sampler(EVALUATING)
    for number, batches in enumerate(rounds):
        if not number:
            judge(states, batches, site)
            continue
        began = time.process_time()
        with sampler:
            count = judge(states, batches, site)
        found.append((time.process_time() - began) / count * 1e6)
    return Cost(median(found), sampler.found)


def on_the_ward(size: Size, site: Site) -> Cost:
    """A reading on the whole way."""
    begun = of_days(size.days, START)
    # Unpacked one by one, as a worker has them: patients who shared their entries would fit the processor's cache.
    states = {
        name: unpack_state(pack(replace(begun, patient=name))) for name in map("P{}".format, range(size.patients))
    }
    return cost(states, (ward(size, turn) for turn in range(size.rounds + 1)), site)


def in_charting(site: Site) -> Cost:
    """A reading of the real stream."""
    batches = charting()
    stays = [list(of_one) for _, of_one in groupby(batches, key=lambda batch: batch.patient)]
    states = {batch.patient: PatientState(patient=batch.patient) for batch in batches}
    return cost(states, stays, site)


def measure(size: Size) -> list[Row]:
    """The rows of this measure."""
    site = load_site()
    found = {"judging a reading on the whole way": on_the_ward(size, site)}
    if STREAM.exists() and size is not TINY:
        found["the same on real charting, each value on time"] = in_charting(site)
    for what, spent in found.items():
        say("\n".join((f"\n{what}: {spent.reading:.0f} µs", "", *spent.table(), "")))
    return [_row(what, spent) for what, spent in found.items()]


def _row(what: str, spent: Cost) -> Row:
    dearest = ", ".join(part for part, _ in spent.parts.most_common(3))
    first = what.startswith("judging")
    met = spent.reading <= AIM if first else None
    return Row(what, f"{spent.reading:.0f} µs", f"<= {AIM:.0f} µs" if first else "shown", met, f"most for: {dearest}")


if __name__ == "__main__":
    say(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}")
    measure(TINY if "--tiny" in sys.argv else FULL)
