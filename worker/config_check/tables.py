"""Lines of `units.csv` and `limits.csv` for readings that do not exist."""

import csv
from collections.abc import Iterator
from pathlib import Path

from config.problems import Problem
from config.vocabulary import READINGS


def check_units(path: Path) -> Iterator[Problem]:
    """Units of a group that no reading has."""
    yield from _unknown(path, "group", {kind.units for kind in READINGS.values()} | set(READINGS))


def check_limits(path: Path) -> Iterator[Problem]:
    """Limits of a reading that does not exist."""
    yield from _unknown(path, "reading", set(READINGS))


def _unknown(path: Path, column: str, known: set[str]) -> Iterator[Problem]:
    seen = set()
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            name = row[column]
            if name not in known and name not in seen:
                what = f"no reading {name!r}: correct its spelling (docs/integrators/messages.md), or remove the line"
                yield Problem(str(path), reader.line_num, (column,), what, warning=True)
            seen.add(name)
