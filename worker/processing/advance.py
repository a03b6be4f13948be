"""Advance a shard: read a batch, evaluate it patient by patient, and commit the finished part.

A run has a time budget far below the lease. When the budget is spent, the run commits the finished part and leaves the
rest in the inbox. So long work is never thrown away, and no other message waits long for it.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from math import ceil

from alerts.assessment.result_cache import config_digest
from alerts.pages.page import Page
from alerts.state import PatientState
from config.site import Site
from worker.clock import Clock
from worker.delivery.agreement import owing
from worker.fhir_export.records import Item, records_of
from worker.processing.fact_log import log_facts
from worker.processing.incoming import parse, without_surplus, without_unreadable
from worker.processing.poison import CRASHES_BEFORE_ONE_BY_ONE, isolate_first, postpone_ladders, step_isolated
from worker.store.codec import pack_export
from worker.store.commit import Commit, LostLeaseError, Transaction
from worker.store.fair_shares import CROWDED_PART, PIECE, Piece, TimeBudget, rounds
from worker.store.keys import Partition, Shard
from worker.store.schema import NewerStoreError
from worker.store.shard import Batch, Store
from worker.store.unreadable import begins_anew
from worker.tracing import span

log = logging.getLogger(__name__)


class ShardRun:
    """The result of one wake-up: pages owed, what to wake, whether `more` waits, whether to export.

    `crashed`: nothing was done, because the shard must be advanced while the process does nothing else.
    """

    def __init__(self) -> None:
        self.batches = 0
        self.messages = 0
        self.pages: list[Page] = []
        self.wake: list[Shard | Partition] = []
        self.more = False
        self.exports = self.crashed = False


def advance(
    store: Store,
    shard: Shard,
    clock: Clock,
    site: Site,
    monotonic: Callable[[], float] = time.monotonic,
    *,
    beside: bool = False,
) -> ShardRun:
    """Advance a shard, batch by batch, until nothing waits or the time budget is spent.

    `beside`: the process advances other shards at the same time. A batch that took its process down is then left: it
    might take down the others again, or they it, and an innocent message would become the dead letter.
    """
    run = ShardRun()
    budget = store.budget(monotonic)
    batch, alone = None, False
    try:
        while batch := store.take(shard, clock, budget):
            if beside and batch.crashes > 1:
                store.release(batch)
                run.crashed = True
                return run
            # Read the clock again: a message appended just before it was taken must not seem to come from the future.
            now = clock.now()
            alone = alone or bool(batch.suspect) or batch.crashes > CRASHES_BEFORE_ONE_BY_ONE
            _one_batch(store, batch, now, site, run, budget, alone=alone)
            if not run.more or batch.scan.crowded or budget.is_spent():
                return run
        run.more = False
    except LostLeaseError:
        log.warning("another worker took shard %d; nothing of this batch was committed", shard.number)
    except NewerStoreError as error:
        log.error("shard %d is left to a newer version: %s", shard.number, error)
        if batch is not None:
            store.release(batch)
    return run


def _one_batch(
    store: Store, batch: Batch, now: datetime, site: Site, run: ShardRun, budget: TimeBudget, *, alone: bool
) -> None:
    """Evaluate and commit what the budget allows of a batch."""
    with span("evaluate", shard=batch.shard.number) as traced, Transaction(store, batch) as transaction:
        work = isolate_first(store, batch, from_backlog=run.batches % 2 == 0) if alone else batch
        read, commit = parse(store.keys, work, now, site)
        due = [] if commit.failed_timers else work.due
        states = transaction.states({item.message.patient for item in read} | set(due))
        if transaction.unreadable:
            read, due = without_unreadable(store, work, transaction.unreadable, read, due, now, commit)
            states |= {name: PatientState(patient=name) for name in transaction.unreadable if begins_anew(name)}
        room = ceil(site.conventions.unregistered.at_most.value / store.keys.shards) - transaction.unregistered
        known = without_surplus(states, read, room, now, site, commit)
        old = {waiting.entry for waiting in batch.waiting[: batch.scan.backlog]}
        fresh, backlog = (known, []) if alone else batch.scan.wanted(known, old)
        todo = rounds(fresh, backlog, due, max(1, PIECE >> batch.crashes - 1))
        part = CROWDED_PART if batch.scan.crowded else 1
        done = _evaluate(states, _within(budget, todo, part), now, site, commit, exporting=store.exports)
        left = {item.entry for item in known} - done
        committed = batch.done_with({waiting.entry for waiting in work.waiting} - left)
        run.more, wake = transaction.commit(committed, commit, now)
        traced |= {"messages": len(committed.waiting), "pages": len(commit.effects.pages)}
    log_facts(commit.effects.events)
    run.batches += 1
    run.messages += len(committed.waiting)
    run.pages += commit.effects.pages
    run.wake += wake
    run.exports = run.exports or bool(commit.exports)


def _evaluate(
    states: dict[str, PatientState],
    todo: Iterable[Piece],
    now: datetime,
    site: Site,
    commit: Commit,
    *,
    exporting: bool,
) -> set[bytes]:
    """Evaluate pieces of work, and add the effects to the commit.

    Returns the finished inbox entries.
    """
    exports: list[Item] = []
    done: set[bytes] = set()
    for patient, items in todo:
        state, messages = states[patient], [item.message for item in items]
        done.update(item.entry for item in items)
        advanced, effects, error = step_isolated(state, messages, now, site)
        if error is not None:
            episodes = ", ".join(sorted(episode.id for episode in state.episodes.values())[:5])
            postpone_ladders(commit, [patient], f"episode {episodes}", type(error).__name__, now)
        elif advanced != PatientState(patient=patient):  # without it nothing is known, and there is nothing to store
            commit.states[patient] = states[patient] = advanced
        commit.effects.add(effects)
        if exporting:
            exports.extend(records_of(state, advanced, messages, effects, now, site))
    commit.configuration = config_digest(site)
    commit.owed = [owing(page, site) for page in commit.effects.pages]
    commit.exports = pack_export(exports) if exports else b""
    return done


def _within(budget: TimeBudget, todo: Iterable[Sequence[Piece]], part: float) -> Iterator[Piece]:
    """The pieces of rounds of work, at least of one, until this part of the budget is spent."""
    for round_ in todo:
        yield from round_
        if budget.is_spent(part):
            return
