"""The container files as data: what they start exists, and they keep what the service promises."""

import os
import re
import shlex
import subprocess
import sys
import threading
import time
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from config.settings import Settings
from worker.app import QUEUES
from worker.cli import main
from worker.delivery.process import STOP_SECONDS

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WORKERS = {name: service for name, service in SERVICES.items() if name.startswith("worker-")}
GATEWAY = SERVICES["gateway"]
PROXY = SERVICES["proxy"]
HA = {"redis-2", "redis-3", "sentinel-1", "sentinel-2", "sentinel-3", "gateway-2"}
"""The services of the profile `ha`."""
OURS = {**WORKERS, "gateway": GATEWAY, "mllp": SERVICES["mllp"]}
PASSWORD_FILE = f"/run/secrets/{COMPOSE['services']['redis']['secrets'][0]}"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")

every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
every_worker = pytest.mark.parametrize("service", WORKERS.values(), ids=WORKERS)
each_of_ours = pytest.mark.parametrize("service", OURS.values(), ids=OURS)


def seconds(duration: str) -> int:
    parts = re.findall(r"(\d+)([hms])", duration)
    return sum(int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts)


def parse(line: list[str]) -> dict[str, Any]:
    """The options of a `cartwatch` command line as click reads them; an error where it would refuse to start."""
    program, name, *arguments = line
    assert program == "cartwatch"
    command = main.get_command(click.Context(main), name)
    assert command is not None, f"cartwatch has no command {name}"
    with command.make_context(name, list(arguments)) as context:
        return dict(context.params)


def redis_command() -> str:
    shell, flag, text = SERVICES["redis"]["command"]
    assert (shell, flag) == ("sh", "-c")
    return str(text)


def redis_options() -> dict[str, str]:
    pairs = (line.split(maxsplit=1) for line in redis_command().splitlines()[1:-1])
    return {name: value.strip('"') for name, value in pairs}


def shell(program: str, line: str) -> int:
    """The exit status of a line in a shell."""
    return subprocess.run([program, "-c", line], check=False, stderr=subprocess.DEVNULL).returncode  # noqa: S603


def stages() -> list[list[tuple[str, str]]]:
    """The build stages of the Dockerfile, each a list of (instruction, arguments)."""
    lines = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    found: list[list[tuple[str, str]]] = []
    for instruction, arguments in lines:
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, arguments))
    return found


def copied() -> list[list[str]]:
    """What each COPY of the build copies into it."""
    return [arguments.split()[:-1] for name, arguments in stages()[0] if name == "COPY"]


def final(instruction: str) -> list[str]:
    return [arguments for name, arguments in stages()[-1] if name == instruction]


@every_worker
def test_a_worker_s_command_is_one_cartwatch_knows(service: dict[str, Any]) -> None:
    assert {"queues", "processes"} <= set(parse(service["command"]))


OF_A_FILE = [name for name in OURS if name != "gateway"]


@pytest.mark.skipif(sys.platform != "linux", reason="the find of other systems knows no relative times")
@pytest.mark.parametrize("service", [OURS[name] for name in OF_A_FILE], ids=OF_A_FILE)
@pytest.mark.parametrize(("age", "status"), [(None, 1), (0, 0), (25, 0), (35, 1), (3600, 1)])
def test_a_container_is_healthy_while_its_own_file_is_young(
    service: dict[str, Any], age: int | None, status: int, tmp_path: Path
) -> None:
    """A shell looks at the file's age: a Python process for each look costs more than the idle service."""
    kind, text = service["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    file = tmp_path / "healthy"
    if age is not None:
        file.touch()
        os.utime(file, (time.time() - age,) * 2)
    named = service["environment"]["CARTWATCH_HEALTH_FILE"]
    assert Settings(health_file=named).health_file is not None
    assert Path(named).parent == Path(service["tmpfs"][0]), "a new container must not find the file of the last"
    line = text.replace("$$", "$").replace(named, str(file))
    assert shell("/bin/sh", line) == status


def test_every_queue_has_one_service_and_no_service_an_unknown_queue() -> None:
    served = [queue for service in WORKERS.values() for queue in service["command"][3].split(",")]
    assert sorted(served) == sorted(QUEUES)


def test_pages_are_delivered_apart_from_the_grading() -> None:
    assert WORKERS["worker-deliver"]["command"] == ["cartwatch", "worker", "--queues", "deliver"]


def test_everything_that_a_hospital_needs_starts_without_a_profile() -> None:
    """A queue that nobody serves, or a listener that was forgotten, would be noticed by its silence only."""
    with_profile = {"proxy", "prometheus"} | HA
    assert {name for name, service in SERVICES.items() if "profiles" in service} == with_profile
    assert parse(SERVICES["mllp"]["command"])["names"] == ()


def test_two_of_each_service_that_a_page_passes_through_run() -> None:
    assert {name: service["scale"] for name, service in SERVICES.items() if "scale" in service} == {
        "worker-advance": 2,
        "worker-deliver": 2,
        "worker-ingest": "${CARTWATCH_INGEST_WORKERS:-1}",
        "worker-background": "${CARTWATCH_BACKGROUND_WORKERS:-1}",
    }


def test_what_strangers_write_is_read_apart_from_the_grading() -> None:
    assert WORKERS["worker-ingest"]["command"][3] == "ingest"


@pytest.mark.parametrize("name", ["worker-advance", "worker-ingest"])
def test_several_processes_serve_each_queue_of_messages(name: str) -> None:
    command = WORKERS[name]["command"]
    assert int(command[command.index("--processes") + 1]) > 1


def test_the_gateway_s_command_is_one_cartwatch_knows() -> None:
    options = parse(GATEWAY["command"])
    assert options["behind_proxy"] is True, "inside the container it listens for the proxy outside"


def test_only_a_proxy_on_the_same_machine_reaches_the_gateway() -> None:
    inside = parse(GATEWAY["command"])["port"]
    assert GATEWAY["ports"] == [f"127.0.0.1:${{CARTWATCH_GATEWAY_PORT:-8080}}:{inside}"]


class Answers(BaseHTTPRequestHandler):
    """Is ready or not, as its server says."""

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/readyz" else 404)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize(("answer", "status"), [(200, 0), (503, 1), (None, 1)])
def test_a_gateway_is_healthy_while_it_answers_that_it_is_ready(answer: int | None, status: int) -> None:
    kind, program, option, text = GATEWAY["healthcheck"]["test"]
    assert (kind, program, option) == ("CMD", "bash", "-c")
    address = f"/dev/tcp/127.0.0.1/{parse(GATEWAY['command'])['port']}"
    assert address in text
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        port = server.server_port
        if answer is None:
            server.server_close()
        else:
            server.status = answer  # type: ignore[attr-defined]
            threading.Thread(target=server.handle_request, daemon=True).start()
        line = text.replace("$$", "$").replace(address, f"/dev/tcp/127.0.0.1/{port}")
        assert shell("/bin/bash", line) == status


@each_of_ours
def test_pages_carry_links_to_the_address_that_must_be_set(service: dict[str, Any]) -> None:
    assert service["environment"]["CARTWATCH_PUBLIC_URL"].startswith("${CARTWATCH_PUBLIC_URL:?")


@every_service
def test_nothing_runs_as_root_or_may_become_root(service: dict[str, Any]) -> None:
    assert service["user"].partition(":")[0] not in ("", "0", "root")
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"]
    assert not service.get("privileged", False)


@every_service
def test_what_ends_is_started_again(service: dict[str, Any]) -> None:
    assert service["restart"] in ("always", "unless-stopped")


@every_service
def test_every_service_says_whether_it_is_well(service: dict[str, Any]) -> None:
    assert {"test", "interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])


@pytest.mark.parametrize("service", OURS.values(), ids=OURS)
def test_stopping_leaves_time_for_a_send_and_no_more_than_an_outage_may_last(service: dict[str, Any]) -> None:
    assert STOP_SECONDS < seconds(service["stop_grace_period"]) < 30


def test_stopping_leaves_redis_time_to_finish() -> None:
    assert seconds(SERVICES["redis"]["stop_grace_period"]) >= 60


@every_service
def test_a_published_port_is_published_on_loopback(service: dict[str, Any]) -> None:
    assert "network_mode" not in service
    for port in service.get("ports", []):
        assert str(port).startswith(("127.0.0.1:", "${CARTWATCH_MLLP_ADDRESS:-127.0.0.1}:")) or service is PROXY


@every_service
def test_the_memory_is_bounded(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"\d+[mg]|\$\{CARTWATCH_[A-Z]+_LIMIT:-\d+[mg]\}", service["mem_limit"])


@every_service
def test_nothing_is_written_into_a_container(service: dict[str, Any]) -> None:
    """Which a read-only container forbids: configurations and secrets are files that are mounted."""
    assert service["read_only"] is True
    for kind in ("configs", "secrets"):
        for entry in service.get(kind, []):
            name = entry if isinstance(entry, str) else entry["source"]
            assert list(COMPOSE[kind][name]) == ["file"]


@every_service
def test_the_logs_are_bounded(service: dict[str, Any]) -> None:
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])


@each_of_ours
def test_a_worker_waits_for_redis_and_finds_it(service: dict[str, Any]) -> None:
    assert service["depends_on"]["redis"]["condition"] == "service_healthy"
    found = service["environment"]["CARTWATCH_REDIS_URL"]
    assert found == f"${{CARTWATCH_STORE_URL:-redis://redis:{redis_options()['port']}/0}}"


@each_of_ours
def test_every_variable_of_a_service_is_a_setting(service: dict[str, Any]) -> None:
    names = {name.removeprefix("CARTWATCH_").lower() for name in service["environment"] if name != "XDG_RUNTIME_DIR"}
    assert names - set(Settings.model_fields) == {"secrets_dir"}


@each_of_ours
def test_the_containers_page_about_an_outage_once_together(service: dict[str, Any]) -> None:
    """What they know of it stands in a folder that they share, which only their user can write to."""
    user, group = service["user"].split(":")
    assert f"outages:{service['environment']['XDG_RUNTIME_DIR']}" in service["volumes"]
    options = COMPOSE["volumes"]["outages"]["driver_opts"]
    assert (options["type"], options["o"].split(",")[:3]) == ("tmpfs", [f"uid={user}", f"gid={group}", "mode=0700"])


@each_of_ours
def test_a_worker_reads_the_site_s_own_configuration(service: dict[str, Any]) -> None:
    [mount] = [volume for volume in service["volumes"] if isinstance(volume, dict)]
    assert mount["target"] == service["environment"]["CARTWATCH_CONFIG_DIR"]
    assert mount["read_only"] is True
    assert mount["bind"]["create_host_path"] is False


@pytest.mark.parametrize(
    ("option", "value"),
    [("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "noeviction"), ("dir", "/data")],
)
def test_redis_keeps_what_it_accepted(option: str, value: str) -> None:
    assert redis_options()[option] == value
    assert "redis:/data" in SERVICES["redis"]["volumes"]


def test_redis_has_a_bound_on_its_memory_with_room_to_write_its_file_anew() -> None:
    def mebibytes(text: str) -> float:
        found = re.fullmatch(r"\$\{CARTWATCH_REDIS_\w+:-(\d+)(mb|g)\}", text)
        assert found is not None
        return float(found[1]) * {"mb": 1, "g": 1024}[found[2]]

    assert mebibytes(redis_options()["maxmemory"]) * 2 <= mebibytes(SERVICES["redis"]["mem_limit"])


def test_redis_reads_those_options_from_its_standard_input() -> None:
    """A container whose file system is read-only cannot be given a file by Compose."""
    assert redis_command().splitlines()[0] == "exec redis-server - <<END"
    assert redis_command().splitlines()[-1] == "END"
    assert SERVICES["redis"]["read_only"]


@pytest.mark.parametrize("name", ["redis-2", "redis-3"])
def test_a_replica_is_configured_as_the_primary_is(name: str) -> None:
    """Each of them may become the primary: only its name and its volume are its own."""
    own = {"profiles", "environment", "networks", "volumes", "ports"}
    replica, primary = SERVICES[name], SERVICES["redis"]
    assert {key: value for key, value in replica.items() if key not in own} == {
        key: value for key, value in primary.items() if key not in own
    }
    address = replica["networks"]["default"]["ipv4_address"]
    assert replica["environment"] == {"CARTWATCH_SERVER": address}
    assert address.endswith(f".21{name[-1]}")
    assert replica["volumes"] == [f"{name}:/data"]
    assert redis_options()["masterauth"] == redis_options()["requirepass"]


@pytest.mark.parametrize(
    ("named", "server", "role"),
    [
        ("", "10.0.0.211", ""),
        ("", "10.0.0.212", "replicaof 10.0.0.211 6379"),
        ("10.0.0.212", "10.0.0.211", "replicaof 10.0.0.212 6379"),
        ("10.0.0.212", "10.0.0.212", ""),
        ("NOAUTH Authentication required.", "10.0.0.213", "replicaof 10.0.0.211 6379"),
    ],
)
def test_a_server_that_starts_follows_the_primary_that_the_sentinels_name(
    named: str, server: str, role: str, tmp_path: Path
) -> None:
    """One that was the primary before its end would otherwise be a second one."""
    script = (ROOT / "config" / "containers" / "replica_of.sh").read_text(encoding="utf-8")
    (tmp_path / "password").write_text("secret\n", encoding="utf-8")
    client = tmp_path / "redis-cli"
    client.write_text(f"#!/bin/sh\n[ -z '{named}' ] && exit 1\nprintf '%s\\n6379\\n' '{named}'\n", encoding="utf-8")
    client.chmod(0o700)
    found = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", script.replace(PASSWORD_FILE, str(tmp_path / "password"))],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "CARTWATCH_SERVER": server},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == role


def test_redis_is_version_7_or_newer() -> None:
    version = re.fullmatch(r"redis:(\d+)\.[\w.-]+", SERVICES["redis"]["image"])
    assert version is not None
    assert int(version[1]) >= 7


def test_the_password_comes_from_a_file_outside_that_must_be_named() -> None:
    assert redis_options()["requirepass"] == f"$$(cat {PASSWORD_FILE})"
    assert f"$$(<{PASSWORD_FILE})" in SERVICES["redis"]["healthcheck"]["test"][3]
    for service in [*OURS.values(), SERVICES["redis"]]:
        assert "cartwatch_redis_password" in service["secrets"]
    for name, secret in COMPOSE["secrets"].items():
        assert secret["file"].startswith("${CARTWATCH_SECRETS_DIR:?")
        assert secret["file"].endswith(f"}}/{name}")


def test_a_file_of_a_service_is_a_setting_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTWATCH_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("CARTWATCH_REDIS_URL", "redis://redis:6379/0")
    for entry in GATEWAY["secrets"]:
        name = entry if isinstance(entry, str) else entry["target"]
        (tmp_path / name).write_text(f"of {name}\n", encoding="utf-8")
    settings = Settings()
    assert settings.redis_url == "redis://:of%20cartwatch_redis_password@redis:6379/0"
    assert settings.metrics_token == f"of {GATEWAY['secrets'][2]}"
    assert settings.sentinel_password == "of cartwatch_sentinel_password"  # noqa: S105


def test_the_proxy_bounds_what_the_gateway_cannot() -> None:
    """How many connections an address has, and that what a sender writes about its address is not believed."""
    lines = {
        line.strip()
        for line in (ROOT / "config" / "containers" / "haproxy.cfg").read_text(encoding="utf-8").splitlines()
    }
    assert "http-request set-header X-Forwarded-For %[src]" in lines
    assert "tcp-request connection reject if { sc0_conn_cur gt 200 } || { sc0_conn_rate gt 400 }" in lines
    for name in ("gateway", "gateway-2"):
        assert f"server {name} {name}:{parse(SERVICES[name]['command'])['port']}" in " ".join(lines)


def test_prometheus_asks_the_gateway_with_the_token() -> None:
    [job] = yaml.safe_load((ROOT / "config" / "containers" / "prometheus.yml").read_text(encoding="utf-8"))[
        "scrape_configs"
    ]
    assert job["static_configs"] == [{"targets": [f"gateway:{parse(GATEWAY['command'])['port']}"]}]
    token = Path(job["authorization"]["credentials_file"])
    assert [token.name] == SERVICES["prometheus"]["secrets"]
    assert token.name in GATEWAY["secrets"]


def test_the_image_is_built_from_the_lock_file_with_hashes() -> None:
    commands = [arguments for name, arguments in stages()[0] if name == "RUN"]
    installs = [shlex.split(command) for command in commands if command.startswith("pip install")]
    assert [install[2:5] for install in installs] == [
        ["--require-hashes", "-r", "requirements.lock"],
        ["--no-deps", "--no-build-isolation", "."],
    ]


def test_the_image_that_runs_is_not_the_one_that_builds() -> None:
    assert len(stages()) == 2
    assert final("COPY") == ["--from=build /opt/cartwatch /opt/cartwatch"]
    assert "tests" not in [source for arguments in copied() for source in arguments]


def test_what_runs_has_neither_pip_nor_what_builds() -> None:
    [build] = [arguments for name, arguments in stages()[0] if name == "RUN" and "pip uninstall" in arguments]
    gone = re.search(r"pip uninstall --yes ([\w -]+) &&", " ".join(build.split()))
    assert gone is not None
    assert {"hatchling", "hatch-vcs", "setuptools", "pip"} <= set(gone[1].split())
    [cleaned] = final("RUN")
    for path in (
        "/usr/local/bin/pip*",
        "/usr/local/lib/python3*/site-packages/pip*",
        "/usr/local/lib/python3*/ensurepip",
    ):
        assert path in cleaned.split(), "the base image brings it"


def test_byte_code_is_made_while_building_as_no_process_may_write_it() -> None:
    assert "PYTHONDONTWRITEBYTECODE=1" in final("ENV")[0]
    [build] = [arguments for name, arguments in stages()[0] if name == "RUN" and "compileall" in arguments]
    removed, made = build.index("-delete"), build.index("compileall")
    assert removed < made < build.index("import worker"), "then imports show that nothing is missing"
    [base] = final("RUN")
    assert 'compileall -q -j 0 "$(python' in base


def test_the_image_is_labelled() -> None:
    described = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project, fallback = described["project"], described["tool"]["hatch"]["version"]["fallback-version"]
    [labels] = final("LABEL")
    found = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', labels))
    assert found.keys() == {"title", "description", "licenses", "version", "revision"}
    assert (found["title"], found["licenses"]) == (project["name"], project["license"])
    assert f"VERSION={fallback}" in final("ARG")
    assert SERVICES["gateway"]["image"].endswith(f"cartwatch:{fallback}}}")


def test_the_image_runs_as_the_user_of_the_services() -> None:
    assert final("USER") == [service["user"] for service in WORKERS.values()][:1]


def test_the_image_has_a_python_the_project_supports() -> None:
    versions = re.findall(r"(?m)^FROM python:3\.(\d+)-slim", DOCKERFILE)
    assert len(set(versions)) == 1
    assert int(versions[0]) >= 11


def test_only_what_the_image_is_built_from_is_sent_to_the_builder() -> None:
    first, *rest = [
        line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    assert first == "*"
    admitted = {line.removeprefix("!") for line in rest if line.startswith("!")}
    assert admitted == {source for sources in copied() for source in sources}
