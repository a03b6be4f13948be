"""The container files as data: what they start exists, and they keep what the service promises."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from worker.app import QUEUES
from worker.cli import main

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WORKERS = {name: service for name, service in SERVICES.items() if name.startswith("worker-")}
GATEWAY = SERVICES["gateway"]
OURS = {**WORKERS, "gateway": GATEWAY}
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


def stages() -> list[list[tuple[str, str]]]:
    """The build stages of the Dockerfile, each a list of (instruction, arguments)."""
    lines = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    found: list[list[tuple[str, str]]] = []
    for instruction, arguments in lines:
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, arguments))
    return found


def final(instruction: str) -> list[str]:
    return [arguments for name, arguments in stages()[-1] if name == instruction]


@every_worker
def test_a_worker_s_command_is_one_cartwatch_knows(service: dict[str, Any]) -> None:
    assert {"queues", "processes"} <= set(parse(service["command"]))


@every_worker
def test_a_worker_s_health_check_is_one_cartwatch_knows(service: dict[str, Any]) -> None:
    kind, *line = service["healthcheck"]["test"]
    assert kind == "CMD"
    assert parse(line)["quiet"] is True


def test_every_queue_has_one_service_and_no_service_an_unknown_queue() -> None:
    served = [queue for service in WORKERS.values() for queue in service["command"][3].split(",")]
    assert sorted(served) == sorted(QUEUES)


def test_pages_are_delivered_apart_from_the_grading() -> None:
    for queue in ("deliver", "deliver_urgent", "picture"):
        assert WORKERS[f"worker-{queue.replace('_', '-')}"]["command"][3] == queue


def test_what_strangers_write_is_read_apart_from_the_grading() -> None:
    assert WORKERS["worker-ingest"]["command"][3] == "ingest"


@every_worker
def test_several_processes_serve_each_queue(service: dict[str, Any]) -> None:
    command = service["command"]
    assert int(command[command.index("--processes") + 1]) > 1


def test_the_gateway_s_command_is_one_cartwatch_knows() -> None:
    options = parse(GATEWAY["command"])
    assert options["behind_proxy"] is True, "inside the container it listens for the proxy outside"


def test_only_a_proxy_on_the_same_machine_reaches_the_gateway() -> None:
    inside = parse(GATEWAY["command"])["port"]
    assert GATEWAY["ports"] == [f"127.0.0.1:${{CARTWATCH_GATEWAY_PORT:-8080}}:{inside}"]


def test_the_gateway_s_health_check_asks_the_gateway() -> None:
    kind, program, option, code = GATEWAY["healthcheck"]["test"]
    assert (kind, program, option) == ("CMD", "python", "-c")
    compile(code, "healthcheck", "exec")
    assert f"http://127.0.0.1:{parse(GATEWAY['command'])['port']}/healthz" in code


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


@every_service
def test_stopping_leaves_time_to_finish(service: dict[str, Any]) -> None:
    assert seconds(service["stop_grace_period"]) >= 60


@every_service
def test_a_published_port_is_published_on_loopback(service: dict[str, Any]) -> None:
    assert "network_mode" not in service
    assert [port for port in service.get("ports", []) if not str(port).startswith("127.0.0.1:")] == []


@every_service
def test_the_logs_are_bounded(service: dict[str, Any]) -> None:
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])


@each_of_ours
def test_a_worker_waits_for_redis_and_finds_it(service: dict[str, Any]) -> None:
    environment = service["environment"]
    assert service["depends_on"]["redis"]["condition"] == "service_healthy"
    for name, database in (("CARTWATCH_REDIS_URL", "0"), ("CARTWATCH_BROKER_URL", "1")):
        assert environment[name].endswith(f"@redis:{redis_options()['port']}/{database}")


@each_of_ours
def test_a_worker_reads_the_site_s_own_configuration(service: dict[str, Any]) -> None:
    [mount] = service["volumes"]
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


def test_redis_is_version_7_or_newer() -> None:
    version = re.fullmatch(r"redis:(\d+)\.[\w.-]+", SERVICES["redis"]["image"])
    assert version is not None
    assert int(version[1]) >= 7


def test_the_password_comes_from_outside_and_must_be_set() -> None:
    assert redis_options()["requirepass"] == "$$REDISCLI_AUTH"
    assert SERVICES["redis"]["environment"]["REDISCLI_AUTH"].startswith("${CARTWATCH_REDIS_PASSWORD:?")
    for service in OURS.values():
        assert "redis://:${CARTWATCH_REDIS_PASSWORD:?" in service["environment"]["CARTWATCH_REDIS_URL"]


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
    assert "tests" not in DOCKERFILE


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
    copied = [arguments.split()[:-1] for name, arguments in stages()[0] if name == "COPY"]
    assert admitted == {source for sources in copied for source in sources}
