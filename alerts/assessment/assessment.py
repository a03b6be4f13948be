"""One assessment: every grade and score of a patient at one time, with its evidence."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from alerts.assessment.course_history import CourseHistory, later
from alerts.assessment.result_cache import ChartAt, ResultCache, config_digest
from alerts.chart.chart import Chart
from alerts.grading import crs, ctcae, easix, hematotox, icaht, icans, iec_hs, news2
from alerts.grading.inputs import unusual
from alerts.grading.result import Grade, Points, Result, Score, not_applicable
from config.site import Site

R = TypeVar("R", bound=Result)


class WouldBe(Struct, frozen=True):
    """Hypothetical grades before the infusion: CRS and ICANS as if it had been given."""

    crs: Grade
    icans: Grade


class Assessment(Struct, frozen=True, dict=True):
    """Every result at one time, by the `chart` and the conventions of `site`.

    `course`: the earlier course of CRS, on which its grade depends besides the signs.
    `would_be`: only before the infusion, when CRS and ICANS are not applicable.
    `family`: the scores of EASIX without the age of their inputs.

    NEWS2 and the age of the inputs of EASIX change with every reading, and are seldom shown. They are put into
    sentences when somebody asks for them.
    """

    chart: Chart
    site: Site
    at: datetime
    day: int | None
    course: crs.CrsCourse
    crs: Grade
    icans: Grade
    ice: Points
    ctcae: dict[str, Grade]
    family: easix.Family
    hematotox: Points
    icaht_early: Grade
    icaht_late: Grade
    iec_hs: iec_hs.Screen
    would_be: WouldBe | None = None

    @cached_property
    def easix(self) -> Score:
        """EASIX, with the age of its inputs."""
        return _remarked(easix.aged(self.family.easix, self.at))

    @cached_property
    def s_easix(self) -> Score:
        """The simplified EASIX, with the age of its inputs."""
        return _remarked(easix.aged(self.family.s_easix, self.at))

    @cached_property
    def m_easix(self) -> Score:
        """The modified EASIX, with the age of its inputs."""
        return _remarked(easix.aged(self.family.m_easix, self.at))

    @cached_property
    def news2(self) -> news2.News2:
        """NEWS2, with the reason for each of its points."""
        return _remarked(news2.score(self.chart, self.at, self.site))

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

    def shown_values(self) -> dict[str, str | None]:
        """The shown value of each of `grades`, without its sentences."""
        points = news2.total(self.chart, self.at, self.site)
        return {
            "crs": self.crs.shown_value,
            "icans": self.icans.shown_value,
            "ice": self.ice.shown_value,
            **{f"ctcae.{term}": grade.shown_value for term, grade in self.ctcae.items()},
            "m_easix": self.family.m_easix.shown_value,
            "hematotox": self.hematotox.shown_value,
            "icaht.early": self.icaht_early.shown_value,
            "icaht.late": self.icaht_late.shown_value,
            "iec_hs": self.iec_hs.shown_value,
            "news2": None if points is None else str(points),
        }


def assess(chart: Chart, at: datetime, site: Site, cache: ResultCache = ResultCache()) -> Assessment:  # noqa: B008 - frozen
    """Grade and score everything at a time. `cache`: what earlier assessments of this chart left, if any."""
    return assess_onward(chart, at, site, cache)[0]


def assess_onward(chart: Chart, at: datetime, site: Site, cache: ResultCache) -> tuple[Assessment, ResultCache]:
    """The same, with the cache for the next assessment."""
    digest = config_digest(site)
    cache = cache.computed_under(digest)
    severity = crs.followed(chart, at, site, cache.course.until(at, chart).last, cache.course.steps)
    course, would_be = severity.course, severity.would_be
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
        chart=chart,
        site=site,
        at=at,
        day=chart.day(at, site.zone),
        course=course,
        crs=_remarked(severity.grade),
        icans=not_applicable(icans.SYSTEM, icans.VERSION, at) if would_be else neurotoxicity,
        ice=_remarked(replace(neurology.result[1], at=at)),
        ctcae={term: _remarked(found) for term, found in ctcae.grades(chart, at, site, laboratory.result).items()},
        family=easix.Family(*(replace(score, at=at) for score in endothelium.result)),
        hematotox=_remarked(replace(risk.result, at=at)),
        icaht_early=_remarked(replace(counts.result[0], at=at)),
        icaht_late=_remarked(replace(counts.result[1], at=at)),
        iec_hs=_remarked(iec_hs.screen(chart, at, site, course, criteria.result if criteria else None)),
        would_be=WouldBe(_remarked(would_be), neurotoxicity) if would_be else None,
    )
    return assessment, ResultCache(
        course=cache.course.followed_by(severity.courses, chart.infused, severity.steps),
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
