"""The course of CRS at earlier times, so that a late reading recomputes it from shortly before its own time.

From one change of the course to the next only its `as_of` goes on. So the history is exact at every moment of a period
between two changes, whichever it is. Of a long history only some periods are kept, the denser the newer: a reading
that is late by a time recomputes about what was charted in that time, however long the stay.

A period rests on everything charted up to its end, as it was before thinning. So thinning does not change the past
course: it is the one that was computed when all of it was charted.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from alerts.chart.chart import Chart
from alerts.chart.differences import INSTANT, Differences, differences
from alerts.chart.entry import EFFECTIVE
from alerts.grading import crs
from alerts.grading.crs import NO_STEPS, CourseStep, CrsCourse, KnownSteps, is_same
from alerts.grading.watched_chart import NEVER, WATCHED

PERIODS_KEPT = 32
"""With so many, the recomputed time is at most twice the lateness of a reading (from a minute to 30 days)."""

STEPS_KEPT = 128
"""Moments whose steps are remembered at least: as many minutes as a chart keeps in full, about."""

_SINCE = attrgetter("since")


class CoursePeriod(Struct, frozen=True, array_like=True):
    """The course at every moment from `since` on, up to and including `course.as_of`, but for its `as_of`."""

    since: datetime
    course: CrsCourse

    @property
    def end(self) -> datetime:
        """The last moment of the period."""
        return _end(self.course)


class CourseHistory(Struct, frozen=True, array_like=True, dict=True):
    """Periods of the course, in order of time.

    It also remembers the steps at the newest moments, as long as the process keeps it in memory: they only save reading
    the table again, and are not stored. A step is forgotten when something changes that was looked at.
    """

    periods: tuple[CoursePeriod, ...] = ()

    @property
    def last(self) -> CrsCourse | None:
        """The course at the end of the history."""
        return self.periods[-1].course if self.periods else None

    @property
    def end(self) -> datetime | None:
        """Up to when the course is known."""
        return self.periods[-1].end if self.periods else None

    @cached_property
    def steps(self) -> KnownSteps:
        """The steps that need not be computed again."""
        return NO_STEPS

    def _with_steps(self, steps: KnownSteps) -> "CourseHistory":
        other = CourseHistory(self.periods)
        vars(other)["steps"] = steps
        return other

    def without_steps(self) -> "CourseHistory":
        """The history for other conventions, which do not change the past course."""
        return CourseHistory(self.periods)

    def until(self, at: datetime, chart: Chart) -> "CourseHistory":
        """The history up to and including a time."""
        if self.end is None or self.end <= at:
            return self
        known = self.periods[: bisect_right(self.periods, at, key=_SINCE)]
        if not known or known[-1].end <= at:
            return CourseHistory(known)._with_steps(self.steps)
        since, course = known[-1].since, known[-1].course
        cut = CoursePeriod(since, replace(course, as_of=max(since, _last_moment(chart, at) or since)))
        return CourseHistory((*known[:-1], cut))._with_steps(self.steps)

    def after(self, before: Chart, now: Chart, thinned: Chart) -> "CourseHistory":
        """The history that a change of the chart leaves: up to the earliest time that it concerns.

        `thinned`: what is kept of `now`.
        """
        changed = differences(before, now, crs.KINDS, thinned)
        if changed.earliest is None:
            return self
        held = self.until(changed.earliest - INSTANT, now)
        if not self.steps:
            return held
        return held._with_steps(_untouched(self.steps, changed, now.infused))

    def followed_by(
        self, courses: Iterable[CrsCourse], infused: datetime | None = None, steps: KnownSteps = NO_STEPS
    ) -> "CourseHistory":
        """The history with the course after each further moment. It begins again with the infusion."""
        known = list(self.periods)
        for course in courses:
            if infused is not None and known and known[-1].end < infused <= _end(course):
                known.clear()
            _add(known, course)
        return CourseHistory(tuple(known))._with_steps(_newest({**self.steps, **steps}))


def _newest(steps: dict[datetime, CourseStep]) -> dict[datetime, CourseStep]:
    if len(steps) > 2 * STEPS_KEPT:
        for moment in sorted(steps)[:-STEPS_KEPT]:
            del steps[moment]
    return steps


def _untouched(steps: KnownSteps, changed: Differences, infused: datetime | None) -> KnownSteps:
    """The steps that looked at nothing that changed.

    Whatever is not measured again and again, and whatever was before the infusion, concerns every later step.
    """
    since = [changed.others_from] if changed.others_from is not None else []
    looked: dict[datetime, list[int]] = defaultdict(list)
    for kind, times in changed.entries.items():
        if kind not in WATCHED or (infused is not None and times[0] <= infused):
            since.append(times[0])
        else:
            for at in times:
                looked[at].append(WATCHED.index(kind))
    end = min(since, default=NEVER)
    kept = {moment: step for moment, step in steps.items() if moment < end}
    for at, kinds in looked.items():
        kept = {moment: step for moment, step in kept.items() if moment < at or not step.has_looked_at(at, kinds)}
    return kept


def later(one: CourseHistory, other: CourseHistory) -> CourseHistory:
    """That of two histories which reaches further; the first if they reach equally far."""
    return other if other.end is not None and (one.end is None or one.end < other.end) else one


def _end(course: CrsCourse) -> datetime:
    assert course.as_of is not None, "the course after a moment"
    return course.as_of


def _add(known: list[CoursePeriod], course: CrsCourse) -> None:
    at = _end(course)
    if not known or known[-1].end < at:
        if known and is_same(course, known[-1].course):
            known[-1] = CoursePeriod(known[-1].since, course)
        else:
            known.append(CoursePeriod(at, course))
    if len(known) > PERIODS_KEPT:
        del known[_least_needed(known)]


def _least_needed(known: list[CoursePeriod]) -> int:
    """The period that leaves the smallest gap, in proportion to how long ago the gap begins."""
    newest = known[-1].end

    def gap(spot: int) -> float:
        begins = known[spot - 1].end
        return (known[spot + 1].since - begins) / (newest - begins)

    return min(range(1, len(known) - 1), key=gap)


def _last_moment(chart: Chart, at: datetime) -> datetime | None:
    """The last charted moment that a course assesses, up to a time."""
    found = []
    for kind in crs.KINDS:
        series = chart.entries.get(kind, ())
        spot = bisect_right(series, at, key=EFFECTIVE)
        if spot:
            found.append(series[spot - 1].effective)
    return max(found, default=None)
