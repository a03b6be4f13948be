"""The dose ledger: what has been given of the drugs whose number or sum the protocols limit."""

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from alerts.chart import Chart

TOCILIZUMAB_IN_ALL = 4
TOCILIZUMAB_IN_A_DAY = 3
TOCILIZUMAB_HOURS_APART = 8
"""At most 4 doses in all, 3 in 24 h, 8 h apart (ASCO guideline, pocket edition)."""


class Ledger(Struct, frozen=True):
    """Doses up to a time. Dexamethasone in mg; None where a dose was charted without mg."""

    tocilizumab: int
    tocilizumab_in_24h: int
    hours_since_tocilizumab: int | None
    dexamethasone_mg: Decimal | None

    def sentence(self) -> str:
        """The ledger as it stands on a page."""
        text = f"tocilizumab {self.tocilizumab} of {TOCILIZUMAB_IN_ALL} doses"
        if self.hours_since_tocilizumab is not None:
            text += (
                f" ({self.tocilizumab_in_24h} of {TOCILIZUMAB_IN_A_DAY} in 24 h,"
                f" the last {self.hours_since_tocilizumab} h ago)"
            )
        dexamethasone = (
            "unknown (a dose without mg)" if self.dexamethasone_mg is None else f"{self.dexamethasone_mg:f} mg"
        )
        return f"{text}; dexamethasone {dexamethasone} in all"


def ledger(chart: Chart, at: datetime) -> Ledger:
    """Count the doses charted up to a time."""
    doses = [entry for _, entry in chart.given(("tocilizumab",), at)]
    steroid = [entry for _, entry in chart.given(("dexamethasone",), at)]
    known = all(entry.value is not None and entry.unit == "mg" for entry in steroid)
    return Ledger(
        tocilizumab=len(doses),
        tocilizumab_in_24h=sum(at - entry.effective < timedelta(hours=24) for entry in doses),
        hours_since_tocilizumab=int((at - doses[-1].effective) / timedelta(hours=1)) if doses else None,
        dexamethasone_mg=sum((entry.value for entry in steroid if entry.value is not None), Decimal(0))
        if known
        else None,
    )
