"""Floods: sources that send far more than a monitor does. Each is an incident that names the source.

Every commit counts its messages by source. The watchdog takes these counts, and adds them to the totals of the metrics.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import cast

from redis import Redis

from alerts.wording.phrase import Phrase, phrase
from worker.monitoring.incidents import FLOOD
from worker.store.inbox import SOURCE_SHOWN
from worker.store.keys import Keys

SOURCES_NAMED = 5
"""So many of the busiest sources have an incident of their own."""

SOURCES_COUNTED = 500
"""Sources with a total of their own. The names come from outside; those beyond are counted together."""

OTHERS = "(others)"

LEAST = timedelta(seconds=5)
"""Over a shorter time nothing is said of a rate."""


def found(counts: Counter[str], most: int, period: timedelta) -> dict[str, Phrase]:
    """What is wrong if so many messages were evaluated in a period: the sources above `most` a second."""
    if period < LEAST:
        return {}
    rates = {source: round(count / period.total_seconds()) for source, count in counts.most_common(SOURCES_NAMED)}
    return {
        f"{FLOOD}{source}": phrase(
            "{source} sends {n} messages a second: find out what it sends; others are evaluated before it",
            source=source[:SOURCE_SHOWN],
            n=rate,
        )
        for source, rate in rates.items()
        if rate > most
    }


def take_counts(redis: Redis, keys: Keys) -> Counter[str]:
    """The messages of each source that were evaluated since the last call, which are added to the totals."""
    pipe = redis.pipeline(transaction=True)
    pipe.hgetall(keys.messages_lately)
    pipe.delete(keys.messages_lately)
    pipe.hkeys(keys.messages_total)
    lately, _, known = pipe.execute()
    counts = Counter({source.decode(errors="replace"): int(count) for source, count in lately.items()})
    names = {source.decode(errors="replace") for source in known}
    for source, count in counts.most_common():
        if source not in names and len(names) >= SOURCES_COUNTED:
            source = OTHERS
        names.add(source)
        pipe.hincrby(keys.messages_total, source, count)
    pipe.execute()
    return counts


def totals(redis: Redis, keys: Keys) -> dict[str, int]:
    """The messages of each source that were evaluated since the installation began, up to the watchdog's last run."""
    stored = cast("dict[bytes, bytes]", redis.hgetall(keys.messages_total))
    return {source.decode(errors="replace"): int(count) for source, count in stored.items()}


def since(last_run: bytes | None, now: datetime) -> timedelta:
    """The time since the watchdog's last run; none if there was none."""
    return now - datetime.fromisoformat(last_run.decode()) if last_run is not None else timedelta()
