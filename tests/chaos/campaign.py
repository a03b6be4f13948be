"""One campaign: messages flow, the blows of the schedule fall, everything is repaired, and the judge looks."""

import heapq
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from typing import NamedTuple

from tests.chaos import blows
from tests.chaos.checker import Accepted, State, Verdict, judge
from tests.chaos.mail import Mail, Send, Ward
from tests.chaos.scenario import patients
from tests.chaos.schedule import KILLS, Blow, schedule
from tests.chaos.stand import Stand

SENDERS = 4
SETTLES_WITHIN = 180.0
LADDER_SECONDS = 20.0
"""After the last page that a message brought about: so long the ladders still climb."""


class Plan(NamedTuple):
    """What a campaign is to be."""

    seconds: float
    kills: int
    messages: int
    seed: int
    broker: str = ""
    clock: str = "store"

    @property
    def patients(self) -> int:
        """How many patients: each has some sixty messages, and every story is lived."""
        return max(22, min(400, self.messages // 60))


class Result(NamedTuple):
    """What came of it."""

    verdict: Verdict
    blows: Counter[str]
    starts: int
    sent_again: int
    settled: bool

    @property
    def kills(self) -> int:
        """How many died by SIGKILL."""
        return sum(number for kind, number in self.blows.items() if kind in KILLS)


class Campaign:
    """What both campaigns have in common."""

    def __init__(self, plan: Plan, stand: Stand) -> None:
        self.plan = plan
        self.stand = stand
        self.patients = patients(plan.patients, plan.seed)
        self.mail = Mail()
        self.acked: dict[str, str] = {}
        self.dealt: Counter[str] = Counter()
        self.ward = Ward(self.patients, plan.messages, plan.seconds, plan.seed, self.mail)

    def run(self) -> Result:
        """From the first message to the verdict."""
        stopped = threading.Event()
        self.wait_until_up()
        with self._threads([partial(what, stopped) for what in self.beside()]), self._senders():
            self._fight()
            settled = self._settle()
            stopped.set()
            self.mail.stop()
        # The pages last: what is said to be sent has come by then.
        state = self.state()
        verdict = judge(self.patients, self.counted(), self.acked, self.stand.phone.pages(), state)
        starts = sum(process.starts for process in self.stand.processes.all())
        return Result(verdict, self.dealt, starts, self.sent_again(), settled)

    def _fight(self) -> None:
        """Deal every blow at its time, and repair what it broke at its own."""
        began = time.monotonic()
        order = count()
        agenda: list[tuple[float, int, Blow | Callable[[], None]]] = [
            (blow.at, next(order), blow)
            for blow in schedule(
                self.plan.seed, self.plan.seconds, self.plan.kills, clock_jumps=self.plan.clock != "store"
            )
        ]
        heapq.heapify(agenda)
        while agenda:
            at, _, what = heapq.heappop(agenda)
            time.sleep(max(0.0, began + at - time.monotonic()))
            if not isinstance(what, Blow):
                what()
                continue
            self.dealt[what.kind] += 1
            repair = self.deal(what)
            if repair is not None:
                heapq.heappush(agenda, (time.monotonic() - began + repair.after, next(order), repair.what))
        time.sleep(max(0.0, began + self.plan.seconds - time.monotonic()))

    def _settle(self) -> bool:
        """Wait until everything is accepted, judged and sent, then until the ladders of what came last have climbed."""
        until = time.monotonic() + SETTLES_WITHIN
        climbed: float | None = None
        while time.monotonic() < until:
            if self.mail.is_done() and self.is_idle():
                climbed = climbed or time.monotonic() + LADDER_SECONDS
                if time.monotonic() > climbed:
                    return True
            time.sleep(0.2)
        return False

    @contextmanager
    def _threads(self, targets: Iterable[Callable[[], None]]) -> Iterator[None]:
        threads = [threading.Thread(target=target, daemon=True) for target in targets]
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.join()

    @contextmanager
    def _senders(self) -> Iterator[None]:
        with ExitStack() as stack:
            sends = [self.sender(stack, number) for number in range(SENDERS)]
            with self._threads([lambda send=send: self.mail.send_all(send) for send in sends]):  # type: ignore[misc]
                yield

    # -- what differs --------------------------------------------------------------------------

    def wait_until_up(self) -> None:
        """Until the workers take messages."""
        raise NotImplementedError

    def sender(self, stack: ExitStack, number: int) -> Send:
        """How one of the senders sends; what it opens is closed by the stack."""
        raise NotImplementedError

    def beside(self) -> list[Callable[[threading.Event], None]]:
        """What goes on beside the senders and the blows, until it is stopped."""
        return [self.ward.write, self.attend]

    def attend(self, stopped: threading.Event) -> None:
        """What a person does meanwhile."""

    def deal(self, blow: Blow) -> blows.Repair | None:
        """Deal one blow."""
        return blows.deal(self.stand, blow)

    def sent_again(self) -> int:
        """How many messages were sent again because nobody said that they were accepted."""
        return self.mail.sent_again

    def counted(self) -> list[Accepted]:
        """The accepted messages that are looked for."""
        return self.mail.accepted

    def is_idle(self) -> bool:
        """Whether nothing is left to be done now."""
        raise NotImplementedError

    def state(self) -> State:
        """What stands in the store."""
        raise NotImplementedError
