"""The grades and scores a patient was given of late, so that what a correction leaves no ground is taken back.

Of each is kept for which time it was given, its value, a digest of all that was said with it, and which messages it
rested on. After a correction, or the final version of a preliminary value, those that may rest on it are looked at
again, at their own time:

- what differs is taken back (`entered_in_error`) where it is undetermined now, where nothing of its time is charted any
  more, and where the chart is thinned, so that what it was instead cannot be said exactly;
- what else is given otherwise, or on other grounds, is amended.

What is charted late takes nothing back: a grade says what was known when it was given.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2s
from typing import Any, NamedTuple
from zlib import crc32

from msgspec import Struct

from alerts.assessment.assessment import Assessment, assess_each, shown_value
from alerts.chart.buckets import horizon
from alerts.chart.chart import Chart
from alerts.grading.result import Result
from alerts.messages import Reading, Statement, Treatment
from config.site import Site

ISSUED_KEPT = 5
"""Of each system the last so many."""

_NOT_SAID = frozenset(("kind", "id", "status", "was"))
"""What of a journal line is no part of what it says of the patient."""


class IssuedGrade(Struct, frozen=True, array_like=True, omit_defaults=True):
    """One result as it was given at a clinical time. `number` is 1, and one more each time that of the same system and
    time was taken back. `rests_on` are the keys of messages (`key_of`).
    """

    at: datetime
    value: str | None
    digest: str
    rests_on: tuple[int, ...]
    number: int = 1
    retracted: bool = False


IssuedGrades = dict[str, tuple[IssuedGrade, ...]]
"""System -> what was given of it, in the order it was given."""


class Corrections(NamedTuple):
    """What a batch has corrected: the keys of messages, and the earliest time one of them speaks of."""

    messages: frozenset[int] = frozenset()
    since: datetime | None = None

    def and_by(self, message: Reading | Statement | Treatment) -> "Corrections":
        """The same with one more message that corrects: itself in an earlier version, or what it supersedes."""
        at = message.effective.astimezone(UTC)
        names = (message.id, *((message.supersedes,) if message.supersedes else ()))
        keys = frozenset(key_of(message.source, name) for name in names)
        return Corrections(self.messages | keys, at if self.since is None else min(at, self.since))


class GradeToRecheck(NamedTuple):
    """A result that may have lost its ground, and how the patient is assessed at its time now."""

    system: str
    issued: IssuedGrade
    now: Assessment

    @property
    def result(self) -> Result:
        """What is to be said now."""
        return self.now.grades()[self.system]

    def is_lost(self, chart: Chart) -> bool:
        """Whether it can only be taken back."""
        value, at = shown_value(self.result), self.issued.at
        if value == self.issued.value:
            return False
        thinned = chart.newest is not None and at < horizon(chart.newest)
        return value is None or thinned or not any(chart.at(kind, at) for kind in chart.entries)


def key_of(source: str, message: str) -> int:
    """A short key of a message. Two that share one only make a result be looked at for nothing."""
    return crc32(f"{source}\x1f{message}".encode())


def grade_id(patient: str, system: str, at: datetime, number: int) -> str:
    """An id that a replay gives again and that shows nothing of the patient."""
    text = f"{patient}\x1f{system}\x1f{at.astimezone(UTC).isoformat()}\x1f{number}"
    return blake2s(text.encode(), digest_size=8).hexdigest()


def last_issued(graded: IssuedGrades, system: str, at: datetime) -> IssuedGrade | None:
    """The last that was given of a system for a time, taken back or not."""
    return next((grade for grade in reversed(graded.get(system, ())) if grade.at == at), None)


def next_number(before: IssuedGrade | None) -> int:
    """The number of what is given now, after what was given for the same time."""
    return 1 if before is None else before.number + before.retracted


def issued(event: dict[str, Any], result: Result, at: datetime, number: int) -> IssuedGrade:
    """What is kept of a result that the journal line `event` tells."""
    keys = {key_of(item.entry.source, item.entry.id) for item in result.evidence}
    said = {name: value for name, value in event.items() if name not in _NOT_SAID}
    digest = blake2s(json.dumps(said, sort_keys=True).encode(), digest_size=8).hexdigest()
    return IssuedGrade(at, shown_value(result), digest, tuple(sorted(keys)), number)


def append(graded: IssuedGrades, system: str, one: IssuedGrade) -> IssuedGrades:
    """The same with one more; it replaces what was given for its time."""
    others = tuple(other for other in graded.get(system, ()) if other.at != one.at)
    return {**graded, system: (*others, one)[-ISSUED_KEPT:]}


def replace(graded: IssuedGrades, system: str, old: IssuedGrade, new: IssuedGrade) -> IssuedGrades:
    """The same with another in the place of one of them."""
    return {**graded, system: tuple(new if one == old else one for one in graded[system])}


def grades_to_recheck(
    graded: IssuedGrades, chart: Chart, corrections: Corrections, site: Site
) -> Iterable[GradeToRecheck]:
    """What rests on a corrected message, and whatever was given of late for a time from the correction on."""
    if chart.newest is None or corrections.since is None:
        return
    from_here = max(horizon(chart.newest), corrections.since)
    doubtful = [
        (system, one)
        for system, series in graded.items()
        for one in series
        if not one.retracted and (one.at >= from_here or corrections.messages.intersection(one.rests_on))
    ]
    assessed = {found.at: found for found in assess_each(chart, {one.at for _, one in doubtful}, site)}
    for system, one in doubtful:
        yield GradeToRecheck(system, one, assessed[one.at])
