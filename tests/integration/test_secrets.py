"""Secrets of a running service: on no command line, in no log, in nothing that a command prints."""

import shutil
from pathlib import Path

import psutil
import pytest
import yaml

from config.site import DEFAULTS
from tests.integration.test_up import Terminal
from tests.support.hospital import crs2, descendants, eventually
from worker.standalone.embedded_redis import EmbeddedRedis

pytestmark = pytest.mark.server

SECRETS = {
    "CARTWATCH_SECRET": "signs-links-7f3a9c51d2e84b60a1c7",
    "CARTWATCH_METRICS_TOKEN": "reads-metrics-0b5d",
    "CARTWATCH_FHIR_TOKEN": "writes-to-the-ehr-44e1",
    "CARTWATCH_HEARTBEAT_URL": "https://127.0.0.1:9/beat/2e9d-pings",
}
CHANNEL_TOKEN = "tk-of-a-channel-91aa"  # noqa: S105
EVERY_SECRET = {*SECRETS.values(), CHANNEL_TOKEN}
COMMANDS = ("check", "health", "board", "version", "route --urgency high", "test-page haematologist-1")


@pytest.fixture
def terminal(redis_server: EmbeddedRedis, tmp_path: Path) -> Terminal:
    """A service whose pages cannot get through: an error is when a secret would be printed."""
    assert redis_server.running
    site = tmp_path / "site"
    shutil.copytree(DEFAULTS, site)
    written = yaml.safe_load((site / "site.yaml").read_text(encoding="utf-8"))
    for channel in written["channels"].values():
        channel["url"] = f"json://user:{CHANNEL_TOKEN}@127.0.0.1:9/"
    (site / "site.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")
    made = Terminal(tmp_path)
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, value in SECRETS.items():
        (secrets / name.lower()).write_text(value, encoding="utf-8")
    made.environment |= {
        "CARTWATCH_SECRETS_DIR": str(secrets),
        "CARTWATCH_CONFIG_DIR": str(site),
        "CARTWATCH_FHIR_BASE": "http://127.0.0.1:9/fhir",
        "CARTWATCH_FHIR_SYSTEM": "urn:ward",
    }
    return made


def shown(text: str) -> set[str]:
    return {secret for secret in EVERY_SECRET if secret in text}


def test_no_secret_is_on_a_command_line_in_a_log_or_in_what_a_command_prints(terminal: Terminal) -> None:
    with terminal.up() as service:
        terminal.send(*crs2("bed 7"))
        eventually(lambda: "phone-1" in terminal.log.read_text(encoding="utf-8"), "a page failed", within=60)
        for pid in (service.pid, *descendants(service.pid)):
            assert shown(" ".join(psutil.Process(pid).cmdline())) == set()
        for command in COMMANDS:
            done = terminal.run(*command.split())
            assert done.stdout, f"{command}: {done.stderr}"
            assert shown(done.stdout + done.stderr) == set(), command
    for log in (terminal.log, terminal.screen):
        assert shown(log.read_text(encoding="utf-8")) == set()
    # They are there: what looks for them would find them.
    assert shown(Path(terminal.environment["CARTWATCH_SECRETS_DIR"], "cartwatch_secret").read_text(encoding="utf-8"))
