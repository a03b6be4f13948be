"""The campaign against cartwatch."""

import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from redis.exceptions import RedisError

from tests.chaos import blows
from tests.chaos.campaign import Campaign, Plan, Result
from tests.chaos.checker import Accepted, Page, State, patient_of
from tests.chaos.mail import Send, over_http
from tests.chaos.monitor import Monitor, by_value
from tests.chaos.rabbit import Rabbit
from tests.chaos.scenario import SOURCE, Body
from tests.chaos.schedule import Blow
from tests.chaos.stand import Cartwatch
from worker.client import Client
from worker.intake.source_keys import SourceKeys
from worker.runtime.runtime import make
from worker.runtime.simulated_clock import SimulatedClock
from worker.ticker import pending

CLOCK_EVERY_SECONDS = 0.1

JUMPS = {"clock jumps ahead": (30, 120), "clock jumps back": (-5, -30)}
"""By how many seconds."""


def run(plan: Plan, folder: Path) -> Result:
    """Carry it out."""
    with Cartwatch(folder, plan.broker, plan.clock) as stand:
        return AgainstCartwatch(plan, stand).run()


def run_with_rabbit(plan: Plan, folder: Path) -> Result:
    """Carry it out with a RabbitMQ of its own as broker."""
    with Rabbit(folder / "rabbit") as rabbit:
        return run(plan._replace(broker=rabbit.url), folder)


class AgainstCartwatch(Campaign):
    """A campaign against the whole of cartwatch."""

    stand: Cartwatch

    def __init__(self, plan: Plan, stand: Cartwatch) -> None:
        super().__init__(plan, stand)
        self._ahead = timedelta(0)
        self._fought = Event()
        self.monitor = Monitor(stand.mllp_port, self.now)
        self.ward.now = self.now

    def wait_until_up(self) -> None:
        self.store = make(self.stand.settings, self.stand.redis).store
        if self.plan.clock == "simulated":
            self._set_clock()
        self._until(lambda: self.store.redis.hlen(self.store.keys.workers) >= 2)
        self.key = SourceKeys(self.store.redis, self.store.keys).add(SOURCE, datetime.now(UTC))
        self.over_http = self._gateway_takes()
        for body in self.monitor.registrations(self.now()):
            self.mail.put(time.monotonic(), body)

    def _fight(self) -> None:
        super()._fight()
        self._fought.set()

    def deal(self, blow: Blow) -> blows.Repair | None:
        if blow.kind.startswith("clock"):
            self._ahead += timedelta(seconds=blow.dice.choice(JUMPS[blow.kind]))
            return None
        return super().deal(blow)

    def now(self) -> datetime:
        """The time of the campaign: that of the machine, but for the jumps."""
        return datetime.now(UTC) + self._ahead

    def _until(self, condition: Callable[[], object]) -> None:
        until = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < until, "the workers did not start"
            time.sleep(0.1)

    def _gateway_takes(self) -> bool:
        """Whether this gateway has the HTTP intake: an empty body is refused, but not as unknown."""
        for _ in range(100):
            try:
                urllib.request.urlopen(f"{self.stand.gateway_url}/messages", b"[]", timeout=2).close()  # noqa: S310
            except urllib.error.HTTPError as error:
                with error:
                    return error.code == 401
            except OSError:
                time.sleep(0.2)
        return False

    def sender(self, stack: ExitStack, number: int) -> Send:
        if number == 0 and self.over_http:
            return over_http(self.stand.gateway_url, self.key)
        client = Client(self.stand.settings)
        stack.callback(client._redis.close)
        stack.callback(client._celery.close)

        def send(body: Body) -> None:
            client.send([body])

        return send

    def attend(self, stopped: Event) -> None:
        """Take each page of those whose story says that somebody answers."""
        answered = {patient.name for patient in self.patients if patient.story.answered}
        taken: set[str] = set()
        while not stopped.wait(0.2):
            for page in self.stand.phone.pages():
                # One before the registration is not answered: what is critical pages again once it is registered.
                name = patient_of(page.title) if "HAEM-2/" in page.title else ""
                if name in answered and name not in taken and page.path == "/phone-1":
                    taken.add(name)
                    self._take(name, page)

    def _set_clock(self) -> None:
        try:
            pipe = self.store.redis.pipeline()
            SimulatedClock(self.store.redis, self.store.keys).set(self.now(), pipe)
            pipe.execute()
        except RedisError:
            return  # set again at once

    def beside(self) -> list[Callable[[Event], None]]:
        beside = [*super().beside(), lambda _: self.monitor.send_until(self._fought)]
        return [*beside, self._drive_clock] if self.plan.clock == "simulated" else beside

    def sent_again(self) -> int:
        return super().sent_again() + self.monitor.sent_again

    def counted(self) -> list[Accepted]:
        return [*super().counted(), *self.monitor.accepted]

    def _drive_clock(self, stopped: Event) -> None:
        while not stopped.wait(CLOCK_EVERY_SECONDS):
            self._set_clock()

    def _take(self, patient: str, page: Page) -> None:
        episode = page.id.rpartition(".")[0]
        body = {"type": "acknowledgement", "id": f"{patient} answer", "source": SOURCE, "patient": patient}
        body |= {"effective": self.ward.now().isoformat(), "episode": episode, "page": page.id, "by": "haematologist-1"}
        self.acked[episode] = "haematologist-1"
        self.mail.put(time.monotonic(), body)

    def is_idle(self) -> bool:
        try:
            left = pending(self.store, self.ward.now())
            pipe = self.store.redis.pipeline(transaction=False)
            for shard in self.store.keys.all():
                pipe.xlen(shard.inbox)
                pipe.hlen(shard.key("outbox"))
                pipe.exists(shard.lease)
            return not (left.shards or left.partitions or any(pipe.execute()))
        except RedisError:
            return False

    def state(self) -> State:
        charted: dict[str, Counter[tuple[str, str]]] = {}
        holders: dict[str, str] = {}
        deliveries: dict[str, str] = {}
        still_open: dict[str, frozenset[str]] = {}
        for state in self.store.states():
            if state.patient.startswith("~"):
                continue
            entries = [entry for series in state.chart.entries.values() for entry in series]
            charted[state.patient] = Counter((entry.id, entry.code or str(entry.value)) for entry in entries)
            still_open[state.patient] = frozenset(state.episodes)
            for episode in state.episodes.values():
                holders[episode.id] = episode.acknowledged_by
                deliveries |= {delivery.page: str(delivery.state) for delivery in episode.deliveries}
        return State(by_value(charted), holders, deliveries, still_open)
