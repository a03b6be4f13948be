"""Units and artefact limits: the data files behind every number that comes in."""

import csv
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple


class UnitRule(NamedTuple):
    """How one spelling of a unit becomes the canonical one: multiply, divide, then only `only_if`.

    `fahrenheit` subtracts 32 first. `refused` names why a known spelling is never converted.
    """

    canonical: str
    numerator: Decimal
    denominator: Decimal
    fahrenheit: bool
    ratio: bool
    refused: str


class Limits(NamedTuple):
    """Artefact limits in the canonical unit: outside `low`..`high` a value is kept and never used."""

    low: Decimal | None
    high: Decimal | None
    confirm_low: Decimal | None
    confirm_high: Decimal | None


class Tables(NamedTuple):
    """`units[group, spelling]` and `limits[reading]`."""

    units: Mapping[tuple[str, str], UnitRule]
    limits: Mapping[str, Limits]


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text.strip() else None


def _unit_rule(row: dict[str, str]) -> UnitRule:
    note = row["note"]
    refused = ""
    factor = row["factor"]
    if not factor:
        refused = note or "another quantity"
    elif "opt-in" in note or note.startswith("reject unless"):
        refused = f"accepted only where the site says so ({note})"
    exact = Fraction(factor) if factor else Fraction(1)
    return UnitRule(
        canonical=row["canonical"],
        numerator=Decimal(exact.numerator),
        denominator=Decimal(exact.denominator),
        fahrenheit=row["offset"] == "F",
        ratio=note.startswith("only if"),
        refused=refused,
    )


def load_tables(folder: Path) -> Tables:
    """Read `units.csv` and `limits.csv` of `folder`."""
    with (folder / "units.csv").open(encoding="utf-8", newline="") as file:
        units = {(row["group"], row["alias"]): _unit_rule(row) for row in csv.DictReader(file)}
    with (folder / "limits.csv").open(encoding="utf-8", newline="") as file:
        limits = {
            row["reading"]: Limits(
                _decimal(row["reject_below"]),
                _decimal(row["reject_above"]),
                _decimal(row["confirm_below"]),
                _decimal(row["confirm_above"]),
            )
            for row in csv.DictReader(file)
        }
    return Tables(units, limits)
