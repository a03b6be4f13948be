"""Advance a shard: read a batch, judge it patient by patient, commit it whole.

A message on which the judgement fails is a poison message: it is set aside and said so, and its neighbours go on. A
batch that repeatedly takes its worker down with it is taken one message at a time until the culprit stands alone.
"""

import logging
import traceback
from collections import defaultdict
from datetime import datetime
from math import ceil
from pathlib import Path

from celery.exceptions import SoftTimeLimitExceeded

from alerts.charting import is_charted_ahead
from alerts.faults import fault, intake_fault
from alerts.fields import Status
from alerts.messages import AnyMessage, BadMessage, Fault, Registration, read_message
from alerts.page import Page
from alerts.step import step
from alerts.unregistered import would_be_unregistered
from alerts.watch import Effects, SetAside, Watch, sets_aside
from config.site import Site
from worker.clock import Clock, milliseconds
from worker.delivery.agreement import owing
from worker.inbox import RAW_KEPT, SOURCE_SHOWN, append
from worker.keys import Keys, Shard
from worker.outbound.owed import Item, owed
from worker.store import Batch, LostLeaseError, Outcome, Store, Waiting

log = logging.getLogger(__name__)

BATCHES_A_TURN = 20
"""Batches one wake-up takes at most, so that one busy shard does not hold a worker for ever."""

CRASHES_BEFORE_ONE_BY_ONE = 3
CRASHES_BEFORE_SET_ASIDE = 8

TO_MAKE_ROOM = "register them, or discharge those who are not to be watched"


class Turn:
    """What one wake-up achieved: pages to deliver, shards to wake, whether more waits, whether there is to export."""

    def __init__(self) -> None:
        self.batches = 0
        self.messages = 0
        self.pages: list[Page] = []
        self.wake: list[Shard] = []
        self.more = False
        self.exports = False


def advance(store: Store, shard: Shard, clock: Clock, site: Site) -> Turn:
    """Take a shard as far as it goes."""
    turn = Turn()
    if store.is_idle(shard, clock.now()):
        return turn
    limit = None
    while turn.batches < BATCHES_A_TURN:
        batch = store.take(shard, clock.now(), limit)
        if batch is None:
            turn.more = False
            break
        # Read again: a message appended just before it was taken must not seem to come from the future.
        now = clock.now()
        try:
            outcome, limit = _one_batch(store, batch, now, site, turn)
        except LostLeaseError:
            log.warning("shard %d was taken over by another worker; nothing of this batch was committed", shard.number)
            break
        turn.pages += [item.page for item in outcome.pages]
        turn.exports = turn.exports or bool(outcome.exports)
        if not turn.more:
            break
    turn.wake += drain_relay(store, shard, clock.now())
    return turn


def _one_batch(store: Store, batch: Batch, now: datetime, site: Site, turn: Turn) -> tuple[Outcome, int | None]:
    with store.transaction(batch) as transaction:
        crashes = batch.crashes
        if crashes > CRASHES_BEFORE_ONE_BY_ONE:
            batch = _one_thing(batch)
        messages, outcome = _read(store.keys, batch, now, crashes, site)
        due = [] if outcome.stuck else batch.due
        watches = transaction.watches({message.patient for message in messages} | set(due))
        room = ceil(site.proxies.unregistered.at_most.value / store.keys.shards) - transaction.unregistered
        messages = _without_room(watches, messages, room, now, site, outcome)
        exports = _judge(watches, messages, now, site, outcome, exporting=store.exports)
        outcome = outcome._replace(exports=exports)
        turn.more = transaction.commit(batch, outcome, now)
    turn.batches += 1
    turn.messages += len(batch.waiting)
    return outcome, 1 if crashes > CRASHES_BEFORE_ONE_BY_ONE else None


def _one_thing(batch: Batch) -> Batch:
    """The first message alone, else the first ladder alone: what kills workers must be found out."""
    if batch.waiting:
        return batch._replace(waiting=batch.waiting[:1], due=[])
    return batch._replace(due=batch.due[:1])


def _read(keys: Keys, batch: Batch, now: datetime, crashes: int, site: Site) -> tuple[list[AnyMessage], Outcome]:
    """Parse what waits. Producers may append to the stream directly: what cannot be read is set aside, what belongs
    to another shard is moved there."""
    heard: dict[str, int] = {}
    outcome = Outcome({}, [], [], [], [], [], [], heard)
    messages: list[AnyMessage] = []
    if crashes > CRASHES_BEFORE_SET_ASIDE and not batch.waiting:
        _put_off(outcome, batch.due, f"shard {batch.shard.number}", "worker died", now)
    for waiting in batch.waiting:
        try:
            message = read_message(waiting.raw)
        except BadMessage as error:
            _set_aside_raw(outcome, waiting, str(error), now)
            continue
        heard[message.source] = milliseconds(waiting.received)
        if crashes > CRASHES_BEFORE_SET_ASIDE:
            why = "a worker died each time it took this message"
            outcome.set_aside.append(sets_aside(message, why, now))
            outcome.relayed.append(_poison(message, "worker died", now))
        elif keys.of(message.patient) != batch.shard:
            outcome.relayed.append(message)
        elif message.received is None and _depends_on_acceptance(message, waiting.received, site):
            messages.append(message.model_copy(update={"received": waiting.received}))
        else:
            messages.append(message)
    return messages, outcome


def _depends_on_acceptance(message: AnyMessage, accepted: datetime, site: Site) -> bool:
    """Whether the time of acceptance must be known: of two corrections the one accepted later holds, what a person
    charted ahead was true when it was accepted, and nothing is overdue of a patient before the registration is known.
    """
    if message.status is not Status.FINAL or isinstance(message, Registration):
        return True
    return is_charted_ahead(message, accepted, site)


def _set_aside_raw(outcome: Outcome, waiting: Waiting, why: str, now: datetime) -> None:
    raw = waiting.raw.decode(errors="replace")[:RAW_KEPT]
    outcome.set_aside.append(SetAside(now, "inbox", "", "", why, raw))
    what = "a message in the inbox cannot be read; see `cartwatch set-aside`"
    outcome.relayed.append(fault("intake inbox", what, waiting.entry.decode(), now))


def _without_room(
    watches: dict[str, Watch], messages: list[AnyMessage], room: int, now: datetime, site: Site, outcome: Outcome
) -> list[AnyMessage]:
    """Dead-letter what would be charted of unregistered patients beyond those for whom there is `room`.

    Who is known already keeps what they have. Returns the messages that are left, in their order.
    """
    coming: dict[str, list[AnyMessage]] = defaultdict(list)
    for message in messages:
        coming[message.patient].append(message)
    turned_away = set()
    for patient, theirs in coming.items():
        if watches[patient] == Watch(patient=patient) and would_be_unregistered(theirs):
            room -= 1
            if room < 0:
                turned_away.add(patient)
                del watches[patient]
    if not turned_away:
        return messages
    why = f"too many unregistered patients ({site.proxies.unregistered.at_most.value} are kept): {TO_MAKE_ROOM}"
    refused = [message for message in messages if message.patient in turned_away]
    outcome.set_aside.extend(sets_aside(message, why, now) for message in refused)
    by_source = {message.source: message for message in refused}
    outcome.relayed.extend(intake_fault(message, why, now) for message in by_source.values())
    return [message for message in messages if message.patient not in turned_away]


def _judge(
    watches: dict[str, Watch],
    messages: list[AnyMessage],
    now: datetime,
    site: Site,
    outcome: Outcome,
    *,
    exporting: bool,
) -> list[Item]:
    """Add to the outcome what follows of the messages; return what the record system is to be told of it."""
    exports: list[Item] = []
    by_patient: dict[str, list[AnyMessage]] = defaultdict(list)
    for message in messages:
        by_patient[message.patient].append(message)
    for patient, watch in watches.items():
        advanced, effects, error = _step_isolated(watch, by_patient[patient], now, site)
        if error is not None:
            episodes = ", ".join(sorted(episode.id for episode in watch.episodes.values())[:5])
            _put_off(outcome, [patient], f"episode {episodes}", type(error).__name__, now)
        elif advanced != Watch(patient=patient):  # else nothing is known, and there is nothing to keep
            outcome.watches[patient] = advanced
        outcome.pages.extend(owing(page, site) for page in effects.pages)
        outcome.cancelled.extend(effects.cancelled)
        outcome.set_aside.extend(effects.set_aside)
        outcome.events.extend(effects.events)
        outcome.relayed.extend(effects.faults)
        outcome.relayed.extend(effects.passed_on)
        if exporting:
            exports.extend(owed(advanced, by_patient[patient], effects))
    return exports


def _step_isolated(
    watch: Watch, messages: list[AnyMessage], now: datetime, site: Site
) -> tuple[Watch, Effects, Exception | None]:
    """`step`, and where it fails, message by message without those it fails on; and the error, if it fails on none."""
    try:
        return *step(watch, messages, now, site), None
    except SoftTimeLimitExceeded:
        raise  # no message's fault
    except Exception as error:
        _log_failure("the judgement failed on a batch of %d; going on message by message", len(messages), error)
    good: list[AnyMessage] = []
    poison = Effects()
    probe = watch
    for message in messages:
        try:
            probe, _ = step(probe, [message], now, site)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            why = f"internal error {type(error).__name__} while judging this message"
            poison.set_aside.append(sets_aside(message, why, now))
            poison.faults.append(_poison(message, type(error).__name__, now))
        else:
            good.append(message)
    try:
        # Together once more, so that the pages are those there would have been without the poison.
        advanced, effects = step(watch, good, now, site)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        _log_failure("the judgement failed without a message at fault (%d in hand)", len(good), error)
        return watch, poison, error
    effects.set_aside.extend(poison.set_aside)
    effects.faults.extend(poison.faults)
    return advanced, effects, None


def _log_failure(text: str, count: int, error: Exception) -> None:
    """Where and what kind; the error's own words may hold a patient's values."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    log.error(f"{text}: {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}", count)


def _put_off(outcome: Outcome, patients: list[str], whose: str, error: str, now: datetime) -> None:
    """Ladders that cannot be climbed are tried again later and said so; they hold up no other patient."""
    outcome.stuck.extend(patients)
    what = f"a ladder could not be judged ({whose}: {error}); it is tried again each minute, see the worker's log"
    outcome.relayed.append(fault("judgement ladder", what, f"{whose} {now.isoformat()}", now))


def _poison(message: AnyMessage, error: str, now: datetime) -> Fault:
    source = message.source[:SOURCE_SHOWN]
    what = f"a {message.type} from {source} could not be judged ({error}); see `cartwatch set-aside`"
    return fault(f"judgement {source}", what, f"{source} {message.id}", now)


def drain_relay(store: Store, shard: Shard, now: datetime) -> list[Shard]:
    """Move this shard's messages for other shards into their inboxes. Repeating it is harmless."""
    entries = store.stream(shard.key("relay"))
    if not entries:
        return []
    messages = [(read_message(fields[b"m"]), fields[b"m"]) for _, fields in entries]
    wake = append(store.redis, store.keys, messages, now)
    store.redis.xdel(shard.key("relay"), *[entry for entry, _ in entries])
    return wake
