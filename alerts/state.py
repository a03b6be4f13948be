"""What is remembered of one patient between messages, and what a step gives back to the outside."""

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
from alerts.grading.crs import CrsCourse
from alerts.messages import AnyMessage, Fault
from alerts.pages.page import Page
from alerts.rules.finding import RuleMemory

SOURCES_LISTED = 8


class Unregistered(Struct, frozen=True):
    """Messages of a patient nobody has registered: how many, since when, from which sources.

    They are charted, and graded as far as no infusion date is needed (`alerts/step/unregistered.py`). `open`, set
    where the state is written: an episode of this patient is open.
    """

    count: int
    first: datetime
    last: datetime
    sources: tuple[str, ...] = ()
    open: bool = False

    def and_by(self, source: str, now: datetime) -> "Unregistered":
        """With one more message; of many sources the first few are listed."""
        sources = self.sources if source in self.sources else (*self.sources, source)[:SOURCES_LISTED]
        return replace(self, count=self.count + 1, last=now, sources=sources)


class PatientState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One patient under watch. `at` is the clinical time of the last assessment, `review_at` that of the next one
    though nothing comes in.
    """

    patient: str
    chart: Chart = Chart()
    course: CrsCourse | None = None
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
        """The record under which a frozen one goes on; else ""."""
        link = self.merges.frozen_by
        return link.other if link is not None else ""

    @property
    def is_graded(self) -> bool:
        """Whether what is charted is judged: known, here, and not frozen by a merge."""
        return self.registered and self.discharged_at is None and not self.merged_into

    @property
    def is_assessed(self) -> bool:
        """Whether anything at all of what is charted may page: graded, or nobody has registered the patient yet."""
        unregistered = self.unregistered is not None and self.discharged_at is None and not self.merged_into
        return self.is_graded or unregistered

    @property
    def returning(self) -> frozenset[str]:
        """Conditions whose episode, open or to be opened, comes back after a closed one.

        What a person closed and has not been clear since does not come back: it goes on.
        """
        return frozenset(
            condition
            for condition, past in self.past.items()
            if not past.retracted and (past.closed_at_severity is None or condition in self.episodes)
        )

    def with_episode_result(self, condition: str, followed: EpisodeResult) -> "PatientState":
        """The state with what became of one condition's episode."""
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
        """The state with an open episode as it stands now."""
        return self.with_episode_result(episode.condition, EpisodeResult(episode, self.past.get(episode.condition)))

    def cancellable(self, pages: Iterable[str], besides: Episode | None = None) -> list[str]:
        """Those of some pages that need not be delivered any more: no open episode that nobody has taken, `besides`
        aside, is still to be told by them.
        """
        owed = {
            page
            for episode in self.episodes.values()
            if not episode.acknowledged_by and (besides is None or episode.id != besides.id)
            for page in episode.pending
        }
        return [page for page in dict.fromkeys(pages) if page not in owed]

    def next_at(self) -> datetime | None:
        """When this patient is next to be looked at, if nothing comes in before; who is not assessed has no review."""
        ladders = [due for episode in self.episodes.values() if (due := episode.due_at) is not None]
        reviews = [self.review_at] if self.review_at is not None and self.is_assessed else []
        return min([*ladders, *reviews], default=None)


class DeadLetter(Struct, frozen=True):
    """A message that was not used, why, and its own text, so that it can be tried again.

    `form` is how the text is written: `native`, `hl7` or `fhir`.
    """

    at: datetime
    source: str
    patient: str
    id: str
    why: str
    raw: str
    form: str = "native"


class Effects(Struct):
    """What a step asks the outside to do, in one transaction with the new state.

    `events` are journal lines; `cancelled` are ids of pages that are no longer owed; `faults` go to the site;
    `passed_on` are messages for another record that this one was merged into.
    """

    pages: list[Page] = []
    cancelled: list[str] = []
    dead_letters: list[DeadLetter] = []
    events: list[dict[str, Any]] = []
    faults: list[Fault] = []
    passed_on: list[AnyMessage] = []

    def add(self, other: "Effects") -> None:
        """Add the effects of another step that is committed with this one."""
        self.pages.extend(other.pages)
        self.cancelled.extend(other.cancelled)
        self.dead_letters.extend(other.dead_letters)
        self.events.extend(other.events)
        self.faults.extend(other.faults)
        self.passed_on.extend(other.passed_on)


def dead_letter(message: AnyMessage, why: str, now: datetime) -> DeadLetter:
    """The record of a message that was read and could not be used."""
    raw = message.model_dump_json(exclude_none=True)
    return DeadLetter(now, message.source, message.patient, message.id, why, raw)
