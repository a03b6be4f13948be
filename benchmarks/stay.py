"""Thirty days of one reading a minute for six vital signs and daily laboratory values, on time and late.

Prints what one reading costs through the whole evaluation (charted, graded, compared; what comes in within a minute
together) and how large the patient's packed state is, on some days, and the ratios of the last days to the first, and
of late to on time. A day costs what its median hour does, in processor time, so that what else the machine does is not
counted.
Run: .venv/bin/python benchmarks/stay.py
"""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from statistics import median
from typing import NamedTuple

from msgspec.structs import replace

from alerts.chart.charting import chart_message
from alerts.messages import MESSAGE, AnyMessage
from alerts.state import PatientState
from alerts.step.step import step
from config.site import Site, load_site
from worker.store.codec import pack

START = datetime(2024, 6, 12, 8, tzinfo=UTC)
MINUTES = 1440
MEASURED = (2, 16, 30)
VITALS = {
    "temperature": (37.2, 0.6, 1, "Cel"),
    "systolic_bp": (115, 12, 0, "mm[Hg]"),
    "mean_bp": (82, 8, 0, "mm[Hg]"),
    "spo2": (96, 1.2, 0, "%"),
    "heart_rate": (90, 10, 0, "/min"),
    "respiratory_rate": (18, 3, 0, "/min"),
}
LABORATORY = {
    **dict.fromkeys(("platelets", "neutrophils", "white_cells", "lymphocytes"), "10*9/L"),
    **dict.fromkeys(("ldh", "alt", "ast"), "U/L"),
    **dict.fromkeys(("creatinine", "bilirubin", "fibrinogen"), "mg/dL"),
    "crp": "mg/L",
    "hemoglobin": "g/dL",
    "ferritin": "ug/L",
}

LATENESS = ((0.0, 0), (0.5, 15), (0.9, 81), (0.99, 216), (1.0, 300))
"""Of so large a share of the sets of vital signs, how many minutes after their time they are stored at most: that of
real charting (72 stays of the MIMIC-III demo), but for the last.
"""

LABORATORY_LATE = timedelta(minutes=70)
"""From the draw to the result."""


def day(number: int, chance: random.Random, start: datetime = START) -> Iterator[AnyMessage]:
    """One day's messages, in order of time."""
    for minute in range(MINUTES):
        at = start + timedelta(days=number, minutes=minute)
        for kind, (mean, spread, places, unit) in VITALS.items():
            value = (
                min(100.0, round(chance.gauss(mean, spread), places)) if kind == "spo2" else chance.gauss(mean, spread)
            )
            yield reading(at, kind, f"{value:.{places}f}", unit, "monitor")
        if minute == 0:
            for kind, unit in LABORATORY.items():
                yield reading(at, kind, f"{chance.uniform(1, 9):.1f}", unit, "laboratory")


def reading(at: datetime, kind: str, value: str, unit: str, by: str, id: str = "") -> AnyMessage:
    """One reading."""
    body = {"type": "reading", "id": id or f"{kind}{at:%d%H%M}", "source": by, "patient": "P", "effective": at}
    return MESSAGE.validate_python({**body, "reading": kind, "value": value, "unit": unit, "by": by})


class Batch(NamedTuple):
    """What comes in within one minute, as a worker would take it."""

    at: datetime
    messages: list[AnyMessage]


Coming = Callable[[Sequence[AnyMessage]], Iterator[Batch]]
"""When messages come in."""


def on_time(messages: Sequence[AnyMessage]) -> Iterator[Batch]:
    """Every message at its own time."""
    for at, together in groupby(messages, key=lambda message: message.effective):
        yield Batch(at, list(together))


def late(messages: Sequence[AnyMessage]) -> Iterator[Batch]:
    """The same as late as real charting is: each set of vital signs by itself, the laboratory after its time."""
    chance, coming = random.Random(2), defaultdict[datetime, list[AnyMessage]](list)
    for at, together in on_time(messages):
        waits = timedelta(minutes=_minutes_late(chance.random()))
        for message in together:
            of_laboratory = getattr(message, "by", None) == "laboratory"
            coming[at + (LABORATORY_LATE if of_laboratory else waits)].append(message)
    for at in sorted(coming):
        yield Batch(at, coming[at])


def _minutes_late(share: float) -> int:
    for (lower, least), (upper, most) in pairwise(LATENESS):
        if share <= upper:
            return round(least + (most - least) * (share - lower) / (upper - lower))
    raise ValueError(f"{share} is no share")


class Day(NamedTuple):
    """What a reading of a day cost, in seconds of processor time, and the patient at its end."""

    cost: float
    state: PatientState


def registered(start: datetime, site: Site) -> PatientState:
    """A patient at the beginning of a stay."""
    body = {"type": "registration", "id": "r", "source": "ehr", "patient": "P", "effective": start, "infused": start}
    return step(PatientState(patient="P"), [MESSAGE.validate_python(body)], start, site)[0]


def live(measured: Sequence[int], coming: Coming = on_time) -> dict[int, Day]:
    """Live through a stay up to the last of some days, counted from 1; the others are only charted."""
    site, chance = load_site(), random.Random(1)
    state = registered(START, site)
    lived: dict[int, Day] = {}
    for number in range(measured[-1]):
        messages = list(day(number, chance))
        if number + 1 not in measured:
            state = _charted(state, messages, site)
            continue
        hours = []
        for _, of_hour in groupby(coming(messages), key=lambda batch: batch.at.replace(minute=0)):
            began, count = time.process_time(), 0
            for batch in of_hour:
                state, _ = step(state, batch.messages, batch.at, site)
                count += len(batch.messages)
            hours.append((time.process_time() - began) / count)
        lived[number + 1] = Day(median(hours), state)
    return lived


def of_days(count: int, start: datetime) -> PatientState:
    """A patient who has stayed so many days, evaluated at their end."""
    site, chance = load_site(), random.Random(1)
    state = registered(start, site)
    for number in range(count):
        state = _charted(state, list(day(number, chance, start)), site)
    return step(state, [], start + timedelta(days=count), site)[0]


def _charted(state: PatientState, messages: Sequence[AnyMessage], site: Site) -> PatientState:
    chart = state.chart
    for message in messages:
        chart = chart_message(chart, message, message.effective, site).chart
    return replace(state, chart=chart, result_cache=state.result_cache.after(state.chart, chart))


def main() -> None:
    """Print the table."""
    first, last = MEASURED[0], MEASURED[-1]
    prompt, delayed = live(MEASURED), live(MEASURED, late)
    print("day   µs a reading on time, late   late over on time   KiB packed on time, late")  # noqa: T201
    for number, of_day in prompt.items():
        others = delayed[number]
        kib = [len(pack(one.state)) / 1024 for one in (of_day, others)]
        costs = f"{of_day.cost * 1e6:20.1f} {others.cost * 1e6:6.1f}   {others.cost / of_day.cost:17.2f}"
        print(f"{number:3}   {costs}   {kib[0]:18.1f} {kib[1]:6.1f}")  # noqa: T201
    for what, lived in (("on time", prompt), ("late", delayed)):
        print(f"day {last} over day {first}, {what}: {lived[last].cost / lived[first].cost:.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
