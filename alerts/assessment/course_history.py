"""The course of CRS at earlier times, so that a late reading recomputes it from shortly before its own time.

From one change of the course to the next only its `as_of` goes on. So the history is exact at every moment of a stretch
between two changes, whichever it is. Of a long history only some stretches are kept, the denser the newer: a reading
that is late by a time recomputes about what was charted in that time, however long the stay.

A stretch rests on everything charted up to its end, as it was before thinning. So thinning does not change the past
course: it is the one that was computed when all of it was charted.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from alerts.chart.chart import Chart
from alerts.chart.differences import INSTANT, differs_from
from alerts.chart.entry import EFFECTIVE
from alerts.grading import crs
from alerts.grading.crs import CrsCourse

STRETCHES_KEPT = 32
"""With so many, the recomputed time is at most twice the lateness of a reading (from a minute to 30 days)."""

_SINCE = attrgetter("since")


class Stretch(Struct, frozen=True, array_like=True):
    """The course at every moment from `since` on, up to and including `course.as_of`, but for its `as_of`."""

    since: datetime
    course: CrsCourse

    @property
    def end(self) -> datetime:
        """The last moment of the stretch."""
        return _end(self.course)


class CourseHistory(Struct, frozen=True, array_like=True):
    """Stretches of the course, in order of time."""

    stretches: tuple[Stretch, ...] = ()

    @property
    def last(self) -> CrsCourse | None:
        """The course at the end of the history."""
        return self.stretches[-1].course if self.stretches else None

    @property
    def end(self) -> datetime | None:
        """Up to when the course is known."""
        return self.stretches[-1].end if self.stretches else None

    def until(self, at: datetime, chart: Chart) -> "CourseHistory":
        """The history up to and including a time."""
        if self.end is None or self.end <= at:
            return self
        known = self.stretches[: bisect_right(self.stretches, at, key=_SINCE)]
        if not known or known[-1].end <= at:
            return CourseHistory(known)
        since, course = known[-1].since, known[-1].course
        cut = Stretch(since, replace(course, as_of=max(since, _last_moment(chart, at) or since)))
        return CourseHistory((*known[:-1], cut))

    def after(self, before: Chart, now: Chart, thinned: Chart) -> "CourseHistory":
        """The history that a change of the chart leaves: up to the earliest time that it concerns.

        `thinned`: what is kept of `now`.
        """
        changed = differs_from(before, now, crs.KINDS, thinned)
        return self if changed is None else self.until(changed - INSTANT, now)

    def followed_by(self, courses: Iterable[CrsCourse], infused: datetime | None = None) -> "CourseHistory":
        """The history with the course after each further moment. It begins again with the infusion."""
        known = list(self.stretches)
        for course in courses:
            if infused is not None and known and known[-1].end < infused <= _end(course):
                known.clear()
            _add(known, course)
        return CourseHistory(tuple(known))


def later(one: CourseHistory, other: CourseHistory) -> CourseHistory:
    """That of two histories which reaches further; the first if they reach equally far."""
    return other if other.end is not None and (one.end is None or one.end < other.end) else one


def _end(course: CrsCourse) -> datetime:
    assert course.as_of is not None, "the course after a moment"
    return course.as_of


def _add(known: list[Stretch], course: CrsCourse) -> None:
    at = _end(course)
    if not known or known[-1].end < at:
        if known and replace(course, as_of=known[-1].course.as_of) == known[-1].course:
            known[-1] = Stretch(known[-1].since, course)
        else:
            known.append(Stretch(at, course))
    if len(known) > STRETCHES_KEPT:
        del known[_least_needed(known)]


def _least_needed(known: list[Stretch]) -> int:
    """The stretch that leaves the smallest gap, in proportion to how long ago the gap begins."""
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
