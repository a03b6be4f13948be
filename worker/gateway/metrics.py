"""What Prometheus reads: gauges of the ward, of what waits and of the watchdog, counters of what came in by MLLP.

No patient and no value. An age is in seconds; of what never was it is infinite, so that an alert on it goes off.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from alerts.overview import is_unacknowledged
from config.site import URGENCIES
from worker.clock import milliseconds
from worker.fhir_export.backlog import Backlog, backlog
from worker.gateway.ack_status import is_overdue
from worker.gateway.snapshot import Ward
from worker.intake.mllp.counters import COUNTED, LAST_SEEN, read_all
from worker.monitoring.watchdog import WatchdogStatus, last_run
from worker.store.dead_letters import Tally, tally
from worker.store.shard import Store

DUE = {"deliver": "due", "deliver_urgent": "urgent"}
"""Queues of Celery, and what waits in the store for those who take from them."""

Peers = dict[str, dict[str, dict[str, int]]]
"""Listener -> peer -> what is counted of it."""

Samples = Mapping[str, float]
"""Labels -> value."""


class Waits(NamedTuple):
    """What waits now: messages, records, and by queue how many pages are due; the longest wait of each (seconds)."""

    messages: int
    oldest_message: float
    dead_letters: Tally
    pages: dict[str, int]
    oldest_page: dict[str, float]


def waits(store: Store, now: datetime) -> Waits:
    """What waits in all shards, in two round trips. A page is due again at each attempt to send it."""
    pipe = store.redis.pipeline(transaction=False)
    pipe.time()
    shards = store.keys.advanced()
    score = milliseconds(now)
    for shard in shards:
        pipe.xlen(shard.inbox)
        pipe.xrange(shard.inbox, count=1)
        for name in DUE.values():
            pipe.zcount(shard.key(name), "-inf", score)
            pipe.zrange(shard.key(name), 0, 0, withscores=True)
    (seconds, micro), *answers = pipe.execute()
    stored_at = seconds * 1000 + micro // 1000
    messages = 0
    oldest = float(stored_at)
    pages = dict.fromkeys(DUE, 0)
    first = dict.fromkeys(DUE, float(score))
    each = 2 + 2 * len(DUE)
    for index in range(len(shards)):
        length, entries, *rest = answers[index * each : index * each + each]
        messages += length
        oldest = min([oldest, *(float(entry.split(b"-")[0]) for entry, _ in entries)])
        for place, queue in enumerate(DUE):
            due, head = rest[2 * place : 2 * place + 2]
            pages[queue] += due
            first[queue] = min([first[queue], *(at for _, at in head)])
    return Waits(
        messages,
        (stored_at - oldest) / 1000,
        tally(store.redis, store.keys, now),
        pages,
        {queue: (score - at) / 1000 for queue, at in first.items()},
    )


def exposition(ward: Ward, store: Store, now: datetime) -> str:
    """The text of `/metrics`, in the format of Prometheus.

    Raises:
        redis.exceptions.RedisError: the store cannot be reached.
    """
    lines = [
        *_of_the_ward(ward),
        *_of_what_waits(waits(store, now)),
        *(_of_exports(backlog(store, now)) if store.exports else ()),
        *_of_the_auditor(last_run(store), now),
        *_of_mllp(read_all(store.redis, store.keys)),
    ]
    return "\n".join(lines) + "\n"


def _of_the_ward(ward: Ward) -> Iterable[str]:
    episodes = [episode for state in ward.states for episode in state.episodes.values()]
    by_urgency = Counter(str(episode.urgency) for episode in episodes)
    by_state = Counter(str(told.state) for episode in episodes for told in episode.deliveries)
    watched = sum(state.is_graded for state in ward.states)
    yield from _gauge("patients", "Patients under watch", {"": watched})
    yield from _gauge("unregistered_patients", "Patients nobody has registered", {"": ward.unregistered.patients})
    yield from _gauge("open_episodes", "Open episodes", {_labels(urgency=name): by_urgency[name] for name in URGENCIES})
    yield from _gauge(
        "unacknowledged_episodes", "Open episodes that nobody has", {"": sum(map(is_unacknowledged, episodes))}
    )
    yield from _gauge("overdue_items", "Assessments that are overdue", {"": sum(map(is_overdue, episodes))})
    pages = {_labels(state=name): by_state[name] for name in sorted(by_state)}
    yield from _gauge("pages", "Pages of open episodes", pages)
    yield from _gauge("feeds_silent", "Feeds that are silent", {"": _silent(ward)})
    yield from _gauge("well", "Whether every part is well", {"": int(all(check.well for check in ward.checks))})


def _of_what_waits(found: Waits) -> Iterable[str]:
    yield from _gauge("inbox_messages", "Messages that wait to be judged", {"": found.messages})
    yield from _gauge(
        "inbox_oldest_message_age_seconds", "How long the oldest of them has waited", {"": found.oldest_message}
    )
    letters = found.dead_letters
    yield from _gauge("set_aside_messages", "Messages that could not be used", {"": letters.letters})
    yield from _gauge("set_aside_bytes", "Bytes that they take, about", {"": letters.used})
    yield from _gauge("set_aside_limit_bytes", "Of them so many are kept", {"": letters.limit})
    dropped = sum(letters.dropped.values())
    yield from _gauge("set_aside_dropped", "Of them dropped since the list was emptied", {"": dropped})
    yield from _gauge("due_pages", "Pages that wait to be sent", _by_queue(found.pages))
    yield from _gauge(
        "due_oldest_page_age_seconds", "How long the first of them has waited", _by_queue(found.oldest_page)
    )


def _of_exports(waits: Backlog) -> Iterable[str]:
    """Of an installation that tells a record system."""
    yield from _gauge("exports_waiting", "Batches the record system is still to be told", {"": waits.batches})
    oldest = waits.oldest.total_seconds()
    yield from _gauge("exports_oldest_age_seconds", "How long the oldest of them has waited", {"": oldest})
    yield from _gauge("exports_refused", "Resources the record system refused", {"": waits.refused})


def _of_the_auditor(look: WatchdogStatus, now: datetime) -> Iterable[str]:
    yield from _gauge("audit_age_seconds", "Since the watchdog's last look", {"": _age(look.last_run, now)})
    overdue = {_labels(kind=kind): count for kind, count in look.overdue.items()}
    yield from _gauge("audit_overdue", "What the watchdog found overdue, by kind", overdue)
    yield from _gauge("audit_troubles", "Troubles the watchdog has told and that go on", {"": len(look.notified)})
    yield from _counter("audit_looks", "Looks of the watchdog", {"": look.runs})
    yield from _counter("audit_looks_overdue", "Looks that found something overdue", {"": look.runs_overdue})
    took = math.inf if look.canary_latency is None else look.canary_latency / timedelta(seconds=1)
    yield from _gauge("round_trip_seconds", "How long the last page of the synthetic patient took", {"": took})
    yield from _gauge("round_trip_age_seconds", "Since it came back", {"": _age(look.canary_arrived, now)})


def _of_mllp(found: Peers) -> Iterable[str]:
    rows = [(_labels(listener=name, peer=peer), row) for name, peers in found.items() for peer, row in peers.items()]
    for name, text in COUNTED.items():
        yield from _counter(f"mllp_{name}", text, {labels: row[name] for labels, row in rows if name in row})
    seen = {labels: row[LAST_SEEN] / 1000 for labels, row in rows if LAST_SEEN in row}
    yield from _gauge("mllp_last_seen_timestamp_seconds", "When a peer last sent something", seen)


def _gauge(name: str, text: str, values: Samples) -> Iterable[str]:
    yield from _metric(name, "gauge", text, values)


def _counter(name: str, text: str, values: Samples) -> Iterable[str]:
    yield from _metric(f"{name}_total", "counter", text, values)


def _metric(name: str, kind: str, text: str, values: Samples) -> Iterable[str]:
    yield f"# HELP cartwatch_{name} {text}."
    yield f"# TYPE cartwatch_{name} {kind}"
    for labels, value in values.items():
        yield f"cartwatch_{name}{{{labels}}} {_number(value)}" if labels else f"cartwatch_{name} {_number(value)}"


def _number(value: float) -> str:
    return "+Inf" if value == math.inf else str(value)


def _labels(**labels: str) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _by_queue(values: Mapping[str, float]) -> dict[str, float]:
    return {_labels(queue=queue): value for queue, value in values.items()}


def _age(at: datetime | None, now: datetime) -> float:
    """Seconds since a moment; of one that never was, infinite."""
    return math.inf if at is None else (now - at) / timedelta(seconds=1)


def _silent(ward: Ward) -> int:
    """Feeds of which it has been said that they are silent."""
    return sum(episode.condition.startswith("feed ") for state in ward.states for episode in state.episodes.values())
