"""Every kind of process of `cartwatch up` killed in turn, and how long the next critical page takes.

`python benchmarks/kills.py [FILE]`: a table; FILE is a document whose part between the two marks is written anew. The
service runs as a user starts it, with its embedded Redis, a listener of MLLP and an export. Just after a kill a patient
becomes critical; the message is sent again until it is accepted, as a sender does. It goes through the gateway or the
listener where that is what was killed. The time runs from the kill until the page stands at the phone.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import yaml
from harness import eventually, machine, say
from redis import Redis
from redis.exceptions import RedisError

from config.settings import Settings
from config.site import DEFAULTS
from worker.client import Client
from worker.monitoring import beats
from worker.standalone.fake_phone import FakePhone
from worker.store.keys import Keys

AIM_SECONDS = 8.0
ALARMS, CTRL_C = "false alarms", "Ctrl-C"
BEGIN, END = "<!-- kills -->\n", "<!-- end of kills -->\n"
COMMAND = [sys.executable, "-c", "from worker.cli import main; main()"]

Body = dict[str, Any]


class Process(NamedTuple):
    """One process below the service."""

    pid: int
    parent: int
    command: str


def below(pid: int) -> list[Process]:
    """Every process below one, nearest first."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            found.append(Process(child.pid, child.ppid(), " ".join(child.cmdline())))
    return found


class Service:
    """`cartwatch up` with a folder of its own, and the phone that its pages go to."""

    def __init__(self, folder: Path, phone: FakePhone) -> None:
        self._folder, self._phone = folder, phone
        self._mllp, self._key = _free_port(), ""
        self._made: dict[str, list[Body]] = {}
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("CARTWATCH_")}
        self._environment |= {
            "XDG_RUNTIME_DIR": str(folder),
            "CARTWATCH_RECEIVER_URL": phone.url,
            "CARTWATCH_CONFIG_DIR": str(_site(folder / "site", self._mllp)),
            "CARTWATCH_FHIR_BASE": "http://127.0.0.1:9/fhir",
        }
        self.up = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [*COMMAND, "up", "--data", str(self._folder / "data"), "--processes", "2"]
        screen = (self._folder / "screen").open("ab")
        with closing(screen):
            return subprocess.Popen(command, env=self._environment, stdout=screen, stderr=screen)  # noqa: S603

    def restart(self) -> None:
        """What a service manager does whose service was killed."""
        self.up.wait()
        self.up = self._start()

    def stop(self) -> None:
        """End it in good order; how long that took."""
        self.up.send_signal(signal.SIGINT)
        self.up.wait(90)

    @property
    def settings(self) -> Settings | None:
        """How the service is reached; None while it has not said so."""
        with suppress(OSError, ValueError, KeyError):
            [card] = self._folder.glob("cartwatch-service-*.json")
            return Settings(**json.loads(card.read_text(encoding="utf-8"))["settings"])
        return None

    def is_well(self) -> bool:
        """Whether every queue has a worker of this start that ticks, and nothing waits."""
        running = {process.pid for process in below(self.up.pid)}
        settings = self.settings
        if settings is None:
            return False
        with suppress(RedisError), closing(Redis.from_url(settings.redis_url)) as redis:
            workers = beats.read(redis, Keys("cartwatch", settings.shards), datetime.now(UTC))
            return len({int(name.split(":")[-1]) for name in workers} & running) == 6
        return False

    def main_process(self, word: str) -> list[int]:
        """The main process of a kind."""
        processes = below(self.up.pid)
        return [process.pid for process in processes if process.parent == self.up.pid and word in process.command]

    def child(self, word: str) -> list[int]:
        """The first process of the pool of a kind."""
        [main] = self.main_process(word)
        return [process.pid for process in below(self.up.pid) if process.parent == main][:1]

    # -- a patient who becomes critical ----------------------------------------------------------

    def page_after(self, patient: str, send: Callable[["Service", str], bool], began: float) -> float:
        """Seconds until the critical page about a patient stands at the phone."""
        eventually(lambda: send(self, patient), "the message is accepted", every=0.02, within=90)
        eventually(lambda: self._arrived(patient), "the page arrives", within=90)
        return time.monotonic() - began

    def _arrived(self, patient: str) -> bool:
        return any(page.title.startswith("[CRITICAL]") and patient in page.title for page in self._phone.received)

    def alarms(self) -> int:
        """How often somebody was paged that cartwatch cannot page."""
        return sum("cannot page" in page.title for page in self._phone.received)

    def by_client(self, patient: str) -> bool:
        """Append to the inbox, as a Python sender does."""
        settings = self.settings
        return settings is not None and _accepted(settings, self._messages(patient))

    def by_http(self, patient: str) -> bool:
        """Post to the gateway."""
        settings = self.settings
        if settings is None:
            return False
        body = json.dumps(self._messages(patient)).encode()
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{settings.public_url}/messages", body, headers)  # noqa: S310
        with suppress(OSError), urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310
            return bool(answer.status < 300)
        return False

    def by_mllp(self, patient: str) -> bool:
        """Send the fever as HL7 to the listener; the rest is known already."""
        settings = self.settings
        messages = [message for message in self._messages(patient) if message.get("reading") != "temperature"]
        if settings is None or not _accepted(settings, messages):
            return False
        frame = b"\x0b" + _hl7(patient) + b"\x1c\r"
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._mllp), timeout=2) as connection:
            connection.sendall(frame)
            return b"MSA|AA" in connection.recv(4096)
        return False

    def make_key(self) -> None:
        """A key for the gateway."""
        command = [*COMMAND, "source-key", "add", "ehr"]
        made = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=True)  # noqa: S603
        self._key = made.stdout.split()[-1]

    def _messages(self, patient: str) -> list[Body]:
        """The same however often they are sent again."""
        return self._made.setdefault(patient, critical(patient))


def _accepted(settings: Settings, messages: list[Body]) -> bool:
    with suppress(RedisError, OSError):
        Client(settings).send(messages)
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _hl7(patient: str) -> bytes:
    now = f"{datetime.now(UTC):%Y%m%d%H%M%S}+0000"
    lines = (
        f"MSH|^~\\&|MON|HOSP|CARTWATCH|HOSP|{now}||ORU^R01^ORU_R01|{patient}|P|2.5.1",
        f"PID|1||{patient}^^^HOSP^MR",
        f"OBR|1||F{patient}|PANEL^P^L|||{now}",
        f"OBX|1|NM|8310-5^Temperature^LN||39.1|Cel|||||F|||{now}",
    )
    return "".join(f"{line}\r" for line in lines).encode()


Send = Callable[[Service, str], bool]


class Victim(NamedTuple):
    """What is killed, and the way the next message takes."""

    name: str
    pids: Callable[[Service], list[int]]
    send: Send = Service.by_client


POOLS = {"evaluating": "queues advance ", "`ingest`": "queues ingest,", "`export`": "queues export"}
QUEUES = {**POOLS, "`deliver`": "queues deliver "}

VICTIMS = (
    *(Victim(f"worker {name}, main process", lambda it, w=word: it.main_process(w)) for name, word in QUEUES.items()),
    *(Victim(f"worker {name}, a pool process", lambda it, w=word: it.child(w)) for name, word in POOLS.items()),
    Victim("gateway", lambda it: it.main_process("worker.cli gateway"), Service.by_http),
    Victim("listener of MLLP", lambda it: it.main_process("worker.cli mllp"), Service.by_mllp),
    Victim("embedded Redis", lambda it: it.main_process("-server")),
    Victim("`cartwatch up` itself, started again at once", lambda it: [it.up.pid]),
)


def _site(folder: Path, port: int) -> Path:
    """The shipped example with channels that take everything, and a listener."""
    site = yaml.safe_load((DEFAULTS / "site.yaml").read_text(encoding="utf-8"))
    for channel in site["channels"].values():
        channel["limit"] = {"pages": 1_000_000}
    folder.mkdir()
    (folder / "site.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")
    intake = yaml.safe_load((DEFAULTS / "intake.yaml").read_text(encoding="utf-8")) or {}
    intake["sources"] = {"ehr": {"type": "record"}}
    intake["listeners"] = {"monitor": {"port": port}}
    (folder / "intake.yaml").write_text(yaml.safe_dump(intake), encoding="utf-8")
    return folder


def critical(patient: str) -> list[Body]:
    """Registration, and CRS of grade 3: fever, and oxygen by high flow for 85 % saturation."""
    at = datetime.now(UTC)
    stamp = at.isoformat(timespec="milliseconds")
    common = {"source": "ehr", "patient": patient, "effective": stamp}
    infused = (at - timedelta(days=2)).isoformat(timespec="milliseconds")
    readings = (("temperature", "39.1", "Cel"), ("spo2", "85", "%"), ("oxygen_device", "high_flow_nasal_cannula", ""))
    return [
        {**common, "type": "registration", "id": f"r {patient}", "ward": "W", "bed": patient, "infused": infused},
        *(
            {**common, "type": "reading", "id": f"{name} {patient}", "reading": name, "value": value, "by": "person"}
            | ({"unit": unit} if unit else {})
            for name, value, unit in readings
        ),
    ]


def measure(folder: Path) -> Iterator[tuple[str, float]]:
    """Each kind killed in turn, and the seconds until the next critical page; then the false alarms, and Ctrl-C."""
    with FakePhone() as phone:
        service = Service(folder, phone)
        try:
            eventually(service.is_well, "the service is well", within=90)
            service.make_key()
            for number, victim in enumerate(VICTIMS):
                eventually(service.is_well, "the service is well", within=90)
                pids = victim.pids(service)
                if not pids:
                    raise RuntimeError(f"nobody to kill: {victim.name}")
                began = time.monotonic()
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
                if service.up.pid in pids:
                    service.restart()
                yield victim.name, service.page_after(f"K{number}", victim.send, began)
            eventually(service.is_well, "the service is well", within=90)
            yield "nobody", service.page_after("undisturbed", Service.by_client, time.monotonic())
            yield ALARMS, float(service.alarms())
            began = time.monotonic()
            service.stop()
            yield CTRL_C, time.monotonic() - began
        finally:
            service.up.kill()


def table(rows: list[tuple[str, float]], alarms: int, ctrl_c: float, before: str) -> str:
    """The part of the document."""
    lines = [f"| {name} | {seconds:.2f} |" for name, seconds in rows]
    return "\n".join(
        (
            f"`python benchmarks/kills.py docs/evidence/chaos.md`: {before}.",
            "",
            "| killed with SIGKILL | seconds until the next critical page stands at the phone |",
            "| --- | ---: |",
            *lines,
            "",
            f"False alarms in all of this: {alarms}. Ctrl-C ends the idle service in {ctrl_c:.1f} s.",
            "",
        )
    )


def main() -> int:
    """Measure, print, write; whether every page was in time."""
    before = machine()
    rows = []
    with tempfile.TemporaryDirectory(prefix="cartwatch-kills-") as folder:
        Path(folder).chmod(0o700)
        for name, seconds in measure(Path(folder)):
            say(f"{name}: {seconds:.2f}")
            rows.append((name, seconds))
    *rows, (_, alarms), (_, ctrl_c) = rows
    text = table(rows, int(alarms), ctrl_c, f"{before}, {os.getloadavg()[0]:.1f} at the end")
    say(text)
    for file in map(Path, sys.argv[1:]):
        document = file.read_text(encoding="utf-8")
        head, _, rest = document.partition(BEGIN)
        _, _, tail = rest.partition(END)
        file.write_text(f"{head}{BEGIN}{text}{END}{tail}", encoding="utf-8")
    return int(alarms > 0 or any(seconds > AIM_SECONDS for _, seconds in rows))


if __name__ == "__main__":
    sys.exit(main())
