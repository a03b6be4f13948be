"""The parts that a process needs for its work, made once per process from the settings."""

from functools import cache
from typing import NamedTuple

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import TimeoutError as StoreTimeoutError
from redis.retry import Retry

from config.sentinel import SentinelUrl
from config.settings import Settings
from config.site import Site
from worker.clock import Clock, StoreClock
from worker.runtime.reload import SiteConfig
from worker.runtime.simulated_clock import SimulatedClock
from worker.store.connection import StoreClient, client_of
from worker.store.keys import Keys, Shard
from worker.store.lease import introduce
from worker.store.shard import Store


class Runtime:
    """Settings, site, store and clock of this process. The site may be reloaded: ask for it once per task."""

    def __init__(self, settings: Settings, site: Site | SiteConfig, store: Store, clock: Clock) -> None:
        self.settings = settings
        self.configuration = site if isinstance(site, SiteConfig) else SiteConfig.always(site)
        self.store = store
        self.clock = clock

    @property
    def site(self) -> Site:
        """The configuration in force. It is read again if its folder has changed."""
        return self.configuration.site

    def site_of(self, shard: Shard) -> Site:
        """The site whose rules and channels apply to a shard: the one in force, or the canary's."""
        if shard != self.store.keys.canary:
            return self.site
        from worker.runtime.canary_site import site_of

        return site_of(self.site, self.settings.canary_channel)

    def newest_site_of(self, shard: Shard) -> Site:
        """The same, after a check of the files."""
        self.configuration.refresh(at_once=True)
        return self.site_of(shard)


class Patience(NamedTuple):
    """The limits of one call to the store: seconds to connect, seconds to answer, repetitions, and the errors to repeat
    it after."""

    connect: float
    answer: float
    repeats: int
    after: tuple[type[Exception], ...]


WORKER = Patience(3, 5, 3, (StoreConnectionError, StoreTimeoutError))
GATEWAY = Patience(1, 2, 1, (StoreConnectionError,))
"""A person or a sender waits, so an error comes within three seconds. If the store does not answer, the call is not
repeated. If the store was restarted and closed the connection, it is."""


FAILOVER_CONNECT, FAILOVER_ANSWER = 1.0, 3.0
"""The most seconds to wait where Sentinels name another primary. A frozen one costs each connection one time-out."""


def connect(url: str, patience: Patience = WORKER, copies: int = 1) -> StoreClient:
    """A client whose calls always end: an unreachable store is an error within seconds.

    A message that it accepts must stand on so many `copies`.
    """
    if SentinelUrl.parse(url) is not None and patience.repeats:
        patience = patience._replace(
            connect=min(patience.connect, FAILOVER_CONNECT), answer=min(patience.answer, FAILOVER_ANSWER)
        )
    return client_of(
        url,
        copies,
        socket_timeout=patience.answer,
        socket_connect_timeout=patience.connect,
        socket_keepalive=True,
        health_check_interval=25,
        redis_connect_func=introduce,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), patience.repeats, patience.after),
    )


BACKUP = Patience(3, 120, 0, ())
"""One command reads the whole store."""


def connect_patiently(settings: Settings) -> StoreClient:
    """A client for one long command: it waits for the answer, and repeats nothing."""
    return connect(settings.redis_url, BACKUP, settings.copies)


def keys_of(settings: Settings) -> Keys:
    """The key names of an installation."""
    return Keys(settings.namespace, settings.shards)


def make(settings: Settings, redis: "Redis | None" = None) -> Runtime:
    """A new runtime. It shares nothing with others except the given client.

    Raises:
        ConfigurationError: the site's configuration cannot be used.
    """
    keys = keys_of(settings)
    client = redis if redis is not None else connect(settings.redis_url, copies=settings.copies)
    store = Store(
        client,
        keys,
        batch=settings.batch,
        lease_seconds=settings.lease,
        journal_length=settings.journal_length,
        exports=settings.exports,
        audited=settings.audits,
    )
    clock: Clock = SimulatedClock(client, keys) if settings.clock == "simulated" else StoreClock(client)
    return Runtime(
        settings,
        SiteConfig.of(settings.config_dir, drill=settings.drill and settings.clock == "simulated"),
        store,
        clock,
    )


@cache
def runtime() -> Runtime:
    """This process's runtime, from the environment."""
    return make(Settings())
