"""Advance a shard: read a batch, evaluate it patient by patient, commit what is done.

A turn has a budget of time, far below the lease: when it is spent, what is done is committed and the rest waits. So
work is never thrown away for being long, and nobody waits long for it.
A message on which the evaluation fails is a poison message: it becomes a dead letter, and its neighbours go on. After
each lease that was lost the pieces of work are half as large. After the third the messages are evaluated one at a
time, until the one that kills its workers stands alone.
"""

import logging
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from math import ceil
from pathlib import Path

from celery.exceptions import SoftTimeLimitExceeded

from alerts.chart.charting import is_charted_ahead
from alerts.message_fields import Status
from alerts.messages import AnyMessage, BadMessage, Fault, Merge, Registration, read_message
from alerts.pages.page import Page
from alerts.state import DeadLetter, Effects, PatientState, dead_letter
from alerts.step.step import step
from alerts.step.system_faults import fault, intake_fault
from alerts.step.unregistered import would_be_unregistered
from config.site import Site
from worker.clock import Clock, milliseconds
from worker.delivery.agreement import owing
from worker.fhir_export.records import Item, records_of
from worker.store import schema
from worker.store.codec import pack_export
from worker.store.fair_shares import PIECE, InboxEntry, ParsedEntry, Piece, TimeBudget, rounds
from worker.store.inbox import RAW_KEPT, SOURCE_SHOWN
from worker.store.keys import Keys, Shard
from worker.store.schema import NewerStoreError, TooNewError, UnreadableError
from worker.store.shard import Batch, Commit, LostLeaseError, ReadPosition, Store
from worker.store.unreadable import begins_anew, faults, suspend

log = logging.getLogger(__name__)

CRASHES_BEFORE_ONE_BY_ONE = 3
CRASHES_BEFORE_SET_ASIDE = 8

UNREADABLE = "what is stored of a patient cannot be read, and too many messages wait for it already"

TO_MAKE_ROOM = "register them, or discharge those who are not to be watched"


class ShardRun:
    """What one wake-up achieved: pages to deliver, shards to wake, whether more waits, whether there is to export."""

    def __init__(self) -> None:
        self.batches = 0
        self.messages = 0
        self.pages: list[Page] = []
        self.wake: list[Shard] = []
        self.more = False
        self.exports = False


def advance(
    store: Store, shard: Shard, clock: Clock, site: Site, monotonic: Callable[[], float] = time.monotonic
) -> ShardRun:
    """Take a shard as far as the budget of a turn reaches."""
    turn = ShardRun()
    try:
        place = store.look(shard, clock)
    except NewerStoreError as error:
        log.error("shard %d is left to a newer version: %s", shard.number, error)
        return turn
    if place is None:
        return turn
    budget = store.budget(monotonic)
    alone = bool(place.suspect)
    while True:
        batch = store.take(shard, clock.now(), place, budget)
        if batch is None:
            turn.more = False
            break
        # Read the clock again: a message appended just before it was taken must not seem to come from the future.
        now = clock.now()
        alone = alone or batch.crashes > CRASHES_BEFORE_ONE_BY_ONE
        try:
            outcome, place = _one_batch(store, batch, now, site, turn, budget, alone=alone)
        except LostLeaseError:
            log.warning("shard %d was taken over by another worker; nothing of this batch was committed", shard.number)
            break
        except NewerStoreError as error:
            log.error("shard %d is left to a newer version: %s", shard.number, error)
            store.release(batch)
            break
        turn.pages += [item.page for item in outcome.pages]
        turn.exports = turn.exports or bool(outcome.exports)
        if not turn.more or budget.is_spent():
            break
    return turn


def _one_batch(
    store: Store, batch: Batch, now: datetime, site: Site, turn: ShardRun, budget: TimeBudget, *, alone: bool
) -> tuple[Commit, ReadPosition]:
    """Evaluate and commit what the budget allows of a batch; return also where the next begins."""
    with store.transaction(batch) as transaction:
        work = _one_thing(store, batch, turn) if alone else batch
        read, outcome = _read(store.keys, work, now, site)
        due = [] if outcome.failed_timers else work.due
        asked = {item.message.patient for item in read} | set(due)
        states = transaction.states(asked)
        if transaction.unreadable:
            read, due, outcome = _without_unreadable(store, work, transaction.unreadable, read, due, now, outcome)
            states |= {name: PatientState(patient=name) for name in transaction.unreadable if begins_anew(name)}
        room = ceil(site.conventions.unregistered.at_most.value / store.keys.shards) - transaction.unregistered
        known = _without_room(states, read, room, now, site, outcome)
        old = {waiting.entry for waiting in batch.waiting[: batch.scan.backlog]}
        fresh, backlog = (known, []) if alone else batch.scan.wanted(known, old)
        todo = rounds(fresh, backlog, due, max(1, PIECE >> batch.crashes - 1))
        exports, done = _evaluate(states, todo, budget, now, site, outcome, exporting=store.exports)
        outcome = outcome._replace(exports=pack_export(exports) if exports else b"")
        left = {item.entry for item in known} - done
        committed = batch.done_with({waiting.entry for waiting in work.waiting} - left)
        turn.more, wake = transaction.commit(committed, outcome, now)
    turn.wake += wake
    turn.batches += 1
    turn.messages += len(committed.waiting)
    return outcome, committed.place


def _one_thing(store: Store, batch: Batch, turn: ShardRun) -> Batch:
    """One message alone, else the first ladder alone: what kills workers must be found out.

    The message is recorded as the suspect before it is evaluated, and remains so until something is committed. The
    oldest of the backlog and the oldest of the rest alternate, so that a culprit behind a long backlog is found too.
    """
    if not batch.waiting:
        return batch._replace(due=batch.due[:1])
    same = [waiting for waiting in batch.waiting if waiting.entry == batch.place.suspect]
    if same:
        return batch._replace(waiting=same, due=[])
    chosen = batch.waiting[batch.scan.backlog if turn.batches % 2 else 0 :][:1] or batch.waiting[:1]
    store.suspect(batch, chosen[0].entry)
    return batch._replace(waiting=chosen, due=[])


def _read(keys: Keys, batch: Batch, now: datetime, site: Site) -> tuple[list[ParsedEntry], Commit]:
    """Parse what waits. Producers may append to the stream directly: what cannot be read becomes a dead letter, what
    belongs to another shard is moved there."""
    last_seen: dict[str, int] = {}
    outcome = Commit({}, [], [], [], [], [], [], last_seen)
    found: list[ParsedEntry] = []
    given_up = batch.crashes > CRASHES_BEFORE_SET_ASIDE
    if given_up and not batch.waiting:
        _put_off(outcome, batch.due, f"shard {batch.shard.number}", "worker died", now)
    for waiting in batch.waiting:
        try:
            message = read_message(waiting.raw)
        except BadMessage as error:
            _set_aside_raw(outcome, waiting, str(error), now)
            continue
        last_seen[message.source] = milliseconds(waiting.received)
        if given_up and waiting.entry == batch.place.suspect:
            why = "a worker died each time it took this message"
            outcome.dead_letters.append(dead_letter(message, why, now))
            outcome.forwarded.append(_poison(message, "worker died", now))
            continue
        if keys.of(message.patient) != batch.shard:
            outcome.forwarded.append(message)
            continue
        if message.received is None and _depends_on_acceptance(message, waiting.received, site):
            message = message.model_copy(update={"received": waiting.received})
        found.append(ParsedEntry(waiting.entry, waiting.rank, message))
    return found, outcome


def _depends_on_acceptance(message: AnyMessage, accepted: datetime, site: Site) -> bool:
    """Whether the time of acceptance must be known: of two corrections the one accepted later holds, of two merges of
    one time likewise; what a person charted ahead was true when it was accepted, and nothing is overdue of a patient
    before the registration is known.
    """
    if message.status is not Status.FINAL or isinstance(message, Registration | Merge):
        return True
    return is_charted_ahead(message, accepted, site)


def _set_aside_raw(outcome: Commit, waiting: InboxEntry, why: str, now: datetime) -> None:
    raw = waiting.raw.decode(errors="replace")[:RAW_KEPT]
    outcome.dead_letters.append(DeadLetter(now, "inbox", "", "", why, raw))
    what = "a message in the inbox cannot be read; see `cartwatch dead-letters`"
    outcome.forwarded.append(fault("intake inbox", what, waiting.entry.decode(), now))


def _without_unreadable(
    store: Store,
    batch: Batch,
    unreadable: Mapping[str, UnreadableError],
    read: list[ParsedEntry],
    due: list[str],
    now: datetime,
    outcome: Commit,
) -> tuple[list[ParsedEntry], list[str], Commit]:
    """Have wait what came in for patients whose state cannot be read, and look at their ladders again later.

    The state stays as it is. Returns what is left for the others.

    Raises:
        NewerStoreError: a newer version wrote the states, and goes on with them.
    """
    if any(isinstance(error, TooNewError) for error in unreadable.values()):
        schema.refuse_newer(store.redis, store.keys)
    patients = {name for name in unreadable if not begins_anew(name)}
    theirs = {item.entry: item.message for item in read if item.message.patient in patients}
    waiting = [item for item in batch.waiting if item.entry in theirs]
    suspension, surplus = suspend(store.redis, batch.shard, unreadable, waiting, now)
    outcome = outcome._replace(suspension=suspension)
    outcome.forwarded.extend(faults(suspension.listed, now))
    outcome.dead_letters.extend(dead_letter(theirs[item.entry], UNREADABLE, now) for item in surplus)
    outcome.failed_timers.extend(patient for patient in due if patient in patients)
    others = [item for item in read if item.entry not in theirs]
    return others, [patient for patient in due if patient not in patients], outcome


def _without_room(
    states: dict[str, PatientState], read: list[ParsedEntry], room: int, now: datetime, site: Site, outcome: Commit
) -> list[ParsedEntry]:
    """Dead-letter what would be charted of unregistered patients beyond those for whom there is `room`.

    Who is known already keeps what they have. Returns the messages that are left, in their order.
    """
    coming: dict[str, list[AnyMessage]] = defaultdict(list)
    for item in read:
        coming[item.message.patient].append(item.message)
    turned_away = set()
    for patient, theirs in coming.items():
        if states[patient] == PatientState(patient=patient) and would_be_unregistered(theirs):
            room -= 1
            if room < 0:
                turned_away.add(patient)
                del states[patient]
    if not turned_away:
        return read
    why = f"too many unregistered patients ({site.conventions.unregistered.at_most.value} are kept): {TO_MAKE_ROOM}"
    refused = [item.message for item in read if item.message.patient in turned_away]
    outcome.dead_letters.extend(dead_letter(message, why, now) for message in refused)
    by_source = {message.source: message for message in refused}
    outcome.forwarded.extend(intake_fault(message, why, now) for message in by_source.values())
    return [item for item in read if item.message.patient not in turned_away]


def _evaluate(
    states: dict[str, PatientState],
    todo: Iterable[Sequence[Piece]],
    budget: TimeBudget,
    now: datetime,
    site: Site,
    outcome: Commit,
    *,
    exporting: bool,
) -> tuple[list[Item], set[bytes]]:
    """Evaluate rounds of work until the budget is spent, at least one, and add to the outcome what follows.

    Returns what the record system is to be told of it, and the inbox entries that are done.
    """
    exports: list[Item] = []
    done: set[bytes] = set()
    for patient, items in _within(budget, todo):
        state, messages = states[patient], [item.message for item in items]
        done.update(item.entry for item in items)
        advanced, effects, error = _step_isolated(state, messages, now, site)
        if error is not None:
            episodes = ", ".join(sorted(episode.id for episode in state.episodes.values())[:5])
            _put_off(outcome, [patient], f"episode {episodes}", type(error).__name__, now)
        elif advanced != PatientState(patient=patient):  # else nothing is known, and there is nothing to keep
            outcome.states[patient] = states[patient] = advanced
        outcome.pages.extend(owing(page, site) for page in effects.pages)
        outcome.cancelled.extend(effects.cancelled)
        outcome.dead_letters.extend(effects.dead_letters)
        outcome.events.extend(effects.events)
        outcome.forwarded.extend(effects.faults)
        outcome.forwarded.extend(effects.passed_on)
        if exporting:
            exports.extend(records_of(advanced, messages, effects))
    return exports, done


def _within(budget: TimeBudget, todo: Iterable[Sequence[Piece]]) -> Iterator[Piece]:
    for round_ in todo:
        yield from round_
        if budget.is_spent():
            return


def _step_isolated(
    state: PatientState, messages: Sequence[AnyMessage], now: datetime, site: Site
) -> tuple[PatientState, Effects, Exception | None]:
    """`step`, and where it fails, message by message without those it fails on; and the error, if it fails on none."""
    try:
        return *step(state, messages, now, site), None
    except SoftTimeLimitExceeded:
        raise  # no message's fault
    except Exception as error:
        _log_failure("the judgement failed on a batch of %d; going on message by message", len(messages), error)
    good: list[AnyMessage] = []
    poison = Effects()
    probe = state
    for message in messages:
        try:
            probe, _ = step(probe, [message], now, site)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            why = f"internal error {type(error).__name__} while judging this message"
            poison.dead_letters.append(dead_letter(message, why, now))
            poison.faults.append(_poison(message, type(error).__name__, now))
        else:
            good.append(message)
    try:
        # Together once more, so that the pages are those there would have been without the poison.
        advanced, effects = step(state, good, now, site)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        _log_failure("the judgement failed without a message at fault (%d in hand)", len(good), error)
        return state, poison, error
    effects.dead_letters.extend(poison.dead_letters)
    effects.faults.extend(poison.faults)
    return advanced, effects, None


def _log_failure(text: str, count: int, error: Exception) -> None:
    """Where and what kind; the error's own words may hold a patient's values."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    log.error(f"{text}: {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}", count)


def _put_off(outcome: Commit, patients: list[str], whose: str, error: str, now: datetime) -> None:
    """Ladders that cannot be climbed are tried again later and said so; they hold up no other patient."""
    outcome.failed_timers.extend(patients)
    what = f"a ladder could not be judged ({whose}: {error}); it is tried again each minute, see the worker's log"
    outcome.forwarded.append(fault("judgement ladder", what, f"{whose} {now.isoformat()}", now))


def _poison(message: AnyMessage, error: str, now: datetime) -> Fault:
    source = message.source[:SOURCE_SHOWN]
    what = f"a {message.type} from {source} could not be judged ({error}); see `cartwatch dead-letters`"
    return fault(f"judgement {source}", what, f"{source} {message.id}", now)
