"""Who is to be told next, and when to look again: ladder + rota + time.

The ladder and the rota in force when an episode is first told are snapshotted into it (`Plan`), so that a later edit
cannot strand it. A role that nobody holds falls to the last resort.
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
from config.site import Site, Urgency


class Recipient(NamedTuple):
    """A person, and the channel to tell them on; "" for their first."""

    person: str
    channel: str = ""


class Notification(NamedTuple):
    """Some people to be told now, and why."""

    reason: Reason
    recipients: tuple[Recipient, ...]


class Notifications(NamedTuple):
    """Everybody who is to be told of an episode now, the episode as it stands afterwards, and roles nobody holds."""

    episode: Episode
    notifications: tuple[Notification, ...] = ()
    gaps: tuple[str, ...] = ()

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody told, once each."""
        return tuple(dict.fromkeys(to.person for notification in self.notifications for to in notification.recipients))


def plan(site: Site, urgency: Urgency, start: datetime) -> Plan:
    """The ladder of an urgency as it stands, with who holds each role in the minute of each step."""
    ladder = site.on_call.ladders[urgency]
    steps = tuple(
        PlannedStep(step.after, step.tell, _on_duty(step.tell, start + step.after, site)) for step in ladder.steps
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
    """Who is to be told now, or None. Steps missed while nothing ran are made up for at once."""
    told = _summoned(episode)
    if episode.due_at is not None and episode.due_at <= now:
        climbed = (
            _confirm_ack(told.episode, now, site) if episode.acknowledged_by else _next_level(told.episode, now, site)
        )
        told = Notifications(climbed.episode, (*told.notifications, *climbed.notifications), climbed.gaps)
    elif not told.notifications:
        return None
    remembered = replace(
        told.episode,
        notified=tuple(dict.fromkeys([*told.episode.notified, *told.people])),
        rounds=told.episode.rounds + bool(told.notifications),
    )
    return told._replace(episode=remembered)


def due_unless_silenced(episode: Episode, silenced: Iterable[Silenced], now: datetime, site: Site) -> Notifications:
    """The same, and the episode as it stands where nobody is to be told. What a silence hides is put off."""
    silence = hiding(silenced, episode, now)
    episode = suspend_until(episode, silence.until) if silence is not None else due_in_time(episode, now, site)
    return due(episode, now, site) or Notifications(episode)


def due_in_time(episode: Episode, now: datetime, site: Site) -> Episode:
    """An episode whose ladder is due later than its waits explain is due now: the clock that set its time was ahead."""
    tolerance = site.conventions.chart.future_tolerance.value
    if episode.due_at is None or episode.due_at <= now + _longest_wait(episode, now, site) + tolerance:
        return episode
    start = min(episode.ladder_from, now)
    if episode.plan is not None and episode.steps_taken < len(episode.plan.steps):
        start = min(start, now - episode.plan.steps[episode.steps_taken].after)
    return replace(episode, next_at=now, ladder_from=start)


def _longest_wait(episode: Episode, now: datetime, site: Site) -> timedelta:
    """How far ahead the ladder of an episode that is not silenced may be due, as it stands."""
    if episode.acknowledged_by:
        asked_again = ack_times_out_at(episode.plan, now, episode.ack_renewals)
        return asked_again - now if asked_again is not None else timedelta()
    ladder = episode.plan or site.on_call.ladders[episode.urgency]
    steps, taken = ladder.steps, episode.steps_taken
    if taken >= len(steps):
        return ladder.repeat_every or timedelta()
    before = steps[taken - 1].after if taken else timedelta()
    return max(steps[taken].after - before, ladder.confirm_within)


def _summoned(episode: Episode) -> Notifications:
    notifications = tuple(
        Notification(item.reason, (Recipient(item.person, item.channel),)) for item in episode.direct_notifications
    )
    return Notifications(replace(episode, direct_notifications=()), notifications)


def _next_level(episode: Episode, now: datetime, site: Site) -> Notifications:
    """Take every step whose time has come; after the last, tell its roles again."""
    planned = episode.plan
    if planned is None or planned.urgency != episode.urgency or episode.steps_taken == 0:
        planned = plan(site, episode.urgency, episode.ladder_from)
    taken = episode.steps_taken
    while taken < len(planned.steps) and episode.ladder_from + planned.steps[taken].after <= now:
        taken += 1
    again = episode.steps_taken == taken == len(planned.steps)
    steps = planned.steps if again else planned.steps[episode.steps_taken : taken]
    roles = tuple(dict.fromkeys(role for step in steps for role in step.roles))
    people = _on_duty(roles, now, site) if again else _still_there(steps, site)
    people = _rested(people, site, resting(episode, now)) if roles else people
    reason = episode.reason if episode.steps_taken == 0 else "repeat"
    climbed = replace(episode, plan=planned, steps_taken=taken, next_at=_next(episode, planned, taken, now))
    gaps = tuple(role for role in roles if not holders(site.on_call, role, now))
    return Notifications(climbed, (Notification(reason, tuple(map(Recipient, people))),) if people else (), gaps)


def _still_there(steps: Iterable[PlannedStep], site: Site) -> tuple[str, ...]:
    """The people planned for some steps who can still be told; where a step has none left, the last resort."""
    people: list[str] = []
    for step in steps:
        people += [person for person in step.people if person in site.on_call.people] or site.on_call.last_resort
    return tuple(dict.fromkeys(people))


def _rested(people: tuple[str, ...], site: Site, away: frozenset[str]) -> tuple[str, ...]:
    """People without those who are away; if nobody is left the last resort, and if that is nobody too, everybody."""
    choices = (people, site.on_call.last_resort)
    left = [tuple(person for person in group if person not in away) for group in choices]
    return left[0] or left[1] or people or choices[1]


def _on_duty(roles: Iterable[str], at: datetime, site: Site) -> tuple[str, ...]:
    """Who holds any of some roles at a time."""
    return tuple(dict.fromkeys(person for role in roles for person in holders(site.on_call, role, at)))


def _next(episode: Episode, planned: Plan, taken: int, now: datetime) -> datetime | None:
    if taken < len(planned.steps):
        return episode.ladder_from + planned.steps[taken].after
    return now + planned.repeat_every if planned.repeat_every is not None else None


def _confirm_ack(episode: Episode, now: datetime, site: Site) -> Notifications:
    """A taking has run out: ask whoever has it, and start the ladder again unless they answer."""
    holder = episode.acknowledged_by
    planned = episode.plan
    if planned is None or planned.urgency != episode.urgency:
        planned = plan(site, episode.urgency, now)
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


# -- when somebody cannot be told, or hands it over ----------------------------------------------------


def fail_over_channel(episode: Episode, failed: Delivery, now: datetime, site: Site) -> Episode:
    """A page does not get through for now: the person's next channel is tried at once, else the next person."""
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
    """The next step that names somebody else is due now; where none is left, the last resort. Repeats keep their pace.

    A page of an episode that is acknowledged, or that nobody is told of at present, hands over nothing.
    """
    if episode.next_at is None or episode.plan is None or _is_silenced(episode, now):
        return episode
    steps = episode.plan.steps
    taken = episode.steps_taken
    while taken < len(steps) and set(steps[taken].people) <= {without}:
        taken += 1
    if taken < len(steps) and episode.due_at is None:
        # Clear now: its ladder stands still, but whoever should hear of it first is paged all the same.
        people = [person for person in steps[taken].people if person != without]
        return _with_summons(episode, people, episode.reason)
    if taken < len(steps):
        earlier = min(episode.ladder_from, now - steps[taken].after)
        return replace(episode, steps_taken=taken, ladder_from=earlier, next_at=now)
    known = {*episode.notified, *(item.person for item in episode.direct_notifications), without}
    others = [person for person in site.on_call.last_resort if person not in known]
    return _with_summons(episode, others, episode.reason)


def _with_summons(episode: Episode, people: Iterable[str], reason: Reason) -> Episode:
    """The episode with some people to be paged now, each once."""
    asked = [DirectNotification(person, "", reason) for person in people]
    return replace(episode, direct_notifications=tuple(dict.fromkeys([*episode.direct_notifications, *asked])))


def reassign(episode: Episode, now: datetime, site: Site, *, by: str, to: str | None) -> Episode:
    """Somebody hands it over: the named person, or the next on the ladder, is paged now and has `confirm_within`.

    Then the ladder goes on, without whoever handed it over for the ladder's own pace of repeats (`resting`). Where
    nobody else is left, nothing changes.
    """
    planned = episode.plan or plan(site, episode.urgency, episode.ladder_from)
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
    called = _with_summons(freed, receivers, "handed_over")
    return replace(called, steps_taken=taken, ladder_from=start, next_at=later)


def resting(episode: Episode, now: datetime) -> frozenset[str]:
    """Who handed an episode over so lately that its ladder leaves them out: within one pace of its repeats."""
    if episode.plan is None:
        return frozenset(item.by for item in episode.handed_over)
    rest = episode.plan.repeat_every or episode.plan.confirm_within
    return frozenset(item.by for item in episode.handed_over if now < item.at + rest)


def _next_people(episode: Episode, away: frozenset[str], now: datetime, site: Site) -> tuple[str, ...]:
    """The next who can be paged: the next step that names somebody else, else the last resort, else everybody."""
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
    return _with_summons(taken, [before] if before in site.on_call.people else [], "taken_over")


def suspend_until(episode: Episode, until: datetime) -> Episode:
    """A silenced episode: nobody is told until then, when the ladder goes on where it stood."""
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
    """A silence has ended before its time: what was put off until then is due now."""
    until = episode.silenced_until
    if until is None or episode.next_at != until or until <= now:
        return replace(episode, silenced_until=None)
    earlier = episode.ladder_from - (until - now)
    return replace(episode, silenced_until=None, next_at=now, ladder_from=earlier)


def _is_silenced(episode: Episode, now: datetime) -> bool:
    return episode.silenced_until is not None and episode.silenced_until > now
