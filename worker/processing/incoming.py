"""From the inbox entries of a batch to the messages to evaluate: each is parsed and validated once, or refused."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime

from alerts.chart.charting import is_charted_ahead
from alerts.message_fields import Status
from alerts.message_json import BadMessage, read_message
from alerts.messages import AnyMessage
from alerts.state import DeadLetter, PatientState, dead_letter
from alerts.step.system_faults import fault, intake_fault
from alerts.step.unregistered import would_be_unregistered
from alerts.wording.catalogue import in_english
from alerts.wording.phrase import Phrase, phrase
from config.site import Site
from worker.clock import milliseconds
from worker.processing.poison import CRASHES_BEFORE_DEAD_LETTER, give_up, postpone_ladders
from worker.store import schema
from worker.store.commit import Commit
from worker.store.fair_shares import InboxEntry, ParsedEntry
from worker.store.inbox import RAW_KEPT
from worker.store.keys import Keys
from worker.store.schema import TooNewError, UnreadableError
from worker.store.shard import Batch, Store
from worker.store.unreadable import begins_anew, faults, suspend

UNREADABLE = "what is stored of a patient cannot be read, and too many messages wait for it already"

TOO_MANY = "too many unregistered patients ({n} are kept): register them, or discharge those who are not to be watched"


def parse(keys: Keys, batch: Batch, now: datetime, site: Site) -> tuple[list[ParsedEntry], Commit]:
    """Parse and validate the messages of a batch; return them with the commit that the batch begins.

    Other programs may append to an inbox too. A message that cannot be read becomes a dead letter. A message of another
    shard is forwarded to that shard.
    """
    commit = Commit()
    found: list[ParsedEntry] = []
    given_up = batch.crashes > CRASHES_BEFORE_DEAD_LETTER
    if given_up and not batch.waiting:
        postpone_ladders(commit, batch.due, f"shard {batch.shard.number}", "worker died", now)
    for waiting in batch.waiting:
        try:
            message = read_message(waiting.raw)
        except BadMessage as error:
            _refuse_raw(commit, waiting, str(error), now)
            continue
        commit.last_seen[message.source] = milliseconds(waiting.received)
        if given_up and waiting.entry == batch.suspect:
            give_up(message, commit, now)
        elif keys.of(message.patient) != batch.shard:
            commit.effects.forwarded.append(message)
        else:
            found.append(ParsedEntry(waiting.entry, waiting.rank, _with_acceptance(message, waiting.received, site)))
    return found, commit


def _with_acceptance(message: AnyMessage, accepted: datetime, site: Site) -> AnyMessage:
    """The message with the time at which it was accepted, if that time matters and the message has none.

    It matters for corrections and for merges of one time: of two, the one accepted later wins. It matters for a value
    that a person charted ahead, which was true when it was accepted; and for a registration, before which nothing is
    overdue.
    """
    if message.received is not None:
        return message
    matters = message.status is not Status.FINAL or message.type in ("registration", "merge")
    if matters or is_charted_ahead(message, accepted, site):
        return message.model_copy(update={"received": accepted})
    return message


def _refuse_raw(commit: Commit, waiting: InboxEntry, why: str, now: datetime) -> None:
    raw = waiting.raw.decode(errors="replace")[:RAW_KEPT]
    commit.effects.dead_letters.append(DeadLetter(now, "inbox", "", "", why, raw))
    what = Phrase("a message in the inbox cannot be read; see `cartwatch dead-letters`")
    commit.effects.faults.append(fault("intake inbox", what, waiting.entry.decode(), now))


def without_unreadable(
    store: Store,
    batch: Batch,
    unreadable: Mapping[str, UnreadableError],
    read: list[ParsedEntry],
    due: list[str],
    now: datetime,
    commit: Commit,
) -> tuple[list[ParsedEntry], list[str]]:
    """Suspend the messages of patients whose states cannot be read; return messages and timers of the others.

    The states stay unchanged, and the timers of these patients are due again later.

    Raises:
        NewerStoreError: a newer version wrote the states, and goes on with them.
    """
    if any(isinstance(error, TooNewError) for error in unreadable.values()):
        schema.refuse_newer(store.redis, store.keys)
    patients = {name for name in unreadable if not begins_anew(name)}
    theirs = {item.entry: item.message for item in read if item.message.patient in patients}
    waiting = [item for item in batch.waiting if item.entry in theirs]
    commit.suspension, surplus = suspend(store.redis, batch.shard, unreadable, waiting, now)
    commit.effects.faults.extend(faults(commit.suspension.listed, now))
    commit.effects.dead_letters.extend(dead_letter(theirs[item.entry], UNREADABLE, now) for item in surplus)
    commit.failed_timers.extend(patient for patient in due if patient in patients)
    others = [item for item in read if item.entry not in theirs]
    return others, [patient for patient in due if patient not in patients]


def without_surplus(
    states: dict[str, PatientState], read: list[ParsedEntry], room: int, now: datetime, site: Site, commit: Commit
) -> list[ParsedEntry]:
    """Refuse the messages of unregistered patients beyond the `room` for new ones; return the others in order.

    Known patients are not affected.
    """
    coming: dict[str, list[AnyMessage]] = defaultdict(list)
    for item in read:
        coming[item.message.patient].append(item.message)
    surplus = set()
    for patient, theirs in coming.items():
        if states[patient] == PatientState(patient=patient) and would_be_unregistered(theirs):
            room -= 1
            if room < 0:
                surplus.add(patient)
                del states[patient]
    if not surplus:
        return read
    why = phrase(TOO_MANY, n=site.conventions.unregistered.at_most.value)
    refused = [item.message for item in read if item.message.patient in surplus]
    commit.effects.dead_letters.extend(dead_letter(message, in_english(why, UTC), now) for message in refused)
    by_source = {message.source: message for message in refused}
    commit.effects.faults.extend(intake_fault(message, why, now) for message in by_source.values())
    return [item for item in read if item.message.patient not in surplus]
