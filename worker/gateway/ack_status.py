"""What stands of an episode for whoever looks at it: nobody has it, they have it, somebody else, it is over."""

from datetime import datetime
from typing import Literal, NamedTuple

from alerts.episodes.delivery_log import Delivery
from alerts.episodes.lifecycle import Episode, Past, episode_id
from alerts.state import PatientState
from worker.links import LinkClaims

Holder = Literal["nobody", "you", "other", "over", "retracted"]


class Standing(NamedTuple):
    """Who has an episode, since when and until when; `asked`: it was taken, and is to be confirmed by `until`.

    `stale`: it has worsened since the page that is answered. `handed_to` is being told because `handed_by` handed it
    over, to them or to the next on the ladder.
    """

    holder: Holder
    who: str = ""
    since: datetime | None = None
    until: datetime | None = None
    silenced_until: datetime | None = None
    handed_to: str = ""
    handed_by: str = ""
    asked: bool = False
    stale: bool = False

    @property
    def is_open(self) -> bool:
        """Whether there is anything left to be answered."""
        return self.holder not in ("over", "retracted")


class NoSuchEpisode(Exception):
    """No episode of this patient, open or over, has this id."""


def episode_of(state: PatientState, name: str) -> Episode | None:
    """The open episode of an id; None where it is over.

    Raises:
        NoSuchEpisode: it never was.
    """
    found = next((episode for episode in state.episodes.values() if episode.id == name), None)
    if found is None and past_of(state, name) is None:
        raise NoSuchEpisode
    return found


def past_of(state: PatientState, name: str) -> tuple[str, Past] | None:
    """The condition an episode that is over was of, and how the last of that condition ended."""
    for condition, past in state.past.items():
        if any(episode_id(state.patient, condition, number) == name for number in range(past.number, 0, -1)):
            return condition, past
    return None


def over(state: PatientState, name: str) -> Standing:
    """How an episode that is over stands; when it ended is known of the last of its condition."""
    found = past_of(state, name)
    if found is None or episode_id(state.patient, found[0], found[1].number) != name:
        return Standing("over")
    past = found[1]
    return Standing("retracted" if past.retracted else "over", since=past.closed_at)


def standing(episode: Episode, person: str, now: datetime, *, claims: LinkClaims | None = None) -> Standing:
    """How an open episode stands for a person, who may answer it by the link of a page."""
    silenced = episode.silenced_until if episode.silenced_until and episode.silenced_until > now else None
    stale = claims is not None and _told_at(episode, claims) < episode.told_from
    if not episode.acknowledged_by:
        last = episode.deliveries[-1] if episode.deliveries else None
        return Standing(
            "nobody",
            since=last.at if last is not None else None,
            until=episode.due_at,
            silenced_until=silenced,
            handed_to=last.to if last is not None and last.reason == "handed_over" else "",
            handed_by=episode.handed_over_by,
            asked=last is not None and last.reason == "still_on_it" and last.to == person,
            stale=stale,
        )
    holder: Holder = "you" if episode.acknowledged_by == person else "other"
    return Standing(
        holder, episode.acknowledged_by, episode.acknowledged_at, episode.due_at, silenced_until=silenced, stale=stale
    )


def is_overdue(episode: Episode) -> bool:
    """Whether it says that somebody has not been looked at for too long."""
    return episode.condition.startswith("overdue_")


def may_answer(episode: Episode, claims: LinkClaims) -> bool:
    """Whether the page of a link was sent to the link's person, as far as it is still known."""
    told = delivery_of(episode, claims.page)
    return told is None or told.to == claims.person


def delivery_of(episode: Episode, page: str) -> Delivery | None:
    """The delivery by which a page told of an episode."""
    return next((told for told in episode.deliveries if told.page == page), None)


def _told_at(episode: Episode, claims: LinkClaims) -> datetime:
    told = delivery_of(episode, claims.page)
    # A link knows seconds only, and must not seem older than the page that was written in the same second.
    return told.at if told is not None else max(claims.at, _same_second(claims.at, episode.told_from))


def _same_second(at: datetime, other: datetime) -> datetime:
    return other if int(other.timestamp()) == int(at.timestamp()) else at
