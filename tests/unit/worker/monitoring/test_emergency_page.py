"""The page about the paging itself."""

import subprocess
import sys
from typing import Any

import pytest

from alerts.wording.phrase import Phrase
from config.settings import Settings
from tests.support.stored_ward import NOW, SITE
from worker.delivery.channel import MessageContext
from worker.delivery.outcome import Attempt, Outcome
from worker.delivery.rendering import reply_hint
from worker.monitoring import emergency_page


def test_it_goes_to_whoever_is_paged_first_for_patients_and_for_technical_trouble() -> None:
    pages = list(
        emergency_page.pages(
            SITE, emergency_page.CANNOT_PAGE, (Phrase("the store is gone"), emergency_page.ADVICE), NOW, "critical"
        )
    )
    assert [(page.to, page.channel) for page in pages] == [
        ("haematologist-1", "phone-1"),
        ("technician-1", "phone-4"),
    ]
    assert all("the store is gone" in page.text for page in pages)
    assert len({page.id for page in pages}) == 2


def test_it_asks_for_no_answer_that_nobody_can_give() -> None:
    page = next(emergency_page.pages(SITE, emergency_page.CANNOT_PAGE, (Phrase("gone"),), NOW, "critical"))
    assert reply_hint(page, "") == ("", "")


def test_its_process_is_given_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, env, **_: started.append((command, env)))
    emergency_page.send_directly(
        Settings(receiver_url="json://phone"), emergency_page.CANNOT_PAGE, Phrase("gone"), at=NOW
    )
    [(command, environment)] = started
    assert command[1:] == [
        "-m",
        "worker.monitoring.emergency_page",
        NOW.isoformat(),
        '[0,"cartwatch cannot page",[],""]',
        '[0,"gone",[],""]',
    ]
    assert environment["CARTWATCH_RECEIVER_URL"] == "json://phone"


def test_its_process_tries_a_person_again_until_a_channel_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def send(channel: Any, pages: Any, context: MessageContext) -> Attempt:
        del channel, context
        sent.extend(page.to for page in pages)
        return Attempt(Outcome.SENT if len(sent) > 3 else Outcome.TEMPORARY)

    monkeypatch.setattr("worker.delivery.channel.send", send)
    monkeypatch.setattr(emergency_page.time, "sleep", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["alarm", NOW.isoformat(), '[0,"cartwatch cannot page"]', '[0,"gone"]'])
    emergency_page.main()
    assert set(sent) == {"haematologist-1", "technician-1"}
    assert len(sent) == 5
