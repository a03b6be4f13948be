"""The input of an alert rule, and its finding."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property

from msgspec import Struct

from alerts.assessment.assessment import Assessment
from alerts.chart.chart import Chart
from alerts.chart.contents import Setting
from alerts.grading.result import Evidence, Result
from alerts.message_fields import Status
from alerts.wording.phrase import Phrase
from config.site import Site, Urgency
from config.vocabulary import READINGS, Sort


class Finding(Struct, frozen=True, kw_only=True):
    """The finding of one rule on one condition at one time.

    `members` are the parts of a compound condition; a new one pages again. `events` page again within a level. `over`:
    the condition itself decides that it has ended. `due`: when its rule changes the finding without a new message.
    `clear_for`: how long the condition is clear before its episode ends, if longer than two clear sets are apart.
    `rests`: clear, but a return at the lowest level belongs to the same episode and is no news. `rested`: over after
    such a rest, whose beginning was reported as the end.
    """

    condition: str
    level: int
    urgency: Urgency
    title: Phrase
    because: tuple[Phrase, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[Phrase, ...] = ()
    flags: tuple[Phrase, ...] = ()
    conventions: tuple[str, ...] = ()
    provisional: bool = False
    members: tuple[str, ...] = ()
    events: tuple[Phrase, ...] = ()
    over: bool | None = None
    due: datetime | None = None
    assessed_at: datetime | None = None
    clear_for: timedelta = timedelta()
    rests: bool = False
    rested: bool = False

    @property
    def measured_at(self) -> datetime | None:
        """The time of its newest reading, or of the one that alone can show its end."""
        return self.assessed_at or max((item.entry.effective for item in self.evidence), default=None)


class RuleMemory(Struct, frozen=True):
    """What the rules remember of the last assessment, so that one event pages once.

    `icans_since`: since when ICANS is of grade 2 or more, and `icans_highest` its highest grade since then.
    """

    ice: int | None = None
    ice_at: datetime | None = None
    seizure_at: datetime | None = None
    icans_since: datetime | None = None
    icans_highest: int = 0


class RuleInput(Struct, frozen=True, dict=True):
    """The input of a rule: its memory, the present assessment, and the chart.

    `returning` are the conditions whose episode, open or to be opened, is a return after an earlier one was closed.
    """

    before: RuleMemory
    now: Assessment
    chart: Chart
    site: Site
    returning: frozenset[str] = frozenset()

    @cached_property
    def setting(self) -> Setting:
        """The setting of care at the time of the assessment."""
        return self.chart.setting(self.now.at)


Rule = Callable[[RuleInput], Finding | None]


def once_final(finding: Finding) -> Finding | None:
    """A finding on laboratory values; None, which neither pages nor ends an episode, while one is preliminary."""
    return None if any(_is_preliminary(item) for item in finding.evidence) else finding


def is_preliminary(result: Result) -> bool:
    """Whether a result rests on a preliminary laboratory value."""
    return any(_is_preliminary(item) for item in result.evidence)


def _is_preliminary(item: Evidence) -> bool:
    kind = READINGS.get(item.kind)
    return kind is not None and kind.sort is Sort.LABORATORY and item.entry.status == Status.PRELIMINARY


def of_result(result: Result, condition: str, level: int, urgency: Urgency, title: Phrase, **more: object) -> Finding:
    found = {
        "because": result.because,
        "evidence": result.evidence,
        "missing": result.missing,
        "flags": result.flags,
        "conventions": result.conventions,
        **more,
    }
    return Finding(condition=condition, level=level, urgency=urgency, title=title, **found)  # type: ignore[arg-type]
