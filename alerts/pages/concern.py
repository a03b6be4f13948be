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
"""Reasons for a page about an episode that is closed. Such a page quotes no protocol line.

`resolved` by what was measured, `retracted` by a correction, `ended` by what somebody said.
"""

URGENCIES_PAGED_AT_END = ("critical", "high")
"""Urgencies of which the end of an episode pages. Others end silently on the board."""

FIRST: tuple[Reason, ...] = ("new", "worse", "recurrent")
"""Reasons for a first page about an episode or its worsening."""

LATE = "{what} (charted late)"
"""The title of what was charted late."""

MOST_URGENT: dict[Reason, Urgency] = {"still_on_it": "high", "taken_over": "low"}
"""The highest urgency of pages for a reason: a request to renew an acknowledgement is no new emergency."""

UNREGISTERED = "unregistered patient: would be {what}"
"""The title of what is found of a patient nobody has registered."""

ASTCT = ("crs", "icans")


class ChartCorrection(Struct, frozen=True):
    """One charted value that was corrected: what it was, what it is (None: entered in error), when and by whom."""

    kind: str
    before: Entry
    after: Entry | None
    at: datetime
    source: str


class Ending(Struct, frozen=True):
    """What ended an episode, where somebody said so: `discharged`, `merged` or a statement, and since when it is so.

    `record` is the one that goes on after a merge. `by` is the person, where one is named.
    """

    what: Evidence | Literal["discharged", "merged"]
    at: datetime
    source: str
    by: str = ""
    record: str = ""


class PageConcern(Struct, frozen=True):
    """An episode and the reason for its page. `finding`: of the newest assessment; None without one.

    Of one that was retracted, `changes` are the corrections that took its ground, and `left` is what stands of it.
    `ending`: what somebody said by which it ended, or is lower.
    """

    episode: Episode
    reason: Reason
    finding: Finding | None
    changes: tuple[ChartCorrection, ...] = ()
    left: Episode | None = None
    ending: Ending | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the episode is over."""
        return self.reason in ENDED

    @property
    def is_lower(self) -> bool:
        """Whether the newest assessment has a lower level than the episode, or none."""
        now = self.episode.level_now
        return not self.has_ended and (now is None or now < self.episode.level)

    @property
    def urgency(self) -> Urgency:
        """The urgency of the page: of a first page that of the episode, of later pages that of the present finding."""
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
        return (self.finding.members if self.finding is not None else ()) or self.episode.members

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The readings on which the finding rests."""
        return self.finding.evidence if self.finding is not None and self.reason != "retracted" else ()

    @property
    def events(self) -> tuple[Phrase, ...]:
        """The events of the first page about the present level."""
        return () if self.is_lower or self.has_ended else self.episode.events


def wrappings(title: Phrase) -> list[str]:
    """What is said around the title of a finding, from the outside: that it was charted late, whose it is."""
    found = []
    while title.id in (LATE, UNREGISTERED, REPEAT_ICE):
        found.append(title.id)
        title = cast("Phrase", title.args[0])
    return found


def bare(title: Phrase) -> Phrase:
    """The title of a finding without what is said of the charting and the registration around it."""
    while title.id in (LATE, UNREGISTERED):
        title = cast("Phrase", title.args[0])
    return title


def worst_first(concerns: list[PageConcern]) -> list[PageConcern]:
    """In the order of a page: by urgency, then by grade, then in the given order."""

    def rank(concern: PageConcern) -> tuple[int, bool, int]:
        level = concern.episode.level_now or 0
        return -URGENCIES.index(concern.urgency), concern.episode.condition not in ASTCT, -level

    return sorted(concerns, key=rank)
