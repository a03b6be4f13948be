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

EVERY_SECONDS = 5.0

OFTEN_SECONDS = 12.0
"""Looks further apart than this say nothing about the time between them."""


class Ears:
    """Whether this worker takes from its queues while there is something in them."""

    def __init__(self) -> None:
        self.taken = 0
        """How many messages it has taken, whatever became of them."""
        self._since: float | None = None
        self._looked, self._before = 0.0, 0

    @property
    def is_due(self) -> bool:
        """Whether it is time to look again."""
        return self._since is None or time.monotonic() - self._looked >= EVERY_SECONDS

    def hears(self, waiting: int) -> bool:
        """Look while so many messages wait in its queues; False once it is deaf."""
        now = time.monotonic()
        if self._since is None or not waiting or self.taken != self._before or now - self._looked > OFTEN_SECONDS:
            self._since = now
        self._looked, self._before = now, self.taken
        return now - self._since < DEAF_SECONDS


ears = Ears()
"""Those of this worker: its consumer counts (`worker/runtime/task_consumer.py`), its tick looks."""


def end(queues: str) -> None:
    """End this process as a crash would, which loses nothing; whoever keeps it running starts it again."""
    log.critical("this worker has taken nothing from %s for %.0f s though messages wait; it ends", queues, DEAF_SECONDS)
    os._exit(os.EX_TEMPFAIL)
