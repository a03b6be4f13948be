"""A monitor or laboratory that speaks MLLP, and the command that listens to it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from tests.support.hospital import Hospital
from worker.intake.hl7.tokens import read
from worker.intake.mllp.frames import Frame, FrameReader, wrap

MLLP = [sys.executable, "-c", "from worker.commands.mllp import mllp; mllp(prog_name='cartwatch mllp')"]
"""The command `cartwatch mllp`, also where it is not on PATH."""


def result(patient: str, control: object, value: object, code: str = "1988-5^CRP^LN", unit: str = "mg/L") -> bytes:
    """A laboratory result of today, whose order bears its control id."""
    lines = (
        f"MSH|^~\\&|LAB|HOSP|CARTWATCH|HOSP|20240614090000+0200||ORU^R01^ORU_R01|{control}|P|2.5.1",
        f"PID|1||{patient}^^^HOSP^MR",
        f"OBR|1||F{control}|PANEL^P^L|||20240614080000+0200",
        f"OBX|1|NM|{code}||{value}|{unit}|||||F|||20240614080000+0200",
    )
    return "".join(f"{line}\r" for line in lines).encode()


class Sender:
    """One connection; it waits for its acknowledgements as long as a patient engine does, or so many seconds."""

    def __init__(self, port: int, timeout: float = 30) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._frames = FrameReader()
        self._come: list[Frame] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, *messages: bytes) -> None:
        """Without waiting."""
        self.socket.sendall(b"".join(map(wrap, messages)))

    def answers(self, number: int) -> list[str]:
        """The next acknowledgements, as code and control id; fewer where the connection ended."""
        while len(self._come) < number and (data := self._received()):
            self._come += self._frames.feed(data)
        taken, self._come = self._come[:number], self._come[number:]
        found = [read(frame.body).segments[1] for frame in taken]
        return [f"{msa.field(1).text} {msa.field(2).text}".strip() for msa in found]

    def _received(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""


def configure(hospital: Hospital, **listener: Any) -> None:
    """Give the hospital one listener on a free port."""
    assert hospital.settings.config_dir is not None
    body = {"listeners": {"lab": {"port": 0, **listener}}}
    path = Path(hospital.settings.config_dir) / "intake.yaml"
    path.write_text(yaml.safe_dump(body), encoding="utf-8")


class Listening:
    """A running `cartwatch mllp`."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and wait."""
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        return self.process.wait(timeout=60)


@contextmanager
def listening(
    hospital: Hospital, program: list[str] | None = None, meanwhile: Callable[[], None] | None = None
) -> Iterator[Listening]:
    """`cartwatch mllp` once it listens; or another program that behaves like it.

    `meanwhile` is called while the command waits for its first listener.
    """
    with (
        hospital.log.open("ab") as log,
        subprocess.Popen(  # noqa: S603 - our own command
            program or MLLP,
            env={**hospital.environment(), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            if meanwhile is not None:
                assert "waiting" in said
                meanwhile()
                said = process.stdout.readline()
            assert "listening on" in said, hospital.log.read_text(encoding="utf-8")[-2000:]
            yield Listening(process, int(said.split("port ")[1].split()[0]))
        finally:
            process.kill()


def refused(hospital: Hospital, *arguments: str) -> str:
    """What `cartwatch mllp` says when it cannot listen."""
    said = subprocess.run(  # noqa: S603 - our own command
        [*MLLP, *arguments], env=hospital.environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (said.returncode != 0, said.stdout) == (True, "")
    return said.stderr
