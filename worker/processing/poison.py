"""Poison messages: find the one that makes an evaluation fail, or kills workers, and evaluate its neighbours.

If an evaluation raises, the messages are tried one by one, and those that fail become dead letters. If workers die,
each lost lease halves the pieces of work. After the third the messages are evaluated one at a time, until the one that
kills its workers stands alone and becomes a dead letter as well.
"""

import logging
import traceback
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from celery.exceptions import SoftTimeLimitExceeded

from alerts.messages import AnyMessage, Fault
from alerts.state import Effects, PatientState, dead_letter
from alerts.step.step import step
from alerts.step.system_faults import fault
from alerts.wording.phrase import phrase
from config.site import Site
from worker.store.commit import Commit
from worker.store.inbox import SOURCE_SHOWN
from worker.store.shard import Batch, Store

log = logging.getLogger(__name__)

CRASHES_BEFORE_ONE_BY_ONE = 3
CRASHES_BEFORE_DEAD_LETTER = 8


def isolate_first(store: Store, batch: Batch, *, from_backlog: bool) -> Batch:
    """A batch of one message alone, or else of the first timer alone.

    The message is recorded as the suspect before it is evaluated, and stays the suspect until something is committed.
    `from_backlog`: take the oldest of the backlog, not the oldest of the others. The caller alternates, so that it also
    finds a culprit behind a long backlog.
    """
    if not batch.waiting:
        return batch._replace(due=batch.due[:1])
    same = [waiting for waiting in batch.waiting if waiting.entry == batch.suspect]
    if same:
        return batch._replace(waiting=same, due=[])
    chosen = batch.waiting[0 if from_backlog else batch.scan.backlog :][:1] or batch.waiting[:1]
    store.mark_suspect(batch, chosen[0].entry)
    return batch._replace(waiting=chosen, due=[])


def give_up(message: AnyMessage, commit: Commit, now: datetime) -> None:
    """Make a dead letter of the message that kills workers."""
    commit.effects.dead_letters.append(dead_letter(message, "a worker died each time it took this message", now))
    commit.effects.faults.append(_poison_fault(message, "worker died", now))


def step_isolated(
    state: PatientState, messages: Sequence[AnyMessage], now: datetime, site: Site
) -> tuple[PatientState, Effects, Exception | None]:
    """`step` without the messages on which it fails; and the error, if it fails though no message is at fault."""
    try:
        return *step(state, messages, now, site), None
    except SoftTimeLimitExceeded:
        raise  # no message's fault
    except Exception as error:
        _log_failure("the evaluation failed on a batch of %d; going on message by message", len(messages), error)
    good: list[AnyMessage] = []
    poison = Effects()
    probe = state
    for message in messages:
        try:
            probe, _ = step(probe, [message], now, site)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            why = f"internal error {type(error).__name__} while evaluating this message"
            poison.dead_letters.append(dead_letter(message, why, now))
            poison.faults.append(_poison_fault(message, type(error).__name__, now))
        else:
            good.append(message)
    try:
        # Once more together, so that the pages are the same as without the poison message.
        advanced, effects = step(state, good, now, site)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        _log_failure("the evaluation failed without a message at fault (%d in hand)", len(good), error)
        return state, poison, error
    effects.add(poison)
    return advanced, effects, None


def postpone_ladders(commit: Commit, patients: list[str], whose: str, error: str, now: datetime) -> None:
    """Postpone ladders that cannot be evaluated, and report it. They delay no other patient."""
    commit.failed_timers.extend(patients)
    text = "a ladder could not be evaluated ({error}); it is tried again each minute, see the worker's log"
    what = phrase(text, error=f"{whose}: {error}")
    commit.effects.faults.append(fault("evaluation ladder", what, f"{whose} {now.isoformat()}", now))


def _log_failure(text: str, count: int, error: Exception) -> None:
    """Log the kind of an error and its place. The error's own text may hold a patient's values."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    log.error(f"{text}: {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}", count)


def _poison_fault(message: AnyMessage, error: str, now: datetime) -> Fault:
    source = message.source[:SOURCE_SHOWN]
    text = "a {kind} from {source} could not be evaluated ({error}); see `cartwatch dead-letters`"
    what = phrase(text, kind=message.type, source=source, error=error)
    return fault(f"evaluation {source}", what, f"{source} {message.id}", now)
