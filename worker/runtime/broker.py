"""How Celery reaches its broker: a Redis, a Redis found by Sentinels, or RabbitMQ."""

import logging
import socket
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.transport.redis import Channel, QoS, SentinelChannel, SentinelTransport, Transport
from redis.exceptions import ConnectionError as StoreConnectionError

from config.settings import Settings
from worker.runtime.queues import is_amqp
from worker.store.connection import (
    FollowingPool,
    SentinelConnection,
    SentinelTLSConnection,
    sentinel_options,
    tls_options,
)
from worker.store.sentinels import Quorum

log = logging.getLogger(__name__)

KEEPALIVE = {
    getattr(socket, name): value
    for name, value in {"TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 6000}.items()
    if hasattr(socket, name)
}
"""If the network of a connection is gone, the connection ends after 6 s, and the worker reconnects each second. Without
this TCP would wait to retransmit, for as long again as the outage lasted. A frozen Redis keeps its connections."""


def worker_options(settings: Settings) -> dict[str, Any]:
    """The transport options of a worker.

    A primary that freezes keeps its connections, so only silence shows it. Where another one takes its place, a worker
    notices sooner: kombu takes twice `health_check_interval` and one `socket_timeout`.
    """
    if is_amqp(settings.broker):
        # Without the broker's confirmation a message may be lost on the way to it.
        return {"confirm_publish": True}
    notices = (3, 3) if settings.broker_sentinel else (10, 25)
    return {
        "visibility_timeout": 120,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 15,
        # How long one BRPOP waits. A longer one costs an idle worker less, but a worker that stops waits for it.
        "polling_interval": 2,
        "socket_timeout": notices[0],
        "socket_connect_timeout": min(notices[0], 3),
        "socket_keepalive": True,
        "socket_keepalive_options": KEEPALIVE,
        "health_check_interval": notices[1],
        **sentinel_part(settings),
    }


def producer_options(settings: Settings, seconds: float) -> dict[str, Any]:
    """The transport options of a producer, which waits this long for a broker that does not answer."""
    if is_amqp(settings.broker):
        return {"confirm_publish": True}
    return {"socket_connect_timeout": seconds, "socket_timeout": seconds, **sentinel_part(settings)}


def sentinel_part(settings: Settings) -> dict[str, Any]:
    """The transport options that name the Sentinels' service; empty without Sentinels."""
    sentinel = settings.broker_sentinel
    return {"master_name": sentinel.service, "sentinel_kwargs": sentinel_options(sentinel)} if sentinel else {}


class BoundedQoS(QoS):
    """The messages that a worker has and has not acknowledged; as many as its prefetch count, then it takes no more.

    Kombu's keeps a message whose acknowledgement or rejection failed, with a primary that was frozen: two of those, and
    the worker took nothing until its connection was lost. The broker delivers the message again.
    """

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message; it takes no place any more, even if that fails."""
        try:
            super().ack(delivery_tag)
        finally:
            virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Reject a message; it takes no place any more, even if that fails."""
        try:
            super().reject(delivery_tag, requeue)
        finally:
            virtual.QoS.ack(self, delivery_tag)


class ClosableChannel(Channel):
    """A channel that, once closed, has lost its connection.

    A worker acknowledges a task on the channel that it came by, though the consumer has connected anew since. Kombu's
    channel raises another error then, which ends the worker.
    """

    QoS = BoundedQoS

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None:
            raise StoreConnectionError("the channel is closed")
        return super()._connparams(asynchronous)  # type: ignore[misc]


class ClosableTransport(Transport):
    """Kombu's transport for Redis, with such channels."""

    Channel = ClosableChannel


class FollowingChannel(ClosableChannel, SentinelChannel):
    """A channel whose wake-ups go to the present primary: on a replaced one nobody would take them."""

    connection_class = SentinelConnection
    connection_class_ssl = SentinelTLSConnection

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:
        pool = super()._sentinel_managed_pool(asynchronous)  # type: ignore[misc]
        # Kombu offers no choice of the classes.
        pool.__class__ = FollowingPool
        pool.sentinel_manager.__class__ = Quorum
        return pool


class FollowingTransport(SentinelTransport):
    """Kombu's transport for Sentinels, with such channels."""

    Channel = FollowingChannel


TRANSPORT_ALIASES["sentinel"] = f"{__name__}:{FollowingTransport.__name__}"
TRANSPORT_ALIASES |= dict.fromkeys(("redis", "rediss"), f"{__name__}:{ClosableTransport.__name__}")


def follow_primary(connection: Any, primary: tuple[str, int] | None) -> None:
    """Let a worker's consumer leave a server that is no longer the primary; kombu then connects to the present one.

    A primary that was frozen for some seconds, or cut off, answers again before kombu misses it. For about ten seconds
    it does not know that another took its place, and no wake-up comes through it.
    """
    for channel in connection.transport.cycle._channels:
        client = vars(channel).get("client")
        waits = client.connection if client is not None else None
        if primary and waits is not None and waits._sock and (waits.host, waits.port) != primary:
            log.warning("the consumer leaves the broker %s:%s: another server is the primary", waits.host, waits.port)
            waits.disconnect()


def tls(settings: Settings) -> dict[str, Any] | bool:
    """Celery's `broker_use_ssl`: kombu has no address of Sentinels that says TLS. False without Sentinels or TLS."""
    sentinel = settings.broker_sentinel
    return {"ssl_cert_reqs": "required", **tls_options(sentinel)} if sentinel and sentinel.tls else False
