"""A drill: its pages say so, nobody's real rota is used, and at the end stands who answered after how long."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from alerts.state import PatientState
from alerts.step.step import step
from config.settings import Settings
from config.site import DEFAULTS, Site
from tests.support.configuration import folder
from tests.support.stored_ward import NOW, SITE, crs2, message
from worker.cli import main
from worker.runtime.runtime import make
from worker.standalone.drill import Drill, answers


def titles(site: Site) -> list[str]:
    _, effects = step(PatientState(patient="P1"), [message(body) for body in crs2()], NOW, site)
    assert effects.pages
    return [page.title for page in effects.pages]


def test_every_page_of_a_drill_says_so_in_the_language_of_its_reader() -> None:
    assert all(title.startswith("DRILL [") for title in titles(SITE._replace(drill=True)))
    people = {name: one.model_copy(update={"language": "it"}) for name, one in SITE.on_call.people.items()}
    italian = SITE._replace(drill=True, on_call=SITE.on_call.model_copy(update={"people": people}))
    assert all(title.startswith("ESERCITAZIONE [") for title in titles(italian))
    assert not any("DRILL" in title for title in titles(SITE))


def test_a_page_on_a_channel_without_details_says_so_too() -> None:
    channels = {name: one.model_copy(update={"detail": "minimal"}) for name, one in SITE.on_call.channels.items()}
    site = SITE._replace(drill=True, on_call=SITE.on_call.model_copy(update={"channels": channels}))
    assert all(title.startswith("DRILL [") for title in titles(site))


@pytest.mark.parametrize(("clock", "marked"), [("simulated", True), ("store", False)])
def test_a_service_with_patients_never_pages_a_drill(clock: str, marked: bool) -> None:
    run = make(Settings.model_validate({"drill": True, "clock": clock, "redis_url": "redis://127.0.0.1:1/0"}))
    assert run.site.drill is marked


def test_who_answered_stands_there_with_the_time_from_the_first_page() -> None:
    def event(kind: str, minutes: int, episode: str, **more: object) -> dict[str, object]:
        at = (NOW + timedelta(minutes=minutes)).isoformat()
        return {"kind": kind, "at": at, "episode": episode, "urgency": "high", "reason": "new", "title": episode} | more

    found = answers(
        [
            event("page", 0, "a"),
            event("page", 1, "low", urgency="low"),
            event("page", 2, "b"),
            event("page", 10, "a", reason="repeat"),
            event("acknowledged", 12, "a", by="haematologist-1"),
        ]
    )
    assert [(one.title, one.by, one.after) for one in found] == [
        ("a", "haematologist-1", timedelta(minutes=12)),
        ("b", "", None),
    ]


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def night(tmp_path: Path) -> Path:
    path = tmp_path / "night.ndjson"
    path.write_text("".join(json.dumps(body) + "\n" for body in crs2()), encoding="utf-8")
    return path


def run(*arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(main, ["drill", *arguments], input=given)


def test_the_rota_of_the_service_is_refused(night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rota = folder(tmp_path)
    monkeypatch.setenv("CARTWATCH_CONFIG_DIR", str(rota))
    ended = run(str(night), "--config", str(rota), "--yes")
    assert (ended.exit_code, "name that of a test rota" in ended.output) == (1, True)


def test_it_names_who_is_paged_and_asks_first(night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> Drill:
        raise AssertionError("it began")

    monkeypatch.setattr("worker.standalone.drill.Drill", never)
    ended = run(str(night), "--config", str(DEFAULTS), given="n\n")
    assert ended.exit_code == 1
    assert "Haematologist on call" in ended.output
    assert run(str(night)).exit_code == 2, "a test rota must be named"
