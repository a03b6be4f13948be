"""For producers written in Python: append, then wake. When `send` returns, the messages are accepted.

from worker.client import Client
client = Client()                      # settings from the environment, CARTWATCH_REDIS_URL and so on
client.send([{"type": "reading", ...}])
"""

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis

from alerts.message_json import BadMessage
from config.settings import Settings
from config.site import Site
from worker.clock import StoreClock
from worker.runtime.broker import producer_options, tls
from worker.runtime.queues import declared, wake_shards
from worker.runtime.runtime import connect, keys_of
from worker.store.capacity import Capacity
from worker.store.inbox import Accepted, accept
from worker.store.keys import Keys, Partition, Shard
from worker.store.requirements import require_same_shard_count

log = logging.getLogger(__name__)

PUBLISH_SECONDS = 1.0
"""The time for a wake-up. The sender waits for it, and the ticker makes up for it."""


class Client:
    """Appends messages to the inbox. The wake-up that follows may be lost without harm."""

    def __init__(self, settings: Settings | None = None, redis: "Redis | None" = None) -> None:
        self._settings = settings or Settings()
        self._redis = redis if redis is not None else connect(self._settings.redis_url, copies=self._settings.copies)
        self._clock = StoreClock(self._redis)
        self._capacity = Capacity(self._redis, self.keys)
        self._fits = False
        self._celery = Celery("cartwatch-client", broker=self._settings.broker, set_as_current=False)
        self._celery.conf.update(
            task_ignore_result=True,
            task_queues=declared(self._settings.broker),
            broker_transport_options=producer_options(self._settings, PUBLISH_SECONDS),
            broker_use_ssl=tls(self._settings),
            # The sender waits for the publication, and without it the ticker wakes the shard within a second.
            task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0},
        )

    @property
    def keys(self) -> Keys:
        """The key names of the installation."""
        return keys_of(self._settings)

    def send(self, messages: Iterable[Mapping[str, Any]], source: str = "client") -> int:
        """Append messages, one or many; return how many were accepted.

        Raises:
            BadMessage: some cannot be read and are dead letters now; the others were accepted.
            IntakeStoppedError: the store is nearly full; nothing was accepted, send again later.
            redis.exceptions.RedisError: the store cannot be reached, or too few machines have the messages
                (`NotCopiedError`); nothing was accepted, send again.
            UnfitStoreError: CARTWATCH_SHARDS is not what the installation was begun with; nothing was accepted.
        """
        accepted = self.send_raw([json.dumps(dict(message)).encode() for message in messages], source)
        if accepted.refused:
            raise BadMessage("; ".join(record.why for record in accepted.refused))
        return accepted.stored

    def send_raw(
        self, raws: Iterable[bytes], source: str = "client", now: datetime | None = None, site: Site | None = None
    ) -> Accepted:
        """Append JSON texts. A message that cannot be read becomes a dead letter and is reported in the answer.

        With the installation's `site` the answer also names the messages that the chart will reject, for instance for a
        time too far ahead or a wrong unit.
        """
        if not self._fits:
            require_same_shard_count(self._redis, self.keys)
            self._fits = True
        now = now or self._clock.now()
        accepted = accept(self._redis, self.keys, raws, now, source, capacity=self._capacity, site=site)
        self.wake(accepted.wake)
        return accepted

    def wake(self, woken: Iterable[Shard | Partition]) -> None:
        """Ask the workers to advance shards, or to deliver. If the broker cannot be reached, the ticker wakes them."""
        try:
            wake_shards(self._celery, woken)
        except (OperationalError, OSError) as error:
            log.warning("the broker cannot be reached (%s); the ticker wakes it", type(error).__name__)
