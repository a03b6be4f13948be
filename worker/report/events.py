"""The events of a replay: changed grades, sent pages, and answers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec import Struct

Event = Mapping[str, Any]
"""One line of `cartwatch replay --json`. Unknown kinds and fields are ignored."""


class GradeChange(Struct, frozen=True):
    """A grade or score, valid until the next change of its system."""

    at: datetime
    grade: int | None
    value: Decimal | None
    flags: tuple[str, ...]
    applicable: bool = True


class SentPage(Struct, frozen=True):
    """One page to one recipient, and its acknowledgement."""

    at: datetime
    episode: str
    condition: str
    urgency: str
    reason: str
    to: str
    title: str
    text: str
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""

    @property
    def repeats(self) -> bool:
        """Whether the page only repeats an earlier one."""
        return self.reason == "repeat"

    @property
    def answered_after(self) -> timedelta | None:
        """The time from the page to its acknowledgement; None if nobody answered."""
        return None if self.acknowledged_at is None else self.acknowledged_at - self.at


def _at(event: Event) -> datetime:
    return datetime.fromisoformat(str(event["at"]))


def changes_in(events: Iterable[Event]) -> dict[str, tuple[GradeChange, ...]]:
    """The changes of each system, in order of time."""
    systems: dict[str, list[GradeChange]] = {}
    for event in events:
        if event.get("kind") == "grade":
            value = event.get("value")
            change = GradeChange(
                at=_at(event),
                grade=event.get("grade"),
                value=None if value is None else Decimal(str(value)),
                flags=tuple(event.get("flags") or ()),
                applicable=event.get("applicable", True),
            )
            systems.setdefault(str(event["system"]), []).append(change)
    return {system: tuple(sorted(found, key=lambda c: c.at)) for system, found in systems.items()}


def pages_in(events: Sequence[Event]) -> tuple[SentPage, ...]:
    """Every page in order of time, each with the next answer to its episode."""
    answers = sorted(
        (_at(event), str(event.get("episode", "")), str(event.get("by", "")))
        for event in events
        if event.get("kind") == "acknowledged"
    )
    pages = [_page(event, answers) for event in events if event.get("kind") == "page"]
    return tuple(sorted(pages, key=lambda page: page.at))


def _page(event: Event, answers: Sequence[tuple[datetime, str, str]]) -> SentPage:
    at, episode = _at(event), str(event.get("episode", ""))
    answer = next((a for a in answers if a[1] == episode and a[0] >= at), None)
    return SentPage(
        at=at,
        episode=episode,
        condition=str(event.get("condition", "")),
        urgency=str(event.get("urgency", "")),
        reason=str(event.get("reason", "")),
        to=str(event.get("to", "")),
        title=str(event.get("title", "")),
        text=str(event.get("text", "")),
        acknowledged_at=answer[0] if answer else None,
        acknowledged_by=answer[2] if answer else "",
    )
