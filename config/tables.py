"""Units and artefact limits: the data files by which every number is converted and checked."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, TypeVar

from config.bounded import read_text
from config.problems import Attempts, ConfigurationError, Problem
from config.types import is_of_use

UNIT_COLUMNS = ("group", "alias", "canonical", "factor", "offset", "note")
LIMIT_COLUMNS = ("reading", "canonical", "reject_below", "reject_above", "confirm_below", "confirm_above")
"""Optional further columns: `lowest_from`, and `alike_unit`, `alike_from`, `alike_to` and `looks_like`."""


LONGEST_FACTOR = 40

_EXPONENT = re.compile(r"[eE][-+]?\d{3,}")
"""The longest factor: `1E999999999` is a number of a billion digits."""


class UnitRule(NamedTuple):
    """The conversion of one spelling of a unit to the canonical one: multiply, divide, then only `only_if`.

    `fahrenheit` subtracts 32 first. `refused`: the reason why a known spelling is never converted.
    """

    canonical: str
    numerator: Decimal
    denominator: Decimal
    fahrenheit: bool
    ratio: bool
    refused: str


class UnitLookalike(NamedTuple):
    """A range of numbers in `unit` that look like numbers of another unit. They are rejected. None: no bound."""

    unit: str
    low: Decimal | None
    high: Decimal | None
    looks_like: str


class Limits(NamedTuple):
    """Artefact limits in the canonical unit. A value outside `low`..`high` is rejected.

    A value outside `confirm_low`..`confirm_high` is used, and flagged. A value from `lowest_from` on is read as `low`:
    room air contains 20.9 % of oxygen, and is charted so.
    """

    low: Decimal | None
    high: Decimal | None
    confirm_low: Decimal | None
    confirm_high: Decimal | None
    lowest_from: Decimal | None = None
    alike: UnitLookalike | None = None


class Tables(NamedTuple):
    """`units[group, spelling]` and `limits[reading]`."""

    units: Mapping[tuple[str, str], UnitRule]
    limits: Mapping[str, Limits]


Row = dict[str, str]
Name = TypeVar("Name")
Rule = TypeVar("Rule")


def _decimal(row: Row, column: str) -> Decimal | None:
    text = row.get(column, "").strip()
    try:
        number = Decimal(text) if text else None
    except InvalidOperation as error:
        raise ValueError(f"{column}: {text!r} is not a number: write it with a point, as in 41.5") from error
    if number is not None and not is_of_use(number):
        raise ValueError(f"{column}: {text!r} is not a number that can be compared")
    return number


def _factor(row: Row) -> Fraction:
    try:
        if len(row["factor"]) > LONGEST_FACTOR or _EXPONENT.search(row["factor"]):
            raise ValueError("its digits would fill the memory")
        factor = Fraction(row["factor"] or "1")
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"factor: {row['factor']!r} is not a number: write 0.1, 1E-9 or 5/9") from error
    if factor <= 0:
        raise ValueError(f"factor: {row['factor']} is not above 0: leave it empty where nothing is to be converted")
    return factor


def _unit_rule(row: Row) -> UnitRule:
    note = row["note"]
    refused = ""
    if not row["canonical"]:
        raise ValueError("canonical: is empty: name the unit it becomes")
    if not row["factor"]:
        refused = note or "another quantity"
    elif "opt-in" in note or note.startswith("reject unless"):
        refused = "accepted only where the site says so"
    exact = _factor(row)
    return UnitRule(
        canonical=row["canonical"],
        numerator=Decimal(exact.numerator),
        denominator=Decimal(exact.denominator),
        fahrenheit=row["offset"] == "F",
        ratio=note.startswith("only if"),
        refused=refused,
    )


def _limits(row: Row) -> Limits:
    low, high, confirm_low, confirm_high = (_decimal(row, column) for column in LIMIT_COLUMNS[2:])
    limits = Limits(low, high, confirm_low, confirm_high, _decimal(row, "lowest_from"), _alike(row))
    for below, above in (
        (low, high),
        (confirm_low, confirm_high),
        (limits.lowest_from, low),
        (limits.alike.low, limits.alike.high) if limits.alike else (None, None),
    ):
        if below is not None and above is not None and below >= above:
            raise ValueError(f"{below} does not lie below {above}: correct one of them")
    return limits


def _alike(row: Row) -> UnitLookalike | None:
    unit, looks_like = row.get("alike_unit", "").strip(), row.get("looks_like", "").strip()
    if bool(unit) != bool(looks_like):
        raise ValueError("alike_unit, looks_like: name both units, or neither")
    return UnitLookalike(unit, _decimal(row, "alike_from"), _decimal(row, "alike_to"), looks_like) if unit else None


def read_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Row]]:
    """The rows of a CSV file, each with its line.

    Raises:
        ConfigurationError: it cannot be read, or has not all of the columns.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), restval="", restkey="")
    try:
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise ConfigurationError(Problem(str(path), 1, (), f"no column {', '.join(missing)}: add it"))
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise ConfigurationError(Problem(str(path), reader.line_num, (), f"not a CSV file: {error}")) from error


def _table(
    path: Path, columns: tuple[str, ...], name: Callable[[Row], Name], rule: Callable[[Row], Rule]
) -> dict[Name, Rule]:
    """A CSV file as rules by name. Every unusable line is reported."""
    table: dict[Name, Rule] = {}
    problems = []
    for line, row in read_rows(path, columns):
        if name(row) in table:
            problems.append(Problem(str(path), line, (), f"{name(row)} stands twice: take one line out"))
        try:
            table[name(row)] = rule(row)
        except ValueError as error:
            problems.append(Problem(str(path), line, (), str(error)))
    if problems:
        raise ConfigurationError(*problems)
    return table


def load_tables(folder: Path, otherwise: Path | None = None) -> Tables:
    """Read `units.csv` and `limits.csv` of a folder. A missing file is read from the other folder.

    Raises:
        ConfigurationError: names every file and line that cannot be used, with the fix.
    """

    def find(name: str) -> Path:
        return folder / name if otherwise is None or (folder / name).exists() else otherwise / name

    attempts = Attempts()
    units = attempts.read(lambda: _table(find("units.csv"), UNIT_COLUMNS, _unit_name, _unit_rule))
    limits = attempts.read(lambda: _table(find("limits.csv"), LIMIT_COLUMNS, lambda row: row["reading"], _limits))
    if units is None or limits is None:
        raise ConfigurationError(*attempts.problems)
    return Tables(units, limits)


def _unit_name(row: Row) -> tuple[str, str]:
    return row["group"], row["alias"]
