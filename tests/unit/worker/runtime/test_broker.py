"""A worker's consumer follows the primary, where another server took its place without a closed connection."""

import logging
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from kombu import Connection
from kombu.message import Message
from kombu.transport.redis import SentinelChannel
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.sentinel import Sentinel, SentinelConnectionPool

from config.settings import Settings
from worker.runtime.broker import FollowingTransport, follow_primary, worker_options
from worker.runtime.broker_fetch import acknowledge
from worker.store.connection import FollowingPool
from worker.store.sentinels import Quorum

log = logging.getLogger(__name__)


class Waiting:
    """A connection on which a channel waits for messages."""

    def __init__(self, host: str) -> None:
        self.host, self.port = host, 6379
        self._sock: object | None = object()

    def disconnect(self) -> None:
        self._sock = None


def connection(*waiting: Waiting) -> SimpleNamespace:
    channels = [SimpleNamespace(client=SimpleNamespace(connection=one)) for one in waiting]
    return SimpleNamespace(transport=SimpleNamespace(cycle=SimpleNamespace(_channels=[*channels, SimpleNamespace()])))


def test_a_consumer_leaves_a_server_that_is_no_longer_the_primary() -> None:
    """One that had been frozen for six seconds was waited on for eleven more, and no page came."""
    old, new = Waiting("old"), Waiting("new")
    follow_primary(connection(old, new), ("new", 6379))
    assert (old._sock is None, new._sock is None) == (True, False)


@pytest.mark.parametrize("primary", [("new", 6379), None])
def test_a_consumer_of_the_primary_stays(primary: tuple[str, int] | None) -> None:
    new = Waiting("new")
    follow_primary(connection(new), primary)
    assert new._sock is not None


def test_wake_ups_go_to_the_present_primary() -> None:
    """A producer that stayed on the old one put them for ten seconds where nobody took them."""
    settings = Settings(redis_url="redis+sentinel://127.0.0.1:1/ward/0")
    with Connection(settings.broker, transport_options=worker_options(settings)) as made:
        assert isinstance(made.transport, FollowingTransport)
        channel = object.__new__(FollowingTransport.Channel)
        pool = SentinelConnectionPool("ward", Sentinel([]))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SentinelChannel, "_sentinel_managed_pool", lambda *_: pool)
            assert isinstance(channel._sentinel_managed_pool(), FollowingPool)
        assert isinstance(pool.sentinel_manager, Quorum)


def _ack(message: Message) -> None:
    message.ack_log_error(log, (StoreConnectionError,))


def _reject(message: Message) -> None:
    message.reject_log_error(log, (StoreConnectionError,))


def _requeue(message: Message) -> None:
    message.reject_log_error(log, (StoreConnectionError,), requeue=True)


def _ack_with_others(message: Message) -> None:
    acknowledge([message], log, (StoreConnectionError,))


@pytest.mark.parametrize("settle", [_ack, _reject, _requeue, _ack_with_others])
@pytest.mark.parametrize("url", ["redis+sentinel://127.0.0.1:1/ward/0", "redis://127.0.0.1:1/0"])
def test_a_message_whose_answer_failed_takes_no_place(url: str, settle: Callable[[Message], None]) -> None:
    """Two of those, with a frozen primary, and a worker took nothing for ten seconds."""
    settings = Settings(redis_url=url)

    def fails(*_: object) -> None:
        raise StoreConnectionError("frozen")

    with Connection(settings.broker, transport_options=worker_options(settings)) as made:
        channel = object.__new__(made.transport.Channel)
        channel._qos = qos = channel.QoS(channel, prefetch_count=1)
        channel.conn_or_acquire = fails
        qos._delivered["tag"] = message = Message(channel=channel, delivery_tag="tag")
        assert not qos.can_consume()
        settle(message)
        assert qos.can_consume()


@pytest.mark.parametrize("url", ["redis+sentinel://127.0.0.1:1/ward/0", "redis://127.0.0.1:1/0"])
def test_an_acknowledgement_on_a_closed_channel_is_a_lost_connection(url: str) -> None:
    """Celery logs that, and goes on. Any other error ended the worker."""
    settings = Settings(redis_url=url)
    with Connection(settings.broker, transport_options=worker_options(settings)) as made:
        channel = object.__new__(made.transport.Channel)
        channel.connection = None
        with pytest.raises(made.connection_errors, match="closed"):
            channel._create_client()
