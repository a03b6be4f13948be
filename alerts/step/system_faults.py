"""Technical faults. Each becomes an episode of the site itself: one per fault, never one per message."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from alerts.episodes.episode import episode_id, opened
from alerts.episodes.lifecycle import closed
from alerts.message_fields import visible
from alerts.messages import SITE_SUBJECT, AnyMessage, Fault, Receipt
from alerts.state import PatientState
from alerts.wording.phrase import Phrase, phrase, with_texts

FAULT_QUIET = timedelta(hours=6)
"""An acknowledged technical episode closes if its fault has not been reported for this long."""

PAGED_TOGETHER = timedelta(minutes=5)
"""A feed that falls silent waits for the next page of another silent feed, if that is due within this time."""

FEED = "feed "
"""The beginning of the condition of a silent feed."""

OWN_SOURCE = "cartwatch"


def fault(condition: str, what: Phrase, about: str, now: datetime, *, over: bool = False) -> Fault:
    """A fault of the site, or (`over`) its end. `about` makes the id: the same fault sent twice counts once."""
    return Fault(
        type="fault",
        id=visible(about)[-200:],
        source=OWN_SOURCE,
        patient=SITE_SUBJECT,
        effective=now,
        over=over,
        condition=visible(condition)[:300],
        what=with_texts(what, lambda text: visible(text)[:300]),
    )


def intake_fault(message: AnyMessage, why: Phrase, now: datetime) -> Fault:
    """A message of a source became a dead letter. The fault names the source and the reason, never the patient."""
    text = "messages from {source} cannot be used: {what}; see `cartwatch dead-letters`"
    what = phrase(text, source=message.source, what=why)
    return fault(f"intake {message.source}", what, f"{message.source} {message.id}", now)


def undeliverable_fault(receipt: Receipt, now: datetime) -> Fault:
    """A page could not be delivered on a channel."""
    why = receipt.detail if receipt.detail.id else Phrase("no answer")
    what = phrase("pages do not get through on channel {channel}: {what}", channel=receipt.channel, what=why)
    return fault(f"channel {receipt.channel}", what, f"undeliverable {receipt.page}", now)


def gap_fault(role: str, now: datetime) -> Fault:
    """A page was due to a role that nobody holds."""
    text = "nobody holds the role {role}: the last resort is paged in its place; see `cartwatch check`"
    what = phrase(text, role=role)
    return fault(f"rota {role}", what, f"rota {role} {now.isoformat()}", now)


def note_fault(state: PatientState, message: Fault, now: datetime) -> PatientState:
    """Open a technical episode, prolong the open one without a page, or close it."""
    current = state.episodes.get(message.condition)
    if message.over:
        return state if current is None else state.with_episode_result(message.condition, closed(current, now, None))
    if current is not None:
        lasting = replace(current, raised_at=max(current.raised_at, message.effective))
        return state.with_episode(lasting)
    past = state.past.get(message.condition)
    number = past.number + 1 if past else 1
    episode = opened(
        episode_id(state.patient, message.condition, number),
        message.condition,
        number,
        "recurrent" if past else "new",
        title=message.what,
        level=1,
        urgency=message.urgency,
        at=message.effective,
        now=now,
        paged_from=_with_others(state, message.condition, now),
    )
    return state.with_episode(episode)


def _with_others(state: PatientState, condition: str, now: datetime) -> datetime:
    """When a new fault is paged: at once; a silent feed together with the next page of another silent feed.

    Thirty monitors that fall silent one after the other are one fault, and one page.
    """
    if not condition.startswith(FEED):
        return now
    waits = [
        episode.next_at
        for episode in state.episodes.values()
        if episode.condition.startswith(FEED)
        and episode.next_at is not None
        and episode.pages
        and now < episode.next_at <= now + PAGED_TOGETHER
    ]
    return min(waits, default=now)


def close_quiet(state: PatientState, now: datetime) -> PatientState:
    """Close acknowledged technical episodes whose fault was not reported lately."""
    for condition, episode in list(state.episodes.items()):
        quiet = now - episode.raised_at >= FAULT_QUIET
        if episode.urgency == "technical" and episode.acknowledged_by and quiet:
            state = state.with_episode_result(condition, closed(episode, now, None))
    return state
