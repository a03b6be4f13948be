"""`cartwatch up` as somebody at a terminal runs it: stopped, started again, killed."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from config.settings import Settings
from tests.support.hospital import CARTWATCH, alive, cartwatch, crs2, descendants, eventually, impatient, kill
from tests.support.senders import Sender, result
from worker.monitoring import beats
from worker.runtime.runtime import connect, make
from worker.standalone.embedded_redis import EmbeddedRedis
from worker.standalone.service import DELIVERS
from worker.store.keys import Keys

pytestmark = pytest.mark.server


class Terminal:
    """A user with a folder of their own, in which commands find the service that was started there."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.screen = folder / "screen"
        self.folder = folder
        self.log = self.data / "cartwatch.log"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("CARTWATCH_")}
        self.environment |= {"XDG_RUNTIME_DIR": str(folder), "COLUMNS": "250", "PYTHONUNBUFFERED": "1"}

    @contextmanager
    def up(self) -> Iterator[subprocess.Popen[bytes]]:
        """The service, once it is well; whatever is left of it afterwards is killed."""
        command = [*CARTWATCH, "up", "--data", str(self.data), "--processes", "1"]
        with self.screen.open("ab") as screen:
            service = subprocess.Popen(command, env=self.environment, stdout=screen, stderr=screen)  # noqa: S603
        started: list[int] = []
        try:
            eventually(self.ticks, "every worker of the service ticks", within=60)
            started = descendants(service.pid)
            yield service
        finally:
            kill(service.pid, *started, *descendants(service.pid))
            service.wait(10)

    def ticks(self) -> bool:
        """Whether the service has left its card and each of its workers says that it lives."""
        if not list(self.folder.glob("cartwatch-service-*.json")):
            return False
        with suppress(RedisError), self.redis() as redis:
            workers = [int(name.split(":")[-1]) for name in beats.read(redis, Keys("cartwatch", 16), datetime.now(UTC))]
            return sum(map(alive, workers)) == 2 + len(DELIVERS)
        return False  # the card is that of a service that was killed

    def redis(self) -> Redis:
        """A connection to the service's store."""
        [card] = self.folder.glob("cartwatch-service-*.json")
        return connect(json.loads(card.read_text(encoding="utf-8"))["settings"]["redis_url"])

    def alarms(self) -> int:
        """How many people were paged directly that cartwatch cannot page."""
        return self.screen.read_text(encoding="utf-8").count("cartwatch cannot page")

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return cartwatch(*arguments, environment=self.environment, given=given)

    def shows(self, text: str) -> bool:
        return text in self.screen.read_text(encoding="utf-8")

    def send(self, *messages: dict[str, object]) -> None:
        lines = "".join(json.dumps(message) + "\n" for message in messages)
        said = self.run("send", given=lines)
        assert (said.returncode, said.stdout) == (0, f"{len(messages)} accepted, 0 dead-lettered\n"), said.stderr


@pytest.fixture
def terminal(redis_server: EmbeddedRedis, tmp_path: Path) -> Terminal:
    assert redis_server.running
    return Terminal(tmp_path)


def test_a_service_stopped_and_started_again_still_knows_its_patients(terminal: Terminal) -> None:
    with terminal.up() as service:
        terminal.send(*crs2("bed 7"))
        eventually(lambda: terminal.shows("CRS 2"), "the page is shown")
        assert "HAEM-2/bed 7" in terminal.run("board").stdout
        health = terminal.run("health")
        assert health.returncode == 0, health.stdout
        running = descendants(service.pid)
        assert 6 <= len(running) <= 8, "with the store, and without the process of the terminal"
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0
        assert [pid for pid in running if alive(pid)] == []
        assert "stopping" in terminal.screen.read_text(encoding="utf-8")
    with terminal.up():
        board = terminal.run("board").stdout
        assert "HAEM-2/bed 7" in board
        assert "CRS grade 2" in board


def test_the_listeners_of_the_configuration_are_kept_running(terminal: Terminal, tmp_path: Path) -> None:
    site = impatient(tmp_path / "site")
    (site / "intake.yaml").write_text("listeners: {lab: {port: 0}}\n", encoding="utf-8")
    terminal.environment["CARTWATCH_CONFIG_DIR"] = str(site)

    def ports() -> list[int]:
        text = terminal.log.read_text(encoding="utf-8")
        return [int(port) for port in re.findall(r"lab: listening on 127.0.0.1 port (\d+)\n", text)]

    with terminal.up() as service:
        eventually(ports, "the listener listens")
        with Sender(ports()[0]) as sender:
            sender.send(result("bed 5", 1, 85))
            assert sender.answers(1) == ["AA 1"]
        [listener] = [pid for pid in descendants(service.pid) if b"worker.cli\0mllp" in command_line(pid)]
        os.kill(listener, signal.SIGKILL)
        eventually(lambda: len(ports()) == 2, "the listener listens again")
        with Sender(ports()[1]) as sender:
            sender.send(result("bed 5", 2, 86))
            assert sender.answers(1) == ["AA 2"]
        running = descendants(service.pid)
        service.send_signal(signal.SIGTERM)
        assert service.wait(60) == 0
        assert [pid for pid in running if alive(pid)] == []


def test_where_no_listener_is_named_none_is_started(terminal: Terminal) -> None:
    with terminal.up() as service:
        commands = [command_line(pid) for pid in descendants(service.pid)]
        assert [command for command in commands if b"worker.cli\0gateway" in command]
        assert [command for command in commands if b"mllp" in command] == []


def test_an_intake_that_cannot_be_used_is_said_at_the_start(terminal: Terminal, tmp_path: Path) -> None:
    site = impatient(tmp_path / "site")
    (site / "intake.yaml").write_text("listeners: {lab: {port: 70000}}\n", encoding="utf-8")
    terminal.environment["CARTWATCH_CONFIG_DIR"] = str(site)
    said = terminal.run("up", "--data", str(terminal.data))
    assert said.returncode == 1
    assert "intake.yaml:1: listeners.lab.port" in said.stderr


def redis_of(service: subprocess.Popen[bytes]) -> int:
    """The process of the embedded Redis."""
    [found] = [pid for pid in descendants(service.pid) if b"-server" in command_line(pid)]
    return found


def test_the_embedded_redis_that_is_killed_is_started_again_with_what_it_has(terminal: Terminal) -> None:
    with terminal.up() as service:
        before = redis_of(service)
        terminal.send(*crs2("bed 3"))
        os.kill(before, signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{before}").exists(), "the killed one is no zombie")
        eventually(lambda: "CRS grade 2" in terminal.run("board").stdout, "the patient is known")
        assert redis_of(service) != before
        eventually(lambda: terminal.shows("HAEM-2/bed 3"), "the page arrives")
        terminal.send(*crs2("bed 4"))
        eventually(lambda: terminal.shows("HAEM-2/bed 4"), "the next patient is paged")
        assert terminal.alarms() == 0


def hang(service: subprocess.Popen[bytes], _: Redis) -> None:
    os.kill(redis_of(service), signal.SIGSTOP)


def go_on(service: subprocess.Popen[bytes], _: Redis) -> None:
    os.kill(redis_of(service), signal.SIGCONT)


def fill(_: subprocess.Popen[bytes], redis: Redis) -> None:
    redis.config_set("maxmemory", 1)


def empty(_: subprocess.Popen[bytes], redis: Redis) -> None:
    redis.config_set("maxmemory", 0)


Blow = Callable[[subprocess.Popen[bytes], Redis], None]


@pytest.mark.parametrize(("blow", "repair"), [(hang, go_on), (fill, empty)])
def test_a_store_that_cannot_be_used_is_paged_directly_once_and_so_is_its_end(
    terminal: Terminal, blow: Blow, repair: Blow
) -> None:
    people = 2

    def ends() -> int:
        return terminal.screen.read_text(encoding="utf-8").count("cartwatch pages again")

    with terminal.up() as service, terminal.redis() as redis:
        for outage in (1, 2):
            blow(service, redis)
            eventually(lambda: terminal.alarms() == people * outage, "it is paged", 30)  # noqa: B023
            repair(service, redis)
            eventually(lambda: ends() == people * outage, "its end is notified", 30)  # noqa: B023
            assert terminal.alarms() == people * outage


def test_pages_that_nobody_delivers_are_paged_directly(terminal: Terminal) -> None:
    """Both kinds of senders stand still, as they do that are cut off."""
    with terminal.up() as service:
        senders = [pid for pid in descendants(service.pid) if b"deliver" in command_line(pid)]
        for pid in senders:
            os.kill(pid, signal.SIGSTOP)
        terminal.send(*crs2("bed 6"))
        eventually(lambda: terminal.alarms() == 2, "it is paged", 60)
        assert terminal.shows("pages are owed and none is sent")
        assert not terminal.shows("HAEM-2/bed 6")
        for pid in senders:
            os.kill(pid, signal.SIGCONT)
        eventually(lambda: terminal.shows("HAEM-2/bed 6"), "the page arrives", 60)
        assert terminal.alarms() == 2


def test_a_killed_service_that_is_started_again_alarms_nobody(terminal: Terminal) -> None:
    """Not even where it was killed while it was being started, so that workers were missing then too."""
    for _ in range(2):
        with terminal.up() as service:
            service.kill()
    with terminal.up() as service, terminal.redis() as redis:
        terminal.send(*crs2("bed 8"))
        eventually(lambda: terminal.shows("HAEM-2/bed 8"), "pages flow")
        looks = int(redis.hget("cartwatch:watchdog", "runs") or 0)  # type: ignore[arg-type]
        seen = lambda: int(redis.hget("cartwatch:watchdog", "runs") or 0)  # type: ignore[arg-type]  # noqa: E731
        eventually(lambda: seen() >= looks + 5, "the watchdog has looked for longer than it waits for a worker", 120)
        assert terminal.alarms() == 0
        assert not terminal.shows("[TECHNICAL]")
        assert service.poll() is None


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_killed_service_leaves_no_process_behind_and_loses_nothing_it_accepted(terminal: Terminal) -> None:
    with terminal.up() as service:
        terminal.send(*crs2("bed 9"))
        running = descendants(service.pid)
        service.kill()
        service.wait(10)
        eventually(lambda: not [pid for pid in running if alive(pid)], "every process of the service has ended", 20)
    with EmbeddedRedis(terminal.data) as left:
        store = make(Settings(redis_url=left.url)).store
        state = store.state("bed 9")
        assert state is not None or store.redis.xlen(store.keys.of("bed 9").inbox) == 3
        store.redis.close()


def test_a_second_service_on_the_same_folder_is_refused(terminal: Terminal) -> None:
    with EmbeddedRedis(terminal.data):
        said = terminal.run("up", "--data", str(terminal.data))
    assert said.returncode == 1
    assert "is in use by another embedded Redis" in said.stderr
