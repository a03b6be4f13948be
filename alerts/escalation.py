"""Who is to be told next, and when to look again: ladder + roles + time."""

from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from alerts.episodes import Episode, Reason
from config.site import Ladder, OnCall


class Telling(NamedTuple):
    """One episode to be told to some people now, and the episode as it stands afterwards."""

    episode: Episode
    reason: Reason
    people: tuple[str, ...]


def due(episode: Episode, now: datetime, on_call: OnCall) -> Telling | None:
    """The telling that is due, or None. Steps missed while nothing ran are made up for at once."""
    if episode.next_at is None or episode.next_at > now:
        return None
    ladder = on_call.ladders[episode.urgency]
    taken = episode.steps_taken
    while taken < len(ladder.steps) and episode.ladder_from + ladder.steps[taken].after <= now:
        taken += 1
    roles = [role for step in ladder.steps[episode.steps_taken : taken] for role in step.tell]
    people = _holders(roles, on_call) if roles else episode.told
    reason = episode.reason if episode.steps_taken == 0 else "repeat"
    told = replace(
        episode,
        steps_taken=taken,
        told=tuple(dict.fromkeys([*episode.told, *people])),
        next_at=_next(episode, ladder, taken, now),
    )
    return Telling(told, reason, people)


def _holders(roles: list[str], on_call: OnCall) -> tuple[str, ...]:
    return tuple(dict.fromkeys(person for role in roles for person in on_call.roles[role]))


def _next(episode: Episode, ladder: Ladder, taken: int, now: datetime) -> datetime | None:
    if taken < len(ladder.steps):
        return episode.ladder_from + ladder.steps[taken].after
    return now + ladder.then_every if ladder.then_every is not None else None


def hand_over(episode: Episode, now: datetime, on_call: OnCall) -> Episode:
    """A page of this episode cannot be delivered: the next step is due now. Repeats keep their pace."""
    ladder = on_call.ladders[episode.urgency]
    silenced = episode.silenced_until is not None and episode.silenced_until > now
    if episode.next_at is None or silenced or episode.steps_taken >= len(ladder.steps):
        return episode
    earlier = now - ladder.steps[episode.steps_taken].after
    return replace(episode, ladder_from=min(episode.ladder_from, earlier), next_at=now)
