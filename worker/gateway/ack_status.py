"""The acknowledgement status of an episode for its reader: nobody has it, they do, another does, or it is closed."""

from datetime import datetime
from typing import Literal, NamedTuple

from alerts.episodes.delivery_log import Delivery
from alerts.episodes.episode import Episode, Past, episode_id
from alerts.state import PatientState
from worker.links import LinkClaims

AckHolder = Literal["nobody", "you", "other", "over", "retracted"]


class AckStatus(NamedTuple):
    """The holder of an episode, since when and until when. `asked`: the holder is to confirm by `until`.

    `stale`: the episode has worsened since the reader's page. `handed_by` handed the episode over, and `handed_to` (the
    named person or the next on the ladder) is being paged.
    """

    holder: AckHolder
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
        """Whether the reader can still respond."""
        return self.holder not in ("over", "retracted")


class NoSuchEpisode(Exception):
    """No episode of this patient, open or closed, has this id."""


def episode_of(state: PatientState, name: str) -> Episode | None:
    """The open episode with an id; None if it is closed.

    Raises:
        NoSuchEpisode: there never was one.
    """
    found = next((episode for episode in state.episodes.values() if episode.id == name), None)
    if found is None and past_of(state, name) is None:
        raise NoSuchEpisode
    return found


def past_of(state: PatientState, name: str) -> tuple[str, Past] | None:
    """The condition of a closed episode, and the end of the latest episode of that condition."""
    for condition, past in state.past.items():
        if any(episode_id(state.patient, condition, number) == name for number in range(past.number, 0, -1)):
            return condition, past
    return None


def closed_status(state: PatientState, name: str) -> AckStatus:
    """Status of a closed episode. The closing time is known only for the latest episode of a condition."""
    found = past_of(state, name)
    if found is None or episode_id(state.patient, found[0], found[1].number) != name:
        return AckStatus("over")
    past = found[1]
    return AckStatus("retracted" if past.retracted else "over", since=past.closed_at)


def ack_status(episode: Episode, person: str, now: datetime, *, claims: LinkClaims | None = None) -> AckStatus:
    """Status of an open episode for a person. `claims` are those of the link by which they respond."""
    silenced = episode.silenced_until if episode.silenced_until and episode.silenced_until > now else None
    stale = claims is not None and _paged_at(episode, claims) < episode.worsening_known_at
    if not episode.acknowledged_by:
        last = episode.deliveries[-1] if episode.deliveries else None
        return AckStatus(
            "nobody",
            since=last.at if last is not None else None,
            until=episode.due_at,
            silenced_until=silenced,
            handed_to=last.to if last is not None and last.reason == "handed_over" else "",
            handed_by=episode.handed_over_by,
            asked=last is not None and last.reason == "still_on_it" and last.to == person,
            stale=stale,
        )
    holder: AckHolder = "you" if episode.acknowledged_by == person else "other"
    return AckStatus(
        holder, episode.acknowledged_by, episode.acknowledged_at, episode.due_at, silenced_until=silenced, stale=stale
    )


def is_overdue(episode: Episode) -> bool:
    """Whether the episode is an overdue assessment."""
    return episode.condition.startswith("overdue_")


def may_respond(episode: Episode, claims: LinkClaims) -> bool:
    """Whether the page of a link was sent to the link's person, if the delivery is still known."""
    delivery = delivery_of(episode, claims.page)
    return delivery is None or delivery.to == claims.person


def delivery_of(episode: Episode, page: str) -> Delivery | None:
    """The delivery of an episode by a page."""
    return next((delivery for delivery in episode.deliveries if delivery.page == page), None)


def _paged_at(episode: Episode, claims: LinkClaims) -> datetime:
    delivery = delivery_of(episode, claims.page)
    # A link has whole seconds only, and must not seem older than a page of the same second.
    return delivery.at if delivery is not None else max(claims.at, _same_second(claims.at, episode.worsening_known_at))


def _same_second(at: datetime, other: datetime) -> datetime:
    return other if int(other.timestamp()) == int(at.timestamp()) else at
