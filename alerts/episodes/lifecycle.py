"""The life of an alert: one open episode per patient and condition.

Upgrade at once, downgrade slowly: a higher level, a higher urgency, a new member or an event pages again whether or
not the episode is acknowledged; a lower level is believed only after two consecutive measurements far enough apart.
Acknowledged is not resolved.
"""

from datetime import datetime, timedelta
from hashlib import blake2s
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from alerts.episodes.delivery_log import Delivery, DeliveryState, DirectNotification, HandedOver, Plan, Reason
from alerts.rules.finding import Finding
from config.site import Urgency, higher

ACK_RENEWAL_GROWTH = 12
"""Each yes to "still on it?" lasts so many times as long as the one before: an hour, half a day, then the most."""


class Episode(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One open alert of a patient and a condition.

    `opened_at`, `raised_at` and `lower_since` are clinical times; the others are times of paging.
    `level`: the highest level since the episode opened that two later clear measurements have not lowered.
    `level_now`: the level of the newest assessment, unchanged since `level_now_since`; None: undetermined. A page
    names `level_now`, never more.
    `event`: what happened when the episode was last opened or raised.
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
    title: str
    level: int
    level_now: int | None
    level_now_since: datetime
    was: int | None
    event: str = ""
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
        """Who handed it over last, until somebody takes it; else ""."""
        return self.handed_over[-1].by if self.handed_over else ""

    @property
    def is_notified(self) -> bool:
        """Whether somebody was paged since it last worsened."""
        return any(delivery.at >= self.worsening_known_at for delivery in self.deliveries)

    @property
    def due_at(self) -> datetime | None:
        """When its ladder is next due, once somebody was paged of it; `next_at` stays meanwhile.

        Never while the newest assessment is clear; and whoever has it is not asked while it is lower than the episode.
        What falls due in such a time is due at once when the condition is as bad again.
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
    """How bad a condition was said to be."""

    level: int
    urgency: Urgency
    members: tuple[str, ...] = ()


class EpisodeResult(NamedTuple):
    """What became of an episode: still open or closed, and why somebody is to be told, if so."""

    episode: Episode | None
    past: Past | None
    reason: Reason | None = None


def episode_id(patient: str, condition: str, number: int) -> str:
    """An id that a replay gives again and that shows nothing of the patient."""
    return blake2s(f"{patient}\x1f{condition}\x1f{number}".encode(), digest_size=6).hexdigest()


def apply_finding(
    patient: str,
    episode: Episode | None,
    past: Past | None,
    finding: Finding,
    at: datetime,
    now: datetime,
    apart: timedelta,
) -> EpisodeResult:
    """Carry an episode on by what a rule found at a clinical time `at`, known at the time `now`."""
    if episode is None:
        return _without_episode(patient, past, finding, at, now)
    episode = now_at(episode, finding.level, at)
    if _exceeds(episode, finding):
        return EpisodeResult(_raise(episode, finding, at, now), past, "worse")
    if finding.level < episode.level:
        return _lower(episode, past, finding, at, apart)
    return EpisodeResult(replace(episode, lower_since=None, title=finding.title), past)


def _without_episode(patient: str, past: Past | None, finding: Finding, at: datetime, now: datetime) -> EpisodeResult:
    if finding.level == 0:
        return EpisodeResult(None, replace(past, closed_at_severity=None) if past and past.closed_at_severity else past)
    if past is not None and past.closed_at_severity is not None and not _exceeds(past.closed_at_severity, finding):
        return EpisodeResult(None, past)
    reason: Reason = "new" if past is None or past.retracted else "recurrent"
    number = past.number + 1 if past is not None else 1
    episode = Episode(
        id=episode_id(patient, finding.condition, number),
        condition=finding.condition,
        number=number,
        reason=reason,
        title=finding.title,
        level=finding.level,
        level_now=finding.level,
        level_now_since=at,
        was=None,
        event=finding.event,
        urgency=finding.urgency,
        highest=finding.urgency,
        members=finding.members,
        opened_at=at,
        raised_at=at,
        worsening_known_at=now,
        ladder_from=now,
        next_at=now,
    )
    return EpisodeResult(episode, past, reason)


def now_at(episode: Episode, level: int | None, at: datetime) -> Episode:
    """The episode with its level by an assessment at `at`; a late one changes nothing of what is so now."""
    if level == episode.level_now or at < episode.level_now_since:
        return episode
    return replace(episode, level_now=level, level_now_since=at)


def _exceeds(known: Severity | Episode, finding: Finding) -> bool:
    """Whether a finding says more than what is known: a reason to page, acknowledged or not."""
    if finding.level == 0:
        return False
    return (
        finding.level > known.level
        or higher(finding.urgency, known.urgency)
        or bool(set(finding.members) - set(known.members))
        or bool(finding.event)
    )


def _raise(episode: Episode, finding: Finding, at: datetime, now: datetime) -> Episode:
    urgency = finding.urgency if higher(finding.urgency, episode.urgency) else episode.urgency
    return replace(
        episode,
        reason="worse" if episode.pages else episode.reason,
        title=finding.title,
        was=episode.level if episode.pages else episode.was,
        level=max(finding.level, episode.level),
        event=finding.event,
        urgency=urgency,
        highest=urgency if higher(urgency, episode.highest) else episode.highest,
        members=tuple(sorted({*episode.members, *finding.members})),
        raised_at=at,
        lower_since=None,
        undo=_remembered(episode),
        worsening_known_at=now,
        ladder_from=now,
        steps_taken=0,
        next_at=now,
        acknowledged_by="",
        acknowledged_at=None,
        handed_over=(),
        ack_renewals=0,
        silenced_until=None,
        plan=None,
        direct_notifications=(),
    )


def _improved(episode: Episode, finding: Finding) -> Episode:
    """An episode lowered to a finding; one that is now of low urgency climbs no ladder any more."""
    return replace(
        episode,
        level=finding.level,
        urgency=finding.urgency,
        title=finding.title,
        lower_since=None,
        next_at=None if finding.urgency == "low" else episode.next_at,
    )


def _remembered(episode: Episode, depth: int = 4) -> Episode:
    """An episode as it stood, with as many earlier worsenings as there are grades, and without what was sent."""
    undo = None if episode.undo is None or depth == 0 else _remembered(episode.undo, depth - 1)
    return replace(episode, undo=undo, deliveries=(), direct_notifications=(), plan=None)


def _lower(episode: Episode, past: Past | None, finding: Finding, at: datetime, apart: timedelta) -> EpisodeResult:
    measured = finding.measured_at or at
    if finding.over:
        return closed(episode, at, "resolved")
    if episode.lower_since is None:
        return EpisodeResult(replace(episode, lower_since=measured), past)
    waiting = finding.over is False and finding.level == 0
    if waiting or measured - episode.lower_since < apart:
        return EpisodeResult(episode, past)
    if finding.level == 0:
        return closed(episode, at, "resolved")
    lowered = replace(_improved(episode, finding), was=episode.level)
    return EpisodeResult(lowered, past, "better")


def closed(episode: Episode, at: datetime, reason: Reason | None, *, by_person: bool = False) -> EpisodeResult:
    """Close an episode; `by_person`: a person did so, at the level it had."""
    standing = Severity(episode.level, episode.urgency, episode.members) if by_person else None
    retracted = reason == "retracted"
    past = Past(episode.number, episode.opened_at, at, 0 if retracted else episode.level, standing, retracted)
    return EpisodeResult(None, past, reason)


def fall_back_to(episode: Episode, left: Finding) -> Episode:
    """An episode whose last worsenings were corrected away: as it stood before them, as far as that is known."""
    before = episode.undo
    while before is not None and before.level > left.level:
        before = before.undo
    if before is None or before.level != left.level:
        return replace(_improved(episode, left), members=left.members, undo=None)
    return replace(
        before,
        notified=episode.notified,
        pages=episode.pages,
        rounds=episode.rounds,
        deliveries=episode.deliveries,
        highest=episode.highest,
        worsening_known_at=episode.worsening_known_at,
        level_now=left.level,
    )


def news_of_the_past(episode: Episode | None, past: Past | None, finding: Finding, at: datetime) -> bool:
    """Whether something charted late says more than anybody was ever told about that time."""
    if finding.level == 0:
        return False
    if episode is not None:
        return finding.level > episode.level
    if past is not None and past.opened_at <= at <= past.closed_at:
        return finding.level > past.peak
    return past is None or at > past.closed_at


# -- what people answer ------------------------------------------------------------------------------


def acknowledge(episode: Episode, by: str, at: datetime) -> Episode:
    """Stop the ladder; worsening starts it again, and so does time where a taking runs out."""
    asked = any(told.reason == "still_on_it" and told.to == by for told in episode.deliveries[-1:])
    ack_renewals = episode.ack_renewals + 1 if asked else 0
    return replace(
        episode,
        acknowledged_by=by,
        acknowledged_at=at,
        handed_over=(),
        ack_renewals=ack_renewals,
        next_at=ack_times_out_at(episode.plan, at, ack_renewals),
        deliveries=tuple(_answered(delivery, by, at) for delivery in episode.deliveries),
        direct_notifications=(),
    )


def ack_times_out_at(plan: Plan | None, at: datetime, ack_renewals: int) -> datetime | None:
    """When whoever acknowledged an episode at a time is asked whether they are still on it; None: never."""
    if plan is None or plan.ack_timeout is None:
        return None
    longest = max(plan.ack_timeout, plan.ack_timeout_max)
    length = plan.ack_timeout
    for _ in range(ack_renewals):
        if length >= longest:
            break
        length *= ACK_RENEWAL_GROWTH
    return at + min(length, longest)


def _answered(delivery: Delivery, by: str, at: datetime) -> Delivery:
    if delivery.is_owed:
        return replace(delivery, state="cancelled", state_at=at)
    if delivery.to == by and delivery.state == "sent":
        return replace(delivery, state="acknowledged", state_at=at)
    return delivery


def with_delivery_state(episode: Episode, page: str, state: DeliveryState, at: datetime) -> Episode:
    """The episode with what became of one of its pages."""
    deliveries = tuple(
        replace(delivery, state=state, state_at=at) if delivery.page == page else delivery
        for delivery in episode.deliveries
    )
    return replace(episode, deliveries=deliveries)


def cancel_pages(episode: Episode, at: datetime) -> Episode:
    """The episode with none of its pages to be delivered any more."""
    for page in episode.pending:
        episode = with_delivery_state(episode, page, "cancelled", at)
    return episode


def delivery_for(episode: Episode, page: str) -> Delivery | None:
    """The delivery by which a page told of this episode."""
    return next((delivery for delivery in episode.deliveries if delivery.page == page), None)
