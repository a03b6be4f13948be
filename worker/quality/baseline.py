"""A recorded baseline: the pages of a release on one stream, compact, to be compared with later rules."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from alerts.pages.concern import FIRST
from worker.quality.drive import Closed, CountedPage
from worker.quality.policies import BASELINE, OURS, StayOutcome
from worker.quality.stream import opened, written

WITHIN = timedelta(minutes=60)
"""A first page of the baseline is lost if its condition and level are not paged within an hour of it."""


class OtherStreamError(ValueError):
    """A baseline that was recorded on another stream, or with other answers."""


class RecordedPage(msgspec.Struct, frozen=True, array_like=True):
    """A page, at minutes since its stay began."""

    minutes: float
    condition: str
    levels: dict[str, int]
    urgency: str
    reason: str
    to: str


class RecordedEnd(msgspec.Struct, frozen=True, array_like=True):
    """The end of an episode, at minutes since its stay began."""

    minutes: float
    condition: str
    reason: str


class RecordedStay(msgspec.Struct, frozen=True):
    """The pages of one stay, and the ends of its episodes."""

    begins: datetime
    pages: list[RecordedPage]
    closed: list[RecordedEnd]


class Recorded(msgspec.Struct, frozen=True):
    """A baseline. `stream` is the digest of what it was recorded on."""

    release: str
    stream: str
    answer: str
    seed: int
    stays: dict[str, RecordedStay]


def record(path: Path, outcomes: Sequence[StayOutcome], *, release: str, stream: str, answer: str, seed: int) -> None:
    """Write the pages of our rules as a baseline, through gzip."""
    stays = {one.patient: _stay(one) for one in outcomes}
    with written(path) as lines:
        lines.write(msgspec.json.encode(Recorded(release, stream, answer, seed, stays)))


def _stay(one: StayOutcome) -> RecordedStay:
    def minutes(at: datetime) -> float:
        return round((at - one.begins) / timedelta(minutes=1), 2)

    pages = [RecordedPage(minutes(p.at), p.condition, p.levels, p.urgency, p.reason, p.to) for p in one.pages[OURS]]
    return RecordedStay(
        one.begins, pages, [RecordedEnd(minutes(end.at), end.condition, end.reason) for end in one.closed[OURS]]
    )


def read_baseline(path: Path, *, stream: str, answer: str, seed: int) -> Recorded:
    """A baseline of this stream.

    Raises:
        OtherStreamError: it is of another stream, or of other answers.
        msgspec.DecodeError: the file is no baseline.
    """
    with opened(path) as lines:
        found = msgspec.json.decode(lines.read(), type=Recorded)
    if found.stream != stream:
        raise OtherStreamError("it was recorded on another stream; record it anew with the release to compare with")
    if (found.answer, found.seed) != (answer, seed):
        raise OtherStreamError(f"it was recorded with --answer '{found.answer}' --seed {found.seed}")
    return found


def beside(outcomes: Sequence[StayOutcome], recorded: Recorded) -> list[StayOutcome]:
    """The outcomes with the baseline as one more policy."""
    return [_beside(one, recorded.stays.get(one.patient)) for one in outcomes]


def _beside(one: StayOutcome, stay: RecordedStay | None) -> StayOutcome:
    def at(minutes: float) -> datetime:
        return one.begins + timedelta(minutes=minutes)

    pages = [
        CountedPage(one.patient, at(p.minutes), p.condition, p.levels, p.urgency, p.reason, p.to)
        for p in (stay.pages if stay is not None else ())
    ]
    closed = [Closed(at(end.minutes), end.condition, end.reason) for end in (stay.closed if stay is not None else ())]
    return one._replace(pages={**one.pages, BASELINE: pages}, closed={**one.closed, BASELINE: closed})


def lost(outcomes: Sequence[StayOutcome]) -> Iterator[CountedPage]:
    """First pages of the baseline, critical or high, that our rules do not send within an hour."""
    for one in outcomes:
        for page in one.pages.get(BASELINE, ()):
            if page.reason in FIRST and page.urgency in ("critical", "high") and not _answered(page, one.pages[OURS]):
                yield page


def _answered(page: CountedPage, ours: Sequence[CountedPage]) -> bool:
    level = page.levels.get(page.condition, 0)
    near = (other for other in ours if abs(other.at - page.at) <= WITHIN)
    return any(other.levels.get(page.condition, -1) >= level for other in near)
