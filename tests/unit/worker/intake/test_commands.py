"""`cartwatch parse`, `source-key`, `unmapped-codes` and `dead-letters`."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from tests.support.feeds import NOW, fhir, hl7, observation, obx, oru, pid, taken
from tests.support.stored_ward import KEYS, Clock, reading
from worker.commands import intake as commands
from worker.intake.store import IntakeStore
from worker.store.dead_letters import everything


def run(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), catch_exceptions=False)


def parsed(folder: Path, content: bytes, *options: str, name: str = "file") -> list[dict[str, Any]]:
    path = folder / name
    path.write_bytes(content)
    result = run(commands.parse, str(path), *options)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_parse_shows_what_would_be_taken(tmp_path: Path) -> None:
    (line,) = parsed(tmp_path, oru(obx(value="8.5", unit="mg/dL")))
    assert line == {
        "file": str(tmp_path / "file"),
        "disposition": "accept",
        "patient": "P1",
        "readings": [
            {
                "reading": "crp",
                "value": "85",
                "unit": "mg/L",
                "effective": "2024-06-14T08:00:00+02:00",
                "status": "final",
                "use": "use",
                "raw": "8.5 mg/dL",
            }
        ],
        "why": "",
    }


def test_parse_takes_local_codes_from_a_map(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text('{"LAB": {"C1": "crp"}}', encoding="utf-8")
    message = oru(obx("C1^CRP^LAB"))
    assert parsed(tmp_path, message)[0]["disposition"] == "ignore"
    assert parsed(tmp_path, message, "--site", str(tmp_path / "map.json"))[0]["disposition"] == "accept"


@pytest.mark.parametrize(
    ("content", "dispositions"),
    [
        (json.dumps(observation()).encode(), ["accept"]),
        (
            b"\n".join(json.dumps(body).encode() for body in (observation(), observation("15074-8"))),
            ["accept", "ignore"],
        ),
        (json.dumps([reading("crp", 85), reading("crp", 86)]).encode(), ["accept", "accept"]),
        (json.dumps(reading("crp", 85) | {"unit": "furlong"}).encode(), ["accept"]),
        (json.dumps(reading("crp", "much")).encode(), ["reject"]),
        (hl7(pid(), event="ADT^A40"), ["accept"]),
        (b"BHS|^~\\&\r" + oru(obx()) + oru(obx()) + b"BTS|2\r", ["accept", "accept"]),
        (b"<Bundle/>\n<x/>", ["reject"]),
        (b"MSH", ["reject"]),
        (b"", ["reject"]),
    ],
)
def test_parse_recognises_every_format_by_its_content(tmp_path: Path, content: bytes, dispositions: list[str]) -> None:
    assert [line["disposition"] for line in parsed(tmp_path, content)] == dispositions


def test_parse_says_of_a_merge_what_it_does(tmp_path: Path) -> None:
    raw = hl7("EVN||20240614080000+0200", pid("NEW^^^H^MR"), "MRG|OLD^^^H^MR", event="ADT^A40")
    (line,) = parsed(tmp_path, raw)
    assert (line["disposition"], line["patient"]) == ("ignore", "NEW")
    assert "OLD continues as NEW" in line["why"]


def test_parse_names_a_map_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("L: {X: crpp}", encoding="utf-8")
    (tmp_path / "file").write_bytes(b"{}")
    result = run(commands.parse, str(tmp_path / "file"), "--site", str(tmp_path / "map.yaml"))
    assert result.exit_code == 1
    assert "crpp" in result.output


class Running:
    """What `runtime()` gives a command."""

    def __init__(self, redis: Redis) -> None:
        from config.settings import Settings
        from config.site import load_site

        self.store = type("Held", (), {"redis": redis, "keys": KEYS})
        self.settings, self.clock = Settings(), Clock()
        self.site = load_site()


@pytest.fixture
def running(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> IntakeStore:
    monkeypatch.setattr(commands, "runtime", lambda: Running(redis))
    return IntakeStore(redis, KEYS)


@pytest.mark.usefixtures("running")
def test_a_key_is_made_listed_and_revoked() -> None:
    made = run(commands.source_key, "add", "lab").output.strip()
    assert made.startswith("cw_")
    listed = run(commands.source_key, "list").output.split()
    assert (listed[0], listed[2]) == (made.split("_")[1], "lab")
    assert json.loads(run(commands.source_key, "list", "--json").output)["source"] == "lab"
    assert run(commands.source_key, "revoke", listed[0]).exit_code == 0
    assert run(commands.source_key, "revoke", listed[0]).exit_code == 1
    assert run(commands.source_key, "list").output == ""


def test_what_is_not_mapped_is_listed_with_its_example(running: IntakeStore) -> None:
    running.put(taken(oru(obx("X1^Potassium^LAB"))), NOW)
    assert run(commands.unmapped_codes).output == "lab       1  code  LAB: X1  Potassium\n"
    (line,) = run(commands.unmapped_codes, "--json", "--forget").output.splitlines()
    assert json.loads(line)["code"] == "X1"
    assert run(commands.unmapped_codes).output == ""


def test_dead_letters_are_tried_again(running: IntakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[Any] = []
    monkeypatch.setattr("worker.client.Client", lambda _: type("Waker", (), {"wake": woken.extend}))
    monkeypatch.setattr("worker.standalone.service.find_settings", lambda: None)
    running.put(fhir(observation("67775-7", valueQuantity=None, valueString="sleepy")), NOW)
    result = run(commands.dead_letters, "--retry")
    assert (result.output, result.exit_code) == ("0 stored, 0 no longer needed, 1 still dead letters\n", 1)


def test_dead_letters_are_moved_to_a_file(running: IntakeStore, tmp_path: Path) -> None:
    file = tmp_path / "aside.ndjson"
    for word in ("sleepy", "dozy"):
        running.put(fhir(observation("67775-7", valueQuantity=None, valueString=word)), NOW)
        assert run(commands.dead_letters, "--export", str(file)).output == f"1 exported to {file}\n"
    assert everything(running.redis, running.keys) == []
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [json.loads(line["raw"])["valueString"] for line in lines] == ["sleepy", "dozy"]
    assert {line["form"] for line in lines} == {"fhir"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_cannot_be_written_stays_on_the_list(running: IntakeStore, tmp_path: Path) -> None:
    running.put(fhir(observation("67775-7", valueQuantity=None, valueString="sleepy")), NOW)
    said = run(commands.dead_letters, "--export", str(tmp_path / "nowhere" / "file"))
    assert (said.exit_code, "cannot be written" in said.output) == (1, True)
    assert len(everything(running.redis, running.keys)) == 1
    assert run(commands.dead_letters, "--retry", "--export", str(tmp_path / "file")).exit_code == 2


def test_how_often_each_was_met_is_shown_the_most_frequent_first(running: IntakeStore) -> None:
    for control in range(12):
        codes = [obx("X1^Potassium^LAB")] + [obx("X2^Sodium^LAB")] * (control % 2)
        running.put(taken(oru(*codes, control=str(control))), NOW)
    assert [line.split()[1:4] for line in run(commands.unmapped_codes).output.splitlines()] == [
        ["12", "code", "LAB:"],
        ["6", "code", "LAB:"],
    ]
