"""When a noisy number counts, sample by sample, at the bounds of each convention."""

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from alerts.chart import confirmation
from alerts.chart.chart import Chart
from alerts.chart.confirmation import Confirmed
from alerts.chart.entry import Entry
from tests.support.charts import NOW, SITE, chart, reading

SECOND = timedelta(seconds=1)
Samples = list[tuple[object, int]]
"""Values with their age in seconds, oldest first."""


def charted(kind: str, by: str, samples: Samples) -> tuple[Chart, Entry]:
    """A chart of the samples of one device, and the last of them."""
    entries = []
    for value, age in samples:
        at = NOW - age * SECOND
        entries.append(replace(reading(kind, value, at, id=f"{kind} {value} {age}")[1], by=by))
    return chart(*((kind, entry) for entry in entries)), entries[-1]


def febrile(entry: Entry) -> bool | None:
    return entry.at_least(Decimal(38))


def below(bound: int) -> confirmation.Abnormal:
    return lambda entry: entry.below(Decimal(bound))


def fever(samples: Samples, by: str = "patch") -> Confirmed:
    return confirmation.temperature(*charted("temperature", by, samples), febrile, SITE)


def pressure(samples: Samples, by: str, *, severe: str = "", alert: bool = False) -> Confirmed:
    patient, latest = charted("systolic_bp", by, samples)
    return confirmation.pressure(patient, "systolic_bp", latest, below(90), SITE, severe=severe, alert=alert)


def saturation(samples: Samples, by: str = "monitor") -> Confirmed:
    return confirmation.saturation(*charted("spo2", by, samples), below(92), SITE)


@pytest.mark.parametrize(
    ("samples", "counts", "convention"),
    [
        ([(38, 0)], False, "temperature_samples"),
        ([("39.4", 0)], False, "temperature_samples"),
        ([("39.5", 0)], True, "temperature_at_once"),
        ([(38, 120), (38, 60), (38, 0)], True, "temperature_samples"),
        ([(38, 240), (37, 180), (38, 120), (37, 60), (38, 0)], True, "temperature_samples"),
        ([(38, 300), (37, 240), (38, 180), (37, 120), (37, 60), (38, 0)], False, "temperature_samples"),
        ([(38, 600), (38, 0)], True, "temperature_lasting"),
        ([(38, 599), (38, 0)], False, "temperature_samples"),
        ([(38, 660), (37, 600), (38, 0)], False, "temperature_samples"),
    ],
)
def test_fever_by_a_patch(samples: Samples, counts: bool, convention: str) -> None:
    found = fever(samples)
    assert (found.counts, found.convention) == (counts, f"confirmation.{convention}")


@pytest.mark.parametrize(
    ("samples", "counts", "convention"),
    [
        ([(89, 0)], False, "window"),
        ([(89, 300), (89, 0)], True, "pair"),
        ([(89, 600), (89, 0)], True, "pair"),
        ([(89, 601), (89, 0)], True, "window"),
        ([(89, 900), (89, 0)], True, "window"),
        ([(89, 901), (89, 0)], True, "consecutive"),
        ([(89, 12 * 3600), (89, 0)], True, "consecutive"),
        ([(89, 12 * 3600 + 1), (89, 0)], False, "window"),
        ([(89, 900), (95, 450), (89, 0)], True, "window"),
        ([(89, 901), (95, 450), (89, 0)], False, "window"),
        ([(89, 600), (89, 300), (95, 0)], True, "window"),
        ([(89, 600), (95, 300), (95, 0)], False, "window"),
        ([(89, 600), (89, 500), (95, 300), (95, 0)], False, "window"),
    ],
)
def test_a_low_pressure_by_a_cuff(samples: Samples, counts: bool, convention: str) -> None:
    """2 of 2 within 10 min, 2 of 3 within 15, or two in a row within 12 h: each a convention of its own."""
    found = pressure(samples, "cuff")
    assert (found.counts, found.convention) == (counts, f"confirmation.pressure_{convention}")


def test_a_sample_that_is_not_usable_is_as_if_it_were_not_there() -> None:
    patient, latest = charted("systolic_bp", "cuff", [(89, 300), (60, 150), (89, 0)])

    def usable(entry: Entry) -> bool:
        return entry.value != 60

    found = confirmation.pressure(patient, "systolic_bp", latest, below(90), SITE, usable=usable)
    assert [entry.value for entry in found.samples] == [89, 89]


@pytest.mark.parametrize(
    ("samples", "counts"),
    [
        ([(89, 0)], False),
        ([(89, 60), (89, 0)], True),
        ([(89, 59), (89, 0)], False),
        ([(89, 90), (95, 30), (89, 0)], False),
    ],
)
def test_a_low_pressure_by_an_arterial_line_must_last_a_minute_even_if_severe(samples: Samples, counts: bool) -> None:
    found = pressure(samples, "arterial_line", severe="crs.severe_systolic", alert=True)
    assert (found.counts, found.convention) == (counts, "confirmation.arterial_lasting")


@pytest.mark.parametrize(
    ("severe", "alert", "convention"),
    [
        ("crs.severe_systolic", False, "crs.severe_systolic"),
        ("", True, ""),
        ("crs.severe_systolic", True, "crs.severe_systolic"),
    ],
)
def test_a_severe_pressure_or_one_of_a_patient_on_alert_counts_at_once(
    severe: str, alert: bool, convention: str
) -> None:
    found = pressure([(89, 0)], "cuff", severe=severe, alert=alert)
    assert (found.counts, found.convention, len(found.samples)) == (True, convention, 1)
    assert not pressure([(90, 0)], "cuff", severe=severe, alert=alert).counts


@pytest.mark.parametrize(
    ("samples", "counts", "convention"),
    [
        ([(91, 0)], False, "saturation_window"),
        ([(91, 60), (91, 0)], True, "saturation_lasting"),
        ([(91, 59), (91, 0)], True, "saturation_window"),
        ([(91, 300), (95, 30), (91, 0)], True, "saturation_window"),
        ([(91, 301), (95, 30), (91, 0)], False, "saturation_window"),
        ([(84, 15), (84, 0)], True, "saturation_at_once"),
        ([(84, 14), (84, 0)], True, "saturation_window"),
        ([(85, 15), (85, 0)], True, "saturation_window"),
    ],
)
def test_a_low_saturation_by_a_monitor(samples: Samples, counts: bool, convention: str) -> None:
    found = saturation(samples)
    assert (found.counts, found.convention) == (counts, f"confirmation.{convention}")


@pytest.mark.parametrize("by", ["person", ""])
def test_what_a_person_found_counts_at_once(by: str) -> None:
    for found in (fever([(38, 0)], by), pressure([(89, 0)], by), saturation([(91, 0)], by)):
        assert (found.counts, found.convention, len(found.samples)) == (True, "", 1)
    for found in (fever([("37.9", 0)], by), pressure([(90, 0)], by), saturation([(92, 0)], by)):
        assert (found.counts, found.convention) == (False, "")
