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


class Points(Result, frozen=True, kw_only=True):
    """A sum of points, and its risk group or state."""

    score: int | None
    risk: str | None = None


def not_applicable(system: str, version: str, at: datetime) -> Grade:
    """The grade before the infusion of a system that begins with it."""
    return Grade(system=system, version=version, at=at, grade=None, applicable=False, because=(BEFORE_INFUSION,))
