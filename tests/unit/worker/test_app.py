"""What the Celery application sets that Celery has no setting for."""

from types import SimpleNamespace

import billiard.pool
import pytest

from worker.app import app


def test_a_process_of_the_pool_ends_soon_though_nobody_reads_its_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a worker that is being stopped: it waited 30 s, and an upgrade with it."""
    waited: list[float] = []
    monkeypatch.setattr(billiard.pool.time, "sleep", waited.append)
    unread = SimpleNamespace(on_ready_counter=SimpleNamespace(value=0))
    assert app.conf.task_acks_late, "what was not acknowledged is delivered again"
    assert not billiard.pool.Worker._ensure_messages_consumed(unread, completed=1)
    assert 0 < sum(waited) <= 2.01
