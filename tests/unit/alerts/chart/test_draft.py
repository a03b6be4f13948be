"""A draft gives the chart that its messages would give one after another, and copies a series once."""

import random
from datetime import timedelta
from decimal import Decimal

import pytest

from alerts.chart.chart import Chart
from alerts.chart.draft import ChartDraft
from alerts.chart.entry import Entry
from alerts.message_fields import Status
from tests.support.charts import NOW


def entry(minute: int, id: str, value: str = "37.0", status: Status = Status.FINAL) -> Entry:
    return Entry(NOW + timedelta(minutes=minute), "monitor", id, value=Decimal(value), status=status)


def drawn(rng: random.Random) -> tuple[str, Entry, timedelta, str]:
    """An entry that most often comes in order; else late, again, corrected, withdrawn, or in the place of another."""
    number = rng.randrange(30)
    status = rng.choice([Status.FINAL] * 8 + list(Status))
    supersedes = f"m{rng.randrange(30)}" if rng.random() < 0.05 else ""
    one = entry(rng.choice([number, number, -150, -300]), f"m{number}", rng.choice(["37.0", "38.5"]), status)
    return rng.choice(["temperature", "spo2"]), one, timedelta(minutes=rng.choice([0, 0, 5])), supersedes


@pytest.mark.parametrize("seed", range(200))
def test_a_draft_gives_the_chart_of_its_messages_one_after_another(seed: int) -> None:
    rng = random.Random(seed)
    chart = Chart()
    draft = ChartDraft(chart)
    for kind, one, delay, supersedes in (drawn(rng) for _ in range(40)):
        received = one.effective + delay
        draft.place(kind, one, received=received, supersedes=supersedes)
        chart = chart.place(kind, one, received=received, supersedes=supersedes)
        if rng.random() < 0.2:
            assert draft.chart() == chart
    assert draft.chart() == chart
    assert list(draft.chart().entries) == list(chart.entries)


def test_a_draft_without_a_change_is_the_chart_itself() -> None:
    chart = Chart().place("spo2", entry(0, "m1"), received=NOW)
    draft = ChartDraft(chart)
    draft.place("spo2", entry(0, "m1"), received=NOW)
    assert draft.chart() is chart


def test_an_unchanged_series_stays_the_same_object() -> None:
    chart = Chart().place("spo2", entry(0, "m1"), received=NOW)
    draft = ChartDraft(chart)
    draft.place("temperature", entry(1, "m2"), received=NOW)
    assert draft.chart().entries["spo2"] is chart.entries["spo2"]
