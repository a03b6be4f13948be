"""Finding the running service: the environment first, else the discovery file it wrote for its own user."""

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from config.settings import Settings
from config.site import DEFAULTS
from worker.cli import main
from worker.standalone import service
from worker.standalone.service import ServiceError, find_settings, serve
from worker.store.lease import owner_token

SETTINGS = {
    "redis_url": "redis://:secret@127.0.0.1:7000/0",
    "broker_url": "redis://:secret@127.0.0.1:7000/1",
    "public_url": "http://127.0.0.1:8080",
    "fhir_base": "https://record.example/fhir",
    "namespace": "north",
    "shards": 32,
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("CARTWATCH_")]:
        monkeypatch.delenv(name)


def leave(folder: Path | None = None, process: str = "", **more: Any) -> Path:
    """The discovery file of a service that runs, or of another process."""
    path = service._publish(Settings(**SETTINGS | more), folder)
    if process:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"process": process}))
    return path


def gone() -> str:
    """The token of a process that has ended."""
    number = subprocess.Popen([sys.executable, "-c", ""])
    number.wait()
    machine, _, began, random = owner_token().split("-")
    return f"{machine}-{number.pid}-{began}-{random}"


def test_without_anything_the_defaults_hold() -> None:
    assert find_settings() == Settings()


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    leave()
    monkeypatch.setenv("CARTWATCH_REDIS_URL", "redis://elsewhere:6379/0")
    found = find_settings()
    assert found.redis_url == "redis://elsewhere:6379/0"
    assert found.broker == "redis://elsewhere:6379/1"


def test_a_running_service_is_found_with_all_that_decides_where_messages_go(tmp_path: Path) -> None:
    leave(tmp_path / "data")
    found = find_settings()
    assert {name: getattr(found, name) for name in SETTINGS} == SETTINGS
    assert found == find_settings(tmp_path / "data")


def test_of_several_services_one_is_named_by_its_data_folder(tmp_path: Path) -> None:
    leave(tmp_path / "one", namespace="one")
    leave(tmp_path / "two", namespace="two")
    assert find_settings(tmp_path / "one").namespace == "one"
    assert find_settings(tmp_path / "x" / ".." / "two").namespace == "two"
    with pytest.raises(ServiceError, match=r"several services run: name one by --data[\s\S]*/one\n.*/two"):
        find_settings()
    with pytest.raises(ServiceError, match=r"no service runs on .*three[\s\S]*/one"):
        find_settings(tmp_path / "three")


def test_the_discovery_file_of_a_service_that_was_killed_is_removed(tmp_path: Path) -> None:
    path = leave(tmp_path / "killed", process=gone())
    leave(tmp_path / "lives", namespace="lives")
    assert find_settings().namespace == "lives"
    assert not path.exists()


def test_a_later_process_of_the_same_number_is_not_the_service(tmp_path: Path) -> None:
    machine, number, _, random = owner_token().split("-")
    leave(tmp_path, process=f"{machine}-{number}-1-{random}")
    assert find_settings() == Settings()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "7", '"process"', "{}", '{"process": 7}'])
def test_a_damaged_discovery_file_is_not_believed(content: str) -> None:
    leave().write_text(content)
    assert find_settings() == Settings()


def test_another_users_discovery_file_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    leave()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert find_settings() == Settings()


def test_only_its_user_can_read_the_discovery_file() -> None:
    assert stat.S_IMODE(leave().stat().st_mode) == 0o600


def test_whoever_reads_a_discovery_file_while_another_is_written_reads_a_whole_one(tmp_path: Path) -> None:
    path = leave(tmp_path, namespace="before")
    with path.open() as reading:
        leave(tmp_path, namespace="after")
        assert json.load(reading)["settings"]["namespace"] == "before"
    assert find_settings(tmp_path).namespace == "after"
    assert [item.name for item in path.parent.iterdir() if path.name in item.name] == [path.name]


def test_a_discovery_file_in_another_users_folder_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(PermissionError):
        leave()


@pytest.mark.parametrize("arguments", [["health", "--data"], ["source-key", "list", "--data"]])
def test_commands_take_the_data_folder(tmp_path: Path, arguments: list[str]) -> None:
    said = CliRunner().invoke(main, [*arguments, str(tmp_path / "nowhere")])
    assert said.exit_code == 1
    assert "no service runs on" in said.output


def test_without_an_address_of_its_own_the_service_is_reached_on_this_machine() -> None:
    said: list[str] = []
    found = service._with_address(Settings(), 8081, said.append)
    assert found.public_url == "http://127.0.0.1:8081"
    assert "THIS MACHINE ONLY" in said[0]


def test_a_configured_address_is_kept() -> None:
    found = service._with_address(Settings(public_url="https://cartwatch.example"), 8081, print)
    assert found.public_url == "https://cartwatch.example"


def test_the_gateway_takes_its_usual_port_and_another_where_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        usual = other.getsockname()[1]
        monkeypatch.setattr(service, "PORT", usual)
        other.listen()
        assert service._gateway_port() not in (0, usual)
    assert service._gateway_port() == usual


@pytest.mark.parametrize(("base", "exporters"), [("https://record.example/fhir", 1), (None, 0)])
def test_an_exporter_is_kept_running_where_an_ehr_is_configured(
    monkeypatch: pytest.MonkeyPatch, base: str | None, exporters: int
) -> None:
    commands: list[list[str]] = []

    class Started(nullcontext[None]):
        def __init__(self, command: list[str], *_: object) -> None:
            super().__init__()
            commands.append(command)

        def request_stop(self) -> None:
            pass

    settings = Settings(fhir_base=base)
    monkeypatch.setattr(service, "Supervised", Started)
    monkeypatch.setattr(service, "connect", lambda *_, **__: nullcontext())
    monkeypatch.setattr(service, "require_usable_store", lambda *_: None)
    monkeypatch.setattr(service, "_with_store", lambda *_: (None, settings))
    monkeypatch.setattr(service, "_with_fake_phone", lambda *_: settings)
    monkeypatch.setattr(service, "watching", lambda _: nullcontext())
    stop = threading.Event()
    stop.set()
    serve(data=None, processes=1, listens=False, say=lambda _: None, on_page=lambda _: None, stop=stop)
    assert sum("export" in command for command in commands) == exporters


@pytest.mark.parametrize("uses_it", [True, False])
def test_the_receiver_runs_and_is_spoken_of_only_where_a_channel_uses_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uses_it: bool
) -> None:
    monkeypatch.delenv("CARTWATCH_RECEIVER_URL", raising=False)
    text = (DEFAULTS / "site.yaml").read_text(encoding="utf-8")
    (tmp_path / "site.yaml").write_text(text if uses_it else text.replace('"{receiver}/', '"json://127.0.0.1:9/'))
    said: list[str] = []
    settings = Settings(config_dir=tmp_path)
    with ExitStack() as stack:
        changed = service._with_fake_phone(stack, settings, said.append, lambda _: None)
        assert (changed.receiver_url != settings.receiver_url, len(said)) == (uses_it, int(uses_it))
