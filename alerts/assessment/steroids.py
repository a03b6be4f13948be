"""Doses of steroids: which are prophylaxis, when a dose was reduced."""

from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.grading.fever import FEVER
from config.site import Site
from config.vocabulary import STEROIDS

PROPHYLAXIS = "prophylaxis"
"""The purpose of a dose that treats nothing, as its sender marks it."""

METHYLPREDNISOLONE_AS_DEXAMETHASONE = Decimal("0.75") / Decimal(4)
"""Milligrams of dexamethasone that do as much as one of methylprednisolone: 0.75 mg for 4 mg (usual equivalence)."""

HOURS_APART = 6
"""Dexamethasone 10 mg every 6 h in CRS 3 and, at the most, in ICANS 3 (ASCO guideline, pocket edition)."""

WHOLE_ICE = 10


class SteroidDose(NamedTuple):
    """All steroid given at one time, in mg of dexamethasone; None if a dose was charted without mg."""

    at: datetime
    mg: Decimal | None


def in_dexamethasone(drug: str, mg: Decimal) -> Decimal:
    """The dose of a steroid as mg of dexamethasone."""
    return mg * METHYLPREDNISOLONE_AS_DEXAMETHASONE if drug == "methylprednisolone" else mg


def is_prophylaxis(chart: Chart, drug: str, entry: Entry, site: Site) -> bool:
    """Whether a dose treats nothing: its sender says so, or it is dexamethasone of the first days before any toxicity.

    The days are a convention of the site (`steroids.prophylaxis_until_day`).
    """
    if entry.note == PROPHYLAXIS:
        return True
    day = chart.day(entry.effective, site.zone)
    if drug != "dexamethasone" or day is None:
        return False
    return 0 <= day <= site.conventions.steroids.prophylaxis_until_day.value and not _is_ill(chart, entry.effective)


def _is_ill(chart: Chart, at: datetime) -> bool:
    """Whether a fever, an ICE below 10 or tocilizumab was charted since the infusion, up to a time."""
    since = chart.infused or at
    if any(entry.at_least(FEVER) for entry in chart.between("temperature", since, at)):
        return True
    if any(entry.value is not None and entry.value < WHOLE_ICE for entry in chart.between("ice", since, at)):
        return True
    return bool(chart.between("tocilizumab", since, at))


def treating(chart: Chart, at: datetime, site: Site, since: datetime | None = None) -> list[tuple[str, Entry]]:
    """The steroid doses up to a time that are no prophylaxis, oldest first."""
    doses = chart.given(STEROIDS, at)
    return [
        (drug, entry)
        for drug, entry in doses
        if (since is None or entry.effective >= since) and not is_prophylaxis(chart, drug, entry, site)
    ]


def reduced_at(chart: Chart, at: datetime, site: Site) -> datetime | None:
    """When the steroid was last reduced before a time; None if it never was.

    A lower dose is a reduction when it is given; a longer interval, or the end of the doses, when the next was due. A
    longer interval between higher doses is none.
    """
    doses = _together(treating(chart, at, site), site)
    found = [later.at for earlier, later in pairwise(doses) if _is_lower(earlier, later)]
    spaced = float(site.conventions.steroids.taper_spaced.value)
    for first, second, last, following in zip(doses, doses[1:], doses[2:], [*doses[3:], None], strict=False):
        usual = max(second.at - first.at, last.at - second.at)
        known = (first, second, last, *((following,) if following is not None else ()))
        raised = any(_is_lower(later, earlier) for earlier, later in pairwise(known))
        until = following.at if following is not None else at
        if until - last.at >= usual * spaced and not raised:
            found.append(last.at + usual)
    return max(found, default=None)


def _is_lower(earlier: SteroidDose, later: SteroidDose) -> bool:
    return earlier.mg is not None and later.mg is not None and later.mg < earlier.mg


def _together(doses: list[tuple[str, Entry]], site: Site) -> list[SteroidDose]:
    """The doses, with those of one set of treatments as one."""
    found: list[SteroidDose] = []
    for drug, entry in doses:
        known = entry.value is not None and entry.unit == "mg"
        mg = in_dexamethasone(drug, entry.value) if known and entry.value is not None else None
        if found and entry.effective - found[-1].at <= site.conventions.chart.one_set.value:
            before = found[-1]
            sum_mg = before.mg + mg if before.mg is not None and mg is not None else None
            found[-1] = SteroidDose(before.at, sum_mg)
        else:
            found.append(SteroidDose(entry.effective, mg))
    return found
