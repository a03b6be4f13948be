"""Explanations: every result with its readings, its rule, and what one more reading would make of it."""

from datetime import datetime
from decimal import Decimal

import pytest

from alerts.chart import Chart
from alerts.entry import Entry
from alerts.explain import PROBES, Explanation, explain
from alerts.vocabulary import DRUGS, READINGS, STATEMENTS
from config.site import load_site
from worker.explain import lines

SITE = load_site()
AT = datetime(2024, 6, 14, 8, 30, tzinfo=SITE.zone)


def charted(**values: str) -> Chart:
    chart = Chart()
    for kind, value in values.items():
        entry = Entry(effective=AT, source="ward", id=kind, value=Decimal(value), by="person")
        chart = chart.fold(kind, entry, received=AT)
    return chart


@pytest.fixture
def febrile() -> dict[str, Explanation]:
    chart = charted(temperature="38.5", systolic_bp="120", spo2="97")
    return {item.system: item for item in explain(chart, AT, SITE)}


def test_a_grade_is_told_with_its_readings_and_their_source(febrile: dict[str, Explanation]) -> None:
    assert febrile["crs"].value == "1"
    assert febrile["crs"].readings[0] == "temperature 38.5 °C (14 Jun 2024 08:30, ward)"


def test_what_would_change_a_grade_is_graded_not_remembered(febrile: dict[str, Explanation]) -> None:
    assert "systolic pressure 85 mmHg: 2" in febrile["crs"].changed_by
    assert "norepinephrine started: 3" in febrile["crs"].changed_by
    assert "temperature 36.8 °C: 0" in febrile["crs"].changed_by


def test_a_reading_that_changes_nothing_is_not_named(febrile: dict[str, Explanation]) -> None:
    assert not any("platelets" in text for text in febrile["crs"].changed_by)
    assert not any(text.startswith("temperature 38.0") for text in febrile["crs"].changed_by)


def test_what_is_missing_is_named(febrile: dict[str, Explanation]) -> None:
    assert febrile["icans"].value == "undetermined"
    assert febrile["icans"].missing == ("ice",)
    assert "ICE 3: 2" in febrile["icans"].changed_by


def test_a_rule_comes_with_its_table_and_its_paper(febrile: dict[str, Explanation]) -> None:
    assert "Biol Blood Marrow Transplant 2019;25:625-638" in febrile["crs"].rule
    assert "National Cancer Institute" in febrile["ctcae.platelets"].rule


def test_a_convention_comes_with_its_value_basis_and_owner(febrile: dict[str, Explanation]) -> None:
    (held,) = [text for text in febrile["crs"].conventions if text.startswith("crs.hypoxia_spo2")]
    assert held == "crs.hypoxia_spo2 = 92 (SpO2 below 92 % on room air; owner: cellular therapy lead)"


def test_explaining_changes_no_chart() -> None:
    chart = charted(temperature="38.5")
    before = chart.entries
    explain(chart, AT, SITE)
    assert chart.entries == before


def test_every_probe_is_something_that_can_be_charted() -> None:
    assert {probe.kind for probe in PROBES} <= {*READINGS, *STATEMENTS, *DRUGS}


def test_rules_are_printed_once_and_only_when_asked_for(febrile: dict[str, Explanation]) -> None:
    asked = "\n".join(lines(febrile.values(), rules=True))
    assert asked.count("Common Terminology Criteria") == 1
    assert "    |" not in "\n".join(lines(febrile.values(), rules=False))
