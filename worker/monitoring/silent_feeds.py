"""Silent feeds: a source that is configured to be heard and is not, said so once, and again when it is back."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast

from alerts.messages import SITE_SUBJECT, Fault
from alerts.pages.title import place
from alerts.step.system_faults import fault
from config.site import Site
from config.vocabulary import moment
from worker.clock import milliseconds
from worker.store.inbox import append
from worker.store.keys import Shard
from worker.store.shard import Store

EVERY = timedelta(seconds=15)

PATIENTS_SHOWN = 10
"""Patients whom the page of a silent feed names."""


def watch_feeds(store: Store, site: Site, now: datetime) -> list[Shard]:
    """Look at every configured feed, unless somebody just did; return the shards to wake.

    A feed that never sent anything is timed from the first look.
    """
    if not site.on_call.feeds or not _my_turn(store):
        return []
    told = cast("dict[bytes, bytes]", store.redis.hgetall(_silent_key(store)))
    silent = {source.decode() for source in told}
    heard = last_heard(store, site, now)
    fallen = [source for source in heard if source not in silent and is_silent(heard[source], source, site, now)]
    faults = judge(heard, silent, site, now, covered(store, fallen))
    if not faults:
        return []
    pipe = store.redis.pipeline(transaction=False)
    for message in faults:
        source = message.condition.removeprefix("feed ")
        if message.over:
            pipe.hdel(_silent_key(store), source)
        else:
            pipe.hset(_silent_key(store), source, now.isoformat())
    wake = append(store.redis, store.keys, [(m, m.model_dump_json(exclude_none=True).encode()) for m in faults], now)
    # Noted only after the faults stand in the inbox: said twice is better than not said.
    pipe.execute()
    return wake


class Heard(NamedTuple):
    """When a feed was last heard; not `ever`: when it was first looked for."""

    at: datetime
    ever: bool = True


def is_silent(heard: Heard, source: str, site: Site, now: datetime) -> bool:
    """Whether a feed has sent nothing for longer than the site allows."""
    return now - heard.at > site.on_call.feeds[source].silent_after


def judge(
    heard: Mapping[str, Heard], silent: set[str], site: Site, now: datetime, patients: Mapping[str, list[str]]
) -> list[Fault]:
    """The feeds that have fallen silent since, with the patients each covered, and those that are back."""
    faults = []
    for source in site.on_call.feeds:
        silent_now = is_silent(heard[source], source, site, now)
        if silent_now and source not in silent:
            what = silence(source, heard[source], patients.get(source, []), site)
            faults.append(fault(f"feed {source}", what, f"silent {source} {now.isoformat()}", now))
        elif not silent_now and source in silent:
            back = fault(f"feed {source}", f"{source} is heard again", f"heard {source} {now.isoformat()}", now)
            faults.append(back.model_copy(update={"over": True}))
    return faults


def silence(source: str, heard: Heard, patients: Sequence[str], site: Site) -> str:
    """What is said of a feed that is silent: since when, and of which patients it sent readings."""
    at = moment(heard.at, site.zone)
    parts = [f"nothing from {source} since {at}" if heard.ever else f"{source} was never heard, watched since {at}"]
    if patients:
        left = len(patients) - PATIENTS_SHOWN
        more = f" and {left} more" if left > 0 else ""
        parts.append(f"patients it sent readings of: {', '.join(patients[:PATIENTS_SHOWN])}{more}")
    return "; ".join((*parts, "silence here does not mean that its patients are well"))


def covered(store: Store, sources: Sequence[str]) -> dict[str, list[str]]:
    """The patients, by place and id, who have readings of each of some feeds. Reads every state: ask only if needed."""
    found: dict[str, list[str]] = {source: [] for source in sources}
    for state in store.states() if sources else []:
        if state.patient == SITE_SUBJECT or state.discharged_at is not None:
            continue
        sent = {entry.source for series in state.chart.entries.values() for entry in series}
        for source in sent & set(sources):
            found[source].append(" ".join(filter(None, (place(state.chart.admission), state.patient))))
    return {source: sorted(patients) for source, patients in found.items()}


def last_heard(store: Store, site: Site, now: datetime) -> dict[str, Heard]:
    """When each configured feed was last heard, over all shards."""
    feeds = list(site.on_call.feeds)
    pipe = store.redis.pipeline(transaction=False)
    for source in feeds:
        pipe.hsetnx(f"{store.keys.namespace}:feeds", source, milliseconds(now))
    pipe.hmget(f"{store.keys.namespace}:feeds", feeds)
    for shard in store.keys.all():
        pipe.hmget(shard.key("last_seen"), feeds)
    first_looks, *rows = pipe.execute()[len(feeds) :]
    found = {}
    for index, source in enumerate(feeds):
        times = [int(row[index]) for row in rows if row[index] is not None]
        at = max(times, default=int(first_looks[index]))
        found[source] = Heard(datetime.fromtimestamp(at / 1000, UTC), ever=bool(times))
    return found


def _my_turn(store: Store) -> bool:
    key = f"{store.keys.namespace}:feeds:looked"
    return bool(store.redis.set(key, 1, nx=True, px=int(EVERY / timedelta(milliseconds=1))))


def _silent_key(store: Store) -> str:
    return f"{store.keys.namespace}:feeds:silent"
