"""Servers that nobody here wrote: a process from a program on PATH or, where an engine is at hand, from an image."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

READY_SECONDS = 60
"""A server that has not opened its port by then does not start."""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def program_or_image(program: str, image: str, name: str) -> list[str]:
    """The beginning of a command line that runs a program: from PATH, else the entry point of an image.

    Where there is neither, the test is skipped: a bare machine has neither and can run every other test.
    """
    if shutil.which(program):
        return [program]
    if _has_image(image):
        return ["docker", "run", "--rm", "--init", "--name", name, "--network", "host", image]
    pytest.skip(f"neither `{program}` on PATH nor the image {image} in an engine")


def _has_image(image: str) -> bool:
    command = ["docker", "image", "inspect", image]
    with suppress(FileNotFoundError, subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0  # noqa: S603
    return False


@contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """A server while it is needed, from the moment its port is open."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603 - our own command
        try:
            _wait_for(port, process, log)
            yield
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    pytest.fail(f"the server did not open port {port}: {log.read_text(errors='replace')[-500:]}")
