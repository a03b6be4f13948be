"""A stalled consumer: a worker that ticks but takes no message, although messages wait in its queues.

It was seen with Celery on Redis after the broker was restarted: the event loop continues, and the connection that takes
messages is gone for good. Other workers do its work, so nothing is lost. But if it is the only worker, it must end, so
that its supervisor starts it again.
"""

import logging
import os
import time

log = logging.getLogger(__name__)

STALLED_AFTER_SECONDS = 75.0
"""Longer than any task may run: by then a worker that is not stalled has taken another message."""

EVERY_SECONDS = 5.0

GAP_SECONDS = 12.0
"""If two checks are further apart than this, nothing is known of the time between them."""


class ConsumerWatch:
    """The check whether this worker takes messages from its queues while some wait."""

    def __init__(self) -> None:
        self.taken = 0
        """The number of messages that the worker has taken, whatever their outcome."""
        self._since: float | None = None
        self._checked, self._before = 0.0, 0

    @property
    def is_due(self) -> bool:
        """Whether the next check is due."""
        return self._since is None or time.monotonic() - self._checked >= EVERY_SECONDS

    def is_stalled(self, waiting: int) -> bool:
        """Check, with the number of messages that wait in the worker's queues."""
        now = time.monotonic()
        if self._since is None or not waiting or self.taken != self._before or now - self._checked > GAP_SECONDS:
            self._since = now
        self._checked, self._before = now, self.taken
        return now - self._since >= STALLED_AFTER_SECONDS


consumer_watch = ConsumerWatch()
"""This worker's: the consumer counts (`worker/runtime/task_consumer.py`), the tick checks."""


def end(queues: str) -> None:
    """End this process like a crash, which loses nothing. Whatever supervises the process starts it again."""
    log.critical(
        "this worker has taken nothing from %s for %.0f s though messages wait; it ends", queues, STALLED_AFTER_SECONDS
    )
    os._exit(os.EX_TEMPFAIL)
