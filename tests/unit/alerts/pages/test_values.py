"""How a reading and a time are written for a person."""

from decimal import Decimal

import pytest

from alerts.chart.entry import Entry
from alerts.grading.result import Evidence
from alerts.pages.values import clock, readings, short_value, shown
from tests.support.charts import NOW, SITE, hours, reading


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (reading("temperature", "38.50", NOW), "temperature 38.5 °C"),
        (reading("neutrophils", "<0.1", NOW), "neutrophils <0.1 ×10⁹/L"),
        (reading("platelets", 100, NOW), "platelets 100 ×10⁹/L"),
        (reading("ice", 1, NOW), "ICE 1"),
        (reading("oxygen_device", "high_flow_nasal_cannula", NOW), "oxygen device high-flow nasal cannula"),
        (("hypotension", Entry(NOW, "ward", "s", code="true")), "hypotension yes"),
        (("hypotension", Entry(NOW, "ward", "s", code="false")), "hypotension no"),
        (
            ("tocilizumab", Entry(NOW, "ward", "t", value=Decimal(480), code="given", unit="mg")),
            "tocilizumab 480 mg, given",
        ),
        (
            ("norepinephrine", Entry(NOW, "ward", "t", value=Decimal("0.1"), code="started", unit="ug/kg/min")),
            "norepinephrine 0.1 µg/kg/min, started",
        ),
        (("norepinephrine", Entry(NOW, "ward", "t", code="started")), "norepinephrine, started"),
        (
            ("platelets", Entry(NOW, "ward", "p", value=Decimal(26), sent="26000 /mm3")),
            "platelets 26 ×10⁹/L (sent as 26000 /mm3)",
        ),
    ],
)
def test_a_reading_is_shown_with_value_unit_time_and_source(item: tuple[str, Entry], words: str) -> None:
    assert shown(Evidence(*item), SITE, "en") == f"{words} (17 Jun 10:00, ward)"


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (
            reading("oxygen_device", "high_flow_nasal_cannula", NOW),
            "supporto di ossigeno: cannula nasale ad alti flussi",
        ),
        (("hypotension", Entry(NOW, "ward", "s", code="true")), "ipotensione: sì"),
        (
            ("tocilizumab", Entry(NOW, "ward", "t", value=Decimal(480), code="given", unit="mg")),
            "tocilizumab 480 mg, somministrazione",
        ),
        (
            ("platelets", Entry(NOW, "ward", "p", value=Decimal(26), sent="26000 /mm3")),
            "piastrine 26 ×10⁹/L (inviato come 26000 /mm3)",
        ),
        (
            ("norepinephrine", Entry(NOW, "ward", "t", value=Decimal("0.1"), code="started", unit="ug/kg/min")),
            "noradrenalina 0.1 µg/kg/min, inizio",
        ),
        (("ice", Entry(NOW, "ward", "i", code="absent")), "ICE: non eseguito"),
    ],
)
def test_a_reading_is_shown_in_the_readers_language(item: tuple[str, Entry], words: str) -> None:
    assert shown(Evidence(*item), SITE, "it") == f"{words} (17 giu 10:00, ward)"


def test_the_clock_is_that_of_the_hospital() -> None:
    assert clock(NOW, SITE, "en") == "17 Jun 10:00"
    assert clock(NOW, SITE, "it") == "17 giu 10:00"


def test_readings_of_one_time_and_source_share_their_brackets() -> None:
    found = [
        Evidence(*reading("temperature", "38.9", NOW)),
        Evidence(*reading("systolic_bp", 84, NOW)),
        Evidence(*reading("spo2", 95, NOW - hours(1))),
    ]
    assert readings(found, SITE, "en") == (
        "temperature 38.9 °C, systolic pressure 84 mmHg (17 Jun 10:00, ward); SpO2 95 % (17 Jun 09:00, ward)"
    )


@pytest.mark.parametrize(
    ("item", "words", "italian"),
    [
        (reading("temperature", "38.90", NOW), "T 38.9", "T 38.9"),
        (reading("systolic_bp", 84, NOW), "SBP 84", "PAS 84"),
        (reading("neutrophils", "<0.1", NOW), "ANC <0.1", "ANC <0.1"),
        (reading("oxygen_device", "nasal_cannula", NOW), "nasal cannula", "cannula nasale"),
        (reading("oxygen_device", "none", NOW), "", ""),
        (reading("seizure", "brief", NOW), "seizure brief", "crisi epilettica breve"),
        (
            ("norepinephrine", Entry(NOW, "ward", "t", value=Decimal("0.1"), code="started", unit="ug/kg/min")),
            "norepinephrine 0.1 µg/kg/min",
            "noradrenalina 0.1 µg/kg/min",
        ),
        (("hypotension", Entry(NOW, "ward", "s", code="true")), "hypotension", "ipotensione"),
        (("hypotension", Entry(NOW, "ward", "s", code="false")), "", ""),
    ],
)
def test_a_title_carries_a_reading_briefly(item: tuple[str, Entry], words: str, italian: str) -> None:
    assert short_value(Evidence(*item), "en") == words
    assert short_value(Evidence(*item), "it") == italian
