"""Thirty days of one reading a minute for six vital signs and daily laboratory values.

Prints what one reading costs through the whole evaluation (charted, graded, compared; the six of a minute together)
and how large the patient's packed state is, on some days, and the ratio of the last days to the first. A day costs
what its median hour does, in processor time, so that what else the machine does is not counted.
Run: .venv/bin/python benchmarks/stay.py
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
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


def batched(messages: list[AnyMessage], key: Callable[[AnyMessage], datetime]) -> Iterator[list[AnyMessage]]:
    """The messages of each minute, or hour, together: those of a minute as a worker would take them."""
    for _, together in groupby(messages, key=key):
        yield list(together)


class Day(NamedTuple):
    """What a reading of a day cost, in seconds of processor time, and the patient at its end."""

    cost: float
    state: PatientState


def registered(start: datetime, site: Site) -> PatientState:
    """A patient at the beginning of a stay."""
    body = {"type": "registration", "id": "r", "source": "ehr", "patient": "P", "effective": start, "infused": start}
    return step(PatientState(patient="P"), [MESSAGE.validate_python(body)], start, site)[0]


def live(measured: Sequence[int]) -> dict[int, Day]:
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
        for of_hour in batched(messages, lambda message: message.effective.replace(minute=0)):
            began = time.process_time()
            for together in batched(of_hour, lambda message: message.effective):
                state, _ = step(state, together, together[0].effective, site)
            hours.append((time.process_time() - began) / len(of_hour))
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
    print("day   µs a reading   KiB packed")  # noqa: T201
    lived = live(MEASURED)
    for number, of_day in lived.items():
        print(f"{number:3}   {of_day.cost * 1e6:12.1f}   {len(pack(of_day.state)) / 1024:10.1f}")  # noqa: T201
    print(f"last measured day over first: {lived[MEASURED[-1]].cost / lived[MEASURED[0]].cost:.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
