"""The compose file as it is, as a project of its own with a phone on this machine; only what a machine must choose is
laid over it: image, ports, the site's folder, how many containers of a kind, and the disk of Redis.

Needs root: the first process of a container is killed by its id, and the disk of Redis is a file of its own, mounted.
"""

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from config.settings import Settings
from tests.chaos.monitor import listen
from tests.chaos.stand import Cartwatch, Phone, Processes, free_port, site
from worker.monitoring import beats
from worker.runtime.queues import FOREIGN_QUEUE, QUEUES
from worker.runtime.runtime import connect
from worker.store.keys import Keys

ROOT = Path(__file__).parents[2]
STARTS_WITHIN = 180.0
DISK_MIB = 192

PAGES = ("worker-advance", "worker-deliver")
"""What a page needs to be written and sent."""


def run(*command: str, timeout: float = 300.0, quiet: bool = False) -> str:
    """A command to its end, and what it printed.

    Raises:
        RuntimeError: it failed, and is not to be `quiet` about that.
    """
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)  # noqa: S603
    if done.returncode and not quiet:
        raise RuntimeError(f"{' '.join(command[:6])}: {done.stderr.strip()[-2000:]}")
    return done.stdout


KEYS = Keys("cartwatch", 16)

NETWORKS = ("10.213.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
"""The network of the compose file, and Docker's own address pools: how a container sees this machine's senders."""


class Project:
    """One project of `docker compose`: the file of this repository, and an override beside it."""

    def __init__(self, folder: Path, name: str, image: str, copies: int) -> None:
        self.name, self.image, self._copies = name, image, copies
        self._folder = folder
        self.password = secrets.token_hex(24)
        self.subnet = f"10.213.{secrets.randbelow(200) + 10}"
        self.settings: dict[str, str] = {}
        """More lines of `.env`."""
        self.ports = {f"CARTWATCH_{name}": free_port() for name in ("REDIS_PORT", "GATEWAY_PORT", "MLLP_PORTS")}
        self._secrets()
        (folder / "disk").mkdir()
        site(folder / "site").chmod(0o755)
        listen(folder / "site", self.ports["CARTWATCH_MLLP_PORTS"], "0.0.0.0", NETWORKS)  # noqa: S104
        self.configure({})

    def _secrets(self) -> None:
        folder = self._folder / "secrets"
        folder.mkdir()
        for name, text in (("redis_password", self.password), ("metrics_token", secrets.token_hex(24))):
            (folder / f"cartwatch_{name}").write_text(text, encoding="utf-8")

    def configure(self, over: Mapping[str, Any], image: str = "") -> None:
        """Write the three settings and the ports, and the override: an environment for what is ours, how many of each,
        and the disk of Redis."""
        self.image = image or self.image
        lines = {
            "CARTWATCH_SECRETS_DIR": self._folder / "secrets",
            "CARTWATCH_SITE_DIR": self._folder / "site",
            "CARTWATCH_PUBLIC_URL": "https://example.org",
            "CARTWATCH_IMAGE": self.image,
            "CARTWATCH_NETWORK": self.subnet,
            **self.settings,
            "CARTWATCH_FHIR_BASE": "http://127.0.0.1:9/fhir",
            **self.ports,
        }
        written = "".join(f"{name}={value}\n" for name, value in lines.items())
        (self._folder / ".env").write_text(written, encoding="utf-8")
        self._override().write_text("services: {}\n", encoding="utf-8")
        services: dict[str, Any] = {name: {"environment": dict(over)} for name in self.services() if name != "redis"}
        for name in PAGES:
            services[name]["scale"] = self._copies
        if group := os.environ.get("CHAOS_CGROUP"):
            services = {name: {**services.get(name, {}), "cgroup_parent": group} for name in self.services()}
        disk = {"driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": str(self.disk)}}
        text = yaml.safe_dump({"services": services, "volumes": {"redis": disk}})
        self._override().write_text(text, encoding="utf-8")

    def _override(self) -> Path:
        return self._folder / "override.yml"

    @property
    def disk(self) -> Path:
        """Where the disk of Redis is mounted."""
        return self._folder / "disk"

    def compose(self, *arguments: str, timeout: float = 300.0) -> str:
        """`docker compose` with the two files."""
        files = ["--file", str(ROOT / "docker-compose.yml"), "--file", str(self._override())]
        given = ["--project-name", self.name, "--env-file", str(self._folder / ".env")]
        return run("docker", "compose", *files, *given, *arguments, timeout=timeout)

    def services(self) -> list[str]:
        """The services of the file, Redis first."""
        return sorted(self.compose("config", "--services").split(), key=lambda name: (name != "redis", name))

    def containers(self, service: str = "") -> list[str]:
        """The ids of the containers, of one service or of all."""
        return self.compose("ps", "--all", "--quiet", *([service] if service else [])).split()

    def up(self) -> None:
        """What the deployment section says."""
        self.compose("up", "--detach", "--no-build", timeout=STARTS_WITHIN)

    @property
    def network(self) -> str:
        """The network of the project."""
        return f"{self.name}_default"


class Composed(Cartwatch):
    """The whole of cartwatch in containers."""

    def __init__(self, folder: Path, name: str, image: str, copies: int) -> None:
        super().__init__(folder)
        self.project = Project(folder, name, image, copies)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._mount_disk(stack)
            stack.callback(lambda: self.project.compose("down", "--volumes", "--timeout", "20"))
            # Of the engine's own network, which stays when that of the project goes.
            subnet = inspect_network("bridge")["IPAM"]["Config"][0]["Subnet"]
            self.phone = Phone(self.folder, str(next(ip_network(subnet).hosts())))
            stack.callback(self.phone.close)
            self.receiver = {"CARTWATCH_RECEIVER_URL": self.phone.url, "CARTWATCH_CANARY_EVERY": "20"}
            self.prepare()
            self.project.configure(self.receiver)
            self.project.up()
            self._begin(stack)
            self.stack = stack.pop_all()
        return self

    def prepare(self) -> None:
        """Change the project before it starts."""

    def connection_settings(self) -> Settings:
        """The settings of the senders, outside the containers."""
        base = f"redis://:{self.project.password}@127.0.0.1:{self.project.ports['CARTWATCH_REDIS_PORT']}"
        return Settings(redis_url=f"{base}/0", broker_url=f"{base}/1", receiver_url=self.phone.url)

    def _begin(self, stack: ExitStack) -> None:
        self.settings = self.connection_settings()
        self.broker = self.settings.broker
        self.queues = (*QUEUES, FOREIGN_QUEUE)
        self.gateway_url = f"http://127.0.0.1:{self.project.ports['CARTWATCH_GATEWAY_PORT']}"
        self.mllp_port = self.project.ports["CARTWATCH_MLLP_PORTS"]
        self.redis = stack.enter_context(connect(self.settings.redis_url, copies=self.settings.copies))
        self.processes = Processes()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if keep := os.environ.get("CHAOS_KEEP"):
            Path(keep).mkdir(parents=True, exist_ok=True)
            logs = self.project.compose("--ansi", "never", "logs", "--no-color", "--timestamps")
            (Path(keep) / f"{self.project.name}.log").write_text(logs, encoding="utf-8")
        self.stack.close()

    def _mount_disk(self, stack: ExitStack) -> None:
        file = self.folder / "disk.img"
        run("truncate", "--size", f"{DISK_MIB}M", str(file))
        run("mkfs.ext4", "-q", "-m", "0", str(file))
        run("mount", "-o", "loop", str(file), str(self.project.disk))
        stack.callback(lambda: run("umount", "--lazy", str(self.project.disk)))
        (self.project.disk / "lost+found").rmdir()
        numbers = run("docker", "run", "--rm", "redis:7.2-bookworm", "sh", "-c", "id -u redis; id -g redis").split()
        os.chown(self.project.disk, *map(int, numbers))

    def is_well(self, service: str = "") -> bool:
        """Whether every container runs and every worker ticks since it was last forgotten."""
        found = [inspect(container) for container in self.project.containers(service)]
        if not all(one["State"]["Running"] and not one["State"]["Paused"] for one in found):
            return False
        hosts = {one["Config"]["Hostname"] for one in found if "worker" in one["Config"]["Cmd"]}
        with suppress(Exception):
            return hosts <= {name.split(":")[0] for name in beats.read(self.redis, KEYS, datetime.now(UTC))}
        return False

    def forget_beats(self) -> None:
        """From now on only a worker that ticks again counts."""
        until(lambda: self.redis.delete(KEYS.workers) is not None, "the store")


def inspect(container: str) -> dict[str, Any]:
    """What the engine knows of a container."""
    return dict(json.loads(run("docker", "inspect", container))[0])


def inspect_network(network: str) -> dict[str, Any]:
    """What the engine knows of a network."""
    return dict(json.loads(run("docker", "network", "inspect", network))[0])


def until(condition: Callable[[], object], what: str, within: float = STARTS_WITHIN) -> None:
    """Wait until something is so; while it cannot be asked it is not.

    Raises:
        TimeoutError: it was not, in time.
    """
    deadline = time.monotonic() + within
    while True:
        with suppress(Exception):
            if condition():
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"within {within:.0f} s it did not come true: {what}")
        time.sleep(0.2)


def kill_first_process(container: str) -> None:
    """SIGKILL to the first process, as the kernel does when memory runs out: `docker kill` would count as a wish."""
    os.kill(inspect(container)["State"]["Pid"], signal.SIGKILL)
