"""A row of a published table as its cut points, and the lookup that graders share.

A censored value ("<0.1") can leave a cut point open. The lookup therefore returns the lowest and the highest level that
the value allows. If the two agree, the table has decided.
"""

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace

from alerts.chart.entry import Entry

ROUNDING = Decimal("1E-18")
"""Numbers that differ by no more than this differ only in the last digits of a conversion."""


class ReferenceLimit(StrEnum):
    """The laboratory's own limit of which a bound is a multiple. It comes with the result."""

    LOW = "lower reference limit"
    HIGH = "upper reference limit"


class Cut(NamedTuple):
    """A value that is `sign` `bound` has at least this level; `cell` is the table's cell as printed.

    `scaled`: the bound is not a printed number but a multiple of a charted one.
    """

    level: int
    sign: str
    bound: Decimal
    cell: str
    of: ReferenceLimit | None = None
    scaled: bool = False

    def bound_for(self, entry: Entry) -> Decimal | None:
        """The bound in the reading's unit; None if it needs a limit that the laboratory did not send."""
        if self.of is None:
            return self.bound
        limit = entry.low if self.of is ReferenceLimit.LOW else entry.high
        return None if limit is None else self.bound * limit

    def reached(self, entry: Entry) -> bool | None:
        """Whether the value is past this cut; None if undetermined."""
        bound = self.bound_for(entry)
        if bound is None:
            return None
        if self.scaled or self.of is not None:
            entry = _exactly(entry, bound)
        match self.sign:
            case "<":
                return entry.below(bound)
            case ">":
                return entry.above(bound)
            case "<=":
                return _not(entry.above(bound))
            case ">=":
                return entry.at_least(bound)
        raise ValueError(f"{self.sign!r} is not a sign of a table")


def _exactly(entry: Entry, bound: Decimal) -> Entry:
    """The entry, moved to the bound if they differ only in the last digits of a conversion.

    135 umol/L is exactly 1.5 times a limit of 90 umol/L, though neither is a round number of mg/dL.
    """
    if entry.value is None or abs(entry.value - bound) > ROUNDING:
        return entry
    return replace(entry, value=bound)


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


class Levels(NamedTuple):
    """The lowest and the highest level that a value allows."""

    lowest: int
    highest: int

    @property
    def decided(self) -> bool:
        """Whether only one level is possible."""
        return self.lowest == self.highest


def levels(entry: Entry, cuts: tuple[Cut, ...]) -> Levels:
    """The levels of a value in a row; 0 if it is past no cut."""
    answers = [(cut.level, cut.reached(entry)) for cut in cuts]
    lowest = max((level for level, reached in answers if reached), default=0)
    highest = max((level for level, reached in answers if reached is not False), default=0)
    return Levels(lowest, highest)


def cell(level: int, cuts: tuple[Cut, ...]) -> str:
    """The printed cell of a level; empty for 0."""
    return next((cut.cell for cut in cuts if cut.level == level), "")
