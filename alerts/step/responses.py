"""What people and the delivery say about episodes: taken, silenced, closed, delivered or not; and the discharge."""

from datetime import UTC, datetime

from msgspec.structs import replace

from alerts.episodes import escalation, lifecycle, silences
from alerts.episodes.delivery_log import Delivery
from alerts.episodes.lifecycle import Episode, Past
from alerts.message_fields import Status
from alerts.messages import (
    SITE_SUBJECT,
    Acknowledgement,
    Answer,
    AnyMessage,
    Closure,
    Discharge,
    Fault,
    HandOver,
    Receipt,
    Silence,
)
from alerts.pages.concern import ENDING_IS_TOLD, Concern, Ending
from alerts.state import Effects, Watch, sets_aside
from alerts.step.compose import Tidings
from alerts.step.journal_events import answer_event, closed_event, silence_event
from alerts.step.system_faults import note_fault, undeliverable_fault
from config.site import Site

UNKNOWN_EPISODE = "episode: no such episode of this patient; see `cartwatch board`"


def take(watch: Watch, message: AnyMessage, now: datetime, site: Site, effects: Effects, tidings: Tidings) -> Watch:
    """Carry a watch on by one message that is not charted; what is to be done is added to `effects` and `tidings`."""
    match message:
        case Receipt():
            return _receipt(watch, message, now, site, effects)
        case Fault():
            return note_fault(watch, message, now)
        case Discharge():
            return _discharge(watch, message, now, site, effects, tidings)
        case Silence():
            return _silence(watch, message, now, site, effects)
        case Acknowledgement() | HandOver() | Closure():
            return _person(watch, message, now, site, effects)
    return watch


# -- what people answer ------------------------------------------------------------------------------


def _person(
    watch: Watch, message: Acknowledgement | HandOver | Closure, now: datetime, site: Site, effects: Effects
) -> Watch:
    if message.status is Status.ENTERED_IN_ERROR:
        return watch
    episode = _named(watch, message.episode, message, now, effects)
    if episode is None:
        return watch
    if isinstance(message, Acknowledgement):
        return _acknowledge(watch, episode, message, now, site, effects)
    if isinstance(message, HandOver):
        return _hand_over(watch, episode, message, now, site, effects)
    reason = "false_alarm" if message.verdict == "false_alarm" else "resolved"
    return _close(watch, episode, now, site, effects, by=message.by, why=message.why, reason=reason, accepted=True)


def _named(watch: Watch, name: str, message: AnyMessage, now: datetime, effects: Effects) -> Episode | None:
    """The open episode a person speaks of. One that is over is nobody's mistake; one that never was is set aside."""
    episode = next((held for held in watch.episodes.values() if held.id == name), None)
    if episode is None and not _is_past(watch, name):
        effects.set_aside.append(sets_aside(message, UNKNOWN_EPISODE, now))
    return episode


def _is_past(watch: Watch, episode: str) -> bool:
    def ids(condition: str, past: Past) -> set[str]:
        return {lifecycle.episode_id(watch.patient, condition, number) for number in range(1, past.number + 1)}

    return any(episode in ids(condition, past) for condition, past in watch.past.items())


def _spoken_of(watch: Watch, episode: Episode, message: Answer) -> list[Episode]:
    """The episode a person answers, and with it whatever the same page told them.

    What worsened after the page they answer was written has not been told to them, and is not answered by them.
    """
    page = message.page or next((told.page for told in reversed(episode.deliveries) if told.to == message.by), "")
    answered = lifecycle.told_by(episode, message.page) if message.page else None
    at = answered.at if answered is not None else message.effective.astimezone(UTC)
    found = []
    for other in watch.episodes.values():
        told_since = any(told.at >= other.told_from for told in other.deliveries)
        if (other.id == episode.id or lifecycle.told_by(other, page)) and told_since and at >= other.told_from:
            found.append(other)
    return found


def _acknowledge(
    watch: Watch, episode: Episode, message: Acknowledgement, now: datetime, site: Site, effects: Effects
) -> Watch:
    """Take what was told. The first who takes it has it, unless somebody takes it over from them by name."""
    at = min(message.effective.astimezone(UTC), now)
    for other in _spoken_of(watch, episode, message):
        before = other.acknowledged_by
        if before and (before != message.take_over_from or before == message.by):
            continue
        taken = (
            escalation.take_over(other, message.by, at, site)
            if before
            else lifecycle.acknowledge(other, message.by, at)
        )
        watch = watch.holding(taken)
        effects.cancelled.extend(watch.no_longer_owed(other.pending))
        said = {"by": message.by} | ({"take_over_from": before} if before else {})
        effects.events.append(answer_event("acknowledged", watch, taken, now, site, **said))
    return watch


def _hand_over(watch: Watch, episode: Episode, message: HandOver, now: datetime, site: Site, effects: Effects) -> Watch:
    """Whoever cannot take it hands it over; it counts as taken by nobody."""
    if message.to is not None and message.to not in site.on_call.people:
        why = f"to: {message.to!r} is nobody in site.yaml; name one of {', '.join(site.on_call.people)}"
        effects.set_aside.append(sets_aside(message, why, now))
        return watch
    for other in _spoken_of(watch, episode, message):
        if other.acknowledged_by not in ("", message.by):
            continue
        handed = escalation.reassign(other, now, site, by=message.by, to=message.to)
        if handed is other:
            continue
        theirs = [told for told in other.deliveries if told.to == message.by and told.is_owed]
        for told in theirs:
            handed = lifecycle.settled(handed, told.page, "cancelled", now)
        watch = watch.holding(handed)
        effects.cancelled.extend(watch.no_longer_owed(told.page for told in theirs))
        effects.events.append(answer_event("handed_over", watch, other, now, site, by=message.by, to=message.to or ""))
    return watch


def _silence(watch: Watch, message: Silence, now: datetime, site: Site, effects: Effects) -> Watch:
    """Put a silence in force, or end the one that is taken back."""
    episode = None
    if message.status is Status.ENTERED_IN_ERROR:
        return _end_silence(watch, message, now, site, effects)
    if message.episode is not None:
        episode = _named(watch, message.episode, message, now, effects)
        if episode is None:
            return watch
    silence = silences.placed(message, episode, site)
    others = [held for held in silences.in_force(watch.silences, now) if held.named != silence.named]
    if len(others) >= silences.SILENCES_AT_MOST:
        why = f"silence: {len(others)} are in force for this patient; end one of them first"
        effects.set_aside.append(sets_aside(message, why, now))
        return watch
    watch = replace(watch, silences=(*others, silence))
    for other in list(watch.episodes.values()):
        if silences.hiding((silence,), other, now):
            watch = watch.holding(replace(other, silenced_until=silence.until))
    effects.events.append(silence_event("silenced", watch, silence, now, site))
    return watch


def _end_silence(watch: Watch, message: Silence, now: datetime, site: Site, effects: Effects) -> Watch:
    ended = [silence for silence in watch.silences if silence.named == (message.source, message.id)]
    left = tuple(silence for silence in watch.silences if silence not in ended)
    watch = replace(watch, silences=left)
    for silence in ended:
        for episode in list(watch.episodes.values()):
            if silence.names(episode) and not silences.hiding(left, episode, now):
                watch = watch.holding(escalation.taken_up(episode, now))
        effects.events.append(silence_event("silence_ended", watch, silence, now, site))
    return watch


def _close(
    watch: Watch,
    episode: Episode,
    now: datetime,
    site: Site,
    effects: Effects,
    *,
    by: str,
    why: str = "",
    reason: str = "resolved",
    accepted: bool,
) -> Watch:
    effects.cancelled.extend(watch.no_longer_owed(episode.pending, besides=episode))
    effects.events.append(closed_event(watch, episode, reason, now, site, by=by, why=why))
    return watch.following(episode.condition, lifecycle.closed(episode, now, None, accepted=accepted))


# -- what the delivery says --------------------------------------------------------------------------


def _receipt(watch: Watch, receipt: Receipt, now: datetime, site: Site, effects: Effects) -> Watch:
    """Note what became of a page. Its first failure sends the person's next channel, or the next person, at once."""
    reached: list[str] = []
    for episode in list(watch.episodes.values()):
        told = lifecycle.told_by(episode, receipt.page)
        if told is None or not told.is_owed:
            continue
        settled = lifecycle.settled(episode, receipt.page, receipt.outcome, receipt.effective.astimezone(UTC))
        if receipt.outcome == "sent":
            settled, elsewhere = _reached(settled, told, now)
            reached += elsewhere
        elif told.state == "due" and episode.urgency != "low" and not episode.acknowledged_by:
            settled = escalation.fall_through(settled, told, now, site)
        watch = watch.holding(settled)
    effects.cancelled.extend(watch.no_longer_owed(reached))
    if receipt.outcome == "undeliverable" and watch.patient != SITE_SUBJECT:
        effects.faults.append(undeliverable_fault(receipt, now))
    return watch


def _reached(episode: Episode, told: Delivery, now: datetime) -> tuple[Episode, list[str]]:
    """Somebody has been reached on one channel: the same telling need not reach them on another as well."""
    elsewhere = [
        other.page for other in episode.deliveries if other.is_owed and other.to == told.to and other.turn <= told.turn
    ]
    for page in elsewhere:
        episode = lifecycle.settled(episode, page, "cancelled", now)
    return episode, elsewhere


# -- the discharge -----------------------------------------------------------------------------------


def _discharge(
    watch: Watch, message: Discharge, now: datetime, site: Site, effects: Effects, tidings: Tidings
) -> Watch:
    at = message.effective.astimezone(UTC)
    known = watch.course if watch.course is None or watch.course.as_of is None or watch.course.as_of < at else None
    if message.status is Status.ENTERED_IN_ERROR:
        here = replace(watch, chart=watch.chart.undo_discharge(at), course=known)
        return replace(here, discharged_at=None, review_at=now) if watch.discharged_at == at else here
    if message.to is not None or watch.merges.stays_after(at):
        # Watching goes on: under the other setting's schedule, which is looked at next, or because another record of
        # the patient, who had not left, was merged into this one since.
        chart = watch.chart.discharge(at, message.to or "")
        return replace(watch, chart=chart, course=known, discharged_at=None, review_at=now)
    watch = end_all(watch, Ending("discharged", at, message.source, message.by or ""), now, site, effects, tidings)
    return replace(
        watch, chart=watch.chart.discharge(at), course=known, discharged_at=at, review_at=None, unregistered=None
    )


def end_all(watch: Watch, ending: Ending, now: datetime, site: Site, effects: Effects, tidings: Tidings) -> Watch:
    """Close every open episode because of what somebody said; whoever was paged of an urgent one, or has it, is
    notified who said it.
    """
    by, reason = ("merge", "merged") if ending.what == "merged" else ("discharge", "resolved")
    for episode in list(watch.episodes.values()):
        if episode.highest in ENDING_IS_TOLD:
            tidings.end(Concern(episode, "ended", None, ending=ending))
        watch = _close(watch, episode, now, site, effects, by=by, reason=reason, accepted=False)
    return watch
