"""Recently issued grades. When a correction removes the evidence of one, it is retracted.

Each record holds the clinical time of the grade, its value, a digest of its journal line, and the keys of the messages
it rested on. After a correction, or the final version of a preliminary value, every grade that may rest on it is
assessed again at its own time:

- A grade that differs is retracted (`entered_in_error`) if it is undetermined now, if no entry of its time is charted
  any more, or if the chart is thinned there, so that the right grade is not known exactly.
- Any other grade with another value or other evidence is amended.

A value that is charted late retracts nothing: a grade reports what was known when it was issued.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2s
from typing import Any, NamedTuple
from zlib import crc32

from msgspec import Struct

from alerts.assessment.assessment import Assessment, assess_each
from alerts.assessment.result_cache import ResultCache
from alerts.chart.buckets import horizon
from alerts.chart.chart import Chart
from alerts.grading.result import Result
from alerts.messages import Entered
from config.site import Site

ISSUED_KEPT = 5
"""The most grades kept of each system."""

_NOT_SAID = frozenset(("kind", "id", "status", "was"))
"""Fields of a journal line that say nothing of the patient."""


class IssuedGrade(Struct, frozen=True, array_like=True, omit_defaults=True):
    """One result as it was issued for a clinical time.

    `number`: 1, and one more each time a grade of this system and time was retracted. `rests_on`: keys of messages
    (`key_of`).
    """

    at: datetime
    value: str | None
    digest: str
    rests_on: tuple[int, ...]
    number: int = 1
    retracted: bool = False


IssuedGrades = dict[str, tuple[IssuedGrade, ...]]
"""System -> its grades in the order in which they were issued."""


class Corrections(NamedTuple):
    """The corrections of a batch: the keys of corrected messages, and the earliest of their clinical times."""

    messages: frozenset[int] = frozenset()
    since: datetime | None = None

    def and_by(self, message: Entered) -> "Corrections":
        """The same with one more correcting message: it corrects its earlier version, or the message it supersedes."""
        at = message.effective.astimezone(UTC)
        names = (message.id, *((message.supersedes,) if message.supersedes else ()))
        keys = frozenset(key_of(message.source, name) for name in names)
        return Corrections(self.messages | keys, at if self.since is None else min(at, self.since))


class GradeToRecheck(NamedTuple):
    """A grade that may have lost its evidence, with the present assessment of its time."""

    system: str
    issued: IssuedGrade
    now: Assessment

    @property
    def result(self) -> Result:
        """The result as it is assessed now."""
        return self.now.grades()[self.system]

    def is_lost(self, chart: Chart) -> bool:
        """Whether the grade must be retracted, and cannot be amended."""
        value, at = self.result.shown_value, self.issued.at
        if value == self.issued.value:
            return False
        thinned = chart.newest is not None and at < horizon(chart.newest)
        return value is None or thinned or not any(chart.at(kind, at) for kind in chart.entries)


def key_of(source: str, message: str) -> int:
    """A short key of a message. If two messages share a key, a grade is only rechecked without need."""
    return crc32(f"{source}\x1f{message}".encode())


def grade_id(patient: str, system: str, at: datetime, number: int) -> str:
    """An id that is the same in every replay and reveals nothing of the patient."""
    text = f"{patient}\x1f{system}\x1f{at.astimezone(UTC).isoformat()}\x1f{number}"
    return blake2s(text.encode(), digest_size=8).hexdigest()


def last_issued(graded: IssuedGrades, system: str, at: datetime) -> IssuedGrade | None:
    """The last grade of a system that was issued for a time, retracted or not."""
    return next((grade for grade in reversed(graded.get(system, ())) if grade.at == at), None)


def next_number(before: IssuedGrade | None) -> int:
    """The number of the next grade after one of the same time."""
    return 1 if before is None else before.number + before.retracted


def issued(event: dict[str, Any], result: Result, at: datetime, number: int) -> IssuedGrade:
    """The record of a result with the journal line `event`."""
    keys = {key_of(item.entry.source, item.entry.id) for item in result.evidence}
    said = {name: value for name, value in event.items() if name not in _NOT_SAID}
    digest = blake2s(json.dumps(said, sort_keys=True).encode(), digest_size=8).hexdigest()
    return IssuedGrade(at, result.shown_value, digest, tuple(sorted(keys)), number)


def append(graded: IssuedGrades, system: str, one: IssuedGrade) -> IssuedGrades:
    """The same with one more grade. It replaces a grade of the same time."""
    others = tuple(other for other in graded.get(system, ()) if other.at != one.at)
    return {**graded, system: (*others, one)[-ISSUED_KEPT:]}


def replace(graded: IssuedGrades, system: str, old: IssuedGrade, new: IssuedGrade) -> IssuedGrades:
    """The same with one grade replaced."""
    return {**graded, system: tuple(new if one == old else one for one in graded[system])}


def grades_to_recheck(
    graded: IssuedGrades, chart: Chart, corrections: Corrections, site: Site, cache: ResultCache
) -> Iterable[GradeToRecheck]:
    """Grades that rest on a corrected message, and every recent grade of a time from the correction on."""
    if chart.newest is None or corrections.since is None:
        return
    from_here = max(horizon(chart.newest), corrections.since)
    doubtful = [
        (system, one)
        for system, series in graded.items()
        for one in series
        if not one.retracted and (one.at >= from_here or corrections.messages.intersection(one.rests_on))
    ]
    moments = {one.at for _, one in doubtful}
    assessed = {found.at: found for found, _ in assess_each(chart, moments, site, cache)}
    for system, one in doubtful:
        yield GradeToRecheck(system, one, assessed[one.at])
