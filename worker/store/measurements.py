"""Counts and durations of the workers, in one hash of the store. Workers serve no HTTP, so the gateway shows them.

They join transactions that are written anyway, and cost no round trip.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from math import inf
from typing import NamedTuple, cast

from redis import Redis
from redis.client import Pipeline

from worker.store.keys import Keys

NOTIFICATIONS = "notifications"
SUM = "sum"


class Histogram(NamedTuple):
    """A distribution of seconds: its name, and the upper bounds of its buckets."""

    name: str
    bounds: tuple[float, ...]


BATCH = Histogram("batch_duration_seconds", (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5))
READING_TO_PAGE = Histogram("reading_to_page_seconds", (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300))
NOTIFICATION = Histogram("notification_duration_seconds", (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15))

HISTOGRAMS = (BATCH, READING_TO_PAGE, NOTIFICATION)


class Distribution(NamedTuple):
    """The values of a histogram for one label: cumulative counts by upper bound, and the sum in seconds."""

    buckets: tuple[tuple[float, int], ...]
    seconds: float


class Measurements(NamedTuple):
    """The number of notifications by channel and outcome; and each histogram, by name and label."""

    notifications: dict[tuple[str, str], int]
    histograms: dict[str, dict[str, Distribution]]


def observe(pipe: Pipeline, keys: Keys, histogram: Histogram, seconds: float) -> None:
    """Queue one more value of a histogram."""
    for field, number in _observation(histogram, seconds, "").items():
        pipe.hincrby(keys.measurements, field, number)


def _observation(histogram: Histogram, seconds: float, label: str) -> dict[str, int]:
    place = bisect_left(histogram.bounds, seconds)
    bound = histogram.bounds[place] if place < len(histogram.bounds) else inf
    return {f"{histogram.name}|{label}|{bound}": 1, f"{histogram.name}|{label}|{SUM}": int(seconds * 1e6)}


def of_notification(channel: str, outcome: str, seconds: float) -> dict[str, int]:
    """What one more attempt to send a message on a channel, and how long it took, adds to the fields."""
    return {f"{NOTIFICATIONS}|{channel}|{outcome}": 1, **_observation(NOTIFICATION, seconds, channel)}


def read(redis: Redis, keys: Keys) -> Measurements:
    """All measurements since the installation began."""
    notifications: dict[tuple[str, str], int] = {}
    rows: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for field, value in cast("dict[bytes, bytes]", redis.hgetall(keys.measurements)).items():
        name, _, rest = field.decode(errors="replace").partition("|")
        label, _, last = rest.rpartition("|")
        if name == NOTIFICATIONS:
            notifications[label, last] = int(value)
        else:
            rows[name, label][last] = int(value)
    return Measurements(notifications, {histogram.name: _by_label(histogram, rows) for histogram in HISTOGRAMS})


def _by_label(histogram: Histogram, rows: dict[tuple[str, str], dict[str, int]]) -> dict[str, Distribution]:
    return {label: _distribution(histogram, row) for (name, label), row in rows.items() if name == histogram.name}


def _distribution(histogram: Histogram, row: dict[str, int]) -> Distribution:
    counts = [row.get(str(bound), 0) for bound in (*histogram.bounds, inf)]
    return Distribution(tuple(_cumulative((*histogram.bounds, inf), counts)), row.get(SUM, 0) / 1e6)


def _cumulative(bounds: Iterable[float], counts: Iterable[int]) -> Iterable[tuple[float, int]]:
    total = 0
    for bound, count in zip(bounds, counts, strict=True):
        total += count
        yield bound, total
