"""Clients of a store that Sentinels watch: time-outs, passwords and certificates."""

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from redis.backoff import NoBackoff
from redis.exceptions import TimeoutError as StoreTimeoutError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, SentinelConnectionPool

from config.sentinel import SentinelUrl
from config.settings import Settings
from worker.runtime import broker
from worker.runtime.runtime import connect
from worker.store.connection import FollowingPool, SentinelConnection, SentinelTLSConnection, sentinel_options

URL = "redis+sentinel://ward:pw@h1,h2/cw/0?sentinel_password=other"
TLS = "rediss+sentinel://ward:pw@h1,h2/cw/0?ssl_ca_certs=/ca.pem&ssl_check_hostname=false"


def options_of(url: str) -> dict[str, Any]:
    parsed = SentinelUrl.parse(url)
    assert parsed is not None
    return sentinel_options(parsed)


def test_a_dead_sentinel_is_given_up_at_once() -> None:
    """By default redis-py would try it ten times."""
    options = options_of(URL)
    assert options["retry"].get_retries() == 0
    assert options["socket_timeout"] <= 0.5
    assert options["socket_connect_timeout"] <= 0.5


def test_servers_and_sentinels_have_passwords_of_their_own() -> None:
    with connect(URL, copies=2) as client:
        pool = client.connection_pool
        assert isinstance(pool, SentinelConnectionPool)
        assert (pool.connection_kwargs["username"], pool.connection_kwargs["password"]) == ("ward", "pw")
        assert "sentinel_password" not in pool.connection_kwargs
        assert (client.copies, client.service) == (2, "cw")
        assert issubclass(pool.connection_class, SentinelConnection)
    assert options_of(URL)["password"] == "other"  # noqa: S105


def test_tls_is_spoken_to_servers_and_sentinels() -> None:
    with connect(TLS) as client:
        assert client.connection_pool.connection_class is SentinelTLSConnection
        assert client.connection_pool.connection_kwargs["ssl_ca_certs"] == "/ca.pem"
    options = options_of(TLS)
    assert (options["ssl"], options["ssl_ca_certs"], options["ssl_check_hostname"]) == (True, "/ca.pem", False)


class SilentServer:
    """Takes connections and never answers, as a frozen one; the Sentinels name it."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        host, port = self.socket.getsockname()
        self.pool = SimpleNamespace(get_master_address=lambda: (host, port), is_master=True, check_connection=False)

    def connection(self, **options: Any) -> SentinelConnection:
        return SentinelConnection(connection_pool=self.pool, retry=Retry(NoBackoff(), 0), **options)  # type: ignore[no-untyped-call]


def without_greeting(connection: SentinelConnection) -> None:
    connection._parser.on_connect(connection)


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    made = SilentServer()
    with made.socket:
        yield made


def test_a_connection_whose_answer_is_late_is_not_used_again(silent: SilentServer) -> None:
    """The next command would read that answer as its own."""
    connection = silent.connection(socket_timeout=0.05, redis_connect_func=without_greeting)
    connection.connect()  # type: ignore[no-untyped-call]
    connection.send_command("GET", "key", check_health=False)  # type: ignore[no-untyped-call]
    with pytest.raises(StoreTimeoutError):
        connection.read_response()
    assert connection._sock is None


def test_a_server_that_takes_a_connection_and_never_greets_is_given_up_sooner_than_one_that_works(
    silent: SilentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.store.connection.GREETING_SECONDS", 0.05)
    connection = silent.connection(socket_timeout=600)
    with pytest.raises(StoreTimeoutError):
        connection.connect()  # type: ignore[no-untyped-call]
    connection.redis_connect_func = without_greeting
    connection.connect()  # type: ignore[no-untyped-call]
    assert connection._sock.gettimeout() == 600
    connection.disconnect()  # type: ignore[no-untyped-call]


def test_a_frozen_primary_costs_a_command_few_seconds() -> None:
    with connect(URL) as client:
        options = client.connection_pool.connection_kwargs
        assert (options["socket_connect_timeout"], options["socket_timeout"]) == (1.0, 3.0)


def test_celery_gets_the_service_and_the_certificates() -> None:
    settings = Settings(redis_url=TLS)
    options = broker.worker_options(settings)
    assert (options["master_name"], options["sentinel_kwargs"]["ssl"]) == ("cw", True)
    assert broker.tls(settings) == {
        "ssl_cert_reqs": "required",
        "ssl_ca_certs": "/ca.pem",
        "ssl_check_hostname": False,
    }
    assert broker.tls(Settings(redis_url=URL)) is False


def test_a_worker_notices_a_frozen_broker_soon_where_another_takes_its_place() -> None:
    """Kombu needs twice the interval, and one time-out."""
    options = broker.worker_options(Settings(redis_url=URL))
    assert 2 * options["health_check_interval"] + options["socket_timeout"] < 10
    assert options["socket_timeout"] > options["polling_interval"]


def test_idle_connections_leave_a_server_that_is_no_longer_the_primary(monkeypatch: pytest.MonkeyPatch) -> None:
    now, primary, dropped = [100.0], ["h1"], list[str]()
    monkeypatch.setattr("worker.store.connection.time.monotonic", lambda: now[0])
    with connect(URL) as client:
        pool = client.connection_pool
        assert isinstance(pool, FollowingPool)
        assert client.sentinels is not None
        monkeypatch.setattr(client.sentinels, "discover_master", lambda _: (primary[0], 6379))
        monkeypatch.setattr(pool, "disconnect", lambda **_: dropped.append(primary[0]))
        monkeypatch.setattr(SentinelConnectionPool, "get_connection", lambda *_: None)
        for address, moment in (("h1", 100.0), ("h2", 100.5), ("h2", 101.1), ("h2", 102.5)):
            primary[0], now[0] = address, moment
            pool.get_connection()
        assert dropped == ["h1", "h2"], "once at first, and once when it changed"
        assert client.primary == ("h2", 6379)


def test_while_no_sentinel_knows_a_primary_the_connections_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: str) -> None:
        raise MasterNotFoundError("no primary")

    with connect(URL) as client:
        assert client.sentinels is not None
        monkeypatch.setattr(client.sentinels, "discover_master", unknown)
        monkeypatch.setattr(SentinelConnectionPool, "get_connection", lambda *_: "connection")
        assert client.connection_pool.get_connection() == "connection"
