"""An own RabbitMQ for a campaign, where this machine has one: on loopback, in a folder, ended afterwards."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from kombu import Connection

from tests.chaos.stand import free_port
from worker.standalone.child_process import die_with_parent

READY_WITHIN = 60.0

_INNER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
"""Debian's script for everybody; the one on PATH insists on the system's own user and folders."""


def find_rabbit() -> str | None:
    """The command of a RabbitMQ server, if there is one."""
    return _INNER if os.access(_INNER, os.X_OK) else shutil.which("rabbitmq-server")


class Rabbit:
    """A broker of our own; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port, self._far, self._names = free_port(), free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}//"

    def __enter__(self) -> Self:
        command = find_rabbit()
        assert command is not None, "this machine has no rabbitmq-server"
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "rabbit.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [command],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=die_with_parent(),
            )
        self._wait_until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        # Erlang leaves the process behind that knows its nodes by name.
        if names := shutil.which("epmd"):
            subprocess.run([names, "-port", str(self._names), "-kill"], capture_output=True, check=False)  # noqa: S603

    def _environment(self) -> dict[str, str]:
        folder = str(self._folder)
        return {
            **os.environ,
            "HOME": folder,
            "RABBITMQ_NODENAME": f"chaos{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._far),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names),
            "RABBITMQ_MNESIA_BASE": f"{folder}/db",
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
        }

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + READY_WITHIN
        while time.monotonic() < until:
            try:
                with Connection(self.url, connect_timeout=1) as connection:
                    connection.connect()
                    return
            except OSError:
                time.sleep(0.2)
        self.__exit__(None, None, None)
        raise TimeoutError(f"RabbitMQ did not answer; see {self._folder}")
