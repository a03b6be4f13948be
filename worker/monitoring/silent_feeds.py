"""Silent feeds: configured sources that have sent nothing for too long. Silence and return are reported once each."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast

from alerts.messages import SITE_SUBJECT, Fault
from alerts.pages.title import place
from alerts.step.system_faults import fault
from alerts.wording.phrase import At, Phrase, joined, phrase
from config.site import Site
from worker.clock import milliseconds
from worker.store.backlog import per_shard
from worker.store.inbox import append, encoded
from worker.store.keys import Shard
from worker.store.lease import once_every
from worker.store.shard import Store

EVERY = timedelta(seconds=15)

PATIENTS_SHOWN = 10
"""The most patients that the page of a silent feed names."""


def watch_feeds(store: Store, site: Site, now: datetime) -> list[Shard]:
    """Check every configured feed, unless another worker just did; return the shards to wake.

    A feed that never sent anything is measured from the first check.
    """
    if not site.on_call.feeds or not once_every(store.redis, f"{store.keys.namespace}:feeds:looked", EVERY):
        return []
    reported = cast("dict[bytes, bytes]", store.redis.hgetall(_silent_key(store)))
    silent = {source.decode() for source in reported}
    feeds = last_seen(store, site, now)
    fallen = [source for source in feeds if source not in silent and is_silent(feeds[source], source, site, now)]
    faults = changes(feeds, silent, site, now, covered(store, fallen))
    if not faults:
        return []
    pipe = store.redis.pipeline(transaction=False)
    for message in faults:
        source = message.condition.removeprefix("feed ")
        if message.over:
            pipe.hdel(_silent_key(store), source)
        else:
            pipe.hset(_silent_key(store), source, now.isoformat())
    wake = append(store.redis, store.keys, map(encoded, faults), now).wake
    # Recorded only after the faults stand in the inbox: a second notification is better than none.
    pipe.execute()
    return wake


class LastSeen(NamedTuple):
    """The time a feed last sent something. If it never did (not `ever`), the time it was first checked."""

    at: datetime
    ever: bool = True


def is_silent(last: LastSeen, source: str, site: Site, now: datetime) -> bool:
    """Whether a feed has sent nothing for longer than the site allows."""
    return now - last.at > site.on_call.feeds[source].silent_after


def changes(
    feeds: Mapping[str, LastSeen], silent: set[str], site: Site, now: datetime, patients: Mapping[str, list[str]]
) -> list[Fault]:
    """The faults of newly silent feeds, with the `patients` of each, and of feeds that are back.

    `silent`: the feeds whose silence was reported before.
    """
    faults = []
    for source in site.on_call.feeds:
        silent_now = is_silent(feeds[source], source, site, now)
        if silent_now and source not in silent:
            what = silence(source, feeds[source], patients.get(source, []))
            faults.append(fault(f"feed {source}", what, f"silent {source} {now.isoformat()}", now))
        elif not silent_now and source in silent:
            about = f"seen {source} {now.isoformat()}"
            faults.append(fault(f"feed {source}", phrase("{source} sends again", source=source), about, now, over=True))
    return faults


def silence(source: str, last: LastSeen, patients: Sequence[str]) -> Phrase:
    """The text of a silent feed's page: since when it is silent, and the patients whose readings it sent."""
    text = "nothing from {source} since {at}" if last.ever else "{source} never sent anything, watched since {at}"
    parts = [phrase(text, source=source, at=At(last.at))]
    if patients:
        left, shown = len(patients) - PATIENTS_SHOWN, ", ".join(patients[:PATIENTS_SHOWN])
        more = phrase("patients it sent readings of: {who} and {n} more", who=shown, n=left)
        parts.append(more if left > 0 else phrase("patients it sent readings of: {who}", who=shown))
    return joined([*parts, Phrase("silence here does not mean that its patients are well")])


def covered(store: Store, sources: Sequence[str]) -> dict[str, list[str]]:
    """The patients with readings of each source, as place and id. With any source, every state is read."""
    found: dict[str, list[str]] = {source: [] for source in sources}
    for state in store.states() if sources else []:
        if state.patient == SITE_SUBJECT or state.discharged_at is not None:
            continue
        sent = {entry.source for series in state.chart.entries.values() for entry in series}
        for source in sent & set(sources):
            found[source].append(" ".join(filter(None, (place(state.chart.admission), state.patient))))
    return {source: sorted(patients) for source, patients in found.items()}


def last_seen(store: Store, site: Site, now: datetime) -> dict[str, LastSeen]:
    """When each configured feed was last seen, over all shards."""
    feeds = list(site.on_call.feeds)
    pipe = store.redis.pipeline(transaction=False)
    for source in feeds:
        pipe.hsetnx(f"{store.keys.namespace}:feeds", source, milliseconds(now))
    pipe.hmget(f"{store.keys.namespace}:feeds", feeds)
    *_, first_checks = pipe.execute()
    rows = per_shard(store.redis, store.keys.all(), lambda pipe, shard: pipe.hmget(shard.key("last_seen"), feeds))
    found = {}
    for index, source in enumerate(feeds):
        times = [int(row[index]) for (row,) in rows if row[index] is not None]
        at = max(times, default=int(first_checks[index]))
        found[source] = LastSeen(datetime.fromtimestamp(at / 1000, UTC), ever=bool(times))
    return found


def _silent_key(store: Store) -> str:
    return f"{store.keys.namespace}:feeds:silent"
