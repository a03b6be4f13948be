"""The results of graders: the result itself, its evidence, and the missing inputs."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from alerts.chart.entry import Entry
from alerts.wording.phrase import Phrase


class Evidence(Struct, frozen=True):
    """One reading, statement or dose on which a result rests."""

    kind: str
    entry: Entry


class Result(Struct, frozen=True, kw_only=True):
    """The common part of every system's result. `because`: sentences that a clinician can check against the table.

    `flags` are remarks that do not change the result. `conventions` name the conventions of `conventions.yaml` on which
    the result depends, as `section.name`.
    """

    system: str
    version: str
    because: tuple[Phrase, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[Phrase, ...] = ()
    flags: tuple[Phrase, ...] = ()
    conventions: tuple[str, ...] = ()
    at: datetime

    @property
    def shown_value(self) -> str | None:
        """The result as one comparable text: a grade, a score, or "not applicable"; None if it is undetermined."""
        raise NotImplementedError(f"{type(self).__name__} is not shown as one value")


NOT_APPLICABLE = "not applicable"
"""A grade that cannot exist yet. It is neither 0 nor undetermined."""

BEFORE_INFUSION = Phrase("before infusion")
"""Why CRS and ICANS are not applicable."""


class Grade(Result, frozen=True, kw_only=True):
    """A grade; None if undetermined or not `applicable`. `provisional`: at least this. `rows`: the abnormal rows."""

    grade: int | None
    applicable: bool = True
    provisional: bool = False
    rows: tuple[str, ...] = ()

    @property
    def shown_value(self) -> str | None:
        """The grade, or "not applicable"."""
        if not self.applicable:
            return NOT_APPLICABLE
        return None if self.grade is None else str(self.grade)


class Score(Result, frozen=True, kw_only=True):
    """The number of a published formula, or None. `bound`: "<" or ">" if an input was censored.

    `previous`: the previous score, from inputs that were all drawn before these, the last of them at `previous_at`.
    """

    value: Decimal | None
    log2: Decimal | None = None
    bound: str = ""
    bound_value: Decimal | None = None
    previous: Decimal | None = None
    previous_at: datetime | None = None

    @property
    def shown_value(self) -> str | None:
        """The number with two decimal places."""
        return None if self.value is None else f"{self.value:.2f}"


class Points(Result, frozen=True, kw_only=True):
    """A sum of points, and its risk group or state."""

    score: int | None
    risk: str | None = None

    @property
    def shown_value(self) -> str | None:
        """The points."""
        return None if self.score is None else str(self.score)


def not_applicable(system: str, version: str, at: datetime) -> Grade:
    """The grade before the infusion of a system that begins with it."""
    return Grade(system=system, version=version, at=at, grade=None, applicable=False, because=(BEFORE_INFUSION,))
