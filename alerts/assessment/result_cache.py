"""A cache of results: a result that no vital sign can change is not computed at every vital sign.

Beside the results it keeps the course of CRS at earlier times (`course_history.py`), which no convention invalidates.

A cached result is invalid once an entry it depends on was charted, changed or withdrawn; once an entry falls out of a
window; on another date of the hospital's calendar; after another registration; and under other conventions. A valid
one therefore equals what would be computed.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from alerts.assessment.course_history import CourseHistory, later
from alerts.chart.chart import Chart
from alerts.grading import ctcae, easix, hematotox, icaht, icans, iec_hs
from alerts.grading.dependencies import Dependencies, validity_around
from alerts.grading.easix import Family
from alerts.grading.iec_hs import Criteria
from alerts.grading.result import Grade, Points
from config.site import Site

R = TypeVar("R")


class CachedResult(Struct, Generic[R], frozen=True, array_like=True):
    """A result that is valid on one date from `since` on and before `ends`; None: no bound."""

    result: R
    on: date
    since: datetime | None
    ends: datetime | None

    def is_valid_at(self, at: datetime, on: date) -> bool:
        """Whether it is valid at a time that has the date `on` in the hospital's calendar."""
        return on == self.on and (self.since is None or self.since <= at) and (self.ends is None or at < self.ends)


class ResultCache(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A cached result of each system whose inputs seldom change, computed under the conventions of `config_digest`.

    `course`: the course of CRS up to the last assessment.
    """

    course: CourseHistory = CourseHistory()
    config_digest: str = ""
    ctcae: CachedResult[dict[str, Grade]] | None = None
    easix: CachedResult[Family] | None = None
    hematotox: CachedResult[Points] | None = None
    icaht: CachedResult[tuple[Grade, Grade]] | None = None
    icans: CachedResult[tuple[Grade, Points]] | None = None
    iec_hs: CachedResult[Criteria] | None = None

    def after(self, before: Chart, now: Chart, unthinned: Chart | None = None) -> "ResultCache":
        """The cache without the results that a change of the chart invalidates.

        `unthinned`: the chart with what was charted since, where `now` is also thinned. The course outlasts thinning.
        """
        if now is before:
            return self
        course = self.course.after(before, unthinned or now, now)
        if now.admission != before.admission:
            return ResultCache(course=course)
        changed = now.changed_since(before)
        dropped = [system for system, kinds in _KINDS.items() if not kinds.isdisjoint(changed)]
        if not dropped and course is self.course:
            return self
        return replace(self, course=course, **dict.fromkeys(dropped))

    def computed_under(self, digest: str) -> "ResultCache":
        """The cache without the results of other conventions."""
        if self.config_digest == digest:
            return self
        return ResultCache(course=self.course.without_steps(), config_digest=digest)

    def with_course(self, course: CourseHistory) -> "ResultCache":
        """The cache with the course of CRS followed further."""
        return replace(self, course=course)

    def or_else(self, earlier: "ResultCache") -> "ResultCache":
        """The cache with what it lacks from that of an assessment of the same chart at an earlier time."""
        if self.config_digest != earlier.config_digest:
            return earlier
        lacking = {system: getattr(earlier, system) for system in _KINDS if getattr(self, system) is None}
        return replace(self, course=later(self.course, earlier.course), **lacking)


_KINDS = {
    "ctcae": ctcae.LABORATORY_KINDS,
    "easix": easix.KINDS,
    "hematotox": hematotox.KINDS,
    "icaht": icaht.KINDS,
    "icans": icans.KINDS,
    "iec_hs": iec_hs.KINDS,
}


class ChartAt(NamedTuple):
    """A chart at a time, which has the date `on` in the hospital's calendar."""

    chart: Chart
    at: datetime
    site: Site
    on: date

    def get_or_compute(
        self,
        before: CachedResult[R] | None,
        compute: Callable[[Chart, datetime, Site], R],
        dependencies: Callable[[Site], Dependencies],
    ) -> CachedResult[R]:
        """The cached result if it is still valid; else a new one with its validity."""
        if before is not None and before.is_valid_at(self.at, self.on):
            return before
        result = compute(self.chart, self.at, self.site)
        return CachedResult(
            result, self.on, *validity_around(dependencies(self.site), self.chart, self.at.astimezone(UTC))
        )


def config_digest(site: Site) -> str:
    """A digest of the site's conventions and time zone, with the release that computed by them."""
    return f"{site.conventions.digest} {site.zone.key} {site.release}"
