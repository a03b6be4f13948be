"""The escalation policy ("ladder"): whom to notify now, and when the ladder is next due.

The first page of an episode takes a snapshot of the ladder and the rota (`Plan`), so that a later edit cannot strand
the episode. The last resort stands in for a role that nobody holds.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from alerts.episodes.delivery_log import Delivery, DirectNotification, HandedOver, Plan, PlannedStep, Reason
from alerts.episodes.episode import Episode
from alerts.episodes.lifecycle import ack_times_out_at, acknowledge
from alerts.episodes.rota import holders
from alerts.episodes.silences import Silenced, hiding
from config.site import Site, Step, Urgency


class Recipient(NamedTuple):
    """A person, and the channel to page; "" means their first."""

    person: str
    channel: str = ""


class Notification(NamedTuple):
    """People to notify now, and the reason."""

    reason: Reason
    recipients: tuple[Recipient, ...]


class Notifications(NamedTuple):
    """Every notification of an episode that is due now, the episode afterwards, and roles that nobody holds."""

    episode: Episode
    notifications: tuple[Notification, ...] = ()
    gaps: tuple[str, ...] = ()

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody to notify, once each."""
        return tuple(dict.fromkeys(to.person for notification in self.notifications for to in notification.recipients))


WARD = "ward"
"""The role that hears of what the ward owes, if the site has it."""

OWED_BY_THE_WARD = ("overdue_vitals", "overdue_ice")
"""Conditions that are the ward's as long as they are low: they stand on the board, and page nobody but that role."""

EXPECTED_IN_EVERYBODY = ("cytopenia",)
"""Conditions that page nobody as long as they are low: they stand on the board."""


def plan(site: Site, urgency: Urgency, start: datetime, condition: str = "") -> Plan:
    """The present ladder of an urgency, with the holders of each role in the minute of each step."""
    ladder = site.on_call.ladders[urgency]
    if urgency == "low" and condition in EXPECTED_IN_EVERYBODY:
        ladder = ladder.model_copy(update={"steps": (), "repeat_every": None})
    elif urgency == "low" and condition in OWED_BY_THE_WARD:
        to_ward = (Step(after=timedelta(), notify=(WARD,)),) if WARD in site.on_call.roles else ()
        ladder = ladder.model_copy(update={"steps": to_ward, "repeat_every": None})
    steps = tuple(
        PlannedStep(step.after, step.notify, _on_duty(step.notify, start + step.after, site)) for step in ladder.steps
    )
    return Plan(
        urgency,
        steps,
        ladder.repeat_every,
        ladder.ack_timeout,
        ladder.ack_timeout_max,
        ladder.confirm_within,
    )


def due(episode: Episode, now: datetime, site: Site) -> Notifications | None:
    """The people to notify now, or None. Steps that were missed while nothing ran are due at once."""
    found = _direct(episode)
    if episode.due_at is not None and episode.due_at <= now:
        next_step = (
            _confirm_ack(found.episode, now, site) if episode.acknowledged_by else _next_level(found.episode, now, site)
        )
        found = Notifications(next_step.episode, (*found.notifications, *next_step.notifications), next_step.gaps)
    elif not found.notifications:
        return None
    episode = replace(
        found.episode,
        notified=tuple(dict.fromkeys([*found.episode.notified, *found.people])),
        rounds=found.episode.rounds + bool(found.notifications),
    )
    return found._replace(episode=episode)


def due_unless_silenced(episode: Episode, silenced: Iterable[Silenced], now: datetime, site: Site) -> Notifications:
    """The same under silences; the episode alone if nobody is to be notified. A silence suspends the ladder."""
    silence = hiding(silenced, episode, now)
    episode = suspend_until(episode, silence.until) if silence is not None else due_in_time(episode, now, site)
    return due(episode, now, site) or Notifications(episode)


def due_in_time(episode: Episode, now: datetime, site: Site) -> Episode:
    """An episode whose ladder is due now if it is due later than its waits explain: the clock that set it was ahead."""
    tolerance = site.conventions.chart.future_tolerance.value
    if episode.due_at is None or episode.due_at <= now + _longest_wait(episode, now, site) + tolerance:
        return episode
    start = min(episode.ladder_from, now)
    if episode.plan is not None and episode.steps_taken < len(episode.plan.steps):
        start = min(start, now - episode.plan.steps[episode.steps_taken].after)
    return replace(episode, next_at=now, ladder_from=start)


def _longest_wait(episode: Episode, now: datetime, site: Site) -> timedelta:
    """The longest time until the ladder of an episode without a silence may be due."""
    if episode.acknowledged_by:
        timeout = ack_times_out_at(episode.plan, now, episode.ack_renewals)
        return timeout - now if timeout is not None else timedelta()
    ladder = episode.plan or site.on_call.ladders[episode.urgency]
    steps, taken = ladder.steps, episode.steps_taken
    if taken >= len(steps):
        return ladder.repeat_every or timedelta()
    before = steps[taken - 1].after if taken else timedelta()
    return max(steps[taken].after - before, ladder.confirm_within)


def _direct(episode: Episode) -> Notifications:
    notifications = tuple(
        Notification(item.reason, (Recipient(item.person, item.channel),)) for item in episode.direct_notifications
    )
    return Notifications(replace(episode, direct_notifications=()), notifications)


def _next_level(episode: Episode, now: datetime, site: Site) -> Notifications:
    """Take every step that is due. After the last step, notify all roles again."""
    planned = episode.plan
    if planned is None or planned.urgency != episode.urgency or episode.steps_taken == 0:
        planned = plan(site, episode.urgency, episode.ladder_from, episode.condition)
    taken = episode.steps_taken
    while taken < len(planned.steps) and episode.ladder_from + planned.steps[taken].after <= now:
        taken += 1
    again = episode.steps_taken == taken == len(planned.steps)
    steps = planned.steps if again else planned.steps[episode.steps_taken : taken]
    roles = tuple(dict.fromkeys(role for step in steps for role in step.roles))
    people = _on_duty(roles, now, site) if again else _still_there(steps, site)
    people = _rested(people, site, resting(episode, now)) if roles else people
    reason = episode.reason if episode.steps_taken == 0 else "repeat"
    next_step = replace(episode, plan=planned, steps_taken=taken, next_at=_next(episode, planned, taken, now))
    gaps = tuple(role for role in roles if not holders(site.on_call, role, now))
    return Notifications(next_step, (Notification(reason, tuple(map(Recipient, people))),) if people else (), gaps)


def _still_there(steps: Iterable[PlannedStep], site: Site) -> tuple[str, ...]:
    """The people planned for some steps who are still configured; the last resort for a step without any."""
    people: list[str] = []
    for step in steps:
        people += [person for person in step.people if person in site.on_call.people] or site.on_call.last_resort
    return tuple(dict.fromkeys(people))


def _rested(people: tuple[str, ...], site: Site, away: frozenset[str]) -> tuple[str, ...]:
    """People except those who rest; if nobody is left the last resort; if that is nobody too, everybody."""
    choices = (people, site.on_call.last_resort)
    left = [tuple(person for person in group if person not in away) for group in choices]
    return left[0] or left[1] or people or choices[1]


def _on_duty(roles: Iterable[str], at: datetime, site: Site) -> tuple[str, ...]:
    """The holders of some roles at a time."""
    return tuple(dict.fromkeys(person for role in roles for person in holders(site.on_call, role, at)))


def _next(episode: Episode, planned: Plan, taken: int, now: datetime) -> datetime | None:
    if taken < len(planned.steps):
        return episode.ladder_from + planned.steps[taken].after
    return now + planned.repeat_every if planned.repeat_every is not None else None


def _confirm_ack(episode: Episode, now: datetime, site: Site) -> Notifications:
    """The acknowledgement timed out: ask its holder to renew it, and restart the ladder unless they do."""
    holder = episode.acknowledged_by
    planned = episode.plan
    if planned is None or planned.urgency != episode.urgency:
        planned = plan(site, episode.urgency, now, episode.condition)
    if planned.ack_timeout is None:
        return Notifications(replace(episode, plan=planned, next_at=None))
    start = now + planned.confirm_within if holder in site.on_call.people else now
    released = replace(
        episode,
        acknowledged_by="",
        acknowledged_at=None,
        plan=planned,
        steps_taken=0,
        reason="repeat",
        ladder_from=start,
        next_at=start,
    )
    if start == now:
        return _next_level(released, now, site)
    return Notifications(released, (Notification("still_on_it", (Recipient(holder),)),))


# -- a page that fails, and handing over ---------------------------------------------------------------


def fail_over_channel(episode: Episode, failed: Delivery, now: datetime, site: Site) -> Episode:
    """After a failed delivery, page the person's next channel at once; if there is none, the next person."""
    person = site.on_call.people.get(failed.to)
    channels = person.channels if person is not None else ()
    tried = {item.channel for item in episode.deliveries if item.to == failed.to and item.round >= failed.round}
    later = channels[channels.index(failed.channel) + 1 :] if failed.channel in channels else channels
    left = [channel for channel in later if channel not in tried]
    if left:
        return replace(
            episode,
            direct_notifications=(*episode.direct_notifications, DirectNotification(failed.to, left[0], failed.reason)),
        )
    return escalate_now(episode, now, site, without=failed.to)


def escalate_now(episode: Episode, now: datetime, site: Site, *, without: str) -> Episode:
    """Make the next step that names somebody else due now; after the last step, page the last resort.

    Nothing changes for an episode that is acknowledged, silenced or resting. Repeats keep their pace.
    """
    if episode.plan is None or _is_silenced(episode, now) or (episode.next_at is None and not _has_ended(episode)):
        return episode
    steps = episode.plan.steps
    taken = episode.steps_taken
    while taken < len(steps) and set(steps[taken].people) <= {without}:
        taken += 1
    if taken < len(steps) and episode.due_at is None:
        # The condition is clear and the ladder rests, but the first page must still reach somebody.
        people = [person for person in steps[taken].people if person != without]
        return _with_direct_notifications(episode, people, episode.reason)
    if taken < len(steps):
        earlier = min(episode.ladder_from, now - steps[taken].after)
        return replace(episode, steps_taken=taken, ladder_from=earlier, next_at=now)
    known = {*episode.notified, *(item.person for item in episode.direct_notifications), without}
    others = [person for person in site.on_call.last_resort if person not in known]
    return _with_direct_notifications(episode, others, episode.reason)


def _with_direct_notifications(episode: Episode, people: Iterable[str], reason: Reason) -> Episode:
    """The episode with people to page now, each once."""
    asked = [DirectNotification(person, "", reason) for person in people]
    return replace(episode, direct_notifications=tuple(dict.fromkeys([*episode.direct_notifications, *asked])))


def reassign(episode: Episode, now: datetime, site: Site, *, by: str, to: str | None) -> Episode:
    """Hand an episode over: page `to`, or the next on the ladder, who then has `confirm_within`.

    Afterwards the ladder continues. It leaves out the person who handed over for one pace of its repeats (`resting`).
    Nothing changes if nobody else is left.
    """
    planned = episode.plan or plan(site, episode.urgency, episode.ladder_from, episode.condition)
    handed = (*(item for item in episode.handed_over if item.by != by), HandedOver(by, now))
    freed = replace(episode, plan=planned, acknowledged_by="", acknowledged_at=None, handed_over=handed)
    away = resting(freed, now)
    receivers = (to,) if to is not None else _next_people(freed, away, now, site)
    if not receivers:
        return episode
    taken = freed.steps_taken
    while taken < len(planned.steps) and set(planned.steps[taken].people) <= {*away, *receivers}:
        taken += 1
    later = now + planned.confirm_within
    start = later - planned.steps[taken].after if taken < len(planned.steps) else freed.ladder_from
    called = _with_direct_notifications(freed, receivers, "handed_over")
    return replace(called, steps_taken=taken, ladder_from=start, next_at=later)


def resting(episode: Episode, now: datetime) -> frozenset[str]:
    """People who handed the episode over within one pace of the ladder's repeats. The ladder leaves them out."""
    if episode.plan is None:
        return frozenset(item.by for item in episode.handed_over)
    rest = episode.plan.repeat_every or episode.plan.confirm_within
    return frozenset(item.by for item in episode.handed_over if now < item.at + rest)


def _next_people(episode: Episode, away: frozenset[str], now: datetime, site: Site) -> tuple[str, ...]:
    """The next people to page: of the next step that names somebody else; else the last resort; else everybody."""
    steps = episode.plan.steps if episode.plan is not None else ()
    groups = [step.people for step in steps[episode.steps_taken :]]
    groups.append(tuple(person for person in site.on_call.last_resort if person not in episode.notified))
    groups.append((*_on_duty((role for step in steps for role in step.roles), now, site), *site.on_call.last_resort))
    known = ([p for p in dict.fromkeys(group) if p not in away and p in site.on_call.people] for group in groups)
    return tuple(next(filter(None, known), ()))


def take_over(episode: Episode, by: str, at: datetime, site: Site) -> Episode:
    """Somebody else takes what another person has; that person is notified."""
    before = episode.acknowledged_by
    taken = acknowledge(replace(episode, acknowledged_by=""), by, at)
    return _with_direct_notifications(taken, [before] if before in site.on_call.people else [], "taken_over")


def suspend_until(episode: Episode, until: datetime) -> Episode:
    """Suspend the ladder of a silenced episode until a time. Then it continues from the same step."""
    by_name = tuple(item for item in episode.direct_notifications if item.reason in ("handed_over", "taken_over"))
    if episode.next_at is None or episode.next_at >= until:
        return replace(episode, silenced_until=until, direct_notifications=by_name)
    start = episode.ladder_from
    if episode.plan is not None and episode.steps_taken < len(episode.plan.steps):
        start = until - episode.plan.steps[episode.steps_taken].after
    elif episode.plan is None:
        start = until
    return replace(episode, silenced_until=until, direct_notifications=by_name, ladder_from=start, next_at=until)


def resume(episode: Episode, now: datetime) -> Episode:
    """End a silence early. If it suspended a ladder, that is due now."""
    until = episode.silenced_until
    if until is None or episode.next_at != until or until <= now:
        return replace(episode, silenced_until=None)
    earlier = episode.ladder_from - (until - now)
    return replace(episode, silenced_until=None, next_at=now, ladder_from=earlier)


def _has_ended(episode: Episode) -> bool:
    """Whether the ladder of an episode that nobody has acknowledged took its last step, and repeats nothing."""
    taken_all = episode.plan is not None and 0 < len(episode.plan.steps) <= episode.steps_taken
    return taken_all and not episode.acknowledged_by and episode.level_now != 0


def _is_silenced(episode: Episode, now: datetime) -> bool:
    return episode.silenced_until is not None and episode.silenced_until > now
