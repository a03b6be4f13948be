"""What Prometheus reads: gauges of the ward, of what waits and of the watchdog, counters of what came in by MLLP.

No patient and no value. An age is in seconds; of what never was it is infinite, so that an alert on it goes off.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from alerts.overview import is_unacknowledged
from config.site import URGENCIES
from worker.gateway.ack_status import is_overdue
from worker.gateway.snapshot import Ward
from worker.intake.mllp.counters import COUNTED, LAST_SEEN, read_all
from worker.monitoring.watchdog import WatchdogStatus, last_run
from worker.store import backlog
from worker.store.backlog import Backlog
from worker.store.dead_letters import Tally, tally
from worker.store.shard import Store

Peers = dict[str, dict[str, dict[str, int]]]
"""Listener -> peer -> what is counted of it."""

Samples = Mapping[str, float]
"""Labels -> value."""


def exposition(ward: Ward, store: Store, now: datetime) -> str:
    """The text of `/metrics`, in the format of Prometheus.

    Raises:
        redis.exceptions.RedisError: the store cannot be reached.
    """
    waits = backlog.read(store.redis, store.keys, now, exports=store.exports)
    lines = [
        *_of_the_ward(ward),
        *_of_what_waits(waits, tally(store.redis, store.keys, now)),
        *(_of_exports(waits) if store.exports else ()),
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


def _of_what_waits(waits: Backlog, letters: Tally) -> Iterable[str]:
    oldest = waits.oldest_message()
    yield from _gauge("inbox_messages", "Messages that wait to be judged", {"": waits.messages})
    age = (waits.store_ms - oldest) / 1000 if oldest is not None else 0
    yield from _gauge("inbox_oldest_message_age_seconds", "How long the oldest of them has waited", {"": age})
    yield from _gauge("set_aside_messages", "Messages that could not be used", {"": letters.letters})
    yield from _gauge("set_aside_bytes", "Bytes that they take, about", {"": letters.used})
    yield from _gauge("set_aside_limit_bytes", "Of them so many are kept", {"": letters.limit})
    dropped = sum(letters.dropped.values())
    yield from _gauge("set_aside_dropped", "Of them dropped since the list was emptied", {"": dropped})
    due = {
        "deliver": [at for one in waits.shards for _, at in one.pages if at <= waits.now],
        "deliver_urgent": [at for one in waits.shards for _, at in one.urgent if at <= waits.now],
    }
    yield from _gauge("due_pages", "Pages that wait to be sent", _by_queue({name: len(due[name]) for name in due}))
    ages = {name: (waits.now - min(due[name], default=waits.now)) / 1000 for name in due}
    yield from _gauge("due_oldest_page_age_seconds", "How long the first of them has waited", _by_queue(ages))


def _of_exports(waits: Backlog) -> Iterable[str]:
    """Of an installation that tells a record system."""
    assert waits.exports is not None
    yield from _gauge("exports_waiting", "Batches the record system is still to be told", {"": waits.exports.batches})
    age = (waits.now - waits.exports.oldest) / 1000 if waits.exports.oldest is not None else 0
    yield from _gauge("exports_oldest_age_seconds", "How long the oldest of them has waited", {"": age})
    yield from _gauge("exports_refused", "Resources the record system refused", {"": waits.exports.refused})


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
