"""How long a patient is kept: discharged patients leave the working state, and a patient can be erased everywhere.

Archiving removes the state of a patient who was discharged long ago, after the audit has it: their messages, grades and
pages stay there. Erasing removes a patient from the store and from the audit; what it did is recorded without them.
"""

import logging
import time
from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec

from alerts.state import PatientState
from worker.audit.chain import AuditLine
from worker.audit.feed import feed, writing
from worker.audit.folder import AuditFolder
from worker.runtime.runtime import Runtime
from worker.store.erasure import Erased, erase, erased, remove_state
from worker.store.lease import Lease
from worker.store.schema import UnreadableError
from worker.store.shard import Store

log = logging.getLogger(__name__)

ARCHIVE_SECONDS = 3600.0

LEASE = timedelta(seconds=30)

WAITS_SECONDS = 30.0
"""The time for which another process may write the audit."""


class StillWatchedError(Exception):
    """A patient who is watched is not erased."""


# -- archiving -------------------------------------------------------------------------------------


def archive_discharged(run: Runtime) -> None:
    """Archive the patients who were discharged longer ago than the settings say, if the audit goes on."""
    if run.settings.audit_dir is None or not run.settings.archive_days:
        return
    before = run.clock.now() - timedelta(days=run.settings.archive_days)
    done = [state for state in run.store.states(unregistered=True) if _is_settled(state, before)]
    if not done:
        return
    folder = AuditFolder(run.settings.audit_dir)
    feed(run, folder)
    for state in done:
        _archive(run, folder, state)


def _is_settled(state: PatientState, before: datetime) -> bool:
    """Whether nothing has happened to a discharged patient since a time."""
    newest = max(filter(None, (state.discharged_at, state.chart.newest, state.at)), default=None)
    quiet = newest is not None and newest < before
    return quiet and state.discharged_at is not None and not state.episodes and not state.patient.startswith("~")


def _archive(run: Runtime, folder: AuditFolder, state: PatientState) -> None:
    """Record that a state is archived, then remove it, unless it was changed since."""
    store, now = run.store, run.clock.now()
    shard = store.keys.of(state.patient)
    revision = store.redis.hget(shard.key("revisions"), state.patient)
    lease = Lease.acquire(store.redis, shard.lease, LEASE)
    if lease is None:
        return
    try:
        if revision != store.redis.hget(shard.key("revisions"), state.patient) or store.state(state.patient) != state:
            return
        with writing(run, folder) as record:
            if record is None:
                return
            discharged = state.discharged_at.isoformat() if state.discharged_at is not None else ""
            body = {"patient": state.patient, "discharged": discharged, "in": [], "events": []}
            folder.append(now, "archived", body)
        episodes = erased(store.redis, store.keys, [state.patient]).episodes
        lease.write(store.redis, lambda pipe: remove_state(pipe, shard, state.patient, episodes))
        log.info("a discharged patient was archived (shard %d)", shard.number)
    finally:
        lease.release(store.redis)


# -- erasing ---------------------------------------------------------------------------------------


def forget(run: Runtime, patients: Collection[str]) -> int:
    """Erase patients from the store and the audit; return the number of its records whose content was erased.

    Raises:
        StillWatchedError: one is watched, or is merged with one that is not named.
        ShardBusyError: a shard is never free.
        OSError: the audit cannot be written to.
    """
    for patient in patients:
        _require_forgettable(run.store, patient, patients)
    who = erased(run.store.redis, run.store.keys, patients)
    erase(run.store.redis, run.store.keys, who)
    if run.settings.audit_dir is None:
        return 0
    folder = AuditFolder(run.settings.audit_dir)
    feed(run, folder)
    deadline = time.monotonic() + WAITS_SECONDS
    while True:
        with writing(run, folder) as record:
            if record is not None:
                numbers = folder.erase(lambda line: _concerns(line, who), _needles(who))
                folder.append(run.clock.now(), "erased", {"patients": len(who.patients), "records": numbers})
                return len(numbers)
        if time.monotonic() > deadline:
            raise OSError("the audit is written elsewhere: run the command on that machine too")
        time.sleep(0.1)


def _require_forgettable(store: Store, patient: str, together: Collection[str]) -> None:
    try:
        state = store.state(patient)
    except UnreadableError:
        return
    if state is None:
        return
    if state.is_graded:
        raise StillWatchedError(f"{patient} is watched: discharge the patient first")
    linked = {link.other for link in (*state.merges.into, *state.merges.received)}
    if others := sorted(linked - set(together)):
        raise StillWatchedError(f"{patient} is merged with {', '.join(others)}: name all of them")


def _needles(who: Erased) -> tuple[bytes, ...]:
    return tuple(msgspec.json.encode(patient)[1:-1] for patient in who.patients)


def _concerns(line: AuditLine, who: Erased) -> bool:
    """Whether a line is about one of the patients, or a message or event in it names one."""
    body = line.body or {}
    if line.link.kind not in ("batch", "archived"):
        return False
    if body.get("patient") in who.patients:
        return True
    return any(who.concern_text(item["message"]) for item in body.get("in", ())) or any(
        who.concern(event) for event in body.get("events", ())
    )
