"""Replays through real workers: the same file gives the same output, whatever dies on the way."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from config.site import DEFAULTS
from tests.support.hospital import CARTWATCH, descendants, impatient, kill
from worker.standalone.demo import read_case
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.fake_phone import ReceivedPage
from worker.standalone.replay import Event, Replay, acknowledge_after

pytestmark = pytest.mark.server

CASE = DEFAULTS / "reference_case.ndjson"
UNTIL_DAY_1 = 216
"""Records of the case up to the first CRS."""


@pytest.fixture(autouse=True)
def _server(redis_server: EmbeddedRedis) -> None:
    """Says what happens on a machine that has no Redis; a replay brings its own."""
    assert redis_server.running


def test_the_reference_case_replayed_twice_gives_the_same_bytes() -> None:
    """At the same time, so that each disturbs the other's timing."""
    command = [*CARTWATCH, "replay", str(CASE), "--json", "--acknowledge-after", "4"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]  # noqa: S603
    try:
        (one, complaint), (other, _) = (process.communicate(timeout=150) for process in both)
    finally:
        kill(*(process.pid for process in both if process.poll() is None))
    assert [process.returncode for process in both] == [0, 0]
    assert complaint == b""
    assert one == other
    assert one.count(b'"kind": "page"') >= 10
    assert one.count(b'"kind": "acknowledged"') > 5


class Killer:
    """Kills the replay's whole worker at the very moment some of its pages arrive, before they are answered."""

    def __init__(self, *victims: int) -> None:
        self.victims = victims
        self.pages = 0
        self.kills = 0
        self.replay: Replay | None = None

    def __call__(self, _: ReceivedPage) -> None:
        self.pages += 1
        pid = self.replay.worker.pid if self.replay else None
        if self.pages in self.victims and pid is not None:
            kill(pid, *descendants(pid))
            self.kills += 1


def replayed(config_dir: Path, killer: Killer) -> tuple[list[Event], dict[str, tuple[str, str, str]]]:
    """The events of the case's first days, and the pages that arrived, by their ids."""
    with Replay(config_dir=config_dir, on_page=killer) as replay:
        killer.replay = replay
        events = list(replay.run(read_case(CASE)[:UNTIL_DAY_1], acknowledge_after(timedelta(minutes=4))))
        return events, {page.page_id: (page.path, page.title, page.body) for page in replay.phone.received}


def test_a_replay_whose_worker_is_killed_while_it_pages_gives_the_same_events_and_pages(tmp_path: Path) -> None:
    config_dir = impatient(tmp_path)
    events, pages = replayed(config_dir, Killer())
    killer = Killer(2)
    killed_events, killed_pages = replayed(config_dir, killer)
    assert killer.kills == 1
    assert killer.pages > len(pages), "a page in flight was sent again"
    assert killed_events == events
    assert killed_pages == pages
    assert {event["page"] for event in events if event["kind"] == "page"} == set(pages)
