"""The commands, as somebody at a terminal meets them."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from alerts.message_json import read_message
from alerts.state import Unregistered
from tests.support.stored_ward import (
    KEYS,
    NOW,
    SITE,
    Body,
    Clock,
    crs2,
    owed,
    raw,
    reading,
    registration,
    send,
    waiting,
)
from worker.cli import main
from worker.commands import responses
from worker.commands.service import EVERY_QUEUE
from worker.monitoring.health import Check
from worker.processing.advance import advance
from worker.runtime.queues import QUEUES
from worker.standalone import replay as replaying
from worker.standalone.embedded_redis import NoRedisError
from worker.standalone.example import REFERENCE_CASE, up_to
from worker.standalone.fake_phone import ReceivedPage
from worker.store.inbox import accept
from worker.store.shard import Store

pytestmark = pytest.mark.usefixtures("command_environment")


def run(*arguments: str, given: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=given, catch_exceptions=False)


def case(*messages: Body, **more: Any) -> str:
    return json.dumps({"id": 1, "at": NOW.isoformat(), "messages": list(messages)} | more)


def broken(folder: Path) -> Path:
    (folder / "site.yaml").write_text("name: Example\nladders: {}\n")
    return folder


# -- help and start-up -----------------------------------------------------------------------------


def leaves(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, *path, name)
        else:
            yield *path, name


def at_terminal(*arguments: str) -> str:
    return CliRunner().invoke(main, [*arguments, "--help"], terminal_width=80).stdout


def test_the_help_lists_every_command_in_one_section_on_one_line() -> None:
    listed = [name for names in main.sections.values() for name in names]
    assert sorted(listed) == sorted(main.commands)
    lines = at_terminal().splitlines()
    for name in listed:
        [line] = [line for line in lines if line.split()[:1] == [name]]
        assert line.endswith(f"  {main.commands[name].short_help}")
    assert "..." not in " ".join(lines).replace("[ARGS]...", "")


@pytest.mark.parametrize("path", [*leaves(main)], ids=" ".join)
def test_the_help_of_a_command_ends_with_examples_that_it_accepts(path: tuple[str, ...]) -> None:
    _, _, shown = at_terminal(*path).partition("\n  Example")
    examples = [line.strip() for line in shown.splitlines()[1:]]
    assert examples
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    for example in examples:
        [words] = [words for one in example.split(" | ") if (words := shlex.split(one))[1 : len(path) + 1] == [*path]]
        command.make_parser(click.Context(command)).parse_args(words[len(path) + 1 :])


def test_a_worker_consumes_every_queue_by_default() -> None:
    assert "--queues" not in at_terminal("worker")
    assert set(EVERY_QUEUE.split(",")) == set(QUEUES)


def test_the_help_says_that_this_is_no_medical_device() -> None:
    assert "not a medical device" in run("--help").stdout


def test_the_command_line_starts_without_loading_what_only_some_commands_need() -> None:
    heavy = ("celery", "redis", "apprise", "matplotlib", "pydantic", "rich", "alerts", "config")
    program = f"import sys, worker.cli; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert answer.stdout.strip() == "[]"


# -- grade -----------------------------------------------------------------------------------------


def test_grade_answers_each_line() -> None:
    said = run("grade", given=case(*crs2(), id="a") + "\n" + case(registration(), id="b") + "\n")
    assert (said.exit_code, said.stderr) == (0, "")
    answers = [json.loads(line) for line in said.stdout.splitlines()]
    assert [(answer["id"], answer["results"]["crs"]["grade"]) for answer in answers] == [("a", 2), ("b", None)]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{", "not JSON"),
        (case(registration("P1"), registration("P2")), "messages: of one patient only"),
        (case(at="noon"), "at: "),
        (b"\xff\xfe\xff", "not JSON"),
        (b'{"id": 1, "at": "\xff"}', "not JSON"),
    ],
)
def test_grade_names_a_bad_line_and_still_answers_the_others(bad: str | bytes, why: str) -> None:
    lines = [case(id=1).encode(), bad if isinstance(bad, bytes) else bad.encode(), b"", case(id=2).encode()]
    said = run("grade", "-", given=b"\n".join(lines))
    assert said.exit_code == 2
    assert [json.loads(line)["id"] for line in said.stdout.splitlines()] == [1, 2]
    [complaint] = said.stderr.splitlines()
    assert complaint.startswith("line 2: ")
    assert why in complaint


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"type": "telegram"}, "messages[3].type: not one of"),
        (reading("crp", "1e15"), "messages[3].value: the number is too large"),
    ],
)
def test_grade_answers_a_case_without_the_message_it_names(bad: Body, why: str) -> None:
    said = run("grade", given=case(*crs2(), bad))
    assert said.exit_code == 2
    answer = json.loads(said.stdout)
    assert answer["results"]["crs"]["grade"] == 2
    [unused] = answer["unused"]
    assert said.stderr == f"line 1: {unused['why']}\n"
    assert unused["why"].startswith(why)


def test_grade_survives_its_own_failure_on_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails_on_first(asked: Any, *_: object) -> dict[str, Any]:
        if asked.case.id == 1:
            raise ZeroDivisionError("38.9")
        return {"id": asked.case.id}

    monkeypatch.setattr("worker.commands.grading.grade_case", fails_on_first)
    said = run("grade", given=f"{case(id=1)}\n{case(id=2)}\n")
    assert said.exit_code == 2
    assert said.stdout == '{"id": 2}\n'
    assert said.stderr == "line 1: cannot be graded: internal error ZeroDivisionError\n"


def test_grade_reads_a_file_as_windows_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "cases.ndjson"
    file.write_bytes(b"\xef\xbb\xbf" + case(*crs2()).encode() + b"\r\n")
    said = run("grade", str(file))
    assert said.exit_code == 0
    assert json.loads(said.stdout)["results"]["crs"]["grade"] == 2


def test_grade_of_nothing_is_nothing() -> None:
    assert run("grade", given="").exit_code == 0


def test_grade_keeps_names_in_any_script() -> None:
    assert "Übergabe" in run("grade", given=case(id="Übergabe")).stdout


def test_grade_says_where_a_configuration_cannot_be_used(tmp_path: Path) -> None:
    said = run("grade", "--config", str(broken(tmp_path)), given=case())
    assert said.exit_code == 1
    assert "site.yaml" in said.stderr


# -- send ------------------------------------------------------------------------------------------


def test_send_says_how_many_were_accepted(service: Store) -> None:
    said = run("send", given=b"\n\n".join(map(raw, crs2())) + b"\n")
    assert (said.exit_code, said.stdout) == (0, "3 accepted, 0 dead-lettered\n")
    assert waiting(service) == 3


def test_send_names_what_was_dead_lettered_and_accepts_the_rest(service: Store) -> None:
    said = run("send", "--source", "night export", given=raw(crs2()[0]) + b"\n{\n\xff\n")
    assert said.exit_code == 2
    assert said.stdout == "1 accepted, 2 dead-lettered\n"
    assert said.stderr.count("dead letter: not JSON") == 2
    assert waiting(service) == 1
    assert {record.source for _, record in service.dead_letters()} == {"night export"}


def test_send_names_what_will_not_be_used(service: Store) -> None:
    ahead = reading("crp", 85, at=datetime(2090, 1, 1, tzinfo=UTC))
    said = run("send", given=raw(crs2()[0]) + b"\n" + raw(ahead) + b"\n")
    assert (said.exit_code, said.stdout) == (2, "2 accepted, 0 dead-lettered\n")
    assert said.stderr.startswith("message 2: stored, not used: the effective time lies in the future")
    assert waiting(service) == 2


def test_send_says_that_the_store_is_nearly_full(service: Store, memory: Callable[[int, int], None]) -> None:
    memory(90, 100)
    said = run("send", given=raw(crs2()[0]) + b"\n{\n")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "nothing was accepted. not kept: the store is nearly full" in said.stderr
    assert (waiting(service), service.dead_letters()) == (0, [])


def test_send_says_when_nothing_was_accepted() -> None:
    said = run("send", given=raw(crs2()[0]))
    assert said.exit_code == 1
    assert "the state store cannot be reached, nothing was accepted" in said.stderr


# -- dead letters -----------------------------------------------------------------------------------


def test_dead_letters_lists_what_could_not_be_used_and_who_is_not_registered(service: Store) -> None:
    accept(service.redis, KEYS, [b"{"], NOW, "lab")
    send(service, [reading("crp", 85, "P1", unit=None), reading("crp", 85, "P3")])
    advance(service, KEYS.of("P1"), Clock(), SITE)
    said = run("dead-letters", "--json")
    assert said.exit_code == 0
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    reasons = {(line.get("source"), line["patient"], line["why"].partition(":")[0]) for line in lines}
    assert ("lab", "", "not JSON") in reasons
    assert {line["patient"] for line in lines if line["why"] == "patient not registered"} >= {"P3"}
    [unit] = [line for line in lines if "unit" in line["why"]]
    assert (unit["source"], unit["patient"], json.loads(unit["raw"])["reading"]) == ("monitor-7", "P1", "crp")


def test_dead_letters_in_words_gives_one_line_each(service: Store) -> None:
    accept(service.redis, KEYS, [b"{", b"["], NOW, "lab")
    lines = run("dead-letters").stdout.splitlines()
    assert len(lines) == 2
    assert all("2024-06-14T08:00:00  lab: not JSON" in line for line in lines)


def test_dead_letters_of_nothing_is_nothing(service: Store) -> None:
    assert service.dead_letters() == []
    assert run("dead-letters").stdout == ""


# -- board and ack ---------------------------------------------------------------------------------


@pytest.fixture
def episode(service: Store) -> str:
    """A patient with CRS 2 whom nobody has answered."""
    send(service, crs2())
    advance(service, KEYS.of("P1"), Clock(), SITE)
    return owed(service)[0].page.episode


def test_board_shows_the_patient_the_grade_and_the_open_episode(episode: str) -> None:
    shown = run("board").stdout
    for text in ("P1", "HAEM-2/12", "CRS grade 2", "[high]", "UNANSWERED", episode):
        assert text in shown


def test_board_says_before_the_infusion_that_grades_are_not_applicable(service: Store) -> None:
    at = Clock().now()
    send(service, [registration("P2", infused=(at + timedelta(days=1)).isoformat())])
    advance(service, KEYS.of("P2"), Clock(), SITE)
    assert run("board").stdout.count("not applicable") == 2


def test_board_never_cuts_an_id(service: Store) -> None:
    patient = "0012345678901234567890-ROSSI-GIAMBATTISTA-" + "x" * 40
    send(service, crs2(patient))
    advance(service, KEYS.of(patient), Clock(), SITE)
    assert patient in run("board").stdout


def test_board_as_json_has_the_most_urgent_first_and_null_for_what_is_missing(service: Store) -> None:
    send(service, [registration("A1"), *crs2("Z1")])
    for shard in KEYS.all():
        advance(service, shard, Clock(), SITE)
    shown = [json.loads(line) for line in run("board", "--json").stdout.splitlines()]
    assert [one["patient"] for one in shown] == ["Z1", "A1"]
    assert shown[0]["crs"] == {"grade": 2, "provisional": True, "applicable": True}
    assert shown[1]["crs"] == {"grade": None, "provisional": False, "applicable": True}
    assert shown[0]["temperature"]["value"] == "38.9"
    assert shown[0]["spo2"] is None
    assert shown[0]["episodes"][0]["urgency"] == "high"


def test_board_shows_a_patient_nobody_registered(service: Store) -> None:
    send(service, [reading("crp", 85)])
    advance(service, KEYS.of("P1"), Clock(), SITE)
    assert "not registered" in run("board").stdout


def test_board_says_that_no_place_is_charted(service: Store) -> None:
    nowhere = registration("P1")
    send(service, [{name: value for name, value in nowhere.items() if name not in ("ward", "bed")}])
    advance(service, KEYS.of("P1"), Clock(), SITE)
    assert "no place charted" in run("board").stdout


def test_board_shows_names_that_look_like_markup_as_they_are(service: Store) -> None:
    send(service, [registration("[red]P1[/red]", ward="[bold]", bed="[/bold]")])
    for shard in KEYS.all():
        advance(service, shard, Clock(), SITE)
    shown = run("board").stdout
    assert "[red]P1[/red]" in shown
    assert "[bold]/[/bold]" in shown


def test_ack_puts_an_acknowledgement_into_the_patients_inbox(
    service: Store, episode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    clock.at = clock.at.replace(year=2100)
    monkeypatch.setattr(responses, "pause", lambda _: advance(service, KEYS.of("P1"), clock, SITE))
    said = run("ack", episode, "--by", "haematologist-1")
    assert (said.exit_code, said.stdout) == (0, f"haematologist-1 has {episode}\n")
    assert "haematologist-1" in run("board").stdout
    assert owed(service) == []


def test_ack_of_an_unknown_episode_is_refused(service: Store) -> None:
    said = run("ack", "nobody", "--by", "haematologist-1")
    assert said.exit_code == 1
    assert "no episode nobody" in said.stderr
    assert service.redis.keys() == []


def test_ack_by_somebody_unknown_is_refused_with_the_names_there_are(episode: str) -> None:
    said = run("ack", episode, "--by", "somebody")
    assert said.exit_code == 2
    assert "haematologist-1" in said.stderr


# -- health and check ------------------------------------------------------------------------------


def test_health_names_each_part_and_fails_when_one_is_ill(service: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert service.keys == KEYS
    checks = [Check("store role", True, "master"), Check("workers", False, "0 ticking")]
    monkeypatch.setattr("worker.monitoring.health.examine", lambda *_: checks)
    said = run("health")
    assert said.exit_code == 1
    assert said.stdout == "well  store role: master\nILL   workers: 0 ticking\n"
    assert run("health", "--quiet").stdout == ""
    monkeypatch.setattr("worker.monitoring.health.examine", lambda *_: checks[:1])
    assert run("health", "--quiet").exit_code == 0


def test_health_of_a_store_that_is_gone_says_that() -> None:
    said = run("health")
    assert said.exit_code == 1
    assert "ILL   store: cannot be reached" in said.stdout


@pytest.mark.parametrize("command", [["board"], ["dead-letters"], ["ack", "e1", "--by", "haematologist-1"]])
def test_a_store_that_is_gone_is_said_in_one_line(command: list[str]) -> None:
    said = run(*command)
    assert said.exit_code == 1
    assert said.stderr.startswith("Error: the state store cannot be reached")
    assert len(said.stderr.splitlines()) == 1


def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTWATCH_SHARDS", "many")
    said = run("board")
    assert said.exit_code == 1
    assert said.stderr.startswith("Error: CARTWATCH_SHARDS: ")


def test_check_names_the_hospital() -> None:
    assert run("check").stdout == "Example hospital: configuration is usable; time zone Europe/Rome\n"


@pytest.mark.parametrize("command", ["check", "up", "worker", "board", "demo", "replay"])
def test_a_configuration_that_cannot_be_used_stops_every_command_before_it_begins(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it began")

    monkeypatch.setattr("celery.bin.celery.celery", never)
    monkeypatch.setattr("worker.standalone.service.serve", never)
    monkeypatch.setenv("CARTWATCH_CONFIG_DIR", str(broken(tmp_path)))
    said = run(command, given="")
    assert said.exit_code == 1
    assert "site.yaml:1: time_zone: Field required" in said.stderr


# -- worker and up ---------------------------------------------------------------------------------


def test_worker_becomes_a_celery_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr("celery.bin.celery.celery", lambda arguments, **_: became.append(arguments))
    assert run("worker", "--queues", "deliver", "--processes", "4").exit_code == 0
    [command] = became
    assert command[command.index("--queues") + 1] == "deliver"
    assert command[command.index("--concurrency") + 1] == "4"


def test_worker_refuses_a_queue_nobody_sends_to() -> None:
    said = run("worker", "--queues", "advance,delivery")
    assert said.exit_code == 2
    assert "delivery: not one of advance, ingest, deliver" in said.stderr


def test_up_without_a_redis_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise NoRedisError

    monkeypatch.setattr("worker.standalone.service.serve", fail)
    monkeypatch.setattr("worker.standalone.service.stop_on_signals", lambda: None)
    monkeypatch.setattr("worker.runtime.logging_setup.configure", lambda _: None)
    said = run("up")
    assert said.exit_code == 1
    assert "CARTWATCH_REDIS_URL" in said.stderr


# -- replay ----------------------------------------------------------------------------------------


class FakeReplay:
    """Stands for servers and workers: gives its events, or fails."""

    events: tuple[dict[str, Any], ...] = ()
    error: Exception | None = None
    given: tuple[Any, ...] = ()

    def __init__(self, **_: object) -> None:
        self.store: Any = self

    def __enter__(self) -> "FakeReplay":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def run(self, messages: list[Any], respond: object) -> Iterator[dict[str, Any]]:
        type(self).given = (messages, respond)
        if self.error is not None:
            raise self.error
        yield from self.events

    def dead_letters(self) -> list[Any]:
        return []

    def unregistered(self) -> dict[str, Unregistered]:
        return {"P9": Unregistered(3, NOW, NOW, ("monitor-7",))}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeReplay]:
    class Fresh(FakeReplay):
        pass

    monkeypatch.setattr(replaying, "Replay", Fresh)
    return Fresh


GRADE = {"at": "2024-06-14T10:00:00+02:00", "kind": "grade", "patient": "P1", "system": "crs", "grade": 2}
PAGE = {"at": "2024-06-14T10:00:00+02:00", "kind": "page", "patient": "P1", "to": "haematologist-1", "title": "CRS – 2"}
ACKNOWLEDGED = {"at": "2024-06-14T10:04:00+02:00", "kind": "acknowledged", "condition": "crs", "by": "haematologist-1"}


def test_replay_prints_events_as_json_lines(fake: type[FakeReplay]) -> None:
    fake.events = (GRADE, PAGE)
    said = run("replay", "--json", given=raw(registration()))
    assert said.exit_code == 0
    assert [json.loads(line) for line in said.stdout.splitlines()] == [GRADE, PAGE]
    assert "–" in said.stdout


NOT_APPLICABLE = {"grade": None, "applicable": False}


def test_replay_prints_events_in_words(fake: type[FakeReplay]) -> None:
    fake.events = (GRADE, PAGE, ACKNOWLEDGED, GRADE | {"grade": None}, GRADE | NOT_APPLICABLE)
    assert run("replay", given=raw(registration())).stdout.splitlines() == [
        "2024-06-14 10:00  crs 2",
        "2024-06-14 10:00  PAGE to haematologist-1: CRS – 2",
        "2024-06-14 10:04  acknowledged: crs haematologist-1",
        "2024-06-14 10:00  crs undetermined",
        "2024-06-14 10:00  crs not applicable",
    ]


def test_replay_says_in_words_what_became_of_an_earlier_grade(fake: type[FakeReplay]) -> None:
    again = GRADE | {"kind": "regrade"}
    fake.events = (again | {"status": "amended"}, again | {"status": "entered_in_error"})
    assert run("replay", given=raw(registration())).stdout.splitlines() == [
        "2024-06-14 10:00  crs corrected to 2",
        "2024-06-14 10:00  crs retracted",
    ]


def test_replay_names_bad_lines_and_replays_the_others(fake: type[FakeReplay]) -> None:
    said = run("replay", given=b"{\n" + raw(registration()) + b"\n\xff\n")
    assert said.exit_code == 2
    assert [line.partition(":")[0] for line in said.stderr.splitlines()[:2]] == ["line 1", "line 3"]
    assert len(fake.given[0]) == 1


def test_replay_names_patients_nobody_registered(fake: type[FakeReplay]) -> None:
    said = run("replay", given=raw(reading("crp", 85, "P9")))
    assert fake.given
    assert "dead letter: patient P9 is not registered: 3 message(s)" in said.stderr


def test_replay_lets_nobody_answer_unless_asked_to(fake: type[FakeReplay]) -> None:
    run("replay", given=raw(registration()))
    assert fake.given[1] is None
    run("replay", "--acknowledge-after", "0", given=raw(registration()))
    assert fake.given[1] is not None


@pytest.mark.parametrize("error", [NoRedisError(), replaying.StuckError("nothing moves at 2024-06-14T08:00:00")])
def test_replay_says_in_words_why_it_could_not_go_on(fake: type[FakeReplay], error: Exception) -> None:
    fake.error = error
    said = run("replay", given=raw(registration()))
    assert said.exit_code == 1
    assert said.stderr.startswith("Error: ")
    assert str(error).partition("\n")[0] in said.stderr


# -- pages on the terminal -------------------------------------------------------------------------


def test_a_page_is_printed_as_it_is_and_its_link_whole_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    from worker.standalone.demo import print_page

    link = f"http://127.0.0.1:8080/p/{'x' * 100}"
    page = ReceivedPage("/phone-1", "e7.1", "[HIGH] HAEM-2/12 P1 D+2", f"{link}\npressure [84] mm[Hg]", 0)
    print_page(Console(width=60), page)
    shown = capsys.readouterr().out.splitlines()
    assert shown[1:] == ["[HIGH] HAEM-2/12 P1 D+2", link, "pressure [84] mm[Hg]"]
    assert shown[0].startswith("phone-1 ")


# -- explain ---------------------------------------------------------------------------------------


def test_explain_gives_each_grade_as_a_json_line_and_its_rule_where_asked(service: Store) -> None:
    send(service, crs2())
    advance(service, service.keys.of("P1"), Clock(NOW), SITE)
    arguments = ("explain", "P1", "--at", NOW.astimezone(SITE.zone).strftime("%Y-%m-%dT%H:%M"), "--json")
    crs = json.loads(run(*arguments).stdout.splitlines()[0])
    assert (crs["system"], crs["value"], crs["provisional"]) == ("crs", "2", True)
    assert any("84" in reading for reading in crs["readings"])
    assert "rule" not in crs
    assert "ASTCT" in json.loads(run(*arguments, "--rules").stdout.splitlines()[0])["rule"]


# -- an example ------------------------------------------------------------------------------------


def test_the_example_is_the_reference_case_as_it_was() -> None:
    assert run("example").stdout == REFERENCE_CASE.read_text(encoding="utf-8")


def test_the_example_as_of_now_is_a_patient_who_gets_fever_and_hypotension_now(service: Store) -> None:
    patient = "P-example"
    lines = up_to(NOW, patient)
    sent = [read_message(line) for line in lines.splitlines()]
    assert {message.patient for message in sent} == {patient}
    assert max(message.received or message.effective for message in sent) == NOW
    assert run("send", given=lines).stdout.startswith(f"{len(sent)} accepted, 0 ")
    advance(service, service.keys.of(patient), Clock(NOW), SITE)
    [page] = [item.page for item in owed(service, patient)]
    assert (page.urgency, page.at, page.day) == ("high", NOW, 2)


def test_an_example_sent_a_second_time_is_another_patient() -> None:
    first, second = (run("example", "--now", "--patient", name).stdout for name in ("P1", "P2"))
    assert {json.loads(line)["id"] for line in first.splitlines()}.isdisjoint(
        json.loads(line)["id"] for line in second.splitlines()
    )


def test_the_whole_example_keeps_its_patient() -> None:
    said = run("example", "--patient", "P1")
    assert said.exit_code == 2
    assert "--patient goes with --now" in said.stderr


# -- the demonstration -----------------------------------------------------------------------------


def test_the_demonstration_ends_on_one_screen_and_writes_every_page_to_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay that plays the first day only: the table and the files are the same."""
    from rich.console import Console

    from worker.standalone import demo

    class ShortReplay(FakeReplay):
        def __init__(self, on_page: Callable[[ReceivedPage], None], **_: object) -> None:
            super().__init__()
            self.show = on_page
            self.phone = SimpleNamespace(received=[1])

        def run(self, *_: object) -> Iterator[dict[str, Any]]:
            self.show(ReceivedPage("/phone-1", "e1.1", "[MEDIUM] CRS 1", "fever\n" * 500, 0))
            yield {"kind": "acknowledged", "at": NOW.isoformat(), "by": "one", "condition": "crs", "episode": "e1"}

    monkeypatch.setattr(demo, "Replay", ShortReplay)
    with (tmp_path / "screen").open("w", encoding="utf-8") as screen:
        demo.demonstrate(tmp_path / "output", Console(file=screen, width=80))
    shown = (tmp_path / "screen").read_text(encoding="utf-8").splitlines()
    assert len(shown) <= 30
    assert max(map(len, shown[:-1])) <= 80
    assert sum(line.startswith(" D") for line in shown) == 16
    pages = (tmp_path / "output" / demo.PAGES).read_text(encoding="utf-8")
    assert pages.count("fever") == 500
    assert "one has it" in pages
    assert {path.name for path in (tmp_path / "output").iterdir()} >= {"course.png", "course.html", "events.ndjson"}
