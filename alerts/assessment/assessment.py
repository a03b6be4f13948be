"""One assessment: every grade and score of a patient at one time, with its evidence."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from alerts.assessment.course_history import CourseHistory, later
from alerts.assessment.result_cache import ChartAt, ResultCache, config_digest
from alerts.chart.chart import Chart
from alerts.grading import crs, ctcae, easix, hematotox, icaht, icans, iec_hs, news2
from alerts.grading.inputs import unusual
from alerts.grading.result import NOT_APPLICABLE, Grade, Points, Result, Score, not_applicable
from config.site import Site

R = TypeVar("R", bound=Result)


class WouldBe(Struct, frozen=True):
    """Hypothetical grades before the infusion: CRS and ICANS as if it had been given."""

    crs: Grade
    icans: Grade


class Assessment(Struct, frozen=True):
    """Every result at one time.

    `course`: the earlier course of CRS, on which its grade depends besides the signs.
    `would_be`: only before the infusion, when CRS and ICANS are not applicable.
    """

    at: datetime
    day: int | None
    course: crs.CrsCourse
    crs: Grade
    icans: Grade
    ice: Points
    ctcae: dict[str, Grade]
    easix: Score
    s_easix: Score
    m_easix: Score
    hematotox: Points
    icaht_early: Grade
    icaht_late: Grade
    iec_hs: iec_hs.Screen
    news2: news2.News2
    would_be: WouldBe | None = None

    def grades(self) -> dict[str, Result]:
        """Every result by its name in replays, journals and exports."""
        return {
            "crs": self.crs,
            "icans": self.icans,
            "ice": self.ice,
            **{f"ctcae.{term}": grade for term, grade in self.ctcae.items()},
            "m_easix": self.m_easix,
            "hematotox": self.hematotox,
            "icaht.early": self.icaht_early,
            "icaht.late": self.icaht_late,
            "iec_hs": self.iec_hs,
            "news2": self.news2,
        }


def assess(chart: Chart, at: datetime, site: Site, cache: ResultCache = ResultCache()) -> Assessment:  # noqa: B008 - frozen
    """Grade and score everything at a time. `cache`: what earlier assessments of this chart left, if any."""
    return assess_onward(chart, at, site, cache)[0]


def assess_onward(chart: Chart, at: datetime, site: Site, cache: ResultCache) -> tuple[Assessment, ResultCache]:
    """The same, with the cache for the next assessment."""
    severity = crs.followed(chart, at, site, cache.course.until(at, chart).last)
    course, would_be = severity.course, severity.would_be
    digest = config_digest(site)
    cache = cache.computed_under(digest)
    now = ChartAt(chart, at, site, at.astimezone(site.zone).date())
    laboratory = now.get_or_compute(cache.ctcae, ctcae.laboratory_grades, ctcae.laboratory_dependencies)
    endothelium = now.get_or_compute(cache.easix, easix.family, easix.dependencies)
    risk = now.get_or_compute(cache.hematotox, hematotox.score, hematotox.dependencies)
    counts = now.get_or_compute(cache.icaht, icaht.both, icaht.dependencies)
    neurology = now.get_or_compute(cache.icans, icans.both, icans.dependencies)
    # A patient without any CRS is not screened.
    criteria = (
        now.get_or_compute(cache.iec_hs, iec_hs.criteria, iec_hs.dependencies)
        if course.episodes and not would_be
        else None
    )
    neurotoxicity = _remarked(replace(neurology.result[0], at=at))
    assessment = Assessment(
        at=at,
        day=chart.day(at, site.zone),
        course=course,
        crs=_remarked(severity.grade),
        icans=not_applicable(icans.SYSTEM, icans.VERSION, at) if would_be else neurotoxicity,
        ice=_remarked(replace(neurology.result[1], at=at)),
        ctcae={term: _remarked(found) for term, found in ctcae.grades(chart, at, site, laboratory.result).items()},
        easix=_remarked(easix.aged(endothelium.result.easix, at)),
        s_easix=_remarked(easix.aged(endothelium.result.s_easix, at)),
        m_easix=_remarked(easix.aged(endothelium.result.m_easix, at)),
        hematotox=_remarked(replace(risk.result, at=at)),
        icaht_early=_remarked(replace(counts.result[0], at=at)),
        icaht_late=_remarked(replace(counts.result[1], at=at)),
        iec_hs=_remarked(iec_hs.screen(chart, at, site, course, criteria.result if criteria else None)),
        news2=_remarked(news2.score(chart, at, site)),
        would_be=WouldBe(_remarked(would_be), neurotoxicity) if would_be else None,
    )
    return assessment, ResultCache(
        course=cache.course.followed_by(severity.steps),
        config_digest=digest,
        ctcae=laboratory,
        easix=endothelium,
        hematotox=risk,
        icaht=counts,
        icans=neurology,
        iec_hs=criteria,
    )


def assess_each(
    chart: Chart, moments: Iterable[datetime], site: Site, cache: ResultCache
) -> Iterator[tuple[Assessment, ResultCache]]:
    """The same for several times, in order. The course of CRS is computed once through all of them."""
    history = cache.course
    cache = replace(cache, course=CourseHistory())
    for moment in sorted(moments):
        cache = replace(cache, course=later(cache.course, history.until(moment, chart)))
        assessment, cache = assess_onward(chart, moment, site, cache)
        yield assessment, cache


def _remarked(result: R) -> R:
    """A result, flagged if a value of its evidence is unusual and a person must check it."""
    for item in result.evidence:
        if item.entry.unusual:
            return replace(result, flags=(*result.flags, *unusual(result.evidence)))
    return result


def shown_value(result: Result) -> str | None:
    """The result as one comparable text: a grade, a score, or "not applicable"; None if it is undetermined."""
    if isinstance(result, Grade):
        if not result.applicable:
            return NOT_APPLICABLE
        return None if result.grade is None else str(result.grade)
    if isinstance(result, Points):
        return None if result.score is None else str(result.score)
    if isinstance(result, iec_hs.Screen):
        return None if result.suspected is None else ("consider" if result.suspected else "no")
    if isinstance(result, Score):
        return None if result.value is None else f"{result.value:.2f}"
    raise TypeError(f"{type(result).__name__} is not shown as one value")
