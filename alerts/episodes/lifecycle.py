"""The life of an episode: opened, raised, lowered, acknowledged, closed.

Upgrade at once, downgrade slowly. A higher level, a higher urgency, a new member or an event pages again, whether or
not the episode is acknowledged. A lower level counts only after two consecutive measurements far enough apart.
Acknowledged is not resolved.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from alerts.chart.chart import Chart
from alerts.episodes.delivery_log import Delivery, Plan, Reason
from alerts.episodes.episode import Episode, EpisodeResult, Past, Severity, episode_id, opened
from alerts.rules.finding import Finding
from config.site import higher
from config.vocabulary import ANTICYTOKINE_DRUGS, STEROIDS, VASOPRESSIN, VASOPRESSORS

ACK_RENEWAL_GROWTH = 12
"""Each renewed acknowledgement lasts this many times as long as the one before, up to the maximum."""

SIGNS_OF_CARE = (*ANTICYTOKINE_DRUGS, *STEROIDS, *VASOPRESSORS, VASOPRESSIN)
"""Treatments of CRS and ICANS. Each that is charted shows that somebody is on it.

Levetiracetam is none: as prophylaxis it is given twice a day from day 0, whoever is on it.
"""

CRITICAL_LEVEL = 3
"""The level from which a condition with events is critical by itself: ICANS of grade 3."""

LOWEST = 1
"""The lowest level of a condition that is not clear."""


def apply_finding(
    patient: str,
    episode: Episode | None,
    past: Past | None,
    finding: Finding,
    at: datetime,
    now: datetime,
    apart: timedelta,
) -> EpisodeResult:
    """The episode after a finding of the clinical time `at`, known at `now`.

    `apart`: the least time between the two measurements that lower it.
    """
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
    episode = opened(
        episode_id(patient, finding.condition, number),
        finding.condition,
        number,
        reason,
        title=finding.title,
        level=finding.level,
        urgency=finding.urgency,
        at=at,
        now=now,
    )
    episode = replace(episode, events=finding.events, members=finding.members)
    return EpisodeResult(episode, past, reason)


def now_at(episode: Episode, level: int | None, at: datetime) -> Episode:
    """The episode with the level of an assessment at `at`. An assessment of an earlier time changes nothing."""
    if level == episode.level_now or at < episode.level_now_since:
        return episode
    return replace(episode, level_now=level, level_now_since=at)


def _exceeds(known: Severity | Episode, finding: Finding) -> bool:
    """Whether a finding is worse than what is known: a reason to page, acknowledged or not."""
    if finding.level == 0:
        return False
    return (
        finding.level > known.level
        or higher(finding.urgency, known.urgency)
        or bool(set(finding.members) - set(known.members))
        or bool(finding.events)
    )


def _raise(episode: Episode, finding: Finding, at: datetime, now: datetime) -> Episode:
    urgency = finding.urgency if higher(finding.urgency, episode.urgency) else episode.urgency
    return replace(
        episode,
        reason="worse" if episode.pages else episode.reason,
        title=finding.title,
        was=episode.level if episode.pages else episode.was,
        level=max(finding.level, episode.level),
        events=finding.events,
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
    """The episode lowered to a finding. At low urgency its ladder stops."""
    return replace(
        episode,
        level=finding.level,
        urgency=finding.urgency,
        title=finding.title,
        lower_since=None,
        next_at=None if finding.urgency == "low" else episode.next_at,
    )


def _resting(episode: Episode, finding: Finding) -> Episode:
    """The episode at the lowest level: its condition is clear, and may return for a while without being news."""
    if episode.level == LOWEST:
        return replace(episode, urgency=finding.urgency)
    return replace(episode, level=LOWEST, was=episode.level, urgency=finding.urgency, members=finding.members)


def _remembered(episode: Episode, depth: int = 4) -> Episode:
    """The episode before a worsening, without its deliveries. It holds one earlier episode for each grade."""
    undo = None if episode.undo is None or depth == 0 else _remembered(episode.undo, depth - 1)
    return replace(episode, undo=undo, deliveries=(), direct_notifications=(), plan=None)


def _lower(episode: Episode, past: Past | None, finding: Finding, at: datetime, apart: timedelta) -> EpisodeResult:
    measured = finding.measured_at or at
    if finding.over:
        return closed(episode, at, "resolved")
    if finding.rests:
        return EpisodeResult(_resting(episode, finding), past)
    if episode.lower_since is None:
        return EpisodeResult(replace(episode, lower_since=measured), past)
    waiting = finding.over is False and finding.level == 0
    clear_for = max(apart, finding.clear_for) if finding.level == 0 else apart
    if waiting or measured - episode.lower_since < clear_for:
        return EpisodeResult(episode, past)
    if finding.level == 0:
        return closed(episode, at, "resolved")
    lowered = replace(_improved(episode, finding), was=episode.level)
    return EpisodeResult(lowered, past, "better")


def closed(episode: Episode, at: datetime, reason: Reason | None, *, by_person: bool = False) -> EpisodeResult:
    """Close an episode. `by_person`: a person closed it at its present severity."""
    severity = Severity(episode.level, episode.urgency, episode.members) if by_person else None
    retracted = reason == "retracted"
    past = Past(episode.number, episode.opened_at, at, 0 if retracted else episode.level, severity, retracted)
    return EpisodeResult(None, past, reason)


def fall_back_to(episode: Episode, left: Finding) -> Episode:
    """The episode after a correction removed the evidence of its last worsenings: as before them, if known."""
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
    """Whether a finding of a past time, charted late, is worse than any page about that time."""
    if finding.level == 0:
        return False
    if episode is not None:
        return finding.level > episode.level
    if past is not None and past.opened_at <= at <= past.closed_at:
        return finding.level > past.peak
    return past is None or at > past.closed_at


# -- acknowledgement ---------------------------------------------------------------------------------


def acknowledge(episode: Episode, by: str, at: datetime) -> Episode:
    """Stop the ladder. A worsening starts it again, and so does the acknowledgement timeout.

    Whoever was asked since the last worsening whether they are still on it renews, also after the ladder started again.
    An event that made a low grade critical is past once somebody has acknowledged it: nobody is asked about it.
    """
    since = episode.worsening_known_at
    asked = any(one.reason == "still_on_it" and one.to == by and one.at >= since for one in episode.deliveries)
    ack_renewals = episode.ack_renewals + 1 if asked else 0
    is_past = bool(episode.events) and episode.level < CRITICAL_LEVEL
    return replace(
        episode,
        acknowledged_by=by,
        acknowledged_at=at,
        handed_over=(),
        ack_renewals=ack_renewals,
        next_at=None if is_past else ack_times_out_at(episode.plan, at, ack_renewals),
        deliveries=tuple(_answered(delivery, by, at) for delivery in episode.deliveries),
        direct_notifications=(),
    )


def renewed_by_treatment(episode: Episode, chart: Chart, now: datetime) -> Episode:
    """The episode with its acknowledgement renewed if it times out now, and a treatment was charted since.

    Whoever treats the patient need not be asked whether somebody is still on it.
    """
    plan, since = episode.plan, episode.acknowledged_at
    if plan is None or since is None or plan.ack_timeout is None or episode.due_at is None or episode.due_at > now:
        return episode
    since = max(since, now - max(plan.ack_timeout, plan.ack_timeout_max))
    latest = (chart.latest(drug, now) for drug in SIGNS_OF_CARE)
    if not any(entry is not None and entry.effective > since for entry in latest):
        return episode
    renewals = episode.ack_renewals + 1
    return replace(episode, ack_renewals=renewals, next_at=ack_times_out_at(plan, now, renewals))


def ack_times_out_at(plan: Plan | None, at: datetime, ack_renewals: int) -> datetime | None:
    """When an acknowledgement given at `at` times out, and its holder is asked to renew it; None: never."""
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
