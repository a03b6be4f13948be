"""Machines whose clocks are 30 s apart: pages come all the same, and a technician hears of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from tests.support.hospital import Hospital, crs2
from tests.support.sentinels import SERVICE, Node, Sentinels, wait_until
from worker.standalone.fake_phone import FakePhone
from worker.standalone.service import DELIVERS
from worker.standalone.supervisor import Supervised, worker_command

pytestmark = pytest.mark.server

AHEAD_SECONDS = 30


@pytest.fixture(scope="module")
def ahead() -> dict[str, str]:
    """The environment of a process whose clock is ahead."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        pytest.skip("libfaketime is not on this machine (Debian: faketime)")
    return {"LD_PRELOAD": str(library), "FAKETIME": f"+{AHEAD_SECONDS}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    with Sentinels(tmp_path / "servers") as made:
        yield made


@pytest.fixture
def hospital(sentinels: Sentinels, tmp_path: Path) -> Iterator[Hospital]:
    with FakePhone() as phone:
        made = Hospital(sentinels.url, sentinels.broker_url, phone, tmp_path, "clocks")
        yield made
        made.close()


def becomes_ill(hospital: Hospital, patient: str) -> None:
    """Send until it is accepted, then wait for the page."""

    def accepted() -> bool:
        try:
            return hospital.client.send(crs2(patient)) == 3
        except RedisError:
            return False

    wait_until(accepted, "the messages are accepted")
    wait_until(lambda: hospital.paged("CRS 2", patient), "the page arrives")


def is_reported(hospital: Hospital, condition: str) -> bool:
    written = {event["page"] for event in hospital.events("page") if any(condition in one for one in event["levels"])}
    return any(page.page_id in written for page in hospital.phone.received)


def test_a_worker_whose_clock_is_ahead_pages_as_any_other(hospital: Hospital, ahead: dict[str, str]) -> None:
    command = worker_command(["advance", "ingest", *DELIVERS], 2)
    environment = hospital.settings.as_environment() | ahead
    with Supervised(command, environment, str(hospital.log)) as worker:
        hospital.wait_until_ticking()
        becomes_ill(hospital, "alone")
        with hospital.workers():
            for number in range(4):
                becomes_ill(hospital, f"both-{number}")
        wait_until(lambda: is_reported(hospital, "clock drift"), "a technician hears of the clock", 60)
        assert worker.starts == 1
    ids = [page.page_id for page in hospital.phone.received]
    assert len(set(ids)) == len(ids), "a page came twice"


def chosen_next(sentinels: Sentinels, node: Node) -> None:
    """Let the Sentinels prefer a replica."""
    for one in sentinels.replicas():
        with sentinels.asking(one) as redis:
            redis.config_set("replica-priority", 1 if one is node else 100)

    def is_preferred() -> bool:
        with sentinels.asking(sentinels.sentinels[0]) as redis:
            known = {one["port"]: int(one["slave-priority"]) for one in redis.sentinel_slaves(SERVICE)}
        return min(known, key=lambda port: known[port]) == node.port and known[node.port] == 1

    wait_until(is_preferred, "the Sentinels know which replica they prefer")


def test_a_failover_to_a_server_whose_clock_is_ahead_and_back_is_a_jump_of_the_stores_clock(
    sentinels: Sentinels, hospital: Hospital, ahead: dict[str, str]
) -> None:
    first, skewed = sentinels.primary(), sentinels.replicas()[0]
    skewed.kill()
    skewed.environment = ahead
    skewed.start()
    sentinels.wait_until_whole()
    chosen_next(sentinels, skewed)
    with hospital.workers() as worker:
        becomes_ill(hospital, "before")
        first.kill()
        wait_until(lambda: sentinels.primary() is skewed, "the server with the other clock is the primary")
        becomes_ill(hospital, "ahead")
        wait_until(lambda: is_reported(hospital, "store clock"), "a technician hears of the clock", 60)
        sentinels.start()
        sentinels.wait_until_whole()
        skewed.kill()
        wait_until(lambda: sentinels.primary() is not skewed, "another server is the primary")
        becomes_ill(hospital, "back")
        assert worker.starts == 1
