"""Which part is ill, in words: the store and its settings, the workers by what they do, what waits too long."""

from datetime import datetime, timedelta
from typing import NamedTuple

from redis.exceptions import RedisError

from worker.delivery.limits import count_held
from worker.fhir_export.backlog import backlog
from worker.monitoring.canary import ROUND_TRIP
from worker.monitoring.overdue import find
from worker.monitoring.unregistered import CONDITION, tally
from worker.monitoring.watchdog import Seen, last_look, taken_by
from worker.store.dead_letters import tally as dead_letters
from worker.store.requirements import advice, violations
from worker.store.shard import Store

LOOKED_WITHIN = timedelta(minutes=1)
"""An auditor that has not looked for longer does not run."""

TAKES: dict[str, str] = {
    "advance": "judging",
    "ingest": "taking in",
    "deliver": "delivering",
    "deliver_urgent": "delivering critical pages",
    "picture": "sending pictures",
}
"""What stands still where nobody takes from a queue. Exporting is asked for only where it is configured."""


WELL = "as it must be"
MIB = 1024 * 1024


class Check(NamedTuple):
    """One part, whether it is well, and what was seen."""

    part: str
    well: bool
    seen: str


def examine(store: Store, now: datetime) -> list[Check]:
    """Every check; where the store cannot be reached, that alone."""
    try:
        store.redis.ping()
    except RedisError as error:
        return [unreachable(error)]
    look = last_look(store)
    return [
        *_store(store),
        *_workers(store),
        _overdue(store, now),
        _auditor(look, now),
        _round_trip(look),
        _heartbeat(look),
        _held_back(store),
        _set_aside(store, now),
        _unregistered(store, look),
        *([_exports(store, now)] if store.exports else []),
    ]


def unreachable(error: RedisError) -> Check:
    """What is said of a store that does not answer."""
    return Check("store", False, f"cannot be reached ({type(error).__name__})")


def _store(store: Store) -> list[Check]:
    parts = ("store version", "store role", "store eviction", "store durability", "store memory", "intake", "shards")
    found = {violation.part: str(violation) for violation in violations(store.redis, store.keys, by_writing=False)}
    well = {"store memory": str(advice(store.redis) or WELL)}
    return [Check(part, part not in found, found.get(part, well.get(part, WELL))) for part in parts]


def _workers(store: Store) -> list[Check]:
    beats = sum(1 for _ in store.redis.scan_iter(f"{store.keys.namespace}:beat:*"))
    taken = taken_by(store)
    takes = TAKES | ({"export": "exporting"} if store.exports else {})
    parts = [Check(f"workers {what}", taken[queue] > 0, f"{taken[queue]} ticking") for queue, what in takes.items()]
    return [Check("workers", beats > 0, f"{beats} ticking"), *parts]


def _overdue(store: Store, now: datetime) -> Check:
    overdue = find(store, now)
    kinds = overdue.kinds()
    seen = (
        f"{kinds['messages']} shard(s) with an overdue message, {kinds['ladders']} ladder(s), {kinds['pages']} page(s),"
        f" {kinds['relayed']} relay(s), {kinds['leases']} lease(s)"
    )
    return Check("overdue", not overdue.total, seen)


def _auditor(look: Seen, now: datetime) -> Check:
    if look.looked is None:
        return Check("auditor", False, "has never looked")
    seconds = (now - look.looked).total_seconds()
    told = f"; told: {', '.join(look.told)}" if look.told else ""
    return Check("auditor", now - look.looked <= LOOKED_WITHIN and not look.told, f"looked {seconds:.0f} s ago{told}")


def _round_trip(look: Seen) -> Check:
    if look.trip_took is None or look.trip_back is None:
        return Check("round trip", ROUND_TRIP not in look.told, "none has come back yet")
    seen = f"{look.trip_took.total_seconds():.2f} s, at {look.trip_back:%d %b %H:%M:%S} UTC"
    return Check("round trip", ROUND_TRIP not in look.told, seen)


def _heartbeat(look: Seen) -> Check:
    sent, failed = look.heartbeat_sent, look.heartbeat_failed
    if sent is None and failed is None:
        return Check("heartbeat", True, "none was sent; see CARTWATCH_HEARTBEAT_URL")
    well = failed is None or (sent is not None and sent > failed)
    last = sent if well else failed
    return Check("heartbeat", well, f"{'sent' if well else 'FAILED'} at {last:%d %b %H:%M:%S} UTC")


def _held_back(store: Store) -> Check:
    """Pages that wait because their channel has had as many as it takes: a storm, and no fault of ours."""
    held = count_held(store.redis, store.keys)
    seen = ", ".join(f"{count} page(s) for {channel}" for channel, count in held.items())
    return Check("held back by a limit", True, seen or "none")


def _set_aside(store: Store, now: datetime) -> Check:
    held = dead_letters(store.redis, store.keys, now)
    seen = f"{held.letters} message(s), {held.used / MIB:.1f} of {held.limit / MIB:.0f} MiB"
    dropped = f"; {sum(held.dropped.values())} older ones were dropped" if held.dropped else ""
    return Check("set aside", not held.dropping, f"{seen}{dropped}; see `cartwatch set-aside`")


def _unregistered(store: Store, look: Seen) -> Check:
    late = any(condition.startswith(CONDITION) for condition in look.told)
    return Check("unregistered", not late, str(tally(store.unregistered().values())))


def _exports(store: Store, now: datetime) -> Check:
    waits = backlog(store, now)
    seen = f"{waits.batches} batch(es) wait, the oldest for {waits.oldest.total_seconds():.0f} s"
    if waits.pause is not None:
        seen += f"; it fails since {waits.pause.since:%d %b %H:%M:%S} UTC ({waits.pause.why})"
    if waits.refused:
        seen += f"; {waits.refused} refused, see `cartwatch exports`"
    return Check("FHIR base", waits.is_well(now), seen)
