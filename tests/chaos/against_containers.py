"""Each container of the compose file in turn: killed, stopped, paused, cut off, its disk full, under load.

Just after each blow several patients become critical, of different shards. The time runs from the blow until the last
of their pages stands at the phone. Beside this the campaign's own patients send as ever, and the same judge looks.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.chaos.against_cartwatch import AgainstCartwatch
from tests.chaos.campaign import Plan, Result
from tests.chaos.checker import FIRST, says
from tests.chaos.compose import Composed, inspect, kill_first_process, run, until
from tests.chaos.mail import Send, over_http
from tests.chaos.scenario import STORIES, Body, Patient
from worker.client import Client

CRITICAL = next(story for story in STORIES if story.name == "seizing")
PROBES = 8
"""Patients who become critical after each blow: half of the shards, so that the leases of a dead worker are met."""

FIRST_PROBE = 9000
SENT_WITHIN = 150.0
STANDS_STILL_SECONDS = 45.0
CUT_OFF_SECONDS = 20.0
"""Longer than a claim on a page lasts."""

FULL_SECONDS = 15.0
SLOW_SECONDS = 8.0
SENDER = "worker-deliver"


class Struck(NamedTuple):
    """What one blow cost: seconds until the last and the first page, how long the trouble itself lasted, and by way the
    longest time in which no message was accepted."""

    service: str
    blow: str
    slowest: float
    fastest: float
    trouble: float
    gaps: dict[str, float]


class Blow(NamedTuple):
    """How a container is hit; what is returned repairs it after so many seconds. `sending`: while it sends a page."""

    name: str
    deal: Callable[[Composed, str, str], Callable[[], object] | None]
    lasts: float = 0.0
    sending: bool = False


def _kill(_: Composed, _service: str, container: str) -> None:
    kill_first_process(container)


def _kill_all(stand: Composed, service: str, _: str) -> None:
    for container in stand.project.containers(service):
        kill_first_process(container)


def _stop(_: Composed, _service: str, container: str) -> None:
    run("docker", "restart", container)


def _pause(_: Composed, _service: str, container: str) -> Callable[[], object]:
    # A container in which much goes on at once may not freeze at the first attempt.
    until(lambda: run("docker", "pause", container), "the container is paused")
    return lambda: run("docker", "unpause", container)


def _cut_off(stand: Composed, service: str, container: str) -> Callable[[], object]:
    network = stand.project.network
    run("docker", "network", "disconnect", network, container)
    return lambda: run("docker", "network", "connect", "--alias", service, network, container)


def _fill(stand: Composed, *_: str) -> Callable[[], object]:
    filler = stand.project.disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    with suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(b"x")
    return filler.unlink


BLOWS = (
    Blow("first process killed", _kill),
    Blow("stopped, started", _stop),
    Blow(f"paused for {STANDS_STILL_SECONDS:.0f} s", _pause, STANDS_STILL_SECONDS),
    Blow(f"network taken away for {CUT_OFF_SECONDS:.0f} s", _cut_off, CUT_OFF_SECONDS),
)
SENDING = Blow("all killed while one sends", _kill_all, sending=True)
FULL = Blow(f"disk full for {FULL_SECONDS:.0f} s", _fill, FULL_SECONDS)


def engine(command: str) -> Blow:
    """The engine restarted by a command."""

    def restart(*_: object) -> None:
        run("sh", "-c", command)

    return Blow("engine restarted", restart)


class Order(NamedTuple):
    """What is hit by what: services (all where none is named), names of blows likewise, the engine by which command."""

    services: tuple[str, ...] = ()
    blows: tuple[str, ...] = ()
    engine: str = ""
    agenda: tuple[tuple[str, Blow], ...] = ()

    def carried_out_on(self, services: Iterable[str]) -> list[tuple[str, Blow]]:
        """Each service with each of its blows; the engine last."""
        found = [(name, blow) for name in services if not self.services or name in self.services for blow in BLOWS]
        if not self.services or "redis" in self.services:
            found.insert(len(BLOWS) if found and found[0][0] == "redis" else 0, ("redis", FULL))
        if not self.services or SENDER in self.services:
            found.append((SENDER, SENDING))
        kept = [(name, blow) for name, blow in found if not self.blows or blow.name.split()[0].strip(",") in self.blows]
        return [*kept, *([("redis", engine(self.engine))] if self.engine else [])]


class AgainstContainers(AgainstCartwatch):
    """The containers in turn."""

    stand: Composed

    def __init__(self, plan: Plan, stand: Composed, order: Order, say: Callable[[Struck], None]) -> None:
        super().__init__(plan, stand)
        self._agenda = order.agenda or order.carried_out_on(stand.project.services())
        self._accepted: dict[str, list[float]] = {"HTTP": [], "Redis": [], "MLLP": self.monitor.moments}
        self._say = say
        numbers = range(FIRST_PROBE, FIRST_PROBE + PROBES * len(self._agenda))
        self._probes = [Patient(f"P{number}", CRITICAL, random.Random(number)) for number in numbers]
        # A list of its own: the ward sends nothing for them.
        self.patients = [*self.patients, *self._probes]
        self.struck: list[Struck] = []

    def beside(self) -> list[Callable[[threading.Event], None]]:
        return [lambda _: self.ward.write(self._fought), lambda _: self.monitor.send_until(self._fought), self.attend]

    def sender(self, stack: ExitStack, number: int) -> Send:
        send = super().sender(stack, number)
        accepted = self._accepted["HTTP" if number == 0 and self.over_http else "Redis"]

        def sent(body: Body) -> None:
            send(body)
            accepted.append(time.monotonic())

        return sent

    def _gaps(self, began: float) -> dict[str, float]:
        """The longest time between two acceptances since a moment, by way."""
        now = time.monotonic()
        times = {
            way: [began, *(at for at in list(moments) if at > began), now] for way, moments in self._accepted.items()
        }
        return {way: max(later - at for at, later in pairwise(moments)) for way, moments in times.items()}

    def wait_until_up(self) -> None:
        until(self.stand.is_well, "every container runs and every worker ticks")
        super().wait_until_up()

    def _fight(self) -> None:
        with ExitStack() as stack:
            stack.callback(self._end_the_load)
            client = Client(self.stand.settings)
            stack.callback(client._redis.close)
            stack.callback(client._celery.close)
            probes = iter(self._probes)
            for service, blow in self._agenda:
                until(self.stand.is_well, "every container runs and every worker ticks")
                found = self._strike(service, blow, [next(probes) for _ in range(PROBES)], client)
                self.struck.append(found)
                self._say(found)

    def _end_the_load(self) -> None:
        self._fought.set()
        time.sleep(1)
        self.patients = [patient for patient in self.patients if patient.ground]

    def _strike(self, service: str, blow: Blow, probes: list[Patient], client: Client) -> Struck:
        [container, *_] = self.stand.project.containers(service)
        self.dealt[f"{service}: {blow.name}"] += 1
        arrived: dict[str, float] = {}
        if blow.sending:
            self._until_it_sends(probes.pop(0), client)
        began = time.monotonic()
        repaired: list[float] = []

        def send() -> None:
            sends = self._way(service, client)
            for probe in probes:
                for body in probe.opening(datetime.now(UTC)):
                    self.mail.send(body, sends)

        def hit() -> None:
            repair = blow.deal(self.stand, service, container)
            self.stand.phone.behave()
            struck.append(time.monotonic())
            if repair is not None:
                time.sleep(max(0.0, began + blow.lasts - time.monotonic()))
                until(lambda: (repair(), True), "what was broken can be repaired")
            repaired.append(time.monotonic() - began)

        struck: list[float] = []
        # What takes effect at once is dealt before the patients become critical; a stop takes as long as it takes.
        with self._threads([hit]):
            if blow.lasts or blow.deal in (_kill, _kill_all):
                until(lambda: struck, "the blow is dealt")
            with self._threads([send]):
                self._watch(probes, arrived, began)
        gaps = self._gaps(began)
        self.stand.forget_beats()
        late = [arrived.get(probe.name, float("inf")) for probe in probes]
        return Struck(service, blow.name, max(late), min(late), repaired[0], gaps)

    def _until_it_sends(self, probe: Patient, client: Client) -> None:
        """Make the phone slow, and one patient critical."""
        self.stand.phone.behave(delay=SLOW_SECONDS)
        for body in probe.opening(datetime.now(UTC)):
            self.mail.send(body, self._way(SENDER, client))
        begun = self.store.keys.partition_of(FIRST.strip("/")).begun
        until(lambda: self.store.redis.hlen(begun), "the page is being sent")

    def _way(self, service: str, client: Client) -> Send:
        if service == "gateway":
            return over_http(self.stand.gateway_url, self.key)
        return lambda body: client.send([body]) and None

    def _watch(self, probes: list[Patient], arrived: dict[str, float], began: float) -> None:
        """Note when the critical page about each patient stands at the phone."""
        names = {probe.name for probe in probes}
        while len(arrived) < len(probes) and time.monotonic() - began < SENT_WITHIN:
            for page in self.stand.phone.pages():
                for name in names - arrived.keys():
                    if page.path == FIRST and name in page.title and says(page.title, CRITICAL.owed[0].grade):
                        arrived[name] = page.at - time.time() + time.monotonic() - began
            time.sleep(0.1)


def fight(
    plan: Plan, folder: Path, name: str, image: str, copies: int, order: Order, say: Callable[[Struck], None]
) -> tuple[Result, list[Struck], dict[str, int]]:
    """Carry it out; the verdict, what each blow cost, and how often the engine started a service's containers again."""
    folder.mkdir(parents=True, exist_ok=True)
    with Composed(folder, name, image, copies) as stand:
        campaign = AgainstContainers(plan, stand, order, say)
        result = campaign.run()
        starts = {
            service: sum(inspect(one)["RestartCount"] for one in stand.project.containers(service))
            for service in stand.project.services()
        }
    return result, campaign.struck, starts
