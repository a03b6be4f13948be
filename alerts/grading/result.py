"""What every grader answers with: the result, what it rests on, and what was missing."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from alerts.chart.entry import Entry
from alerts.wording.phrase import Phrase


class Evidence(Struct, frozen=True):
    """One reading, statement or dose that a result rests on."""

    kind: str
    entry: Entry


class Result(Struct, frozen=True, kw_only=True):
    """Common to every system. `because` are sentences a clinician can check against the table.

    `flags` are remarks that do not change the result. `conventions` name the conventions of `conventions.yaml`
    that the result depends on, as `section.name`.
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
"""A grade of what there cannot be yet: neither 0 nor undetermined."""

BEFORE_INFUSION = Phrase("before infusion")
"""Why CRS and ICANS are not applicable."""


class Grade(Result, frozen=True, kw_only=True):
    """A grade; None where it is undetermined, or not `applicable`. `provisional`: it is at least this. `rows`: what is
    abnormal.
    """

    grade: int | None
    applicable: bool = True
    provisional: bool = False
    rows: tuple[str, ...] = ()


class Score(Result, frozen=True, kw_only=True):
    """A number of a published formula, or None; `bound` says "<" or ">" where an input was censored.

    `previous` is what it was, from inputs that were all drawn before these, the last of them at `previous_at`.
    """

    value: Decimal | None
    log2: Decimal | None = None
    bound: str = ""
    bound_value: Decimal | None = None
    previous: Decimal | None = None
    previous_at: datetime | None = None


class Points(Result, frozen=True, kw_only=True):
    """A sum of points and the risk group or state it stands for."""

    score: int | None
    risk: str | None = None


def not_applicable(system: str, version: str, at: datetime) -> Grade:
    """The grade of what begins with the infusion, before it."""
    return Grade(system=system, version=version, at=at, grade=None, applicable=False, because=(BEFORE_INFUSION,))
