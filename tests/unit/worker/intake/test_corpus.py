"""Real messages of other projects, where they are present: what is taken of them is what a right intake takes."""

import json
from decimal import Decimal
from typing import Any

import pytest

from config.intake import read_map, with_map
from tests.support.feeds import CORPUS, INTAKE, NOW, TABLES
from worker.intake.parse import preview_lines

EXPECTED = CORPUS / "expected.jsonl"
CASES = [json.loads(line) for line in EXPECTED.read_text(encoding="utf-8").splitlines()] if EXPECTED.exists() else []

WORDS = {"Alert": "spontaneous", "Venturi": "venturi_mask"}
"""Expectations keep the sender's word; ours is the value of the vocabulary."""

NOT_EXPECTED = ("lymphocytes", "bilirubin")
"""Readings of the vocabulary that the expectations leave out as optional: one panel has them, two messages."""

pytestmark = pytest.mark.skipif(not CASES, reason="the corpus of other projects' messages is not part of this one")


def lines(name: str) -> list[dict[str, Any]]:
    intake = with_map(INTAKE, read_map(CORPUS / "site_map_simhospital.json"))
    return list(preview_lines((CORPUS / name).read_bytes(), name, "corpus", intake, TABLES, NOW))


def same_number(found: str | None, expected: str | None) -> bool:
    if found is None or expected is None:
        return found == expected
    try:
        return abs(Decimal(found) - Decimal(expected)) <= abs(Decimal(expected)) * Decimal("0.005")
    except ArithmeticError:
        return found == WORDS.get(expected, expected)


def same_time(found: str | None, expected: str | None) -> bool:
    """An expectation without a time leaves it open; HL7 times are compared as written, with their offset if any."""
    if expected is None:
        return True
    if found is None:
        return False
    plain = found.translate(str.maketrans("", "", "-:T"))
    if "-" in expected[:8]:
        return found == expected
    clock, offset = expected[:14], expected[14:].lstrip("+-")
    return plain.startswith(clock) and offset in plain


REGISTERING = ("fhir/r4-Bundle-bundle-references.json",)
"""Its patients have no birth date; such a patient registers as well where its source may register."""


@pytest.mark.parametrize("case", CASES, ids=[case["file"] for case in CASES])
def test_what_is_taken(case: dict[str, Any]) -> None:
    found = lines(case["file"])
    expected = "accept" if case["file"] in REGISTERING else case["disposition"]
    assert {line["disposition"] for line in found} == {expected}
    if "messages" in case:
        assert len(found) == case["messages"]
    readings = [reading for line in found for reading in line["readings"] if reading["reading"] not in NOT_EXPECTED]
    assert len(readings) == len(case["obs"])
    for observed in case["obs"]:
        assert any(agrees(reading, observed) for reading in readings), (observed, readings)


def agrees(reading: dict[str, Any], expected: dict[str, Any]) -> bool:
    if reading["reading"] != expected["kind"] or reading["use"] != expected["use"]:
        return False
    if expected["kind"] == "drug":
        named = expected["drug"].partition("/")[0].split()[0] in (reading["value"] + reading.get("raw", "")).lower()
        return (named or expected["drug"] in BRANDS) and reading["effective"] == expected["start"]
    return (
        same_number(reading["value"], expected["value"])
        and (expected["value"] is None or reading["unit"] == expected["unit"])
        and same_time(reading["effective"], expected["time"])
        and reading["status"] == expected["status"]
    )


BRANDS = ("insulin glargine",)
"""Sent under a brand's name only; nothing that is watched, and ignored as expected."""


@pytest.mark.parametrize("case", [case for case in CASES if case.get("patient")], ids=lambda case: case["file"])
def test_whose_it_is(case: dict[str, Any]) -> None:
    found = {line["patient"] for line in lines(case["file"])} - {None}
    allowed = {held.get("id") or held["reference"] for held in case["patient"]}
    assert found <= allowed
    assert found or case["disposition"] == "ignore"


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")) if CASES else [], ids=lambda path: path.name)
def test_every_file_ends_somewhere(path: Any) -> None:
    found = lines(f"{path.parent.name}/{path.name}")
    assert found
    assert {line["disposition"] for line in found} <= {"accept", "ignore", "reject"}
    json.dumps(found)
