"""Silences: no pages of an episode, or of a condition of one patient, until a time.

A silence never hides more than it names: a higher urgency, or a later worsening, breaks through. If a silence cannot be
read, it hides nothing.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct

from alerts.episodes.episode import Episode
from alerts.messages import Silence
from config.site import Site, Urgency, higher

SILENCES_AT_MOST = 50
"""The most silences in force for one patient. A further one is refused."""


class Silenced(Struct, frozen=True, array_like=True):
    """A silence in force: its author, reason, end and subject, and the highest urgency that it hides."""

    source: str
    id: str
    at: datetime
    until: datetime
    by: str
    why: str
    urgency: Urgency
    condition: str
    episode: str = ""

    @property
    def named(self) -> tuple[str, str]:
        """The source and id of its message."""
        return self.source, self.id

    def names(self, episode: Episode) -> bool:
        """Whether it concerns this episode."""
        return self.episode == episode.id if self.episode else self.condition == episode.condition


def placed(message: Silence, episode: Episode | None, site: Site) -> Silenced:
    """The silence of a message, no longer than the site allows. `episode`: the episode that it names, if any."""
    at = message.effective.astimezone(UTC)
    urgency = message.urgency or (episode.urgency if episode else "low")
    return Silenced(
        source=message.source,
        id=message.id,
        at=at,
        until=min(message.until.astimezone(UTC), at + site.on_call.silence_at_most),
        by=message.by,
        why=message.why,
        urgency=urgency,
        condition=message.condition or (episode.condition if episode else ""),
        episode=episode.id if episode else "",
    )


def hiding(silences: Iterable[Silenced], episode: Episode, now: datetime) -> Silenced | None:
    """The silence that hides an episode now; of several the longest; or None."""
    found = [silence for silence in silences if silence.names(episode) and _hides(silence, episode, now)]
    return max(found, key=lambda silence: silence.until, default=None)


def _hides(silence: Silenced, episode: Episode, now: datetime) -> bool:
    in_force = silence.at <= now < silence.until
    worsened_since = episode.undo is not None and episode.worsening_known_at > silence.at
    return in_force and not higher(episode.urgency, silence.urgency) and not worsened_since


def in_force(silences: Iterable[Silenced], now: datetime) -> tuple[Silenced, ...]:
    """The silences that have not ended."""
    return tuple(silence for silence in silences if silence.until > now)
