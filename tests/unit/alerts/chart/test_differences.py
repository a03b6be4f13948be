"""From which time on two versions of a chart differ."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.chart.chart import Chart
from alerts.chart.charting import chart_message
from alerts.chart.differences import ALWAYS, differences
from alerts.messages import AnyMessage
from tests.support.ward import SITE, changed, message

START = datetime(2024, 6, 12, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = START + 10 * HOUR
KINDS = ("temperature", "spo2")


def reading(hour: float, kind: str = "temperature", value: str = "37", unit: str = "Cel", **fields: Any) -> AnyMessage:
    return message("reading", START + hour * HOUR, reading=kind, value=value, unit=unit, by="person", **fields)


def charted(*items: AnyMessage, onto: Chart = Chart()) -> Chart:  # noqa: B008 - frozen
    for item in items:
        onto = chart_message(onto, item, NOW, SITE).chart
    return onto


FIVE = [reading(hour) for hour in range(1, 6)]
BEFORE = charted(message("registration", START, source="ehr", infused=START), *FIVE)


def later_version(item: AnyMessage, **fields: Any) -> AnyMessage:
    return changed(item, received=NOW, **fields)


@pytest.mark.parametrize(
    ("coming", "hour"),
    [
        (reading(6), 6),
        (reading(2.5), 2.5),
        (reading(0.5), 0.5),
        (reading(3.5, "spo2", "97", "%"), 3.5),
        (later_version(FIVE[1], status="corrected", value="38"), 2),
        (later_version(FIVE[1], status="entered_in_error"), 2),
        (later_version(FIVE[4], status="entered_in_error"), 5),
        (later_version(FIVE[1], status="corrected", effective=START + 1.5 * HOUR), 1.5),
        (later_version(FIVE[1], status="corrected", effective=START + 4.5 * HOUR), 2),
        (message("registration", START + 4 * HOUR, source="ehr", setting="outpatient"), 4),
    ],
)
def test_charts_differ_from_the_first_time_that_a_message_touches(coming: AnyMessage, hour: float) -> None:
    assert differences(BEFORE, charted(coming, onto=BEFORE), KINDS).earliest == START + hour * HOUR


@pytest.mark.parametrize(
    "coming",
    [
        FIVE[2],
        reading(2.5, "heart_rate", "90", "/min"),
        message("registration", START, source="ehr", infused=START),
    ],
)
def test_charts_do_not_differ_by_what_does_not_count(coming: AnyMessage) -> None:
    assert differences(BEFORE, charted(coming, onto=BEFORE), KINDS).earliest is None


def test_a_discharge_counts_from_its_time() -> None:
    assert differences(BEFORE, BEFORE.discharge(START + 3 * HOUR), KINDS).earliest == START + 3 * HOUR


def test_another_infusion_concerns_all_times() -> None:
    moved = message("registration", START + HOUR, source="ehr", infused=START + HOUR)
    assert differences(BEFORE, charted(moved, onto=BEFORE), KINDS).earliest == ALWAYS


def test_a_first_registration_with_another_setting_concerns_all_times() -> None:
    first = message("registration", START - HOUR, source="ehr", setting="outpatient")
    assert differences(BEFORE, charted(first, onto=BEFORE), KINDS).earliest == ALWAYS
