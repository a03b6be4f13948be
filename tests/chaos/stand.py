"""What the campaign hits: a store, a phone, and the processes that use them; all on this machine's loopback."""

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import yaml
from redis import Redis

from config.settings import Settings
from config.site import DEFAULTS
from tests.chaos.checker import Page
from tests.chaos.monitor import listen
from tests.chaos.scenario import SOURCE
from worker.runtime.queues import FOREIGN_QUEUE, QUEUES
from worker.runtime.runtime import connect
from worker.standalone.child_process import die_with_parent
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.supervisor import Supervised, worker_command

PATHS = ("/phone-1", "/phone-2", "/phone-3")


class Phone:
    """The receiver process. It outlives nobody: its standard input ends with us."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        self._log = folder / "phone.jsonl"
        self._log.touch()
        command = [sys.executable, "-m", "tests.chaos.phone", str(self._log), host, str(port or free_port())]
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent()
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def behave(self, *, status: int = 200, delay: float = 0.0, drop: bool = False) -> None:
        """How every path answers from now on."""
        assert self._process.stdin is not None
        for path in PATHS:
            answer = {"path": path, "status": status, "delay": delay, "drop": drop}
            self._process.stdin.write(json.dumps(answer) + "\n")
        self._process.stdin.flush()

    def pages(self) -> list[Page]:
        """What it took so far."""
        return [Page(**json.loads(line)) for line in self._log.read_text(encoding="utf-8").splitlines()]

    def close(self) -> None:
        """Hang up."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


class Processes(NamedTuple):
    """Who can be killed, by what they do."""

    evaluating: Supervised | None = None
    delivering: Supervised | None = None
    gateway: Supervised | None = None
    listener: Supervised | None = None

    def all(self) -> list[Supervised]:
        """Every one."""
        return [process for process in self if process is not None]


class Stand:
    """The store and the phone, and what is stopped at the end; the two that are compared add what uses them."""

    processes: Processes
    broker: str
    queues: Sequence[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = ExitStack()
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.server = self.store_server(stack)
            self.phone = Phone(self.folder)
            stack.callback(self.phone.close)
            self.redis: Redis = stack.enter_context(connect(self.server.url))
            self.begin(stack)
            self.stack = stack.pop_all()
        return self

    def store_server(self, stack: ExitStack) -> Any:
        """Start the store."""
        return stack.enter_context(EmbeddedRedis(self.folder / "data"))

    def begin(self, stack: ExitStack) -> None:
        """Start what uses them, and set `processes`, `broker` and `queues`."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.start()
        self.stack.close()

    def supervised(
        self, stack: ExitStack, command: Sequence[str], environment: Mapping[str, str], name: str
    ) -> Supervised:
        """A process that is started again whenever it dies."""
        return stack.enter_context(Supervised(command, environment, str(self.folder / f"{name}.log")))


class Cartwatch(Stand):
    """The whole of cartwatch: workers that evaluate, workers that deliver, a gateway, a listener for MLLP."""

    copies = 1

    def __init__(self, folder: Path, broker: str = "", clock: str = "store") -> None:
        super().__init__(folder)
        self._broker = broker
        self._clock = clock

    def begin(self, stack: ExitStack) -> None:
        """Start them."""
        self.mllp_port = free_port()
        listen(site(self.folder / "site"), self.mllp_port)
        self.settings = Settings(
            redis_url=self.server.url,
            broker_url=self._broker or self.server.broker_url,
            copies=self.copies,
            receiver_url=self.phone.url,
            config_dir=self.folder / "site",
            secret=secrets.token_hex(32),
            clock="simulated" if self._clock == "simulated" else "store",
            canary_every=20,
            journal_length=100_000,
        )
        self.broker = self.settings.broker
        self.queues = (*QUEUES, FOREIGN_QUEUE)
        environment = self.settings.as_environment()
        evaluating = self.supervised(stack, worker_command(["advance", "ingest"], 2), environment, "evaluating")
        delivering = worker_command(["deliver"], 1)
        port = free_port()
        self.gateway_url = f"http://127.0.0.1:{port}"
        cartwatch = [sys.executable, "-m", "worker.cli"]
        gateway = [*cartwatch, "gateway", "--host", "127.0.0.1", "--port", str(port)]
        self.processes = Processes(
            evaluating,
            self.supervised(stack, delivering, environment, "delivering"),
            self.supervised(stack, gateway, environment, "gateway"),
            self.supervised(stack, [*cartwatch, "mllp"], environment, "listener"),
        )


class Bare(Stand):
    """The same job as one Celery task a reading, and nothing else (benchmarks/bare.py)."""

    queues = ("readings",)

    def begin(self, stack: ExitStack) -> None:
        """Start two workers: either does all there is to do."""
        self.broker = self.server.broker_url
        environment = {"BARE_STORE": self.server.url, "BARE_BROKER": self.broker}
        environment["BARE_PHONE"] = self.phone.url.replace("json://", "http://")
        os.environ |= environment
        command = [sys.executable, "-m", "celery", "--app", "benchmarks.bare", "worker", "--queues", "readings"]
        command += ["--concurrency", "2", "--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
        first, second = (self.supervised(stack, command, environment, f"bare-{number}") for number in (1, 2))
        self.processes = Processes(first, second)


def site(folder: Path) -> Path:
    """The shipped example with ladders of seconds and channels that take everything one by one."""
    text: dict[str, Any] = yaml.safe_load((DEFAULTS / "site.yaml").read_text(encoding="utf-8"))
    steps = [
        {"after": "0 s", "notify": ["on_call"]},
        {"after": "8 s", "notify": ["second_on_call"]},
        {"after": "16 s", "notify": ["consultant"]},
    ]
    for urgency in ("critical", "high", "medium"):
        text["ladders"][urgency] = {"steps": steps, "repeat_every": "5 min"}
    for channel in text["channels"].values():
        channel["limit"] = {"pages": 1_000_000, "within": "1 min"}
    text["delivery"] |= {"retry_backoff": ["2 s", "5 s", "5 s"]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
    intake: dict[str, Any] = yaml.safe_load((DEFAULTS / "intake.yaml").read_text(encoding="utf-8"))
    intake["sources"] = {SOURCE: {"type": "record"}}
    (folder / "intake.yaml").write_text(yaml.safe_dump(intake), encoding="utf-8")
    return folder


def free_port() -> int:
    """A port of this machine nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
