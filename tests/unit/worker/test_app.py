"""What the Celery application sets that Celery has no setting for."""

import gc
import socket
from types import SimpleNamespace

import billiard.pool
import pytest
from celery.signals import worker_process_init
from redis.connection import Connection

from worker.app import app


def test_a_process_of_the_pool_ends_soon_though_nobody_reads_its_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a worker that is being stopped: it waited 30 s, and an upgrade with it."""
    waited: list[float] = []
    monkeypatch.setattr(billiard.pool.time, "sleep", waited.append)
    unread = SimpleNamespace(on_ready_counter=SimpleNamespace(value=0))
    assert app.conf.task_acks_late, "what was not acknowledged is delivered again"
    assert not billiard.pool.Worker._ensure_messages_consumed(unread, completed=1)
    assert 0 < sum(waited) <= 2.01


def test_a_process_of_the_pool_does_not_collect_the_loaded_code() -> None:
    spare = next(found for found in worker_process_init._live_receivers(None) if "spare" in found.__name__)
    before = gc.get_freeze_count()
    try:
        spare()
        assert gc.get_freeze_count() > max(before, 10_000)
    finally:
        gc.unfreeze()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux ends a connection that is not answered")
def test_a_connection_to_a_broker_whose_network_is_gone_ends_soon() -> None:
    """A worker waited for TCP to send again: pages came 8 to 15 s after a network that was away for 20 s."""
    options = app.conf.broker_transport_options
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = Connection(
            port=server.getsockname()[1],
            socket_keepalive=options["socket_keepalive"],
            socket_keepalive_options=options["socket_keepalive_options"],
        )
        with made._connect() as link:
            assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle, interval, probes = (
                link.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle + interval * probes <= 6
            assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 6000
