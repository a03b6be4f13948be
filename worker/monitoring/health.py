"""Health of the store, the workers and overdue work, for `cartwatch health`, the board and the probes."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from redis.exceptions import RedisError

from config.site import Channel
from worker.clock import milliseconds
from worker.fhir_export import circuit_breaker
from worker.monitoring import beats
from worker.monitoring.canary import CANARY
from worker.monitoring.overdue import find
from worker.monitoring.unregistered import CONDITION, summarise
from worker.monitoring.watchdog import WatchdogStatus, last_run
from worker.store import backlog, unreadable
from worker.store.backlog import Backlog, ExportBacklog
from worker.store.channel_queues import count_rate_limited
from worker.store.dead_letters import usage
from worker.store.replication import COPIES
from worker.store.requirements import STORED_DATA, advice, violations
from worker.store.shard import Store

RAN_WITHIN = timedelta(minutes=1)
"""If the watchdog's last run is older, the watchdog does not run."""

CONSUMED: dict[str, str] = {
    "advance": "evaluating",
    "ingest": "receiving",
    "deliver": "delivering",
}
"""The work of each queue, which stops without a worker. Exporting is checked only if it is configured."""

WELL = "as it must be"
MIB = 1024 * 1024


class Check(NamedTuple):
    """One part, whether it is healthy, and a text."""

    part: str
    well: bool
    seen: str


def examine(store: Store, now: datetime, channels: Mapping[str, Channel] | None = None) -> list[Check]:
    """Every check, including the rate limits of `channels`. If the store cannot be reached, only that check."""
    try:
        store.redis.ping()
    except RedisError as error:
        return [unreachable(error)]
    status = last_run(store)
    waits = backlog.read(store.redis, store.keys, now, exports=store.exports)
    return [
        *_store(store),
        *_workers(store, now),
        _overdue(store, waits),
        _watchdog(status, now),
        _canary(status),
        _heartbeat(status),
        _rate_limited(store, channels or {}, now),
        _dead_letters(store, now),
        _unreadable(store),
        _unregistered(store, status),
        *([_exports(store, waits.exports, now)] if waits.exports is not None else []),
    ]


def unreachable(error: RedisError) -> Check:
    """The check of a store that does not answer."""
    return Check("store", False, f"cannot be reached ({type(error).__name__})")


def _store(store: Store) -> list[Check]:
    parts = (
        "store version",
        "store role",
        "store eviction",
        "store durability",
        COPIES,
        "store memory",
        "intake",
        "shards",
        STORED_DATA,
    )
    found = {violation.part: str(violation) for violation in violations(store.redis, store.keys, by_writing=False)}
    well = {"store memory": str(advice(store.redis) or WELL)}
    return [Check(part, part not in found, found.get(part, well.get(part, WELL))) for part in parts]


def _workers(store: Store, now: datetime) -> list[Check]:
    workers = beats.read(store.redis, store.keys, now)
    consumers = beats.consumers_by_queue(workers)
    consumed = CONSUMED | ({"export": "exporting"} if store.exports else {})
    parts = [
        Check(f"workers {what}", consumers[queue] > 0, f"{consumers[queue]} ticking")
        for queue, what in consumed.items()
    ]
    return [Check("workers", bool(workers), f"{len(workers)} ticking"), *parts]


def _overdue(store: Store, waits: Backlog) -> Check:
    overdue = find(store, waits)
    kinds = overdue.kinds()
    seen = (
        f"{kinds['messages']} shard(s) with an overdue message, {kinds['ladders']} ladder(s), {kinds['pages']} page(s),"
        f" {kinds['leases']} lease(s)"
    )
    return Check("overdue", not overdue.total, seen)


def _watchdog(status: WatchdogStatus, now: datetime) -> Check:
    if status.last_run is None:
        return Check("watchdog", False, "has never run")
    seconds = (now - status.last_run).total_seconds()
    well = now - status.last_run <= RAN_WITHIN and not status.notified
    open_incidents = f"; open: {', '.join(status.notified)}" if status.notified else ""
    return Check("watchdog", well, f"ran {seconds:.0f} s ago{open_incidents}")


def _canary(status: WatchdogStatus) -> Check:
    if status.canary_latency is None or status.canary_arrived is None:
        return Check("canary", CANARY not in status.notified, "none has arrived yet")
    seen = f"{status.canary_latency.total_seconds():.2f} s, at {status.canary_arrived:%d %b %H:%M:%S} UTC"
    return Check("canary", CANARY not in status.notified, seen)


def _heartbeat(status: WatchdogStatus) -> Check:
    sent, failed = status.heartbeat_sent, status.heartbeat_failed
    if sent is None and failed is None:
        return Check("heartbeat", True, "none was sent; see CARTWATCH_HEARTBEAT_URL")
    well = failed is None or (sent is not None and sent > failed)
    last = sent if well else failed
    return Check("heartbeat", well, f"{'sent' if well else 'FAILED'} at {last:%d %b %H:%M:%S} UTC")


def _rate_limited(store: Store, channels: Mapping[str, Channel], now: datetime) -> Check:
    """Pages that wait for their channel's rate limit. That is a storm of pages, not a fault of ours."""
    counts = count_rate_limited(store.redis, store.keys, channels, now)
    seen = ", ".join(f"{count} page(s) for {channel}" for channel, count in counts.items())
    return Check("rate limited", True, seen or "none")


def _dead_letters(store: Store, now: datetime) -> Check:
    found = usage(store.redis, store.keys, now)
    seen = f"{found.letters} message(s), {found.used / MIB:.1f} of {found.limit / MIB:.0f} MiB"
    dropped = f"; {sum(found.dropped.values())} older ones were dropped" if found.dropped else ""
    return Check("dead letters", not found.dropping, f"{seen}{dropped}; see `cartwatch dead-letters`")


def _unreadable(store: Store) -> Check:
    kinds = Counter(one.kind for _, one in unreadable.listed(store.redis, store.keys))
    seen = ", ".join(f"{count} {kind}(s)" for kind, count in kinds.items())
    return Check("unreadable data", not kinds, f"{seen}; see `cartwatch unreadable`" if kinds else "none")


def _unregistered(store: Store, status: WatchdogStatus) -> Check:
    late = any(condition.startswith(CONDITION) for condition in status.notified)
    return Check("unregistered", not late, str(summarise(store.unregistered().values())))


def _exports(store: Store, waits: ExportBacklog, now: datetime) -> Check:
    circuit = circuit_breaker.read(store.redis, store.keys)
    oldest = timedelta(milliseconds=max(milliseconds(now) - waits.oldest, 0) if waits.oldest is not None else 0)
    seen = f"{waits.batches} batch(es) wait, the oldest for {oldest.total_seconds():.0f} s"
    if circuit is not None:
        seen += f"; it fails since {circuit.since:%d %b %H:%M:%S} UTC ({circuit.why})"
    if waits.refused:
        seen += f"; {waits.refused} refused, see `cartwatch fhir-export status`"
    failing = circuit is not None and circuit.is_to_be_reported(now)
    return Check("FHIR base", not failing and oldest < circuit_breaker.REPORTED_AFTER, seen)
