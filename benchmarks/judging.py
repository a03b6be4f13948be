"""What judging a reading costs, by part, in this process and without Redis: read, charted, graded, compared, packed.

First a ward as the whole way sees it: patients three days into their stay, a backlog of ten minutes of six vital signs
a minute, evaluated patient by patient. Then, where it is present, real charting as if each value had come on time, and
as it came.
A figure is processor time, and the median of some rounds; the parts are samples of the same rounds.
Run: .venv/bin/python benchmarks/judging.py [--tiny]
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from statistics import median
from typing import NamedTuple

from charting import STREAM, Batch, batches
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

AIM_LATE = 500.0
"""The same for real charting, as late as it came."""

AS_IT_CAME = "the same on real charting, as late as it came"

START = datetime(2024, 6, 12, 8, tzinfo=UTC)


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


def judge(states: dict[str, PatientState], coming: Iterable[Batch], site: Site) -> int:
    """Evaluate batches, as a worker does between reading an inbox and its commit; how many readings there were."""
    count = 0
    for patient, raw, now in coming:
        messages: list[AnyMessage] = [read_message(one) for one in raw]
        states[patient], _ = step(states[patient], messages, now, site)
        pack(states[patient])
        count += len(messages)
    return count


def cost(states: dict[str, PatientState], rounds: Iterable[Sequence[Batch]], site: Site) -> Cost:
    """What the rounds cost after a first one, which warms up. Each is measured once: a patient lives only once."""
    found, sampler = [], Sampler(EVALUATING)
    for number, coming in enumerate(rounds):
        if not number:
            judge(states, coming, site)
            continue
        began = time.process_time()
        with sampler:
            count = judge(states, coming, site)
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


def in_charting(site: Site, *, late: bool) -> Cost:
    """A reading of the real stream."""
    coming = batches(late=late)
    stays = [list(of_one) for _, of_one in groupby(coming, key=lambda batch: batch.patient)]
    states = {batch.patient: PatientState(patient=batch.patient) for batch in coming}
    return cost(states, stays, site)


def measure(size: Size) -> list[Row]:
    """The rows of this measure."""
    site = load_site()
    found = {"judging a reading on the whole way": on_the_ward(size, site)}
    if STREAM.exists() and size is not TINY:
        found["the same on real charting, each value on time"] = in_charting(site, late=False)
        found[AS_IT_CAME] = in_charting(site, late=True)
    for what, spent in found.items():
        say("\n".join((f"\n{what}: {spent.reading:.0f} µs", "", *spent.table(), "")))
    return [_row(what, spent) for what, spent in found.items()]


def _row(what: str, spent: Cost) -> Row:
    dearest = ", ".join(part for part, _ in spent.parts.most_common(3))
    aim = AIM if what.startswith("judging") else AIM_LATE if what == AS_IT_CAME else None
    met = spent.reading <= aim if aim is not None else None
    shown = f"<= {aim:.0f} µs" if aim is not None else "shown"
    return Row(what, f"{spent.reading:.0f} µs", shown, met, f"most for: {dearest}")


if __name__ == "__main__":
    say(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}")
    measure(TINY if "--tiny" in sys.argv else FULL)
