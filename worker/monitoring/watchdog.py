"""The auditor: a second pair of eyes in every worker. Each 15 s one of them looks for what should have been done by now
and was not, and for what the store and the machines must not be; it says so as a fault, in the log and as counts.

Where the shard that would report it is what stands still, its page is put into the outbox past the evaluation. If no
process delivers or looks, `last_alarm.py` pages directly. While all is well an external dead-man's switch is pinged: if
the pings stop, that service raises the alarm without depending on us.
"""

import logging
import socket
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast

from redis import Redis

from alerts.messages import SITE_SUBJECT, Fault
from alerts.step.system_faults import fault
from config.settings import Settings
from config.site import Site
from worker.clock import StoreClock, milliseconds
from worker.delivery.agreement import owing
from worker.fhir_export import circuit_breaker
from worker.monitoring import clock_jump, emergency_page, incidents, unregistered
from worker.monitoring.canary import RoundTrip
from worker.monitoring.incidents import MISSED, Notes
from worker.monitoring.overdue import OVERDUE, Overdue, find
from worker.runtime.queues import QUEUES
from worker.runtime.runtime import Runtime
from worker.store import dead_letters
from worker.store.aof_repair import rewrite_after_restart
from worker.store.capacity import forget_nothing_waits, trim_streams
from worker.store.codec import pack
from worker.store.inbox import SOURCE_SHOWN, append
from worker.store.keys import SYNTHETIC, Shard
from worker.store.requirements import violations
from worker.store.shard import Store
from worker.store.wrong_types import move_away

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=15)

MOST_DRIFT_SECONDS = 5.0
"""By how much a machine's clock may differ from the store's."""

DRIFT_KNOWN = timedelta(minutes=2)

DELIVERS = ("deliver", "deliver_urgent")
JUDGES = "advance"
EXPORTS = "export"

FHIR_BASE = "FHIR base"
"""The condition under which a record system that takes nothing is told."""

BEHIND = "overdue "
"""How the conditions of what waits too long begin."""

SITE_STUCK = "the site's shard"
"""Noted like a trouble of its own, and told past the judgement."""


SOURCES_NAMED = 5
"""Of the sources whose dead letters are dropped so many have an incident of their own."""


class Look(NamedTuple):
    """What a look asks for: shards to wake, and a heartbeat."""

    wake: tuple[Shard, ...] = ()
    heartbeat: bool = False


def audit(run: Runtime, now: datetime) -> Look:
    """Look, unless somebody just did. In a replay there is no time in which anything could be late."""
    if run.settings.clock == "simulated":
        return Look()
    store = run.store
    if not _turn(store.redis, f"{store.keys.audit}:turn", EVERY):
        return Look()
    state = cast("dict[bytes, bytes]", store.redis.hgetall(store.keys.audit))
    server = rewrite_after_restart(store.redis, state.get(b"server", b"").decode())
    clock_jump.look_again(store, now)
    trim_streams(store.redis, store.keys)
    forget_nothing_waits(store.redis, store.keys)
    overdue = find(store, now)
    # A key that is only ever set where it is absent never says that it is of another type.
    moved = move_away(store.redis, store.keys, now) if overdue.total else []
    before = incidents.unpack(state.get(b"notes"))
    found = _found(run, overdue, now)
    found |= unregistered.overdue(store, run.site.conventions.unregistered.page_after.value, before, now)
    every = timedelta(seconds=run.settings.round_trip_every)
    if _nobody_looked(state, now):
        # What is overdue now could not be done while no worker ran; the next look judges those that do.
        found = {part: what for part, what in found.items() if part != SITE_STUCK and not part.startswith(BEHIND)}
        state.pop(b"trip_began", None)
    trip = RoundTrip(state, store.state(SYNTHETIC), every, now)
    found |= trip.late()
    change = incidents.compare(before, found, milliseconds(now))
    faults = [*trip.messages(), *_faults(change.begun, change.over, found, now)]
    _tell_past_the_judgement(run, change, found, now)
    wake = append(store.redis, store.keys, [(m, m.model_dump_json(exclude_none=True).encode()) for m in faults], now)
    # Noted only after the faults stand in the inbox: said twice is better than not said.
    _note(store, server, change.notes, overdue, trip, now)
    return Look((*moved, *wake), not found and _heartbeat_is_due(store, run.settings))


# -- what is looked for ------------------------------------------------------------------------------


def _found(run: Runtime, overdue: Overdue, now: datetime) -> dict[str, str]:
    """Everything that is wrong now, by condition, in words without a patient."""
    store = run.store
    found = {}
    for kind, waits in overdue._asdict().items():
        if waits:
            shards = ", ".join(str(number) for number in waits)
            found[f"{BEHIND}{kind}"] = (
                f"{sum(waits.values())} overdue {kind} in shard(s) {shards}: see `cartwatch health`"
            )
    if store.keys.of(SITE_SUBJECT).number in {*overdue.messages, *overdue.leases}:
        found[SITE_STUCK] = "nothing is judged in the shard that tells of technical trouble"
    for violation in violations(store.redis, store.keys, volatile=run.settings.volatile):
        found[violation.part] = str(violation)
    found |= clock_jump.found(store)
    found |= _dropped(store, now)
    if run.settings.exports:
        found |= _fhir_base(store, now)
    taken = taken_by(store)
    for queue in (*DELIVERS, JUDGES, *((EXPORTS,) if run.settings.exports else ())):
        if not taken[queue]:
            found[f"{MISSED}{queue}"] = f"no worker takes from the queue {queue}: start one"
    for machine, seconds in drifts(store).items():
        what = f"the clock of {machine} is {seconds:+.0f} s off the store's: check the time service of both"
        found[f"clock drift {machine}"] = what
    return found


def _dropped(store: Store, now: datetime) -> dict[str, str]:
    """The sources of which dead letters were dropped lately, the first few by name."""
    dropping = dead_letters.tally(store.redis, store.keys, now).dropping
    return {
        f"dead letters {source[:SOURCE_SHOWN]}": (
            f"{source[:SOURCE_SHOWN]} sends more that cannot be used than is kept: the oldest of it is dropped;"
            " see `cartwatch set-aside`"
        )
        for source in dropping[:SOURCES_NAMED]
    }


def _fhir_base(store: Store, now: datetime) -> dict[str, str]:
    """That the record system has taken nothing for too long."""
    pause = circuit_breaker.read(store.redis, store.keys)
    if pause is None or not pause.is_to_be_told(now):
        return {}
    minutes = (now - pause.since) // timedelta(minutes=1)
    return {FHIR_BASE: f"the FHIR base has taken nothing for {minutes} min ({pause.why}); what it is owed is kept"}


def _nobody_looked(state: Mapping[bytes, bytes], now: datetime) -> bool:
    """Whether no worker has looked when one should have: the service was away, and has just begun again."""
    looked = state.get(b"looked")
    return looked is not None and now - datetime.fromisoformat(looked.decode()) > EVERY + OVERDUE


def taken_by(store: Store) -> dict[str, int]:
    """How many workers take from each queue."""
    counts = dict.fromkeys(QUEUES, 0)
    for beat in list(store.redis.scan_iter(f"{store.keys.namespace}:beat:*")):
        for queue in cast("bytes", store.redis.get(beat) or b"").decode().split(","):
            if queue in counts:
                counts[queue] += 1
    return counts


def note_drift(store: Store, clock: StoreClock) -> None:
    """Note by how much this machine's clock differs from the store's, where that is too much.

    Nothing is judged by a machine's clock; but where several differ, it is the store's that is wrong.
    """
    seconds = (datetime.now(UTC) - clock.estimate()).total_seconds()
    if abs(seconds) > MOST_DRIFT_SECONDS:
        store.redis.set(f"{store.keys.namespace}:drift:{socket.gethostname()}", f"{seconds:.3f}", px=DRIFT_KNOWN)


def drifts(store: Store) -> dict[str, float]:
    """By how many seconds the clock of each machine that differs too much is ahead of the store's."""
    prefix = f"{store.keys.namespace}:drift:"
    names = [name.decode() for name in store.redis.scan_iter(f"{prefix}*")]
    values = cast("list[bytes | None]", store.redis.mget(names)) if names else []
    pairs = zip(names, values, strict=True)
    return {name.removeprefix(prefix): float(value) for name, value in pairs if value is not None}


# -- saying so ---------------------------------------------------------------------------------------


def _faults(begun: Iterable[str], over: Iterable[str], found: Mapping[str, str], now: datetime) -> list[Fault]:
    faults = []
    for condition in begun:
        log.error("audit: %s", found[condition])
        faults.append(fault(condition, found[condition], f"audit {condition} {now.isoformat()}", now))
    for condition in over:
        log.warning("audit: %s is over", condition)
        mended = fault(condition, f"{condition} is over", f"audit over {condition} {now.isoformat()}", now)
        faults.append(mended.model_copy(update={"over": True}))
    return faults


def _tell_past_the_judgement(run: Runtime, change: incidents.Change, found: Mapping[str, str], now: datetime) -> None:
    """Once, where the site's shard stands still: into its outbox."""
    if SITE_STUCK in change.begun:
        put_in_outbox(run.store, run.site, found[SITE_STUCK], now)


def put_in_outbox(store: Store, site: Site, what: str, now: datetime) -> None:
    """Owe a page about the paging to whoever is told of technical trouble, without the judgement."""
    shard = store.keys.of(SITE_SUBJECT)
    pipe = store.redis.pipeline(transaction=True)
    for page in emergency_page.pages(site, emergency_page.CANNOT_PAGE, (what, emergency_page.ADVICE), now, "technical"):
        pipe.hset(shard.key("outbox"), page.id, pack(owing(page, site)))
        pipe.zadd(shard.due(page.urgency), {page.id: milliseconds(now)})
    pipe.execute()


def _note(store: Store, server: str, notes: Notes, overdue: Overdue, trip: RoundTrip, now: datetime) -> None:
    counts = {f"overdue_{kind}": count for kind, count in overdue.kinds().items()}
    kept: dict[str, str | int | bytes] = {"looked": now.isoformat(), "server": server, "notes": incidents.pack(notes)}
    pipe = store.redis.pipeline(transaction=True)
    pipe.hset(store.keys.audit, items=[part for pair in {**kept, **counts, **trip.fields()}.items() for part in pair])
    pipe.hincrby(store.keys.audit, "looks", 1)
    if overdue.total:
        pipe.hincrby(store.keys.audit, "looks_overdue", 1)
    pipe.execute()


def _heartbeat_is_due(store: Store, settings: Settings) -> bool:
    every = timedelta(seconds=settings.heartbeat_every)
    return bool(settings.heartbeat_url) and _turn(store.redis, f"{store.keys.audit}:heartbeat", every)


def _turn(redis: Redis, key: str, every: timedelta) -> bool:
    return bool(redis.set(key, 1, nx=True, px=every))


class Seen(NamedTuple):
    """What is known of the auditor's last look."""

    looked: datetime | None
    told: tuple[str, ...]
    trip_back: datetime | None
    trip_took: timedelta | None
    heartbeat_sent: datetime | None
    heartbeat_failed: datetime | None
    overdue: dict[str, int]
    looks: int
    looks_overdue: int


def last_look(store: Store) -> Seen:
    """The state of the audit, for health and metrics."""
    state = cast("dict[bytes, bytes]", store.redis.hgetall(store.keys.audit))

    def moment(name: bytes) -> datetime | None:
        return datetime.fromisoformat(state[name].decode()) if name in state else None

    notes = incidents.unpack(state.get(b"notes"))
    took = state.get(b"trip_took")
    return Seen(
        looked=moment(b"looked"),
        told=tuple(sorted(condition for condition, note in notes.items() if note.told)),
        trip_back=moment(b"trip_back"),
        trip_took=timedelta(milliseconds=int(took)) if took is not None else None,
        heartbeat_sent=moment(b"heartbeat_sent"),
        heartbeat_failed=moment(b"heartbeat_failed"),
        overdue={kind: int(state.get(f"overdue_{kind}".encode(), 0)) for kind in Overdue._fields},
        looks=int(state.get(b"looks", 0)),
        looks_overdue=int(state.get(b"looks_overdue", 0)),
    )
