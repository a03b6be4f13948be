"""One row of a grading table, answered for one patient at one time."""

from itertools import starmap
from typing import NamedTuple

from alerts.chart.entry import Entry
from alerts.grading.result import Evidence
from alerts.wording.phrase import Phrase


class Axis(NamedTuple):
    """The grade of one row of a table; None if no entry decides it."""

    level: int | None
    because: tuple[Phrase, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    provisional: bool = False
    missing: tuple[Phrase, ...] = ()
    flags: tuple[Phrase, ...] = ()
    conventions: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


def evidence(*found: tuple[str, Entry]) -> tuple[Evidence, ...]:
    """Evidence from (kind, entry) pairs."""
    return tuple(starmap(Evidence, found))
