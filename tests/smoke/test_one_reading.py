"""The short pass of `make test` over real parts: Redis, a Celery worker, an HTTP receiver in place of the phone."""

import pytest

from tests.support.hospital import Hospital, crs2, descendants, eventually, kill

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

WITHIN = 120.0
"""Seconds: a worker needs 2 s to start on an idle machine, and many times that on a busy one."""


def test_a_reading_reaches_the_phone_and_a_killed_worker_loses_none(hospital: Hospital) -> None:
    """The second patient's readings are accepted while every process of the worker is dead."""
    with hospital.workers(processes=1) as worker:
        hospital.client.send(crs2("bed 1"))
        eventually(lambda: hospital.paged("CRS 2", "bed 1"), "the page is at the receiver", WITHIN, hospital.left)
        assert worker.pid is not None
        kill(worker.pid, *descendants(worker.pid))
        hospital.client.send(crs2("bed 2"))
        eventually(lambda: hospital.paged("CRS 2", "bed 2"), "the next worker sends the page", WITHIN, hospital.left)
        hospital.is_idle_soon(WITHIN)
    assert worker.starts == 2
    hospital.every_page_owed_has_arrived()
