"""One charted value, and the three-valued comparisons that a bound such as "<0.1" needs."""

from datetime import datetime
from decimal import Decimal
from operator import attrgetter

from msgspec import Struct

from alerts.message_fields import Status

EFFECTIVE = attrgetter("effective")
"""The key by which entries of a kind are sorted and searched."""

ABSENT = "absent"
"""The code of an entry without a value. Its note gives the reason."""


class Entry(Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """One charted value, statement or dose, in canonical units.

    `comparator` makes `value` a bound. `low` and `high` are the laboratory's limits, converted like the value.
    `sent` is the sender's own text if the value was converted; `note` keeps a reason, the items of a score, or the
    purpose of a dose. `received` is kept of a final version within the full resolution, if it differs from `effective`.
    `unusual`: a person must check the value. `charted_for`: the time for which a person charted it ahead.

    It refers to nothing that could refer back to it, so that the garbage collector need not look at a chart.
    """

    effective: datetime
    source: str
    id: str
    value: Decimal | None = None
    code: str = ""
    status: int = Status.FINAL
    comparator: str = ""
    by: str = ""
    low: Decimal | None = None
    high: Decimal | None = None
    unit: str = ""
    sent: str = ""
    note: str = ""
    received: datetime | None = None
    unusual: bool = False
    charted_for: datetime | None = None

    @property
    def is_true(self) -> bool:
        """Whether a statement affirms."""
        return self.code == "true"

    def below(self, bound: Decimal) -> bool | None:
        """Whether the value is < `bound`; None if a censored value leaves it open."""
        if self.value is None:
            return None
        if self.comparator == "<":
            return True if self.value <= bound else None
        if self.comparator == "<=":
            return True if self.value < bound else None
        if self.comparator in (">", ">="):
            return False if self.value >= bound else None
        return self.value < bound

    def above(self, bound: Decimal) -> bool | None:
        """Whether the value is > `bound`; None if a censored value leaves it open."""
        if self.value is None:
            return None
        if self.comparator == ">":
            return True if self.value >= bound else None
        if self.comparator == ">=":
            return True if self.value > bound else None
        if self.comparator in ("<", "<="):
            return False if self.value <= bound else None
        return self.value > bound

    def at_least(self, bound: Decimal) -> bool | None:
        """Whether the value is >= `bound`; None if a censored value leaves it open."""
        below = self.below(bound)
        return None if below is None else not below

    @property
    def place(self) -> tuple[datetime, str, str]:
        """Its position in a series: by time, then source, then id."""
        return self.effective, self.source, self.id
