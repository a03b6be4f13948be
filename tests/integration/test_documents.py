"""The commands of the documents are run as they stand: a first page and its answer, a graded message, `make`."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hospital import CARTWATCH, descendants, eventually, kill

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(section: str) -> list[str]:
    """The commands of the first block of shell below a heading or a line of the README."""
    found = re.search(rf"^{re.escape(section)}$.*?^```sh\n(.*?)^```$", README, re.M | re.S)
    assert found is not None, section
    return found[1].splitlines()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder in which `.venv/bin/cartwatch` is the command of this tree."""
    command = tmp_path / ".venv" / "bin" / "cartwatch"
    command.parent.mkdir(parents=True)
    words = " ".join(f"'{word}'" for word in CARTWATCH)
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec {words} "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return tmp_path


@pytest.fixture
def service(clone: Path) -> Iterator[Path]:
    """The second command of "Your first page", kept running."""
    line = block("## Your first page")[1]
    assert line.startswith(".venv/bin/cartwatch up ")
    screen = clone / "screen"
    with screen.open("wb") as output:
        up = subprocess.Popen(["bash", "-c", f"exec {line}"], cwd=clone, env=environment(clone), stdout=output)  # noqa: S603, S607
    try:
        eventually(lambda: shell(clone, ".venv/bin/cartwatch health").returncode == 0, "the service is healthy", 150)
        yield clone
    finally:
        started = descendants(up.pid)
        up.send_signal(signal.SIGINT)
        kill(*started, up.pid)
        up.wait(30)


def environment(clone: Path) -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if not name.startswith("CARTWATCH_")}
    return found | {"XDG_RUNTIME_DIR": str(clone), "COLUMNS": "250"}


def shell(clone: Path, line: str) -> subprocess.CompletedProcess[str]:
    """A line of the document in bash."""
    command = ["bash", "-eo", "pipefail", "-c", line]
    return subprocess.run(command, cwd=clone, env=environment(clone), capture_output=True, text=True, check=False)  # noqa: S603


@pytest.mark.timeout(400)
def test_the_first_page_arrives_by_the_commands_of_the_readme(service: Path) -> None:
    install, _, send, board, sign_in = block("## Your first page")
    assert install == "make install"
    sent = shell(service, send)
    assert sent.returncode == 0, sent.stderr
    screen = service / "screen"
    eventually(lambda: "CRS" in screen.read_text(encoding="utf-8"), "the page appears in the first terminal", 150)
    assert "CRS" in shell(service, board).stdout
    assert "/sign-in/" in shell(service, sign_in).stdout


def test_the_first_message_is_graded_as_the_readme_says(clone: Path) -> None:
    graded = shell(clone, "\n".join(block("A first message, and its grade:")))
    assert graded.returncode == 0, graded.stderr
    crs = json.loads(graded.stdout)["results"]["crs"]
    assert (crs["grade"], crs["provisional"]) == (2, True)
    assert len(crs["evidence"]) == 2


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_what_make_is_asked_for_in_a_block_can_be_made(document: str) -> None:
    """`make -n`: what it would run, without running hours of it."""
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = re.findall(r"^make ([\w-]+)", "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)), re.M)
    assert targets
    ended = subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607
    assert ended.returncode == 0, ended.stderr
