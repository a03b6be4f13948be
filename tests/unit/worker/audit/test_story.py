"""The audit answers for a page: its readings, its rules, its delivery, its answer. The page can be made again."""

import json
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from redis import Redis

from alerts.messages import AnyMessage
from alerts.state import PatientState
from alerts.step.step import step
from config.settings import Settings
from tests.support.stored_ward import KEYS, SITE, Clock, acknowledgement, crs2, owed, send
from worker.audit.feed import feed
from worker.audit.folder import AuditFolder
from worker.audit.story import Fact, facts_of, text
from worker.cli import main
from worker.client import Client
from worker.processing.advance import advance
from worker.quality.export import Choice, kept_messages
from worker.runtime.runtime import Runtime


@pytest.fixture
def episode(audited: Runtime, folder: AuditFolder, clock: Clock) -> str:
    """The episode of P1, whose page was sent and answered; P2 has one too."""
    evaluated(audited, *crs2("P1"), *crs2("P2"))
    page = owed(audited.store)[0].page
    clock.forward(seconds=5)
    receipt = {"type": "receipt", "id": "r1", "source": "delivery", "patient": "P1", "page": page.id}
    receipt |= {"channel": page.channel, "outcome": "sent", "effective": clock.now().isoformat()}
    evaluated(audited, receipt)
    clock.forward(minutes=3)
    evaluated(audited, acknowledgement(page.episode, at=clock.now()))
    feed(audited, folder)
    return page.episode


def evaluated(run: Runtime, *bodies: dict[str, Any]) -> None:
    send(run.store, bodies, run.clock.now())
    for shard in KEYS.all():
        advance(run.store, shard, run.clock, SITE)


def pages(facts: list[Fact]) -> list[Fact]:
    return [fact for fact in facts if fact["kind"] == "page" and fact["condition"] == "crs"]


def test_a_page_names_its_readings_its_rules_and_its_configuration(episode: str, folder: AuditFolder) -> None:
    [page] = [fact for fact in pages(facts_of(folder, "P1")) if fact["reason"] == "new"]
    values = {one["kind"]: one["message"]["value"] for one in page["evidence"]}
    assert values == {"temperature": "38.9", "systolic_bp": 84}
    assert page["rules"]["CRS"] == "ASTCT 2019"
    assert SITE.conventions.digest in page["configuration"]
    assert page["episode"] == episode


def test_an_episode_is_its_pages_their_delivery_and_its_answers_alone(episode: str, folder: AuditFolder) -> None:
    found = facts_of(folder, episode)
    assert {"page", "receipt", "acknowledged"} <= {fact["kind"] for fact in found}
    assert not any("P2" in json.dumps(fact) for fact in found)
    assert not any(fact["kind"] in ("grade", "regrade") for fact in found)


def test_the_text_says_who_was_notified_how_it_arrived_and_who_answered(episode: str, folder: AuditFolder) -> None:
    lines = list(text(facts_of(folder, episode), SITE.zone))
    shown = "\n".join(lines)
    assert f"page {episode}.1 [high] to haematologist-1" in shown
    assert "rests on systolic_bp 84 mm[Hg] at" in shown
    assert "by CRS ASTCT 2019" in shown
    assert f"delivery: {episode}.1 on" in shown
    assert ": sent" in shown
    assert f"acknowledged: crs {episode} haematologist-1" in shown


def test_a_page_is_made_again_word_for_word_from_the_audit(
    episode: str, audited: Runtime, folder: AuditFolder, redis: Redis
) -> None:
    del episode
    [recorded] = [fact for fact in pages(facts_of(folder, "P1")) if fact["reason"] == "new"]
    redis.flushall()  # the working state is gone, years later
    state, made = PatientState(patient="P1"), []
    by_time: dict[Any, list[AnyMessage]] = {}
    for message, received in kept_messages(audited.store, folder, Choice(("P1",))):
        by_time.setdefault(received, []).append(message)
    for at, messages in by_time.items():
        state, effects = step(state, messages, at, SITE)
        made += [(page.id, page.title, page.text) for page in effects.pages]
    assert (recorded["page"], recorded["title"], recorded["text"]) in made


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def command(command_environment: None, redis: Redis, folder: AuditFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    del command_environment
    monkeypatch.setenv("CARTWATCH_AUDIT_DIR", str(folder.path))
    monkeypatch.setattr("worker.runtime.runtime.connect", lambda *_, **__: redis)
    monkeypatch.setattr(Client, "wake", lambda *_: None)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["audit", *arguments])


@pytest.mark.usefixtures("command", "episode")
def test_the_command_prints_a_patient_as_text_and_as_lines_of_json() -> None:
    assert "page " in run("P1").output
    facts = [json.loads(line) for line in run("P1", "--json").output.splitlines()]
    assert {"message", "grade", "page", "receipt", "acknowledged"} <= {fact["kind"] for fact in facts}
    assert run("P1", "--since", "2030-01-01").exit_code == 1
    assert run("nobody").exit_code == 1
    assert run().exit_code == run("P1", "--verify").exit_code == 2


@pytest.mark.usefixtures("command", "episode")
def test_the_command_says_whether_the_record_is_whole_and_where_not(folder: AuditFolder) -> None:
    assert run("--verify").output.startswith("whole: ")
    [file] = folder.files()
    lines = file.path.read_bytes().splitlines(keepends=True)
    file.path.write_bytes(b"".join([*lines[:-2], lines[-2].replace(b'"at":', b'"at" :'), lines[-1]]))
    ended = run("--verify")
    assert ended.exit_code == 1
    assert f"line {len(lines)}" in ended.output
    file.path.write_bytes(b"".join(lines[:-1]))
    assert f"records {len(lines)} to {len(lines)} are missing at the end" in run("--verify").output
    assert run("--verify", "--folder", str(folder.path)).exit_code == 0, "a copy is checked without the store"


def test_a_service_without_an_audit_says_how_to_keep_one(service: object) -> None:
    del service
    assert "CARTWATCH_AUDIT_DIR" in run("P1").output


def test_the_settings_of_the_shipped_service_keep_none() -> None:
    assert not Settings().audits
    assert msgspec.to_builtins(Settings().audit_dir) is None
