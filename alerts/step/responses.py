"""Messages about episodes: acknowledgements, hand-overs, silences, closures, receipts; and discharges."""

from datetime import UTC, datetime

from msgspec.structs import replace

from alerts.chart.chart import Chart
from alerts.episodes import escalation, lifecycle, silences
from alerts.episodes.delivery_log import Delivery
from alerts.episodes.episode import Episode, Past, delivery_for, episode_id, with_delivery_state
from alerts.message_fields import Status
from alerts.messages import (
    SITE_SUBJECT,
    Acknowledgement,
    AnyMessage,
    Closure,
    Discharge,
    EpisodeResponse,
    Fault,
    HandOver,
    Receipt,
    Silence,
)
from alerts.pages.concern import Ending, PageConcern, pages_end
from alerts.state import Effects, PatientState, dead_letter
from alerts.step.compose import StepNews
from alerts.step.journal_events import answer_event, closed_event, silence_event
from alerts.step.system_faults import note_fault, undeliverable_fault
from config.site import Site

UNKNOWN_EPISODE = "episode: no such episode of this patient; see `cartwatch board`"


def apply_response(
    state: PatientState, message: AnyMessage, now: datetime, site: Site, effects: Effects, news: StepNews
) -> PatientState:
    """The state after one message that is not charted. The function adds to `effects` and `news`."""
    match message:
        case Receipt():
            return _receipt(state, message, now, site, effects)
        case Fault():
            return note_fault(state, message, now)
        case Discharge():
            return _discharge(state, message, now, site, effects, news)
        case Silence():
            return _silence(state, message, now, site, effects)
        case Acknowledgement() | HandOver() | Closure():
            return _person(state, message, now, site, effects)
    return state


# -- what people do ----------------------------------------------------------------------------------


def _person(
    state: PatientState, message: Acknowledgement | HandOver | Closure, now: datetime, site: Site, effects: Effects
) -> PatientState:
    if message.status is Status.ENTERED_IN_ERROR:
        return state
    episode = _named(state, message.episode, message, now, effects)
    if episode is None:
        return state
    if isinstance(message, Acknowledgement):
        return _acknowledge(state, episode, message, now, site, effects)
    if isinstance(message, HandOver):
        return _hand_over(state, episode, message, now, site, effects)
    if message.via and not any(other.id == episode.id for other in _episodes_of(state, episode, message)):
        return state  # it has worsened since the person saw it
    reason = "false_alarm" if message.verdict == "false_alarm" else "resolved"
    return _close(state, episode, now, site, effects, by=message.by, why=message.why, reason=reason, by_person=True)


def _named(state: PatientState, name: str, message: AnyMessage, now: datetime, effects: Effects) -> Episode | None:
    """The open episode that a message names. A message about an unknown episode becomes a dead letter; one about a past
    episode is ignored.
    """
    episode = next((held for held in state.episodes.values() if held.id == name), None)
    if episode is None and not _is_past(state, name):
        effects.dead_letters.append(dead_letter(message, UNKNOWN_EPISODE, now))
    return episode


def _is_past(state: PatientState, episode: str) -> bool:
    def ids(condition: str, past: Past) -> set[str]:
        return {episode_id(state.patient, condition, number) for number in range(1, past.number + 1)}

    return any(episode in ids(condition, past) for condition, past in state.past.items())


def _episodes_of(state: PatientState, episode: Episode, message: EpisodeResponse) -> list[Episode]:
    """The episode that a person responds to, and every other episode of the same page.

    An episode that worsened after that page was composed is left out: the person has not seen the worsening.
    """
    page = message.page or next(
        (delivery.page for delivery in reversed(episode.deliveries) if delivery.to == message.by), ""
    )
    answered = _answered(episode, message)
    at = answered.at if answered is not None else message.effective.astimezone(UTC)
    found = []
    for other in state.episodes.values():
        paged_since = any(delivery.at >= other.worsening_known_at for delivery in other.deliveries)
        if (other.id == episode.id or delivery_for(other, page)) and paged_since and at >= other.worsening_known_at:
            found.append(other)
    return found


def _answered(episode: Episode, message: EpisodeResponse) -> Delivery | None:
    """The page that a person answers; at an alert manager the newest that it had, though they name the first."""
    named = delivery_for(episode, message.page) if message.page else None
    at = message.effective.astimezone(UTC)
    known = (one for one in episode.deliveries if message.via and one.channel == message.via and _had(one, at))
    return max([*known, *([named] if named is not None else [])], key=lambda one: one.at, default=None)


def _had(delivery: Delivery, at: datetime) -> bool:
    """Whether a page had been sent by a time."""
    return delivery.state in ("sent", "acknowledged") and delivery.state_at is not None and delivery.state_at <= at


def _acknowledge(
    state: PatientState, episode: Episode, message: Acknowledgement, now: datetime, site: Site, effects: Effects
) -> PatientState:
    """Acknowledge every episode of the page. The first acknowledgement holds unless somebody takes it over by name."""
    at = min(message.effective.astimezone(UTC), now)
    for other in _episodes_of(state, episode, message):
        before = other.acknowledged_by
        if before and (before != message.take_over_from or before == message.by):
            continue
        taken = (
            escalation.take_over(other, message.by, at, site)
            if before
            else lifecycle.acknowledge(other, message.by, at)
        )
        state = state.with_episode(taken)
        effects.cancelled.extend(state.cancellable(other.pending))
        said = {"by": message.by} | ({"take_over_from": before} if before else {})
        effects.events.append(answer_event("acknowledged", state, taken, now, site, **said))
    return state


def _hand_over(
    state: PatientState, episode: Episode, message: HandOver, now: datetime, site: Site, effects: Effects
) -> PatientState:
    """Hand every episode of the page over. It counts as unacknowledged.

    Where an alert manager escalates, it notifies the next person itself.
    """
    manager = site.on_call.channels.get(message.via or "")
    if manager is not None and manager.escalates == "manager":
        return state
    if message.to is not None and message.to not in site.on_call.people:
        why = f"to: {message.to!r} is nobody in site.yaml; name one of {', '.join(site.on_call.people)}"
        effects.dead_letters.append(dead_letter(message, why, now))
        return state
    for other in _episodes_of(state, episode, message):
        if other.acknowledged_by not in ("", message.by):
            continue
        handed = escalation.reassign(other, now, site, by=message.by, to=message.to)
        if handed is other:
            continue
        theirs = [delivery for delivery in other.deliveries if delivery.to == message.by and delivery.is_owed]
        for delivery in theirs:
            handed = with_delivery_state(handed, delivery.page, "cancelled", now)
        state = state.with_episode(handed)
        effects.cancelled.extend(state.cancellable(delivery.page for delivery in theirs))
        effects.events.append(answer_event("handed_over", state, other, now, site, by=message.by, to=message.to or ""))
    return state


def _silence(state: PatientState, message: Silence, now: datetime, site: Site, effects: Effects) -> PatientState:
    """Put a silence in force, or end one that is entered in error."""
    episode = None
    if message.status is Status.ENTERED_IN_ERROR:
        return _end_silence(state, message, now, site, effects)
    if message.episode is not None:
        episode = _named(state, message.episode, message, now, effects)
        if episode is None:
            return state
    silence = silences.placed(message, episode, site)
    others = [held for held in silences.in_force(state.silences, now) if held.named != silence.named]
    if len(others) >= silences.SILENCES_AT_MOST:
        why = f"silence: {len(others)} are in force for this patient; end one of them first"
        effects.dead_letters.append(dead_letter(message, why, now))
        return state
    state = replace(state, silences=(*others, silence))
    for other in list(state.episodes.values()):
        if silences.hiding((silence,), other, now):
            state = state.with_episode(replace(other, silenced_until=silence.until))
    effects.events.append(silence_event("silenced", state, silence, now, site))
    return state


def _end_silence(state: PatientState, message: Silence, now: datetime, site: Site, effects: Effects) -> PatientState:
    ended = [silence for silence in state.silences if silence.named == (message.source, message.id)]
    left = tuple(silence for silence in state.silences if silence not in ended)
    state = replace(state, silences=left)
    for silence in ended:
        for episode in list(state.episodes.values()):
            if silence.names(episode) and not silences.hiding(left, episode, now):
                state = state.with_episode(escalation.resume(episode, now))
        effects.events.append(silence_event("silence_ended", state, silence, now, site))
    return state


def _close(
    state: PatientState,
    episode: Episode,
    now: datetime,
    site: Site,
    effects: Effects,
    *,
    by: str,
    why: str = "",
    reason: str = "resolved",
    by_person: bool,
) -> PatientState:
    effects.cancelled.extend(state.cancellable(episode.pending, besides=episode))
    effects.events.append(closed_event(state, episode, reason, now, site, by=by, why=why))
    return state.with_episode_result(episode.condition, lifecycle.closed(episode, now, None, by_person=by_person))


# -- receipts ----------------------------------------------------------------------------------------


def _receipt(state: PatientState, receipt: Receipt, now: datetime, site: Site, effects: Effects) -> PatientState:
    """Record the outcome of a page. Its first failure pages the person's next channel, or the next person, at once."""
    reached: list[str] = []
    for episode in list(state.episodes.values()):
        delivery = delivery_for(episode, receipt.page)
        if delivery is None or not (delivery.is_owed or _reached_nobody(delivery, receipt)):
            continue
        updated = with_delivery_state(episode, receipt.page, receipt.outcome, receipt.effective.astimezone(UTC))
        if receipt.outcome == "sent":
            updated, elsewhere = _reached(updated, delivery, now)
            reached += elsewhere
        elif delivery.state in ("due", "sent") and episode.urgency != "low" and not episode.acknowledged_by:
            updated = escalation.fail_over_channel(updated, delivery, now, site)
        state = state.with_episode(updated)
    effects.cancelled.extend(state.cancellable(reached))
    if receipt.outcome == "undeliverable" and state.patient != SITE_SUBJECT:
        effects.faults.append(undeliverable_fault(receipt, now))
    return state


def _reached_nobody(delivery: Delivery, receipt: Receipt) -> bool:
    """Whether a provider that had accepted a page reports later that it reached nobody."""
    return delivery.state == "sent" and receipt.outcome == "undeliverable"


def _reached(episode: Episode, delivery: Delivery, now: datetime) -> tuple[Episode, list[str]]:
    """Cancel pages of the same round to a person whom one channel has reached."""
    elsewhere = [
        other.page
        for other in episode.deliveries
        if other.is_owed and other.to == delivery.to and other.round <= delivery.round
    ]
    for page in elsewhere:
        episode = with_delivery_state(episode, page, "cancelled", now)
    return episode, elsewhere


# -- the discharge -----------------------------------------------------------------------------------


def _discharge(
    state: PatientState, message: Discharge, now: datetime, site: Site, effects: Effects, news: StepNews
) -> PatientState:
    at = message.effective.astimezone(UTC)
    if message.status is Status.ENTERED_IN_ERROR:
        here = _with_chart(state, state.chart.undo_discharge(at))
        return replace(here, discharged_at=None, review_at=now) if state.discharged_at == at else here
    if message.to is not None or state.merges.stays_after(at):
        # The patient is still watched: in the other setting, or because another record of the patient, who had not
        # left, was merged into this one since.
        stays = _with_chart(state, state.chart.discharge(at, message.to or ""))
        return replace(stays, discharged_at=None, review_at=now)
    state = end_all(state, Ending("discharged", at, message.source, message.by or ""), now, site, effects, news)
    left = _with_chart(state, state.chart.discharge(at))
    return replace(left, discharged_at=at, review_at=None, unregistered=None)


def _with_chart(state: PatientState, chart: Chart) -> PatientState:
    return replace(state, chart=chart, result_cache=state.result_cache.after(state.chart, chart))


def end_all(
    state: PatientState, ending: Ending, now: datetime, site: Site, effects: Effects, news: StepNews
) -> PatientState:
    """Close every open episode because of a discharge or a merge.

    Everybody paged of an urgent one is notified, unless its condition had cleared already.
    """
    by, reason = ("merge", "merged") if ending.what == "merged" else ("discharge", "resolved")
    for episode in list(state.episodes.values()):
        if episode.level_now != 0 and pages_end(episode, "ended"):
            news.add_ended(PageConcern(episode, "ended", None, ending=ending))
        state = _close(state, episode, now, site, effects, by=by, reason=reason, by_person=False)
    return state
