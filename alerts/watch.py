"""What is remembered of one patient between messages, and what a step gives back to the outside."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from alerts.chart import Chart
from alerts.episodes import Episode, Followed, Past
from alerts.finding import Seen
from alerts.grading.crs import Course
from alerts.messages import AnyMessage, Fault
from alerts.page import Page


class Unclaimed(Struct, frozen=True):
    """Messages of a patient who is not registered yet: charted, counted, never graded."""

    count: int
    first: datetime
    last: datetime


class Watch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One patient under watch. `at` is the clinical time of the last assessment, `review_at` that of the next one
    though nothing comes in.
    """

    patient: str
    chart: Chart = Chart()
    course: Course | None = None
    seen: Seen = Seen()
    standing: dict[str, str | None] = {}
    at: datetime | None = None
    review_at: datetime | None = None
    episodes: dict[str, Episode] = {}
    past: dict[str, Past] = {}
    registered: bool = False
    discharged_at: datetime | None = None
    unclaimed: Unclaimed | None = None

    def following(self, condition: str, followed: Followed) -> "Watch":
        """The watch with what became of one condition's episode."""
        current = {**self.episodes}
        past = {**self.past}
        current.pop(condition, None)
        past.pop(condition, None)
        if followed.episode is not None:
            current[condition] = followed.episode
        if followed.past is not None:
            past[condition] = followed.past
        return replace(self, episodes=current, past=past)

    def holding(self, episode: Episode) -> "Watch":
        """The watch with an open episode as it stands now."""
        return self.following(episode.condition, Followed(episode, self.past.get(episode.condition)))

    def no_longer_owed(self, episode: Episode) -> list[str]:
        """Pages of an episode that need not be delivered any more: those that tell of no other open one."""
        others = {
            page
            for other in self.episodes.values()
            if other.id != episode.id and not other.acknowledged_by
            for page in other.pending
        }
        return [page for page in episode.pending if page not in others]

    def next_at(self) -> datetime | None:
        """When this patient is next to be looked at, if nothing comes in before."""
        ladders = [episode.next_at for episode in self.episodes.values() if episode.next_at is not None]
        return min([*ladders, *([self.review_at] if self.review_at else [])], default=None)


class SetAside(Struct, frozen=True):
    """A message that was not used, why, and its own text, so that it can be tried again."""

    at: datetime
    source: str
    patient: str
    id: str
    why: str
    raw: str


class Effects(Struct):
    """What a step asks the outside to do, in one transaction with the new state.

    `events` are journal lines; `cancelled` are ids of pages that are no longer owed; `faults` go to the site.
    """

    pages: list[Page] = []
    cancelled: list[str] = []
    set_aside: list[SetAside] = []
    events: list[dict[str, Any]] = []
    faults: list[Fault] = []


def sets_aside(message: AnyMessage, why: str, now: datetime) -> SetAside:
    """The record of a message that was read and could not be used."""
    raw = message.model_dump_json(exclude_none=True)
    return SetAside(now, message.source, message.patient, message.id, why, raw)
