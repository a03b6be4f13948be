"""An episode as one page reports it: the reason for the page, and the present finding."""

from datetime import datetime
from typing import Literal, cast

from msgspec import Struct

from alerts.chart.entry import Entry
from alerts.episodes.delivery_log import Reason
from alerts.episodes.episode import Episode
from alerts.grading.result import Evidence
from alerts.rules.finding import Finding
from alerts.rules.icans import REPEAT_ICE
from alerts.wording.phrase import Phrase
from config.site import URGENCIES, Urgency, higher

ENDED: tuple[Reason, ...] = ("resolved", "retracted", "ended")
"""Reasons for a page about a closed episode. Such a page quotes no protocol line.

`resolved` by a measurement, `retracted` by a correction, `ended` by a person's statement.
"""

URGENCIES_PAGED_AT_END = ("critical", "high")
"""Urgencies of which an end that somebody stated pages."""

URGENCIES_PAGED_WHEN_RESOLVED = ("critical",)
"""Urgencies of which an end by measurements pages. Other episodes end silently on the board."""

FIRST: tuple[Reason, ...] = ("new", "worse", "recurrent")
"""Reasons for a first page about an episode or its worsening."""

LATE = "{what} (charted late)"
"""The title of a finding that was charted late."""

MOST_URGENT: dict[Reason, Urgency] = {"still_on_it": "medium", "taken_over": "low"}
"""The highest urgency of pages for a reason: a request to renew an acknowledgement is no new emergency."""

UNREGISTERED = "unregistered patient: would be {what}"
"""The title of a finding about an unregistered patient."""

ASTCT = ("crs", "icans")


class ChartCorrection(Struct, frozen=True):
    """One corrected chart value: the old one, the new one (None: entered in error), when and by whom."""

    kind: str
    before: Entry
    after: Entry | None
    at: datetime
    source: str


class Ending(Struct, frozen=True):
    """What ended an episode if somebody stated it: `discharged`, `merged` or a statement, and since when.

    `record`: the record that continues after a merge. `by`: the person, if named.
    """

    what: Evidence | Literal["discharged", "merged"]
    at: datetime
    source: str
    by: str = ""
    record: str = ""


def pages_end(episode: Episode, reason: Reason) -> bool:
    """Whether the end of an episode pages whoever was paged."""
    if reason == "retracted":
        return True
    return episode.highest in (URGENCIES_PAGED_WHEN_RESOLVED if reason == "resolved" else URGENCIES_PAGED_AT_END)


class PageConcern(Struct, frozen=True):
    """An episode and the reason for its page. `finding`: of the newest assessment; None without one.

    `changes`: the corrections that removed the evidence of a retracted one. `left`: the remaining finding. `ending`:
    the statement that ended or lowered it.
    """

    episode: Episode
    reason: Reason
    finding: Finding | None
    changes: tuple[ChartCorrection, ...] = ()
    left: Episode | None = None
    ending: Ending | None = None

    @property
    def has_ended(self) -> bool:
        return self.reason in ENDED

    @property
    def is_lower(self) -> bool:
        """Whether the newest assessment has a lower level than the episode, or no level."""
        now = self.episode.level_now
        return not self.has_ended and (now is None or now < self.episode.level)

    @property
    def urgency(self) -> Urgency:
        """The urgency of the page: the episode's for a first page, the present finding's for later pages."""
        urgency = self.episode.urgency
        if self.is_lower and self.reason not in FIRST and self.episode.level_now is not None:
            urgency = self.finding.urgency if self.finding is not None and self.finding.level else "low"
        most = MOST_URGENT.get(self.reason, urgency)
        return most if higher(urgency, most) else urgency

    @property
    def is_unregistered(self) -> bool:
        """Whether the patient has no registration."""
        return UNREGISTERED in wrappings(self.episode.title)

    @property
    def members(self) -> tuple[str, ...]:
        """The present parts of a compound condition."""
        return self.finding.members if self.finding is not None and self.finding.level else self.episode.members

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The readings on which the finding rests."""
        return self.finding.evidence if self.finding is not None and self.reason != "retracted" else ()

    @property
    def events(self) -> tuple[Phrase, ...]:
        """The events of the first page about the present level."""
        return () if self.is_lower or self.has_ended else self.episode.events


def wrappings(title: Phrase) -> list[str]:
    """The wrappings of a finding's title, from the outside: charted late, or of an unregistered patient."""
    found = []
    while title.id in (LATE, UNREGISTERED, REPEAT_ICE):
        found.append(title.id)
        title = cast("Phrase", title.args[0])
    return found


def bare(title: Phrase) -> Phrase:
    """The title of a finding without its wrappings."""
    while title.id in (LATE, UNREGISTERED):
        title = cast("Phrase", title.args[0])
    return title


def worst_first(concerns: list[PageConcern]) -> list[PageConcern]:
    """The order of a page: by urgency, then by grade, then as given."""

    def rank(concern: PageConcern) -> tuple[int, bool, int]:
        level = concern.episode.level_now or 0
        return -URGENCIES.index(concern.urgency), concern.episode.condition not in ASTCT, -level

    return sorted(concerns, key=rank)
