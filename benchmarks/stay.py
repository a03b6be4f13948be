"""Thirty days of one reading a minute for six vital signs and daily laboratory values.

Prints what one reading costs through the whole judgement (charted, graded, compared; the six of a minute together)
and how large the patient's packed state is, on some days, and the ratio of the last days to the first.
Run: .venv/bin/python benchmarks/stay.py
"""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby

from msgspec.structs import replace

from alerts.charting import chart_message
from alerts.messages import MESSAGE, AnyMessage
from alerts.step import step
from alerts.watch import Watch
from config.site import load_site
from worker.packing import pack

START = datetime(2024, 6, 12, 8, tzinfo=UTC)
DAYS = 30
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


def day(number: int, chance: random.Random) -> Iterator[AnyMessage]:
    """One day's messages, in order of time."""
    for minute in range(MINUTES):
        at = START + timedelta(days=number, minutes=minute)
        for kind, (mean, spread, places, unit) in VITALS.items():
            value = (
                min(100.0, round(chance.gauss(mean, spread), places)) if kind == "spo2" else chance.gauss(mean, spread)
            )
            yield reading(at, kind, f"{value:.{places}f}", unit, "monitor")
        if minute == 0:
            for kind, unit in LABORATORY.items():
                yield reading(at, kind, f"{chance.uniform(1, 9):.1f}", unit, "laboratory")


def reading(at: datetime, kind: str, value: str, unit: str, by: str) -> AnyMessage:
    """One reading."""
    body = {"type": "reading", "id": f"{kind}{at:%d%H%M}", "source": by, "patient": "P", "effective": at}
    return MESSAGE.validate_python({**body, "reading": kind, "value": value, "unit": unit, "by": by})


def minutes(messages: list[AnyMessage]) -> Iterator[list[AnyMessage]]:
    """The messages of each minute together, as a worker would take them."""
    for _, together in groupby(messages, key=lambda message: message.effective):
        yield list(together)


def main() -> None:
    """Live through the stay and print the table; the days between the measured ones are only charted."""
    site, chance = load_site(), random.Random(1)
    body = {"type": "registration", "id": "r", "source": "ehr", "patient": "P", "effective": START, "infused": START}
    watch, _ = step(Watch(patient="P"), [MESSAGE.validate_python(body)], START, site)
    costs: dict[int, float] = {}
    print("day   µs a reading   KiB packed")  # noqa: T201
    for number in range(DAYS):
        messages = list(day(number, chance))
        if number + 1 not in MEASURED:
            chart = watch.chart
            for message in messages:
                chart = chart_message(chart, message, message.effective, site).chart
            watch = replace(watch, chart=chart)
            continue
        began = time.perf_counter()
        for together in minutes(messages):
            watch, _ = step(watch, together, together[0].effective, site)
        costs[number + 1] = (time.perf_counter() - began) / len(messages)
        print(f"{number + 1:3}   {costs[number + 1] * 1e6:12.1f}   {len(pack(watch)) / 1024:10.1f}")  # noqa: T201
    print(f"last measured day over first: {costs[MEASURED[-1]] / costs[MEASURED[0]]:.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
