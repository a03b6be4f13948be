"""Clients of the state store: by the address of a server, or by those of the Sentinels that know which one is primary.

What a client accepts must stand on as many machines as `copies` says (`worker/store/durable.py`).
"""

import time
from contextlib import suppress
from typing import Any, cast
from urllib.parse import urlencode

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool, SentinelManagedConnection, SentinelManagedSSLConnection

from config.sentinel import SentinelUrl
from worker.store.live_replicas import ASKED_EVERY_SECONDS, LiveReplicas
from worker.store.sentinels import Quorum

SENTINEL_SECONDS = 0.5
"""The time for the answer of a Sentinel. The one beside a dead primary is dead as well, and may be asked first."""


GREETING_SECONDS = 1.0
"""The time for the first answers of a server. A frozen primary still takes connections, and never greets."""


class SentinelConnection(SentinelManagedConnection):
    """A connection that asks the Sentinels whenever it connects.

    That of redis-py asks them only the first time: a command that is repeated would wait for the old primary again and
    again (redis/redis-py issue 3874).
    """

    def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        """Connect, if it is not connected. The caller repeats that, not the socket."""
        del retry_socket_connect
        if not self._sock:
            self.host, self.port = self.connection_pool.get_master_address()
            answer, self.socket_timeout = self.socket_timeout, GREETING_SECONDS
            try:
                super().connect_check_health(check_health, retry_socket_connect=False)
            finally:
                self.socket_timeout = answer
            self.update_current_socket_timeout(-1)

    def read_response(
        self, disable_decoding: Any = False, *, disconnect_on_error: bool | None = True, **options: Any
    ) -> Any:
        """Read the answer to a command. That of redis-py stays connected by default, unlike its other connections.

        An answer that came after its time-out was then read as the answer to the next command.
        """
        return super().read_response(disable_decoding, disconnect_on_error=disconnect_on_error, **options)


class SentinelTLSConnection(SentinelConnection, SentinelManagedSSLConnection):
    """The same with TLS."""


class FollowingPool(SentinelConnectionPool):
    """Connections that leave a server which is no longer the primary, within a second.

    A primary that was replaced while it ran, or that returns, does not know it for about ten seconds. What is written
    there is lost, so work done there is done twice, and its pages are sent twice.
    """

    _asked_again_at = 0.0

    def get_connection(self, *arguments: Any, **options: Any) -> Any:
        """A connection to the primary."""
        now = time.monotonic()
        if now >= self._asked_again_at:
            self._asked_again_at = now + ASKED_EVERY_SECONDS
            with suppress(StoreConnectionError):  # no Sentinel knows a primary now; the connection shows what is so
                # It closes all idle connections if the address is another.
                self.proxy.get_master_address()  # type: ignore[no-untyped-call]
        return super().get_connection(*arguments, **options)


class StoreClient(Redis):
    """A client that knows its Sentinels, if any, and on how many machines an accepted message must stand."""

    copies = 1
    sentinels: Quorum | None = None
    service = ""
    replicas: LiveReplicas | None = None

    @property
    def primary(self) -> tuple[str, int] | None:
        """The primary of the newest connection; None without Sentinels, or before the first."""
        proxy = getattr(self.connection_pool, "proxy", None)
        return proxy.master_address if proxy is not None else None

    def close(self) -> None:
        """Close the connections to the store, and those to the Sentinels."""
        super().close()
        if self.sentinels is not None:
            self.sentinels.close()


def server_of(redis: Redis) -> tuple[str, int] | None:
    """The primary that a client has found; None without Sentinels."""
    primary: tuple[str, int] | None = getattr(redis, "primary", None)
    return primary


def client_of(url: str, copies: int = 1, **options: Any) -> StoreClient:
    """A client of the store at an address; `options` are those of its connections."""
    parsed = SentinelUrl.parse(url)
    client = (
        cast(StoreClient, StoreClient.from_url(url, **options)) if parsed is None else _by_sentinel(parsed, options)
    )
    client.copies = copies
    return client


def _by_sentinel(url: SentinelUrl, options: dict[str, Any]) -> StoreClient:
    sentinels = Quorum(list(url.sentinels), sentinel_kwargs=sentinel_options(url))  # type: ignore[no-untyped-call]
    kind = SentinelTLSConnection if url.tls else SentinelConnection
    server = {**_server_options(url), **options, "connection_class": kind}
    client: StoreClient = sentinels.master_for(url.service, StoreClient, FollowingPool, **server)  # type: ignore[no-untyped-call]
    client.sentinels, client.service = sentinels, url.service
    client.replicas = LiveReplicas(sentinels, url.service)
    return client


def sentinel_options(url: SentinelUrl) -> dict[str, Any]:
    """The options of connections to Sentinels. By default redis-py would try a dead one ten times."""
    return {
        "socket_timeout": SENTINEL_SECONDS,
        "socket_connect_timeout": SENTINEL_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        **url.sentinel_login,
        **({"ssl": True, **tls_options(url)} if url.tls else {}),
    }


def tls_options(url: SentinelUrl) -> dict[str, Any]:
    """The options that say how certificates are checked and shown."""
    return {name: value for name, value in _server_options(url).items() if name.startswith("ssl_")}


def _server_options(url: SentinelUrl) -> dict[str, Any]:
    """The options of connections to the servers. redis-py knows no address of Sentinels, and reads a server's."""
    options = parse_url(f"redis://{url.login}/{url.database}?{urlencode(url.server_options)}")  # type: ignore[no-untyped-call]
    return {name: value for name, value in options.items() if name not in ("host", "port")}
