"""The table of what a simulated cohort assumes (`assumptions.yaml`): each value with its source."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

PRODUCTS = ("cohort", "axi-cel", "tisa-cel", "liso-cel", "brexu-cel", "ide-cel", "cilta-cel", "obe-cel")
"""`cohort`: the mixed cohort of Amidi et al. 2022, whose curves by day the generator follows."""

PRODUCT_CODES = {
    "cohort": "axicabtagene",
    "axi-cel": "axicabtagene",
    "tisa-cel": "tisagenlecleucel",
    "liso-cel": "lisocabtagene",
    "brexu-cel": "brexucabtagene",
    "ide-cel": "idecabtagene",
    "cilta-cel": "ciltacabtagene",
    "obe-cel": "obecabtagene",
}


class Assumption(NamedTuple):
    """One row of the table."""

    section: str
    name: str
    value: Any
    source: str


@cache
def _table() -> dict[str, Assumption]:
    text = files("worker.quality").joinpath("assumptions.yaml").read_text(encoding="utf-8")
    rows = (
        Assumption(section, name, entry["value"], entry["source"])
        for section, entries in yaml.safe_load(text).items()
        for name, entry in entries.items()
    )
    return {f"{row.section}.{row.name}": row for row in rows}


def assumptions() -> Iterator[Assumption]:
    """Every row, in the order of the table."""
    yield from _table().values()


def assumed(name: str) -> Any:
    """The value of an assumption by `section.name`.

    Raises:
        KeyError: there is none of this name.
    """
    return _table()[name].value


def number(name: str) -> float:
    """An assumption that is one number."""
    return float(assumed(name))


def pair(name: str) -> tuple[float, float]:
    """An assumption of two numbers: a range, or a median and a sigma."""
    one, other = assumed(name)
    return float(one), float(other)
