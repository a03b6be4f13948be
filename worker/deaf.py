"""A worker that is deaf: it ticks, its queue waits, and it takes nothing.

Seen with Celery on Redis after the broker was restarted: the event loop goes on, and the connection that takes messages
is gone for good. Nothing is lost by it that the other workers do not do; the only one must not live on so.
"""

import logging
import os
import time

log = logging.getLogger(__name__)

DEAF_SECONDS = 75.0
"""Longer than any task may run: by then a worker that hears has come to take another."""

OFTEN_SECONDS = 5.0
"""Looks further apart than this say nothing about the time between them."""


class Ears:
    """Whether this worker takes from its queues while there is something in them."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[float, float, int]] = {}

    def hears(self, queue: str, waiting: int, taken: int) -> bool:
        """Note a look at a queue of which this worker has `taken` so many tasks in all; False once it is deaf."""
        now = time.monotonic()
        since, looked, before = self._since.get(queue, (now, now, taken))
        if not waiting or taken != before or now - looked > OFTEN_SECONDS:
            since = now
        self._since[queue] = (since, now, taken)
        return now - since < DEAF_SECONDS


def end(queue: str) -> None:
    """End this process as a crash would, which loses nothing; whoever keeps it running starts it again."""
    log.critical("this worker has taken nothing from %s for %.0f s though it waits; it ends", queue, DEAF_SECONDS)
    os._exit(os.EX_TEMPFAIL)
