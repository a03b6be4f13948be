"""Explanations: every result with its readings, its rule, and what one more reading would make of it."""

import re
from datetime import datetime
from decimal import Decimal

import pytest

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.explain import PROBES, Explanation, explain
from alerts.grading import ctcae
from config.site import load_site
from config.vocabulary import DRUGS, READINGS, STATEMENTS
from worker.commands.explanation import lines

SITE = load_site()
AT = datetime(2024, 6, 14, 8, 30, tzinfo=SITE.zone)


def charted(**values: str) -> Chart:
    chart = Chart()
    for kind, value in values.items():
        entry = Entry(effective=AT, source="ward", id=kind, value=Decimal(value), by="person")
        chart = chart.fold(kind, entry, received=AT)
    return chart


@pytest.fixture(scope="module")
def febrile() -> dict[str, Explanation]:
    chart = charted(temperature="38.5", systolic_bp="120", spo2="97")
    return {item.system: item for item in explain(chart, AT, SITE)}


def test_a_grade_is_explained_with_its_readings_and_their_source(febrile: dict[str, Explanation]) -> None:
    assert febrile["crs"].value == "1"
    assert febrile["crs"].readings[0] == "temperature 38.5 °C (14 Jun 08:30, ward)"


def test_what_would_change_a_grade_is_graded_not_remembered(febrile: dict[str, Explanation]) -> None:
    assert "systolic pressure 85 mmHg: 2" in febrile["crs"].changed_by
    assert "norepinephrine started: 3" in febrile["crs"].changed_by
    assert "temperature 36.8 °C: 0" in febrile["crs"].changed_by


def test_a_reading_that_changes_nothing_is_not_named(febrile: dict[str, Explanation]) -> None:
    assert not any("platelets" in text for text in febrile["crs"].changed_by)
    assert not any(text.startswith("temperature 38.0") for text in febrile["crs"].changed_by)


def test_what_is_missing_is_named(febrile: dict[str, Explanation]) -> None:
    assert febrile["icans"].value == "undetermined"
    assert febrile["icans"].missing == ("ICE",)
    assert "ICE 3: 2" in febrile["icans"].changed_by


def test_a_rule_comes_with_its_table_and_its_paper(febrile: dict[str, Explanation]) -> None:
    assert "Biol Blood Marrow Transplant 2019;25:625-638" in febrile["crs"].rule
    assert "National Cancer Institute" in febrile["ctcae.platelets"].rule


@pytest.mark.parametrize("term", ctcae.TERMS)
def test_each_term_of_ctcae_comes_with_its_own_row_as_printed(term: str, febrile: dict[str, Explanation]) -> None:
    item = febrile[f"ctcae.{term}"]
    assert item.row
    printed = " ".join(item.rule.split())
    for line in item.row:
        level, _, cell = line.partition(": ")
        assert re.fullmatch("grade [1-4]", level)
        numbers = re.findall(r"\d+(?:\.\d+)?", cell)
        assert all(number in printed for number in numbers), cell


def test_a_row_is_that_of_the_version_that_the_site_grades_by(febrile: dict[str, Explanation]) -> None:
    assert febrile["ctcae.platelets"].row == (
        "grade 1: <LLN - 75",
        "grade 2: <75 - 50",
        "grade 3: <50 - 25",
        "grade 4: <25",
    )
    newer = SITE._replace(conventions=SITE.conventions.model_copy(update={"ctcae_version": "6.0"}))
    (platelets,) = [item for item in explain(Chart(), AT, newer) if item.system == "ctcae.platelets"]
    assert platelets.row[2:] == ("grade 3: <50 - 10", "grade 4: <10")


def test_a_cell_that_no_number_reaches_is_explained_too(febrile: dict[str, Explanation]) -> None:
    assert febrile["ctcae.anemia"].row[-1] == "grade 4: life-threatening consequences (clinical)"
    assert febrile["ctcae.febrile_neutropenia"].row == (
        "grade 3: ANC < 1.0 and (one temperature > 38.3, or >= 38.0 for > 1 h)",
        "grade 4: life-threatening consequences (clinical)",
    )


def test_every_member_of_the_easix_family_is_explained(febrile: dict[str, Explanation]) -> None:
    for name in ("easix", "s_easix", "m_easix"):
        assert febrile[name].missing
        assert "Luft T et al., Lancet Haematol 2017;4:e414" in febrile[name].rule


@pytest.mark.parametrize(
    ("term", "before", "probe"),
    [
        ("alt", "20", "ALT 300 U/L: 3"),
        ("ast", "20", "AST 300 U/L: 3"),
        ("creatinine", "0.8", "creatinine 4.0 mg/dL: 3"),
        ("bilirubin", "0.8", "bilirubin 4.0 mg/dL: 3"),
        ("inr", "1.1", "INR 2.6: 3"),
    ],
)
def test_one_more_chemistry_is_tried(term: str, before: str, probe: str) -> None:
    high = {"alt": "40", "ast": "40", "creatinine": "1.2", "bilirubin": "1.0"}.get(term)
    entry = Entry(AT, "lab", "l", value=Decimal(before), high=Decimal(high) if high else None)
    chart = Chart().fold(term, entry, received=AT)
    (item,) = [item for item in explain(chart, AT, SITE) if item.system == f"ctcae.{term}"]
    assert probe in item.changed_by


def test_one_more_flow_of_oxygen_is_tried() -> None:
    cannula = Entry(AT, "ward", "o", code="nasal_cannula", by="person")
    chart = charted(temperature="38.5", spo2="97", systolic_bp="120").fold("oxygen_device", cannula, received=AT)
    (crs,) = [item for item in explain(chart, AT, SITE) if item.system == "crs"]
    assert any(text.startswith("oxygen flow 8 L/min: 3") for text in crs.changed_by)


def test_a_convention_comes_with_its_value_basis_and_owner() -> None:
    found = {item.system: item for item in explain(charted(temperature="38.5", spo2="90"), AT, SITE)}
    (held,) = [text for text in found["crs"].conventions if text.startswith("crs.hypoxia_spo2")]
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
    assert asked.count("Common Terminology Criteria for Adverse Events, National Cancer Institute") == 1
    assert asked.count("CTCAE: fever and febrile neutropenia") == 1
    assert "  table grade 3: <50 - 25" in asked
    without = "\n".join(lines(febrile.values(), rules=False))
    assert "    |" not in without
    assert "  table " not in without
