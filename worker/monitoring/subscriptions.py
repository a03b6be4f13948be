"""FHIR Subscriptions that are silent, have missed events, or were ended by their server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from alerts.wording.phrase import At, Phrase, joined, phrase, plural
from config.site import Site
from worker.clock import milliseconds
from worker.store.inbox import SOURCE_SHOWN
from worker.store.shard import Store
from worker.store.subscriptions import SubscriptionName, Subscriptions, SubscriptionState

MISSED_HEARTBEATS = 2
"""A subscription of which nothing was heard for so many heartbeat periods is silent. One may be late."""

GAP_WAITS = timedelta(minutes=1)
"""Events overtake each other, and are sent again: a gap is reported once it has lasted for this long."""

ENDED = ("error", "off")
"""Statuses in which a server sends nothing more."""

NOT_WELL = Phrase("silence here does not mean that its patients are well")


def found(store: Store, site: Site, now: datetime) -> dict[str, Phrase]:
    """The present trouble of every subscription, by condition."""
    subscriptions = Subscriptions(store.redis, store.keys).all()
    return {
        f"{kind} {name.source[:SOURCE_SHOWN]} {name.subscription[:SOURCE_SHOWN]}": what
        for name, state in subscriptions.items()
        for kind, what in trouble_of(name, state, site, now)
    }


def trouble_of(
    name: SubscriptionName, state: SubscriptionState, site: Site, now: datetime
) -> Iterator[tuple[str, Phrase]]:
    """The trouble of one subscription: its kind, and a text that names no patient."""
    source, subscription = name.source[:SOURCE_SHOWN], name.subscription[:SOURCE_SHOWN]
    feed = site.on_call.feeds.get(name.source)
    if state.status in ENDED:
        text = "{source} reports its Subscription {subscription} as {status}: nothing more comes of it"
        what = phrase(text, source=source, subscription=subscription, status=state.status)
        yield "subscription ended", joined([what, NOT_WELL])
    elif feed is not None and feed.heartbeat is not None and is_silent(state, feed.heartbeat, now):
        text = "nothing of the Subscription {subscription} from {source} since {at}, not even a heartbeat"
        at = At(datetime.fromtimestamp(state.seen / 1000, UTC))
        yield "subscription silent", joined([phrase(text, subscription=subscription, source=source, at=at), NOT_WELL])
    lasting = [gap for gap in state.gaps if milliseconds(now - GAP_WAITS) >= gap.since]
    if lasting:
        one, many = (
            "{n} event of the Subscription {subscription} from {source} was missed (from {first} to {last}):"
            " send it again, or begin the Subscription anew",
            "{n} events of the Subscription {subscription} from {source} were missed (from {first} to {last}):"
            " send them again, or begin the Subscription anew",
        )
        yield (
            "subscription gap",
            plural(
                one,
                many,
                n=sum(gap.events for gap in lasting),
                subscription=subscription,
                source=source,
                first=lasting[0].first,
                last=lasting[-1].last,
            ),
        )


def is_silent(state: SubscriptionState, heartbeat: timedelta, now: datetime) -> bool:
    """Whether nothing was heard of a subscription for longer than it may miss."""
    return milliseconds(now) - state.seen > MISSED_HEARTBEATS * (heartbeat // timedelta(milliseconds=1))
