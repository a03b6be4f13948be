"""The dose ledger: what has been given of the drugs whose number or sum the protocols limit."""

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from msgspec import Struct

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from config.vocabulary import moment

DAY = timedelta(hours=24)

TOCILIZUMAB_IN_ALL = 4
TOCILIZUMAB_IN_A_DAY = 3
TOCILIZUMAB_HOURS_APART = 8
"""At most 4 doses in all, 3 in 24 h, 8 h apart (ASCO guideline, pocket edition)."""


METHYLPREDNISOLONE_AS_DEXAMETHASONE = Decimal("0.75") / Decimal(4)
"""Milligrams of dexamethasone that do as much as one of methylprednisolone: 0.75 mg for 4 mg (usual equivalence)."""


class Ledger(Struct, frozen=True):
    """Doses up to a time. Steroids in mg; None where a dose was charted without mg.

    `steroid_mg` is what was given of both steroids, as dexamethasone. `next_tocilizumab_at` is when the protocol's
    numbers leave room for another dose, None where they never do.
    """

    tocilizumab: int
    tocilizumab_in_24h: int
    hours_since_tocilizumab: int | None
    dexamethasone_mg: Decimal | None
    steroid_mg: Decimal | None
    next_tocilizumab_at: datetime | None

    def sentence(self) -> str:
        """The ledger as it stands on a page."""
        text = f"tocilizumab {self.tocilizumab} of {TOCILIZUMAB_IN_ALL} doses"
        if self.hours_since_tocilizumab is not None:
            text += (
                f" ({self.tocilizumab_in_24h} of {TOCILIZUMAB_IN_A_DAY} in 24 h,"
                f" the last {self.hours_since_tocilizumab} h ago)"
            )
        text = f"{text}; dexamethasone {_milligrams(self.dexamethasone_mg)} in all"
        if self.steroid_mg != self.dexamethasone_mg:
            text += f" (steroids as dexamethasone: {_milligrams(self.steroid_mg)})"
        return text

    def room(self, at: datetime, zone: ZoneInfo) -> str:
        """What the protocol's numbers leave of tocilizumab."""
        left = TOCILIZUMAB_IN_ALL - self.tocilizumab
        if self.next_tocilizumab_at is None:
            return f"all {TOCILIZUMAB_IN_ALL} doses of tocilizumab are given"
        when = "now" if self.next_tocilizumab_at <= at else f"from {moment(self.next_tocilizumab_at, zone)}"
        return f"{left} of {TOCILIZUMAB_IN_ALL} doses of tocilizumab left, the next {when}"


def _milligrams(amount: Decimal | None) -> str:
    return "unknown (a dose without mg)" if amount is None else f"{amount.normalize():f} mg"


def ledger(chart: Chart, at: datetime) -> Ledger:
    """Count the doses charted up to a time."""
    doses = [entry for _, entry in chart.given(("tocilizumab",), at)]
    dexamethasone = _given_mg(chart, "dexamethasone", at)
    methylprednisolone = _given_mg(chart, "methylprednisolone", at)
    steroid = None
    if dexamethasone is not None and methylprednisolone is not None:
        steroid = dexamethasone + methylprednisolone * METHYLPREDNISOLONE_AS_DEXAMETHASONE
    return Ledger(
        tocilizumab=len(doses),
        tocilizumab_in_24h=sum(at - entry.effective < DAY for entry in doses),
        hours_since_tocilizumab=int((at - doses[-1].effective) / timedelta(hours=1)) if doses else None,
        dexamethasone_mg=dexamethasone,
        steroid_mg=steroid,
        next_tocilizumab_at=_next_tocilizumab(doses, at),
    )


def _given_mg(chart: Chart, drug: str, at: datetime) -> Decimal | None:
    total = Decimal(0)
    for _, entry in chart.given((drug,), at):
        if entry.value is None or entry.unit != "mg":
            return None
        total += entry.value
    return total


def _next_tocilizumab(doses: list[Entry], at: datetime) -> datetime | None:
    """When 8 h have passed since the last dose and fewer than 3 lie in the last 24 h."""
    if len(doses) >= TOCILIZUMAB_IN_ALL:
        return None
    earliest = at
    if doses:
        earliest = max(earliest, doses[-1].effective + timedelta(hours=TOCILIZUMAB_HOURS_APART))
    if len(doses) >= TOCILIZUMAB_IN_A_DAY:
        earliest = max(earliest, doses[-TOCILIZUMAB_IN_A_DAY].effective + DAY)
    return earliest
