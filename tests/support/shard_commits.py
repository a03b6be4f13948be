"""Batches of a shard, taken and committed: what tests of the store begin with."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from alerts.state import Effects, PatientState
from alerts.step.step import step
from tests.support.stored_ward import (
    KEYS,
    NOW,
    SITE,
    Clock,
    crs2,
    message,
    of_interest,
)
from worker.store.codec import Owed
from worker.store.commit import Commit, Committed, Transaction
from worker.store.shard import Batch, Store

SHARD = KEYS.of("P1")
NOTHING = Commit()


def outcome(states: dict[str, PatientState] | None = None, owed: Sequence[Owed] = (), **effects: Any) -> Commit:
    return Commit(states=states or {}, owed=list(owed), effects=Effects(**effects))


def taken(store: Store, now: datetime = NOW) -> Batch:
    batch = store.take(SHARD, Clock(now))
    assert batch is not None
    return batch


def commit(store: Store, batch: Batch, result: Commit = NOTHING, now: datetime = NOW) -> Committed:
    with Transaction(store, batch) as transaction:
        transaction.states([])
        return transaction.commit(batch, result, now)


def evaluated() -> Commit:
    """What three messages of a patient with CRS 2 lead to."""
    state, effects = step(PatientState(patient="P1"), [message(body) for body in crs2()], NOW, SITE)
    pages = [Owed(page=page) for page in effects.pages if of_interest(page)]
    return outcome(states={"P1": state}, owed=pages, events=list(effects.events))


def committed(store: Store, result: Commit) -> None:
    store.redis.xadd(SHARD.inbox, {"m": b"{}"})
    commit(store, taken(store), result)
