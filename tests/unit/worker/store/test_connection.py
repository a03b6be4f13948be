"""Clients of a store that Sentinels watch: time-outs, passwords and certificates."""

from typing import Any

from redis.sentinel import SentinelConnectionPool

from config.sentinel import SentinelUrl
from config.settings import Settings
from worker.runtime import broker
from worker.runtime.runtime import connect
from worker.store.connection import SentinelConnection, SentinelTLSConnection, sentinel_options

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
