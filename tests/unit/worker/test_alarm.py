"""The page about the paging itself."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from tests.unit.worker.ward import NOW, SITE
from worker import alarm, tick
from worker.delivery.outcomes import Attempt, Outcome
from worker.runtime import Runtime
from worker.store import Store


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The processes that were started."""
    found: list[list[str]] = []
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: found.append(command))
    return found


def test_it_goes_to_whoever_is_told_of_technical_trouble() -> None:
    pages = list(alarm.pages(SITE, "the store is gone", NOW))
    assert [(page.to, page.channel) for page in pages] == [
        ("haematologist-1", "phone-1"),
        ("technician-1", "phone-4"),
    ]
    assert all("the store is gone" in page.text for page in pages)
    assert len({page.id for page in pages}) == 2


def test_a_machine_rings_once_though_all_its_workers_see_it(started: list[list[str]]) -> None:
    assert alarm.ring("gone", Settings())
    assert not alarm.ring("gone", Settings())
    assert [command[1:] for command in started] == [["-m", "worker.alarm", "gone"]]
    assert alarm.ring("gone", Settings(namespace="another"))


def test_it_rings_again_after_a_while(started: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    alarm.ring("gone", Settings())
    monkeypatch.setattr(alarm, "AGAIN_AFTER_SECONDS", 0)
    assert alarm.ring("gone", Settings())
    assert len(started) == 2


def test_its_process_sends_to_the_channels_without_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def send(channel: Any, pages: Any, office: Any) -> Attempt:
        del channel, office
        sent.extend(page.to for page in pages)
        return Attempt(Outcome.SENT)

    monkeypatch.setattr("worker.delivery.channel.send", send)
    monkeypatch.setattr(sys, "argv", ["alarm", "gone"])
    alarm.main()
    assert sent == ["haematologist-1", "technician-1"]


def test_ticks_that_go_on_failing_ring(store: Store, started: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    run = Runtime(Settings(), SITE, store, tick.runtime().clock)
    monkeypatch.setattr(tick, "runtime", lambda: run)
    outage = tick._Outage()
    outage.goes_on("ConnectionError")
    now[0] = tick.OUTAGE_SECONDS - 0.1
    outage.goes_on("ConnectionError")
    outage.over()
    now[0] += 10
    outage.goes_on("ConnectionError")
    assert started == []
    now[0] += tick.OUTAGE_SECONDS
    outage.goes_on("ConnectionError")
    assert len(started) == 1
