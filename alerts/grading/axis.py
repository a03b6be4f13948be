"""One row of a grading table, answered for one patient at one time."""

from typing import NamedTuple

from alerts.chart.entry import Entry
from alerts.grading.result import Evidence


class Axis(NamedTuple):
    """The grade one row gives on its own, or None where nothing is charted to answer it."""

    level: int | None
    because: str = ""
    evidence: tuple[Evidence, ...] = ()
    provisional: bool = False
    missing: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    conventions: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


def evidence(*found: tuple[str, Entry]) -> tuple[Evidence, ...]:
    """Evidence from (kind, entry) pairs."""
    return tuple(Evidence(kind, entry) for kind, entry in found)
