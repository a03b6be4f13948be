"""A channel that hangs, with real workers: it delays only itself, and what it owes is sent when it answers again."""

import pytest
from redis import Redis

from tests.support.hospital import Hospital, crs2, eventually
from worker.runtime.runtime import connect
from worker.ticker import MOST_WAITING

pytestmark = pytest.mark.server

PATIENTS = 12


def waiting(broker: Redis) -> int:
    return int(broker.llen("deliver"))


def test_a_channel_that_hangs_delays_no_other_and_fills_no_queue(hospital: Hospital) -> None:
    """Twelve pages wait for a phone that never answers; there are two processes to send them."""
    # The shipped waits: a claim must outlast an attempt that hangs.
    hospital.settings = hospital.settings.model_copy(update={"config_dir": None})
    patients = [f"bed {number}" for number in range(PATIENTS)]
    with hospital.workers(processes=2), connect(hospital.settings.broker) as broker:
        hospital.phone.behave("/phone-1", delay=60)
        hospital.client.send([message for patient in patients for message in crs2(patient)])
        eventually(
            lambda: any(attempt.path == "/phone-1" for attempt in hospital.phone.attempts),
            "a process waits for the phone that hangs",
        )
        hospital.client.send_raw([b"{"], source="a mute monitor")
        eventually(
            lambda: any(page.path == "/phone-4" for page in hospital.phone.received),
            "the page on another channel arrives",
        )
        tried = [attempt.page_id for attempt in hospital.phone.attempts if attempt.path == "/phone-1"]
        assert len(tried) == len(set(tried)) == 1, "one process at a time waits for it"
        assert waiting(broker) < 2 * MOST_WAITING
        hospital.phone.behave("/phone-1")
        eventually(
            lambda: all(hospital.paged("CRS 2", patient) for patient in patients),
            "every page arrives when the phone answers again",
        )
