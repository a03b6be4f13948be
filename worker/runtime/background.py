"""Work that the ticker starts in a thread, so that a slow disk delays no wake-up."""

import logging
import threading
import time
from collections.abc import Callable

from redis.exceptions import RedisError

from worker.runtime.runtime import Runtime

log = logging.getLogger(__name__)


class BackgroundWork:
    """One kind of work: begun once in a period, and never while the last one still runs.

    An error ends only that one.
    """

    def __init__(self, name: str, every: float, work: Callable[[Runtime], object]) -> None:
        self._name = name
        self._every = every
        self._work = work
        self._due = 0.0
        self._thread: threading.Thread | None = None

    def start_if_due(self, run: Runtime) -> None:
        """Begin the work in a thread of its own, if it is due (`every` seconds after the last beginning)."""
        now = time.monotonic()
        if now < self._due or (self._thread is not None and self._thread.is_alive()):
            return
        self._due = now + self._every
        self._thread = threading.Thread(target=self._once, args=(run,), name=self._name, daemon=True)
        self._thread.start()

    def _once(self, run: Runtime) -> None:
        try:
            self._work(run)
        except (RedisError, OSError) as error:
            log.error("%s: failed, and is tried again (%s)", self._name, error)
        except Exception as error:  # a thread that ends with an error would print a traceback with a patient in it
            log.error("%s: failed (%s)", self._name, type(error).__name__)
