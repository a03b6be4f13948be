"""The dose ledger: doses of the drugs whose number or sum the protocols limit."""

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from alerts.assessment.steroids import in_dexamethasone, is_prophylaxis
from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.wording.phrase import Arg, At, Listed, Name, Phrase, joined, phrase
from config.site import Site
from config.vocabulary import DRUGS

DAY = timedelta(hours=24)

TOCILIZUMAB_IN_ALL = 4
TOCILIZUMAB_IN_A_DAY = 3
TOCILIZUMAB_HOURS_APART = 8
"""At most 4 doses in all, 3 in 24 h, 8 h apart (ASCO guideline, pocket edition)."""

TOCILIZUMAB_MG_PER_KG = 8
TOCILIZUMAB_MG_MOST = 800
TOCILIZUMAB_FROM_KG = 30
"""8 mg/kg, at most 800 mg a dose (ASCO guideline, pocket edition). Below 30 kg the label has another dose."""


class Ledger(Struct, frozen=True):
    """Doses up to a time. Steroids in mg; None if a dose was charted without mg.

    `steroid_mg` is the total of both steroids, as dexamethasone. `prophylaxis`: the doses that treat nothing, by drug,
    and their sum; no other sum counts them. `next_tocilizumab_at` is when the protocol's numbers leave room for another
    dose; None if they never do.
    """

    tocilizumab: int
    tocilizumab_in_24h: int
    hours_since_tocilizumab: int | None
    dexamethasone_mg: Decimal | None
    steroid_mg: Decimal | None
    next_tocilizumab_at: datetime | None
    prophylaxis: tuple[tuple[str, int, Decimal | None], ...] = ()

    def sentence(self) -> Phrase:
        """The ledger as a page shows it."""
        return joined([self._tocilizumab(), self._steroids(), *self._prophylaxis()])

    def _tocilizumab(self) -> Phrase:
        given, most = self.tocilizumab, TOCILIZUMAB_IN_ALL
        if self.hours_since_tocilizumab is None:
            return phrase("tocilizumab {n} of {n2} doses", n=given, n2=most)
        return phrase(
            "tocilizumab {n} of {n2} doses ({n3} of {n4} in 24 h, the last {n5} h ago)",
            n=given,
            n2=most,
            n3=self.tocilizumab_in_24h,
            n4=TOCILIZUMAB_IN_A_DAY,
            n5=self.hours_since_tocilizumab,
        )

    def _steroids(self) -> Phrase:
        dexamethasone = _milligrams(self.dexamethasone_mg)
        if self.steroid_mg == self.dexamethasone_mg:
            return phrase("dexamethasone {what} in all", what=dexamethasone)
        text = "dexamethasone {what} in all (steroids as dexamethasone: {what2})"
        return phrase(text, what=dexamethasone, what2=_milligrams(self.steroid_mg))

    def _prophylaxis(self) -> list[Phrase]:
        sums = tuple(
            phrase("{name} × {n}", name=Name(drug), n=count)
            if mg is None
            else phrase("{name} {what}", name=Name(drug), what=_milligrams(mg))
            for drug, count, mg in self.prophylaxis
        )
        return [phrase("prophylaxis: {list}", list=Listed(sums))] if sums else []

    def room(self, at: datetime) -> Phrase:
        """The doses of tocilizumab that the protocol still allows."""
        left = TOCILIZUMAB_IN_ALL - self.tocilizumab
        if self.next_tocilizumab_at is None:
            return phrase("all {n} doses of tocilizumab are given", n=TOCILIZUMAB_IN_ALL)
        if self.next_tocilizumab_at <= at:
            return phrase("{n} of {n2} doses of tocilizumab left, the next now", n=left, n2=TOCILIZUMAB_IN_ALL)
        text = "{n} of {n2} doses of tocilizumab left, the next from {at}"
        return phrase(text, n=left, n2=TOCILIZUMAB_IN_ALL, at=At(self.next_tocilizumab_at))


def _milligrams(amount: Decimal | None) -> Arg:
    return Phrase("unknown (a dose without mg)") if amount is None else f"{amount.normalize():f} mg"


def ledger(chart: Chart, at: datetime, site: Site) -> Ledger:
    """Count the doses charted up to a time."""
    doses = [entry for _, entry in chart.given(("tocilizumab",), at)]
    dexamethasone = _sum_mg(_treating(chart, "dexamethasone", at, site))
    methylprednisolone = _sum_mg(_treating(chart, "methylprednisolone", at, site))
    steroid = None
    if dexamethasone is not None and methylprednisolone is not None:
        steroid = dexamethasone + in_dexamethasone("methylprednisolone", methylprednisolone)
    return Ledger(
        tocilizumab=len(doses),
        tocilizumab_in_24h=sum(at - entry.effective < DAY for entry in doses),
        hours_since_tocilizumab=int((at - doses[-1].effective) / timedelta(hours=1)) if doses else None,
        dexamethasone_mg=dexamethasone,
        steroid_mg=steroid,
        next_tocilizumab_at=_next_tocilizumab(doses, at),
        prophylaxis=_as_prophylaxis(chart, at, site),
    )


def _treating(chart: Chart, drug: str, at: datetime, site: Site) -> list[Entry]:
    return [entry for _, entry in chart.given((drug,), at) if not is_prophylaxis(chart, drug, entry, site)]


def _as_prophylaxis(chart: Chart, at: datetime, site: Site) -> tuple[tuple[str, int, Decimal | None], ...]:
    found = []
    for drug in DRUGS:
        doses = [entry for _, entry in chart.given((drug,), at) if is_prophylaxis(chart, drug, entry, site)]
        if doses:
            found.append((drug, len(doses), _sum_mg(doses)))
    return tuple(found)


def _sum_mg(doses: list[Entry]) -> Decimal | None:
    total = Decimal(0)
    for entry in doses:
        if entry.value is None or entry.unit != "mg":
            return None
        total += entry.value
    return total


def _next_tocilizumab(doses: list[Entry], at: datetime) -> datetime | None:
    """The earliest time at which 8 h have passed since the last dose and fewer than 3 lie in the last 24 h."""
    if len(doses) >= TOCILIZUMAB_IN_ALL:
        return None
    earliest = at
    if doses:
        earliest = max(earliest, doses[-1].effective + timedelta(hours=TOCILIZUMAB_HOURS_APART))
    if len(doses) >= TOCILIZUMAB_IN_A_DAY:
        earliest = max(earliest, doses[-TOCILIZUMAB_IN_A_DAY].effective + DAY)
    return earliest
