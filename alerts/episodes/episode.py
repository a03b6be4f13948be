"""One open alert of a patient and a condition: its stored state, and the outcomes of its pages."""

from datetime import datetime
from hashlib import blake2s
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from alerts.episodes.delivery_log import Delivery, DeliveryState, DirectNotification, HandedOver, Plan, Reason
from alerts.wording.phrase import Phrase
from config.site import Urgency


class Episode(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One open alert of a patient and a condition.

    `opened_at`, `raised_at` and `lower_since` are clinical times; the others are times of paging.
    `level`: the highest level since the episode opened that two later clear measurements have not lowered.
    `level_now`: the level of the newest assessment, unchanged since `level_now_since`; None: undetermined. A page
    names `level_now`, never more.
    `events`: what happened when the episode was last opened or raised.
    `worsening_known_at`: when its last worsening became known. An acknowledgement of an earlier page does not count.
    `highest`: the highest urgency of any of its pages.
    `notified`: everybody who was paged. `next_at`: when the ladder, or the acknowledgement timeout, is next due.
    `handed_over`: who handed it over, oldest first, until somebody acknowledges it.
    `undo`: the episode before its last worsening, in case a correction removes the evidence of that.
    """

    id: str
    condition: str
    number: int
    reason: Reason
    title: Phrase
    level: int
    level_now: int | None
    level_now_since: datetime
    was: int | None
    events: tuple[Phrase, ...] = ()
    urgency: Urgency
    highest: Urgency
    members: tuple[str, ...] = ()
    opened_at: datetime
    raised_at: datetime
    lower_since: datetime | None = None
    worsening_known_at: datetime
    ladder_from: datetime
    steps_taken: int = 0
    next_at: datetime | None
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    handed_over: tuple[HandedOver, ...] = ()
    ack_renewals: int = 0
    silenced_until: datetime | None = None
    notified: tuple[str, ...] = ()
    pages: int = 0
    plan: Plan | None = None
    direct_notifications: tuple[DirectNotification, ...] = ()
    rounds: int = 0
    deliveries: tuple[Delivery, ...] = ()
    undo: "Episode | None" = None

    @property
    def pending(self) -> tuple[str, ...]:
        """Ids of the pages that may still be delivered."""
        return tuple(delivery.page for delivery in self.deliveries if delivery.is_owed)

    @property
    def handed_over_by(self) -> str:
        """The person who handed it over last, until somebody acknowledges it; else ""."""
        return self.handed_over[-1].by if self.handed_over else ""

    @property
    def is_notified(self) -> bool:
        """Whether anybody was paged since it last worsened."""
        return any(delivery.at >= self.worsening_known_at for delivery in self.deliveries)

    def awaits_answer(self, now: datetime) -> bool:
        """Whether people were paged since it last worsened, nobody has acknowledged it, and its ladder goes on."""
        silenced = self.silenced_until is not None and self.silenced_until > now
        return self.is_notified and not self.acknowledged_by and not silenced and self.due_at is not None

    @property
    def due_at(self) -> datetime | None:
        """When its ladder is next due. None while it rests; `next_at` stays, and is due at once afterwards.

        It rests while the newest assessment is clear, once anybody was paged. An acknowledged episode also rests while
        that assessment is lower than the episode.
        """
        now = self.level_now
        rests = now == 0 or (now is not None and now < self.level and bool(self.acknowledged_by))
        return None if rests and self.is_notified else self.next_at


class Past(Struct, frozen=True, omit_defaults=True):
    """The last closed episode of a condition.

    `closed_at_severity`: the severity at which a person closed the episode. Until the condition clears, only a higher
    severity reopens it. After a `retracted` episode the next one counts as new, not recurrent.
    """

    number: int
    opened_at: datetime
    closed_at: datetime
    peak: int
    closed_at_severity: "Severity | None" = None
    retracted: bool = False


class Severity(Struct, frozen=True):
    level: int
    urgency: Urgency
    members: tuple[str, ...] = ()


class EpisodeResult(NamedTuple):
    """An episode after a step, open or closed, and the reason to notify anybody, if there is one."""

    episode: Episode | None
    past: Past | None
    reason: Reason | None = None


def episode_id(patient: str, condition: str, number: int) -> str:
    """An id that is the same in every replay and reveals nothing of the patient."""
    return blake2s(f"{patient}\x1f{condition}\x1f{number}".encode(), digest_size=6).hexdigest()


def opened(
    id: str,
    condition: str,
    number: int,
    reason: Reason,
    *,
    title: Phrase,
    level: int,
    urgency: Urgency,
    at: datetime,
    now: datetime,
    paged_from: datetime | None = None,
) -> Episode:
    """A new episode: true since the clinical time `at`, known since `now`, paged from then on or from `paged_from`."""
    first_page = paged_from or now
    return Episode(
        id=id,
        condition=condition,
        number=number,
        reason=reason,
        title=title,
        level=level,
        level_now=level,
        level_now_since=at,
        was=None,
        urgency=urgency,
        highest=urgency,
        opened_at=at,
        raised_at=at,
        worsening_known_at=now,
        ladder_from=first_page,
        next_at=first_page,
    )


def with_delivery_state(episode: Episode, page: str, state: DeliveryState, at: datetime) -> Episode:
    """The episode with the delivery state of one of its pages."""
    deliveries = tuple(
        replace(delivery, state=state, state_at=at) if delivery.page == page else delivery
        for delivery in episode.deliveries
    )
    return replace(episode, deliveries=deliveries)


def cancel_pages(episode: Episode, at: datetime) -> Episode:
    """The episode with every pending page cancelled."""
    for page in episode.pending:
        episode = with_delivery_state(episode, page, "cancelled", at)
    return episode


def delivery_for(episode: Episode, page: str) -> Delivery | None:
    """The delivery of this episode by a page, if the page names it."""
    return next((delivery for delivery in episode.deliveries if delivery.page == page), None)
