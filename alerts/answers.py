"""What people and the delivery say about episodes: taken, silenced, closed, delivered or not; and the discharge."""

from datetime import UTC, datetime

from msgspec.structs import replace

from alerts import episodes, escalation
from alerts.episodes import Episode, Past
from alerts.events import acknowledged_event, closed_event
from alerts.faults import note_fault, undeliverable_fault
from alerts.fields import Status
from alerts.messages import (
    SITE_SUBJECT,
    Acknowledgement,
    AnyMessage,
    Closure,
    Discharge,
    Fault,
    Receipt,
    Silence,
)
from alerts.watch import Effects, Watch, sets_aside
from config.site import Site

UNKNOWN_EPISODE = "episode: no such episode of this patient; see `cartwatch board`"


def take(watch: Watch, message: AnyMessage, now: datetime, site: Site, effects: Effects) -> Watch:
    """Carry a watch on by one message that is not charted; what is to be done is added to `effects`."""
    match message:
        case Receipt():
            return _receipt(watch, message, now, site, effects)
        case Fault():
            return note_fault(watch, message, now)
        case Discharge():
            return _discharge(watch, message, now, site, effects)
        case Acknowledgement() | Silence() | Closure():
            return _person(watch, message, now, site, effects)
    return watch


def _person(
    watch: Watch, message: Acknowledgement | Silence | Closure, now: datetime, site: Site, effects: Effects
) -> Watch:
    if message.status is Status.ENTERED_IN_ERROR:
        return watch
    episode = next((held for held in watch.episodes.values() if held.id == message.episode), None)
    if episode is None:
        if not _is_past(watch, message.episode):
            effects.set_aside.append(sets_aside(message, UNKNOWN_EPISODE, now))
        return watch
    if isinstance(message, Acknowledgement):
        return _acknowledge(watch, episode, message, now, site, effects)
    if isinstance(message, Silence):
        return watch.holding(episodes.silence(episode, message.until))
    return _close(watch, episode, now, site, effects, by=message.by, accepted=True)


def _is_past(watch: Watch, episode: str) -> bool:
    def ids(condition: str, past: Past) -> set[str]:
        return {episodes.episode_id(watch.patient, condition, number) for number in range(1, past.number + 1)}

    return any(episode in ids(condition, past) for condition, past in watch.past.items())


def _acknowledge(
    watch: Watch, episode: Episode, message: Acknowledgement, now: datetime, site: Site, effects: Effects
) -> Watch:
    """Take the episode, and with it whatever the same page told the same person.

    An answer to an earlier page takes nothing: what worsened since has not been told to anybody who answered.
    """
    at = message.effective.astimezone(UTC)
    for other in list(watch.episodes.values()):
        bundled = bool(other.bundle) and other.bundle == episode.bundle and message.by in other.told
        if other.id != episode.id and not bundled:
            continue
        if at < other.told_from or not other.steps_taken or other.acknowledged_at is not None:
            continue
        taken = episodes.acknowledge(other, message.by, at)
        watch = watch.holding(taken)
        effects.cancelled.extend(watch.no_longer_owed(other))
        effects.events.append(acknowledged_event(watch, taken, now, site))
    return watch


def _close(
    watch: Watch, episode: Episode, now: datetime, site: Site, effects: Effects, *, by: str, accepted: bool
) -> Watch:
    effects.cancelled.extend(watch.no_longer_owed(episode))
    effects.events.append(closed_event(watch, episode, "resolved", now, site, by=by))
    return watch.following(episode.condition, episodes.closed(episode, now, None, accepted=accepted))


def _receipt(watch: Watch, receipt: Receipt, now: datetime, site: Site, effects: Effects) -> Watch:
    for episode in list(watch.episodes.values()):
        if receipt.page not in episode.pending:
            continue
        settled = replace(episode, pending=tuple(page for page in episode.pending if page != receipt.page))
        if receipt.outcome == "undeliverable":
            settled = escalation.hand_over(settled, now, site.on_call)
        watch = watch.holding(settled)
    if receipt.outcome == "undeliverable" and watch.patient != SITE_SUBJECT:
        effects.faults.append(undeliverable_fault(receipt, now))
    return watch


def _discharge(watch: Watch, message: Discharge, now: datetime, site: Site, effects: Effects) -> Watch:
    at = message.effective.astimezone(UTC)
    if message.status is Status.ENTERED_IN_ERROR:
        return replace(watch, discharged_at=None) if watch.discharged_at == at else watch
    for episode in list(watch.episodes.values()):
        watch = _close(watch, episode, now, site, effects, by="discharge", accepted=False)
    return replace(watch, discharged_at=at, review_at=None)
