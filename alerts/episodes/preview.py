"""A preview of a ladder: whom it will notify if nobody acknowledges and nothing changes.

The preview calls the functions that page (`escalation.due`) with times ahead, so that it shows what will happen.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from alerts.episodes import escalation
from alerts.episodes.episode import Episode, opened
from alerts.episodes.escalation import Notification
from alerts.episodes.rota import holders, spans
from alerts.episodes.silences import Silenced
from alerts.wording.phrase import Phrase
from config.site import Site, Urgency

REPEATS_SHOWN = 2


class PreviewStep(NamedTuple):
    """One moment with notifications, and the roles of its steps that nobody holds at that moment."""

    at: datetime
    notifications: tuple[Notification, ...]
    gaps: tuple[str, ...]


class Handover(NamedTuple):
    """A change of the holders of a role."""

    at: datetime
    role: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def hypothetical(urgency: Urgency, at: datetime) -> Episode:
    """A hypothetical episode that opens at a moment."""
    return opened("", "", 1, "new", title=Phrase(""), level=1, urgency=urgency, at=at, now=at)


def preview_steps(episode: Episode, silenced: tuple[Silenced, ...], now: datetime, site: Site) -> Iterator[PreviewStep]:
    """The steps of a ladder from a moment on: the remaining ones, and the first repeats."""
    repeats = 0
    at = now
    while repeats < REPEATS_SHOWN:
        due = escalation.due_unless_silenced(episode, silenced, at, site)
        taken = range(episode.steps_taken, due.episode.steps_taken)
        if due.notifications:
            repeats += not taken and not episode.acknowledged_by
            yield PreviewStep(at, due.notifications, _gaps(due.episode, taken, at, site))
        episode = due.episode
        if episode.due_at is None:
            return
        at = max(at, episode.due_at)


def _gaps(episode: Episode, taken: range, at: datetime, site: Site) -> tuple[str, ...]:
    """Roles without a holder among the steps just taken, or among all if they repeat."""
    if episode.plan is None or not episode.steps_taken:
        return ()
    steps = [episode.plan.steps[index] for index in taken or range(len(episode.plan.steps))]
    held = [(role, episode.ladder_from + step.after if taken else at) for step in steps for role in step.roles]
    return tuple(dict.fromkeys(role for role, when in held if not holders(site.on_call, role, when)))


def handovers(episode: Episode, start: datetime, until: datetime, site: Site) -> list[Handover]:
    """Every change of holders of the ladder's roles between two moments."""
    planned = episode.plan or escalation.plan(site, episode.urgency, start, episode.condition)
    found = []
    for role in dict.fromkeys(role for step in planned.steps for role in step.roles):
        held = list(spans(site.on_call, role, start, until))
        found += [Handover(b.start, role, a.people, b.people) for a, b in pairwise(held)]
    return sorted(found)
