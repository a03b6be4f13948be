"""The later moments at which a late entry may make something true, besides its own.

CRS and febrile neutropenia are decided by entries of several kinds together: a fever that is charted late is one of
CRS 2 at the low pressure after it, and of febrile neutropenia at the count after it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain, pairwise

from alerts.assessment.result_cache import ResultCache, config_digest
from alerts.chart.chart import Chart
from alerts.chart.differences import INSTANT
from alerts.chart.entry import EFFECTIVE, Entry
from alerts.grading import crs, ctcae_fever
from config.site import Site

CONDITIONS = frozenset({"crs", "before_infusion", "febrile_neutropenia"})
"""The conditions that entries of several kinds decide together."""


def crs_rises(
    chart: Chart, since: datetime, until: datetime, site: Site, cache: ResultCache
) -> tuple[set[datetime], ResultCache]:
    """The moments between two times at which a CRS opens or comes to a higher grade.

    The course of CRS is followed through all of them, as the next assessment needs it: it is in the cache.
    """
    cache = cache.computed_under(config_digest(site))
    known = cache.course.until(since - INSTANT, chart)
    found = crs.followed(chart, until, site, known.last, known.steps)
    courses = [known.last or crs.CrsCourse(), *found.courses]
    rises = {later.as_of for before, later in pairwise(courses) if later.as_of is not None and _rises(before, later)}
    history = known.followed_by(found.courses, chart.infused, found.steps)
    return rises, cache.with_course(history)


def _rises(before: crs.CrsCourse, later: crs.CrsCourse) -> bool:
    return later.is_open and (later.opened_at != before.opened_at or later.highest > before.highest)


def febrile_moments(chart: Chart, late: Iterable[tuple[str, datetime]], until: datetime) -> set[datetime]:
    """The moments up to a time at which late temperatures and counts may be febrile neutropenia with later ones."""
    return set(chain.from_iterable(_febrile_with(chart, kind, at, until) for kind, at in late))


def _febrile_with(chart: Chart, kind: str, at: datetime, until: datetime) -> Iterator[datetime]:
    """A fever lasts with the temperatures after it, and describes a count after it; a low count the fevers after it."""
    if kind == "temperature" and any(map(_febrile, chart.at(kind, at))):
        yield from (entry.effective for entry in chart.between("neutrophils", at, until))
        temperatures = chart.between(kind, at + INSTANT, until)
        lasting = bisect_right(temperatures, at + ctcae_fever.SUSTAINED_FOR, key=EFFECTIVE)
        yield from (entry.effective for entry in (*temperatures[:1], *temperatures[lasting : lasting + 1]))
    elif kind == "neutrophils" and any(entry.below(ctcae_fever.NEUTROPENIC) for entry in chart.at(kind, at)):
        counts = chart.between(kind, at + INSTANT, until)
        ends = counts[0].effective if counts else until
        yield from (entry.effective for entry in chart.between("temperature", at, ends) if _febrile(entry))


def _febrile(entry: Entry) -> bool:
    return bool(ctcae_fever.FEVER_SUSTAINED.reached(entry))
