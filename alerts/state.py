"""The state of one patient between messages, and the effects of a step."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from alerts.assessment.issued_grades import IssuedGrades
from alerts.assessment.result_cache import ResultCache
from alerts.chart.chart import Chart
from alerts.chart.merge_register import Merges
from alerts.episodes.episode import Episode, EpisodeResult, Past
from alerts.episodes.silences import Silenced
from alerts.messages import AnyMessage, Fault
from alerts.pages.page import Page
from alerts.rules.finding import RuleMemory

SOURCES_LISTED = 8


class Unregistered(Struct, frozen=True):
    """The messages of a patient without registration: their number, first time and sources.

    They are charted, and graded if no infusion date is needed (`alerts/step/unregistered.py`). `open`: the patient has
    an open episode. The store sets it when it writes the state.
    """

    count: int
    first: datetime
    last: datetime
    sources: tuple[str, ...] = ()
    open: bool = False

    def and_by(self, source: str, now: datetime) -> "Unregistered":
        """The same with one more message. If there are many sources, only the first few are listed."""
        sources = self.sources if source in self.sources else (*self.sources, source)[:SOURCES_LISTED]
        return replace(self, count=self.count + 1, last=now, sources=sources)


class PatientState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of one patient: the chart, the open episodes, and what a step remembers for the next one.

    `at`: the clinical time of the last assessment. `review_at`: the time of the next one if no message arrives.
    `last_values`: the value of each grade and score as it was last issued.
    """

    patient: str
    chart: Chart = Chart()
    result_cache: ResultCache = ResultCache()
    rule_memory: RuleMemory = RuleMemory()
    last_values: dict[str, str | None] = {}
    issued_grades: IssuedGrades = {}
    at: datetime | None = None
    review_at: datetime | None = None
    episodes: dict[str, Episode] = {}
    past: dict[str, Past] = {}
    registered: bool = False
    discharged_at: datetime | None = None
    unregistered: Unregistered | None = None
    silences: tuple[Silenced, ...] = ()
    merges: Merges = Merges()

    @property
    def merged_into(self) -> str:
        """The record that continues a frozen one; else ""."""
        link = self.merges.frozen_by
        return link.other if link is not None else ""

    @property
    def is_graded(self) -> bool:
        """Whether grades are issued: the patient is registered, not discharged, and not frozen by a merge."""
        return self.registered and self.discharged_at is None and not self.merged_into

    @property
    def is_assessed(self) -> bool:
        """Whether findings may page: the patient is graded, or not registered yet."""
        unregistered = self.unregistered is not None and self.discharged_at is None and not self.merged_into
        return self.is_graded or unregistered

    @property
    def returning(self) -> frozenset[str]:
        """Conditions whose episode, open or to be opened, is recurrent.

        If a person closed a condition and it has not cleared since, it is not recurrent: it continues.
        """
        return frozenset(
            condition
            for condition, past in self.past.items()
            if not past.retracted and (past.closed_at_severity is None or condition in self.episodes)
        )

    def with_episode_result(self, condition: str, followed: EpisodeResult) -> "PatientState":
        """The state with the episode of a condition opened, changed or closed."""
        current = {**self.episodes}
        past = {**self.past}
        current.pop(condition, None)
        past.pop(condition, None)
        if followed.episode is not None:
            current[condition] = followed.episode
        if followed.past is not None:
            past[condition] = followed.past
        return replace(self, episodes=current, past=past)

    def with_episode(self, episode: Episode) -> "PatientState":
        """The state with an open episode replaced."""
        return self.with_episode_result(episode.condition, EpisodeResult(episode, self.past.get(episode.condition)))

    def cancellable(self, pages: Iterable[str], besides: Episode | None = None) -> list[str]:
        """Those of some pages that no unacknowledged open episode other than `besides` still needs."""
        owed = {
            page
            for episode in self.episodes.values()
            if not episode.acknowledged_by and (besides is None or episode.id != besides.id)
            for page in episode.pending
        }
        return [page for page in dict.fromkeys(pages) if page not in owed]

    def next_at(self) -> datetime | None:
        """The time of the next step if no message arrives: the earliest ladder or review."""
        ladders = [due for episode in self.episodes.values() if (due := episode.due_at) is not None]
        reviews = [self.review_at] if self.review_at is not None and self.is_assessed else []
        return min([*ladders, *reviews], default=None)


class DeadLetter(Struct, frozen=True):
    """A message that was not used, the reason, and its own text for a retry.

    `form` is the format of the text: `native`, `hl7` or `fhir`.
    """

    at: datetime
    source: str
    patient: str
    id: str
    why: str
    raw: str
    form: str = "native"


class Effects(Struct):
    """The effects of a step, committed in one transaction with the new state.

    `events`: journal lines. `cancelled`: ids of pages that need no delivery any more. `faults`: for the site.
    `forwarded`: messages for another record that this one was merged into.
    """

    pages: list[Page] = []
    cancelled: list[str] = []
    dead_letters: list[DeadLetter] = []
    events: list[dict[str, Any]] = []
    faults: list[Fault] = []
    forwarded: list[AnyMessage] = []

    def add(self, other: "Effects") -> None:
        """Add the effects of another step that is committed with this one."""
        self.pages.extend(other.pages)
        self.cancelled.extend(other.cancelled)
        self.dead_letters.extend(other.dead_letters)
        self.events.extend(other.events)
        self.faults.extend(other.faults)
        self.forwarded.extend(other.forwarded)


def dead_letter(message: AnyMessage, why: str, now: datetime) -> DeadLetter:
    """The record of a parsed message that could not be used."""
    raw = message.model_dump_json(exclude_none=True)
    return DeadLetter(now, message.source, message.patient, message.id, why, raw)
