"""The operators' documents, walked through command by command on a running service."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.test_up import Terminal
from tests.support.hospital import CARTWATCH, crs2, eventually, impatient, iso, kill, reading
from worker.standalone.embedded_redis import EmbeddedRedis

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]


@pytest.fixture
def terminal(redis_server: EmbeddedRedis, tmp_path: Path) -> Terminal:
    """A user who finds `cartwatch` on the path."""
    assert redis_server.running
    found = Terminal(tmp_path)
    command = tmp_path / "bin" / "cartwatch"
    command.parent.mkdir()
    words = " ".join(f"'{word}'" for word in CARTWATCH)
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec {words} "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    found.environment["PATH"] = f"{command.parent}:{os.environ['PATH']}"
    return found


def commands(document: str) -> Iterator[str]:
    """The lines of shell of a document of the operators, with today for the days they name, and a smaller cohort."""
    text = (ROOT / "docs" / "operators" / document).read_text(encoding="utf-8")
    today, tomorrow = datetime.now(UTC), datetime.now(UTC) + timedelta(days=2)
    for block in re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S):
        for line in block.splitlines():
            line = line.replace("2026-11-30", f"{today - timedelta(days=1):%Y-%m-%d}")
            line = line.replace("--patients 100 --days 14", "--patients 2 --days 3")
            yield line.replace("2026-12-01", f"{tomorrow:%Y-%m-%d}")


def shell(terminal: Terminal, line: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-eo", "pipefail", "-c", line]
    return subprocess.run(  # noqa: S603
        command, cwd=terminal.folder, env=terminal.environment, capture_output=True, text=True, check=False, timeout=300
    )


def walk(terminal: Terminal, document: str) -> dict[str, str]:
    """Run every command of a document; what each printed."""
    printed = {}
    for line in commands(document):
        ended = shell(terminal, line)
        assert ended.returncode == 0, (line, ended.stdout, ended.stderr)
        printed[line] = ended.stdout
    assert printed
    return printed


def audited(terminal: Terminal, text: str) -> bool:
    return text in terminal.run("audit", "P1").stdout


@pytest.mark.timeout(900)
def test_the_audit_of_a_running_service_answers_as_its_document_says(terminal: Terminal) -> None:
    with terminal.up() as service:
        terminal.send(*crs2("P1"))
        eventually(lambda: audited(terminal, ": sent"), "the page, its readings and its delivery are in the audit")
        kill(service.pid)
    with terminal.up():
        terminal.send(reading("temperature", "39.6", "P1", datetime.now(UTC)))
        eventually(lambda: "39.6" in terminal.run("audit", "P1", "--json").stdout, "the record goes on")
        printed = walk(terminal, "audit.md")
        assert "rests on temperature 38.9 Cel" in next(iter(printed.values()))
        assert printed["cartwatch audit --verify                    # whether the record is whole; exit code 1 if not"]
        assert "PAGE to haematologist-1" in list(printed.values())[-1]
        facts = [json.loads(line) for line in terminal.run("audit", "P1", "--json").stdout.splitlines()]
        walk(terminal, "backup.md")
        assert "m-EASIX" in list(walk(terminal, "alarm_quality.md").values())[-1]
        impatient(terminal.folder / "test-rota")
        assert "Paged" not in (drill := "".join(walk(terminal, "drill.md").values()))
        assert "nobody answered" in drill
        assert "HAEM-2/P1" in terminal.run("board").stdout
        entries = [fact["message"]["id"] for fact in facts if fact["kind"] == "message"]
        assert len(entries) == len(set(entries)), "killed in between, and nothing stands there twice"
        terminal.send(
            {"type": "discharge", "id": "d1", "source": "ehr", "patient": "P1", "effective": iso(datetime.now(UTC))}
        )
        eventually(lambda: '"discharge"' in terminal.run("audit", "P1", "--json").stdout, "the discharge is recorded")
        walk(terminal, "configuration.md")
        assert terminal.run("audit", "P1").returncode == 1, "nothing about the patient is left"
        assert terminal.run("audit", "--verify").stdout.startswith("whole: ")
