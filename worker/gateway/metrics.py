"""The metrics of the installation, for Prometheus: a collector over the store, so that every gateway shows the same.

They contain no patient and no value. A time is a timestamp. An event that never happened has the timestamp 0, so that
`time() - x` is large and an alert rule fires. The time of the oldest waiting item is shown only while something waits.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from importlib.metadata import version
from math import inf
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from alerts.overview import is_unacknowledged
from config.site import URGENCIES
from worker.gateway.ack_status import is_overdue
from worker.gateway.snapshot import Ward
from worker.intake.mllp.counters import COUNTED, LAST_SEEN, read_all
from worker.monitoring import floods
from worker.monitoring.watchdog import WatchdogStatus, last_run
from worker.store import backlog, capacity, measurements
from worker.store.backlog import Backlog, ExportBacklog
from worker.store.channel_queues import lengths
from worker.store.dead_letters import DeadLetterUsage, usage
from worker.store.measurements import Distribution, Measurements
from worker.store.shard import Store

PREFIX = "cartwatch_"

Samples = Mapping[Any, float]
"""The values of a metric, by a tuple of its labels."""


def exposition(ward: Ward, store: Store, now: datetime) -> bytes:
    """The text of `/metrics`.

    Raises:
        redis.exceptions.RedisError: the store cannot be reached.
    """
    registry = CollectorRegistry()
    registry.register(StoreCollector(ward, store, now))
    return generate_latest(registry)


class StoreCollector(Collector):
    """Reads the metrics from the store at a time, and from the last snapshot of the ward."""

    def __init__(self, ward: Ward, store: Store, now: datetime) -> None:
        self._ward, self._store, self._now = ward, store, now

    def describe(self) -> Iterable[Metric]:
        """Nothing, because the metrics are known only after reading."""
        return ()

    def collect(self) -> Iterable[Metric]:
        store = self._store
        waits = backlog.read(store.redis, store.keys, self._now, exports=store.exports)
        yield from _of_the_ward(self._ward)
        yield from _of_the_inboxes(waits)
        yield from _of_sources(store)
        yield from _of_the_delivery(store, self._now)
        yield from _of_dead_letters(usage(store.redis, store.keys, self._now))
        if waits.exports is not None:
            yield from _of_exports(waits.exports)
        yield from _of_the_watchdog(last_run(store))
        yield from _of_workers(measurements.read(store.redis, store.keys))
        yield from _of_mllp(read_all(store.redis, store.keys))
        yield _gauge("build_info", "The version that answers", {(version("cartwatch"),): 1}, "version")


def _of_the_ward(ward: Ward) -> Iterable[Metric]:
    episodes = [episode for state in ward.states for episode in state.episodes.values()]
    by_urgency = Counter(str(episode.urgency) for episode in episodes)
    by_state = Counter((str(delivery.state),) for episode in episodes for delivery in episode.deliveries)
    yield _gauge("patients", "Patients under watch", {(): sum(state.is_graded for state in ward.states)})
    yield _gauge("unregistered_patients", "Patients nobody has registered", {(): ward.unregistered.patients})
    yield _gauge("open_episodes", "Open episodes", {(name,): by_urgency[name] for name in URGENCIES}, "urgency")
    yield _gauge(
        "unacknowledged_episodes", "Open episodes that nobody has", {(): sum(map(is_unacknowledged, episodes))}
    )
    yield _gauge("assessments_overdue", "Assessments that are overdue", {(): sum(map(is_overdue, episodes))})
    yield _gauge("pages", "Pages of open episodes", by_state, "state")
    silent = sum(episode.condition.startswith("feed ") for episode in episodes)
    yield _gauge("feeds_silent", "Feeds reported as silent", {(): silent})
    yield _gauge("healthy", "Whether every part is well", {(): all(check.well for check in ward.checks)})


def _of_the_inboxes(waits: Backlog) -> Iterable[Metric]:
    yield _gauge("inbox_messages", "Messages that wait to be evaluated", {(): waits.messages})
    oldest = _if_any((), waits.oldest_message())
    yield _gauge("inbox_oldest_message_timestamp_seconds", "When the oldest of them was accepted", oldest)


def _of_sources(store: Store) -> Iterable[Metric]:
    evaluated = {(source,): count for source, count in floods.totals(store.redis, store.keys).items()}
    yield _counter("messages", "Messages of a source that were evaluated", evaluated, "source")
    waiting = {(source,): size for source, size in capacity.waiting_bytes(store.redis, store.keys).items()}
    yield _gauge("waiting_bytes", "Bytes of its messages that wait to be evaluated", waiting, "source")


def _of_the_delivery(store: Store, now: datetime) -> Iterable[Metric]:
    """Metrics by priority: critical pages have queues of their own."""
    queued: dict[tuple[str, ...], float] = {}
    first: dict[tuple[str, ...], float] = {}
    for one in lengths(store.redis, store.keys, now):
        priority = "urgent" if one.critical else "ordinary"
        queued[one.channel, priority] = one.pages
        first[priority,] = min(first.get((priority,), inf), one.oldest / 1000)
    yield _gauge("delivery_queue_pages", "Pages that wait to be sent", queued, "channel", "priority")
    what = "When the first of them was due"
    yield _gauge("delivery_queue_oldest_page_timestamp_seconds", what, first, "priority")


def _of_dead_letters(letters: DeadLetterUsage) -> Iterable[Metric]:
    yield _gauge("dead_letters", "Messages that could not be used", {(): letters.letters})
    yield _gauge("dead_letters_bytes", "Bytes that they take, about", {(): letters.used})
    yield _gauge("dead_letters_limit_bytes", "Bytes that they may take", {(): letters.limit})
    dropped = sum(letters.dropped.values())
    yield _counter("dead_letters_dropped", "Dead letters dropped since the list was emptied", {(): dropped})


def _of_exports(waits: ExportBacklog) -> Iterable[Metric]:
    """Metrics of an installation that exports to an EHR."""
    yield _gauge("exports_waiting", "Batches that wait for the EHR", {(): waits.batches})
    oldest = _if_any((), waits.oldest)
    yield _gauge("exports_oldest_timestamp_seconds", "When the oldest of them was committed", oldest)
    yield _gauge("exports_refused", "Resources that the EHR refused", {(): waits.refused})


def _of_the_watchdog(status: WatchdogStatus) -> Iterable[Metric]:
    at = {(): _timestamp(status.last_run)}
    yield _gauge("watchdog_last_run_timestamp_seconds", "When the watchdog ran last", at)
    overdue = {(kind,): count for kind, count in status.overdue.items()}
    yield _gauge("watchdog_overdue", "What that run found overdue", overdue, "kind")
    yield _gauge("watchdog_incidents_open", "Open incidents", {(): len(status.notified)})
    yield _counter("watchdog_runs", "Runs of the watchdog", {(): status.runs})
    yield _counter("watchdog_runs_overdue", "Runs that found something overdue", {(): status.runs_overdue})
    latency = {(): status.canary_latency / timedelta(seconds=1)} if status.canary_latency is not None else {}
    yield _gauge("canary_latency_seconds", "How long the last page of the canary took", latency)
    arrived = {(): _timestamp(status.canary_arrived)}
    yield _gauge("canary_last_success_timestamp_seconds", "When a page of the canary last arrived", arrived)


def _of_workers(measured: Measurements) -> Iterable[Metric]:
    what = "Attempts to send a message on a channel"
    yield _counter("notifications", what, measured.notifications, "channel", "outcome")
    what = "How long an attempt to send a message took"
    yield _histogram(measurements.NOTIFICATION.name, what, measured, "channel")
    what = "From the acceptance of a patient's message to the commit of the page that it led to"
    yield _histogram(measurements.READING_TO_PAGE.name, what, measured)
    yield _histogram(measurements.BATCH.name, "From reading the states of a batch to its commit", measured)


def _of_mllp(found: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Iterable[Metric]:
    rows = {(name, peer): row for name, peers in found.items() for peer, row in peers.items()}
    for name, text in COUNTED.items():
        counts = {labels: row[name] for labels, row in rows.items() if name in row}
        yield _counter(f"mllp_{name}", text, counts, "listener", "peer")
    seen = {labels: row[LAST_SEEN] / 1000 for labels, row in rows.items() if LAST_SEEN in row}
    what = "When a peer last sent something"
    yield _gauge("mllp_last_seen_timestamp_seconds", what, seen, "listener", "peer")


def _gauge(name: str, text: str, samples: Samples, *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(PREFIX + name, f"{text}.", labels=labels), samples)


def _counter(name: str, text: str, samples: Samples, *labels: str) -> Metric:
    return _filled(CounterMetricFamily(PREFIX + name, f"{text}.", labels=labels), samples)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, samples: Samples) -> Metric:
    for labels, value in samples.items():
        family.add_metric(labels, float(value))
    return family


def _histogram(name: str, text: str, measured: Measurements, *labels: str) -> Metric:
    family = HistogramMetricFamily(PREFIX + name, f"{text}.", labels=labels)
    for label, found in measured.histograms[name].items():
        family.add_metric([label] if labels else [], _buckets(found), found.seconds)
    return family


def _buckets(found: Distribution) -> list[tuple[str, float]]:
    return [("+Inf" if bound == float("inf") else str(float(bound)), count) for bound, count in found.buckets]


def _timestamp(at: datetime | None) -> float:
    return at.timestamp() if at is not None else 0.0


def _if_any(labels: tuple[str, ...], at: int | None) -> dict[tuple[str, ...], float]:
    """A sample of a time (ms), if there is one."""
    return {labels: at / 1000} if at is not None else {}
