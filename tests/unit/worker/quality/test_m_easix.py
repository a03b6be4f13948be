"""m-EASIX by day and its local cut-offs, counted by hand."""

import json
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from config.site import load_site
from worker.cli import main
from worker.quality.m_easix import FEWEST, WARNING, Scored, area, by_day, rows, scored, youden
from worker.quality.stream import Stay

INFUSED = datetime.fromisoformat("2024-06-12T10:00:00+02:00")


def body(type_: str, days: float, **fields: Any) -> bytes:
    at = (INFUSED + timedelta(days=days)).isoformat()
    number = f"{type_}{days}{fields.get('reading', '')}"
    known = {"type": type_, "id": number, "source": "lab", "patient": "P", "effective": at, "received": at}
    return msgspec.json.encode(known | fields)


def laboratory(days: float, ldh: int, crp: int, platelets: int) -> list[bytes]:
    """Drawn together: m-EASIX is LDH x CRP in mg/dL / platelets."""
    values = (("ldh", ldh, "U/L"), ("crp", crp, "mg/L"), ("platelets", platelets, "10*9/L"))
    return [
        body("reading", days, reading=kind, value=str(value), unit=unit, by="laboratory")
        for kind, value, unit in values
    ]


STAY = Stay(
    "P",
    [
        body("registration", -1, infused=INFUSED.isoformat()),
        *laboratory(0.8, 320, 85, 45),
        *laboratory(2.8, 320, 170, 45),
        body("reading", 5, reading="ice", value="1", by="person"),
    ],
)


def test_the_score_of_each_day_and_the_day_of_severe_icans_are_those_of_the_grader() -> None:
    found = scored(STAY, load_site())
    assert found is not None
    assert found.values == {1: pytest.approx(60.44, abs=0.01), 3: pytest.approx(120.89, abs=0.01)}
    assert found.severe_from == 5


def test_the_cut_off_by_youden_separates_what_can_be_separated() -> None:
    found = youden([30, 40, 50], [10, 20, 25])
    assert (found.cut_off, found.sensitivity, found.specificity, found.area) == (30, 1.0, 1.0, 1.0)


def test_of_values_that_overlap_the_cut_off_with_the_largest_sum_is_taken() -> None:
    found = youden([15, 40, 50], [10, 20, 25])
    assert (found.cut_off, found.specificity) == (40, 1.0)
    assert found.sensitivity == pytest.approx(2 / 3)
    assert found.area == pytest.approx(7 / 9)
    assert area([1], [1]) == 0.5


def patients(severe: int, others: int, day: int = 3) -> list[Scored]:
    ill = [Scored(f"S{number}", {day: 40.0 + number}, day + 3) for number in range(severe)]
    return ill + [Scored(f"O{number}", {day: 10.0 + number}, None) for number in range(others)]


def test_a_day_has_its_distribution_and_its_cut_offs_by_quantile() -> None:
    (of_day,) = by_day([Scored(f"P{number}", {3: float(number)}, None) for number in range(101)])
    assert (of_day.day, of_day.patients, of_day.median, of_day.low, of_day.high) == (3, 101, 50, 25, 75)
    assert of_day.cut_offs == (75, 90)


def test_too_few_patients_give_no_cut_off_by_youden() -> None:
    assert next(by_day(patients(FEWEST, FEWEST))).youden is not None
    few = next(by_day(patients(FEWEST - 1, FEWEST)))
    assert few.youden is None
    assert rows([few])[0][-1] == "too few patients"


def test_who_has_severe_icans_already_is_left_out_from_that_day_on() -> None:
    known = [Scored("A", {3: 5.0, 6: 6.0}, 6), Scored("B", {3: 1.0, 6: 2.0}, None), Scored("C", {6: 3.0}, None)]
    assert {one.day: (one.patients, one.severe) for one in by_day(known)} == {3: (2, 1), 6: (2, 0)}


def test_the_command_prints_the_table_with_its_warning(tmp_path: Any) -> None:
    path = tmp_path / "own.ndjson"
    copies = [line.replace(b'"P"', f'"P{number}"'.encode()) for number in range(2) for line in STAY.lines]
    path.write_bytes(b"\n".join(copies))
    text = CliRunner().invoke(main, ["cohort", "m-easix", str(path)])
    assert "| +3  | 2" in text.stdout
    assert WARNING in text.stdout
    rows_ = [
        json.loads(line)
        for line in CliRunner().invoke(main, ["cohort", "m-easix", str(path), "--json"]).stdout.splitlines()
    ]
    assert [row["day"] for row in rows_] == [1, 3]
