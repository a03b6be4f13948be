"""Everything that can be said of one patient at one time: every grade and score, with its evidence."""

from datetime import datetime

from msgspec import Struct

from alerts.chart import Chart
from alerts.grading import crs, ctcae, easix, hematotox, icaht, icans, iec_hs, news2
from alerts.grading.result import Grade, Points, Result, Score
from config.site import Site


class Assessment(Struct, frozen=True):
    """All results at a time; `course` is what the CRS grade depends on besides the signs."""

    at: datetime
    day: int | None
    course: crs.Course
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

    def grades(self) -> dict[str, Result]:
        """Every result by the name it has in replays, journals and on the wire."""
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


def assess(chart: Chart, at: datetime, site: Site, known: crs.Course | None = None) -> Assessment:
    """Grade and score everything at a time. `known` carries on a CRS course computed for an earlier time."""
    course = crs.course(chart, at, site, known)
    return Assessment(
        at=at,
        day=chart.day(at, site.zone),
        course=course,
        crs=crs.grade(chart, at, site, course),
        icans=icans.grade(chart, at, site),
        ice=icans.ice(chart, at, site),
        ctcae=ctcae.grades(chart, at, site),
        easix=easix.easix(chart, at, site),
        s_easix=easix.s_easix(chart, at, site),
        m_easix=easix.m_easix(chart, at, site),
        hematotox=hematotox.score(chart, at, site),
        icaht_early=icaht.early(chart, at, site),
        icaht_late=icaht.late(chart, at, site),
        iec_hs=iec_hs.screen(chart, at, site, course),
        news2=news2.score(chart, at, site),
    )


def shown_value(result: Result) -> str | None:
    """The result as one comparable text: a grade, a score, or None where it is undetermined."""
    if isinstance(result, Grade):
        return None if result.grade is None else str(result.grade)
    if isinstance(result, Points):
        return None if result.score is None else str(result.score)
    if isinstance(result, iec_hs.Screen):
        return None if result.suspected is None else ("consider" if result.suspected else "no")
    if isinstance(result, Score):
        return None if result.value is None else f"{result.value:.2f}"
    raise TypeError(f"{type(result).__name__} is not shown as one value")
