"""The watchdog: every 15 s one worker looks for overdue work and for trouble of the store, machines and queues.

It reports each incident as a fault, in the log and as counts. If the site's shard itself is stuck, the page bypasses
its processing and goes straight into the outbox. If no process delivers or no watchdog runs, `last_alarm.py` pages
directly. While all is well we ping an external dead-man's switch. If the pings stop, that service raises the alarm
without depending on us.
"""

import logging
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast

from alerts.messages import SITE_SUBJECT, Fault
from alerts.state import PatientState
from alerts.step.system_faults import fault
from alerts.wording.catalogue import in_english
from alerts.wording.phrase import Phrase, phrase
from config.site import Site
from worker.audit import feed
from worker.clock import milliseconds
from worker.delivery.agreement import owing
from worker.fhir_export import circuit_breaker
from worker.monitoring import (
    backups,
    beats,
    clock_jump,
    emergency_page,
    floods,
    incidents,
    set_back,
    subscriptions,
    unregistered,
)
from worker.monitoring.beats import Beats
from worker.monitoring.canary import Canary
from worker.monitoring.incidents import MISSED, Incidents
from worker.monitoring.overdue import OVERDUE, Overdue, find
from worker.runtime.runtime import Runtime
from worker.store import backlog, dead_letters, unreadable
from worker.store.aof_repair import rewrite_if_restarted
from worker.store.capacity import reset_waiting_bytes, trim_streams
from worker.store.channel_queues import enqueue
from worker.store.inbox import SOURCE_SHOWN, append, encoded
from worker.store.keys import SYNTHETIC, Shard
from worker.store.lease import once_every
from worker.store.requirements import violations
from worker.store.schema import UnreadableError
from worker.store.shard import Store
from worker.store.wrong_types import move_away

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=15)

DELIVERS = "deliver"
EVALUATES = "advance"
EXPORTS = "export"

FHIR_BASE = "FHIR base"
"""The condition of an EHR that accepts nothing."""

BEHIND = "overdue "
"""The prefix of the conditions of overdue work."""

SITE_SHARD_STUCK = "the site's shard"
"""A condition of its own. Its page bypasses the processing."""

SOURCES_NAMED = 5
"""The most sources with dropped dead letters that have an incident of their own."""


class WatchdogActions(NamedTuple):
    """The actions that a run requires of its caller: shards to wake, and whether to send a heartbeat."""

    wake: tuple[Shard, ...] = ()
    heartbeat: bool = False


def run_watchdog(run: Runtime, now: datetime) -> WatchdogActions:
    """Check everything, unless another worker just did. In a replay nothing can be late, because no time passes."""
    if run.settings.clock == "simulated":
        return WatchdogActions()
    store = run.store
    if not once_every(store.redis, store.keys.watchdog_claim, EVERY):
        return WatchdogActions()
    state = cast("dict[bytes, bytes]", store.redis.hgetall(store.keys.watchdog))
    server = rewrite_if_restarted(store.redis, state.get(b"server", b"").decode(), _since_last_run(state, now))
    clock_jump.look_again(store, now)
    trim_streams(store.redis, store.keys, audited=store.audited)
    reset_waiting_bytes(store.redis, store.keys)
    counts = floods.take_counts(store.redis, store.keys)
    overdue = find(store, backlog.read(store.redis, store.keys, now))
    workers = beats.read(store.redis, store.keys, now)
    beats.forget_stopped(store.redis, store.keys, workers)
    before = incidents.unpack(state.get(b"incidents"))
    # SET NX does not fail on a key of another type, so no other part would find it. One pass for each incident.
    is_new = any(waits and f"{BEHIND}{kind}" not in before for kind, waits in overdue._asdict().items())
    moved = move_away(store.redis, store.keys, now) if is_new else []
    moved += unreadable.retry(store.redis, store.keys, now)
    found = _found(run, overdue, workers, now)
    found |= floods.found(counts, run.settings.source_rate, floods.since(state.get(b"last_run"), now))
    found |= unregistered.overdue(store, run.site.conventions.unregistered.page_after.value, before, now)
    every = timedelta(seconds=run.settings.canary_every)
    if _no_worker_ran(state, now):
        # Work is overdue because no worker ran. The next run reports the work that the present workers leave undone.
        late = (SITE_SHARD_STUCK, feed.CONDITION, backups.CONDITION)
        found = {part: what for part, what in found.items() if part not in late and not part.startswith(BEHIND)}
        state.pop(b"canary_sent", None)
    canary = Canary(state, _canary_state(store), every, now)
    found |= canary.overdue()
    change = incidents.compare(before, found, milliseconds(now))
    faults = [*canary.messages(), *_faults(change.opened, change.closed, found, now)]
    _bypass_processing(run, change, found, now)
    wake = append(store.redis, store.keys, map(encoded, faults), now).wake
    # Recorded only after the faults stand in the inbox: a second notification is better than none.
    _record(store, server, change.incidents, overdue, canary, now)
    return WatchdogActions((*moved, *wake), not found and _heartbeat_is_due(run))


def _canary_state(store: Store) -> PatientState | None:
    """The stored state of the synthetic patient. If it cannot be read, the next canary begins anew."""
    with suppress(UnreadableError):
        return store.state(SYNTHETIC)
    return None


# -- what is wrong -----------------------------------------------------------------------------------


def _found(run: Runtime, overdue: Overdue, workers: Beats, now: datetime) -> dict[str, Phrase]:
    """All present trouble: by condition, a text that names no patient."""
    store = run.store
    found: dict[str, Phrase] = {}
    for kind, waits in overdue._asdict().items():
        if waits and kind == "pages":
            text = "pages of {n} group(s) of channels are overdue, and no worker looks at them: see `cartwatch health`"
            found[f"{BEHIND}{kind}"] = phrase(text, n=len(waits))
        elif waits:
            text = "{n} overdue {kind} in shard(s) {shards}: see `cartwatch health`"
            shards = ", ".join(str(number) for number in waits)
            found[f"{BEHIND}{kind}"] = phrase(text, n=sum(waits.values()), kind=kind, shards=shards)
    if store.keys.of(SITE_SUBJECT).number in {*overdue.messages, *overdue.leases}:
        found[SITE_SHARD_STUCK] = Phrase("nothing is evaluated in the shard that reports technical trouble")
    for violation in violations(store.redis, store.keys, volatile=run.settings.volatile):
        found[violation.part] = violation.said
    found |= clock_jump.found(store)
    found |= set_back.found(store)
    found |= feed.behind(store, now)
    found |= backups.late(store, run.settings, now)
    found |= _dropped(store, now)
    found |= subscriptions.found(store, run.site, now)
    if run.settings.exports:
        found |= _fhir_base(store, now)
    consumers = beats.consumers_by_queue(workers)
    for queue in (DELIVERS, EVALUATES, *((EXPORTS,) if run.settings.exports else ())):
        if not consumers[queue]:
            found[f"{MISSED}{queue}"] = phrase("no worker consumes the queue {queue}: start one", queue=queue)
    for machine, seconds in beats.drifts(workers).items():
        text = "the clock of {machine} is {seconds} s off the store's: check the time service of both"
        found[f"clock drift {machine}"] = phrase(text, machine=machine, seconds=f"{seconds:+.0f}")
    return found


def _dropped(store: Store, now: datetime) -> dict[str, Phrase]:
    """The first few sources that recently lost dead letters."""
    dropping = dead_letters.usage(store.redis, store.keys, now).dropping
    return {
        f"dead letters {source[:SOURCE_SHOWN]}": phrase(
            "{source} sends more that cannot be used than is kept: the oldest of it is dropped;"
            " see `cartwatch dead-letters`",
            source=source[:SOURCE_SHOWN],
        )
        for source in dropping[:SOURCES_NAMED]
    }


def _fhir_base(store: Store, now: datetime) -> dict[str, Phrase]:
    """The incident of an EHR that has accepted nothing for too long."""
    circuit = circuit_breaker.read(store.redis, store.keys)
    if circuit is None or not circuit.is_to_be_reported(now):
        return {}
    minutes = (now - circuit.since) // timedelta(minutes=1)
    text = "the FHIR base has accepted nothing for {minutes} min ({why}); what it is owed is kept"
    return {FHIR_BASE: phrase(text, minutes=minutes, why=circuit.why)}


def _no_worker_ran(state: Mapping[bytes, bytes], now: datetime) -> bool:
    """Whether the watchdog missed a run: the service was stopped and has just started again."""
    since = _since_last_run(state, now)
    return since is not None and since > EVERY + OVERDUE


def _since_last_run(state: Mapping[bytes, bytes], now: datetime) -> timedelta | None:
    last = state.get(b"last_run")
    return now - datetime.fromisoformat(last.decode()) if last is not None else None


# -- reporting ---------------------------------------------------------------------------------------


def _faults(opened: Iterable[str], closed: Iterable[str], found: Mapping[str, Phrase], now: datetime) -> list[Fault]:
    faults = []
    for condition in opened:
        log.error("watchdog: %s", in_english(found[condition], UTC))
        faults.append(fault(condition, found[condition], f"watchdog {condition} {now.isoformat()}", now))
    for condition in closed:
        log.warning("watchdog: %s is over", condition)
        about = f"watchdog closed {condition} {now.isoformat()}"
        faults.append(fault(condition, phrase("{incident} is over", incident=condition), about, now, over=True))
    return faults


def _bypass_processing(
    run: Runtime, change: incidents.IncidentChanges, found: Mapping[str, Phrase], now: datetime
) -> None:
    """If the site's shard has just become stuck, put the page into its outbox."""
    if SITE_SHARD_STUCK in change.opened:
        enqueue_emergency_page(run.store, run.site, found[SITE_SHARD_STUCK], now)


def enqueue_emergency_page(store: Store, site: Site, what: Phrase, now: datetime) -> None:
    """Put a page about the paging into the outbox, without processing, for the technical ladder's first step."""
    shard = store.keys.of(SITE_SUBJECT)
    pipe = store.redis.pipeline(transaction=True)
    for page in emergency_page.pages(site, emergency_page.CANNOT_PAGE, (what, emergency_page.ADVICE), now, "technical"):
        enqueue(pipe, store.keys, shard, owing(page, site), now)
    pipe.execute()


def _record(
    store: Store, server: str, open_incidents: Incidents, overdue: Overdue, canary: Canary, now: datetime
) -> None:
    counts = {f"overdue_{kind}": count for kind, count in overdue.kinds().items()}
    kept: dict[str, str | int | bytes] = {
        "last_run": now.isoformat(),
        "server": server,
        "mark": secrets.token_hex(4),
        "incidents": incidents.pack(open_incidents),
    }
    pipe = store.redis.pipeline(transaction=True)
    pipe.hset(
        store.keys.watchdog, items=[part for pair in {**kept, **counts, **canary.fields()}.items() for part in pair]
    )
    pipe.hincrby(store.keys.watchdog, "runs", 1)
    if overdue.total:
        pipe.hincrby(store.keys.watchdog, "runs_overdue", 1)
    pipe.execute()


def _heartbeat_is_due(run: Runtime) -> bool:
    every = timedelta(seconds=run.settings.heartbeat_every)
    listened = bool(run.settings.heartbeat_url) or any(
        one.is_alert_manager for one in run.site.on_call.channels.values()
    )
    return listened and once_every(run.store.redis, f"{run.store.keys.watchdog}:heartbeat", every)


class WatchdogStatus(NamedTuple):
    """The last run of the watchdog. `notified`: the conditions of open incidents of which somebody was notified."""

    last_run: datetime | None
    notified: tuple[str, ...]
    canary_arrived: datetime | None
    canary_latency: timedelta | None
    heartbeat_sent: datetime | None
    heartbeat_failed: datetime | None
    overdue: dict[str, int]
    runs: int
    runs_overdue: int


def last_run(store: Store) -> WatchdogStatus:
    """The state of the last run, for health and metrics."""
    state = cast("dict[bytes, bytes]", store.redis.hgetall(store.keys.watchdog))

    def moment(name: bytes) -> datetime | None:
        return datetime.fromisoformat(state[name].decode()) if name in state else None

    known = incidents.unpack(state.get(b"incidents"))
    latency = state.get(b"canary_latency")
    return WatchdogStatus(
        last_run=moment(b"last_run"),
        notified=tuple(sorted(condition for condition, incident in known.items() if incident.notified)),
        canary_arrived=moment(b"canary_arrived"),
        canary_latency=timedelta(milliseconds=int(latency)) if latency is not None else None,
        heartbeat_sent=moment(b"heartbeat_sent"),
        heartbeat_failed=moment(b"heartbeat_failed"),
        overdue={kind: int(state.get(f"overdue_{kind}".encode(), 0)) for kind in Overdue._fields},
        runs=int(state.get(b"runs", 0)),
        runs_overdue=int(state.get(b"runs_overdue", 0)),
    )
