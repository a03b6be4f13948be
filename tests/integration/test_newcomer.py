"""A newcomer's path: a reading by curl, the page, the answer, the board; stopped, started, backed up, restored."""

import json
import re
import shutil
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.test_up import Terminal
from tests.support.hospital import eventually, iso
from worker.standalone.embedded_redis import EmbeddedRedis

pytestmark = pytest.mark.server

SIGNS = (("temperature", 39.2, "Cel", "person"), ("systolic_bp", 84, "mm[Hg]", "cuff"))


@pytest.fixture
def terminal(redis_server: EmbeddedRedis, tmp_path: Path) -> Terminal:
    assert redis_server.running
    return Terminal(tmp_path)


def does(terminal: Terminal, *words: str) -> str:
    done = terminal.run(*words)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def by_curl(terminal: Terminal, key: str, *messages: dict[str, object]) -> int:
    """The status of what the gateway answers."""
    [address] = re.findall(r"http://127\.0\.0\.1:\d+", terminal.screen.read_text(encoding="utf-8"))[:1]
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    options = [
        "--silent",
        "--retry",
        "20",
        "--retry-connrefused",
        "--retry-delay",
        "1",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
        "--data",
        json.dumps(messages),
    ]
    headers = ["--header", f"Authorization: Bearer {key}", "--header", "Content-Type: application/json"]
    done = subprocess.run([curl, *options, *headers, f"{address}/messages"], capture_output=True, text=True, check=True)  # noqa: S603
    return int(done.stdout)


def signs(at: datetime) -> list[dict[str, object]]:
    common = {"type": "reading", "source": "ward", "patient": "P1", "effective": iso(at)}
    return [
        common | {"id": f"{name} {at:%H%M%S}", "reading": name, "value": value, "unit": unit, "by": by}
        for name, value, unit, by in SIGNS
    ]


@pytest.mark.timeout(400)
def test_a_newcomer_loses_nothing_from_the_first_reading_to_the_restored_backup(terminal: Terminal) -> None:
    infused = (datetime.now(UTC) - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    backup = str(terminal.folder / "cartwatch.backup")
    with terminal.up() as service:
        key = does(terminal, "source-key", "add", "ward").split()[-1]
        place = ("--ward", "HAEM-2", "--bed", "7")
        does(terminal, "register", "P1", "--infused", infused, "--product", "axicabtagene", *place)
        assert by_curl(terminal, key, *signs(datetime.now(UTC))) in (200, 202)
        eventually(lambda: terminal.shows("CRS 2"), "the page is shown")
        [episode] = set(re.findall(r"\b(?=\w*\d)[0-9a-f]{12}\b", does(terminal, "board")))
        does(terminal, "ack", episode, "--by", "haematologist-1")
        eventually(lambda: "haematologist-1 has it" in does(terminal, "board"), "the board says who has it")
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0
    with terminal.up() as service:
        assert "HAEM-2/7" in does(terminal, "board")
        does(terminal, "backup", backup)
        eventually(lambda: "CRS 2" in does(terminal, "audit", "P1"), "the audit has the page")
        does(terminal, "audit", "--verify")
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0
    shown = terminal.screen.read_text(encoding="utf-8").count("CRS 2")
    terminal.data = terminal.folder / "another machine"
    does(terminal, "restore", backup, "--data", str(terminal.data))
    with terminal.up():
        board = does(terminal, "board")
        assert "HAEM-2/7" in board
        assert "haematologist-1 has it" in board
        eventually(lambda: "store set back" in terminal.run("health").stdout, "it is reported", 90)
        assert terminal.screen.read_text(encoding="utf-8").count("CRS 2") == shown, "what was sent is not sent again"
        assert by_curl(terminal, key, *signs(datetime.now(UTC))) in (200, 202)
