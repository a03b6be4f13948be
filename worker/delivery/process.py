"""The delivery of one process: the thread that delivers, and one thread for what must never delay a page."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from queue import SimpleQueue

from alerts.pages.page import Page
from worker.delivery import follow
from worker.delivery.agreement import mark
from worker.delivery.deliver import Deliverer
from worker.delivery.outcome import Attempt
from worker.delivery.pictures import send_trend, wants_picture
from worker.delivery.sending import SEND_SECONDS
from worker.runtime.runtime import Runtime
from worker.store.keys import Partition, Shard

log = logging.getLogger(__name__)

STOP_SECONDS = SEND_SECONDS + 1
"""How long a process that stops waits for the sends under way. Those that are cut short are repeated."""

PICTURES_WAITING = 4
"""More pages at a time get no picture: the heartbeat waits behind those that are drawn, each for some seconds."""

QUIET_LOOK_SECONDS, QUIET_WAIT_SECONDS = 0.05, 5.0
"""A picture is drawn while no page is under way: how often that is looked at, and how long it waits for it at most."""


class DeliveryProcess:
    """Delivers in the background of a worker process, from its first wake-up on. Make it after a fork."""

    def __init__(self, run: Runtime, wake: Callable[[Iterable[Shard | Partition]], object]) -> None:
        self._run, self._wake = run, wake
        self._deliverer = Deliverer(run, wake, self._after)
        self._aside: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for name, target in (("delivery", self._deliverer.run), ("aside", self._do_aside))
        ]
        for thread in self._threads:
            thread.start()

    def wake(self, partition: int) -> None:
        """Deliver what is due in a partition."""
        self._deliverer.wake(partition)

    def aside(self, job: Callable[[], object]) -> None:
        """Do something that waits for the outside world, beside the pages."""
        self._aside.put(job)

    def stop(self) -> None:
        """Begin no page, and wait until those under way are recorded."""
        self._deliverer.stop()
        self._threads[0].join(STOP_SECONDS)

    def follow(self) -> None:
        """Ask, in the background, about the pages that ring at a provider."""
        self.aside(lambda: self._wake(follow.follow(self._run)))

    def _after(self, page: Page, attempt: Attempt) -> None:
        if follow.is_followed(self._run.site.on_call.channels.get(page.channel), page, attempt):
            self.aside(partial(follow.begin, self._run, page, attempt))
        if page.assessed_at is None or not wants_picture(self._run, page):
            return
        if self._aside.qsize() >= PICTURES_WAITING:
            log.info("no picture for page %s: too much waits", page.id)
        else:
            address = mark(self._run.site.on_call.channels.get(page.channel))
            self.aside(partial(self._picture, page.id, page.channel, address, page.assessed_at))

    def _picture(self, page: str, channel: str, address: str, assessed_at: datetime) -> None:
        until = time.monotonic() + QUIET_WAIT_SECONDS
        while self._deliverer.is_busy() and time.monotonic() < until:
            time.sleep(QUIET_LOOK_SECONDS)
        send_trend(self._run, page, channel, address, assessed_at)

    def _do_aside(self) -> None:
        while True:
            job = self._aside.get()
            try:
                job()
            except Exception as error:  # a picture or a heartbeat is not worth the thread of all others
                log.error("beside the delivery: failed (%s)", type(error).__name__)
