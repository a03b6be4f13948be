"""The campaign against a store of three servers and three Sentinels: failover after failover, under load.

The next blow falls once the store is whole again: two at once may lose what was accepted, and nobody promises more.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import cycle, islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from tests.chaos.against_cartwatch import AgainstCartwatch
from tests.chaos.campaign import Plan, Result
from tests.chaos.checker import FIRST, Verdict, says
from tests.chaos.mail import Send
from tests.chaos.partition import Cut, can_cut
from tests.chaos.scenario import CRS3, Body, Patient, Story
from tests.chaos.stand import Cartwatch
from tests.support.sentinels import FAILOVER_TIMEOUT_SECONDS, Sentinels, wait_until
from worker.client import Client
from worker.store.dead_letters import everything

DOWN_AFTER_MS = 3000
"""As in docker-compose.yml."""

REST_SECONDS = 2.0 * FAILOVER_TIMEOUT_SECONDS + 1.0
"""Sentinel begins no failover within twice its `failover-timeout` of the last one."""

RETURNS_AFTER = 2.0
"""Seconds after the failover until the old primary is back, and believes that it is still the primary."""

PAGED_WITHIN = 90.0
CRITICAL = Story("pressor", (CRS3,), ("CRS grade 1", "CRS grade 2"))
FIRST_PROBE = 9000


class Failover(NamedTuple):
    """What one failover cost, in seconds: the longest time without an accepted message until the next failover, and
    that to the next page."""

    kind: str
    accepted_after: float
    paged_after: float


class Replicated(Cartwatch):
    """The whole of cartwatch on a replicated store."""

    def __init__(self, folder: Path, copies: int) -> None:
        super().__init__(folder)
        self.copies = copies

    def store_server(self, stack: ExitStack) -> Sentinels:
        """Start the servers and the Sentinels."""
        return stack.enter_context(Sentinels(self.folder / "data", down_after_ms=DOWN_AFTER_MS, apart=can_cut()))


Repair = Callable[[], object]
"""What brings the old primary back."""


def _killed(sentinels: Sentinels) -> Repair:
    old = sentinels.primary()
    old.kill()
    return old.start


def _frozen(sentinels: Sentinels) -> Repair:
    old = sentinels.primary()
    old.freeze()
    return old.thaw


def _planned(sentinels: Sentinels) -> Repair:
    sentinels.fail_over()
    return lambda: None


def _cut_off(sentinels: Sentinels, replicas: int) -> Repair:
    """The primary, so many replicas and the first Sentinel are on one side; everybody who sends or pages sees both."""
    old = sentinels.primary()
    nodes = [old, *(node for node in sentinels.nodes if node is not old)]
    some = [*nodes[: 1 + replicas], sentinels.sentinels[0]]
    others = [*nodes[1 + replicas :], *sentinels.sentinels[1:]]
    return Cut((node.host for node in some), [node.host for node in others]).heal


KINDS: dict[str, Callable[[Sentinels], Repair]] = {
    "primary killed": _killed,
    "primary frozen": _frozen,
    "planned failover": _planned,
    "primary cut off": partial(_cut_off, replicas=0),
    "primary cut off with a replica": partial(_cut_off, replicas=1),
}
"""A planned failover without a pause of the writes is the hardest: the old primary goes on with its other replica. So
does one that is cut off with it, and for longer."""

PARTITIONS = (*["primary cut off"] * 4, "primary cut off with a replica")
"""In the last, neither side can accept until the cut ends: the new primary has no replica."""


def kinds_in_turn() -> Iterator[str]:
    """The kinds one after the other, without end; partitions where this machine allows them."""
    chosen = os.environ.get("CHAOS_BLOWS")
    named = chosen.split(",") if chosen else list(KINDS)
    partitions = cycle([kind for kind in PARTITIONS if kind in named] if can_cut() else [])
    others = [kind for kind in named if kind not in PARTITIONS]
    while True:
        yield from others
        yield from islice(partitions, 1)


def _until_another(servers: Any, old: object) -> None:
    def is_another() -> bool:
        with suppress(RedisError):
            return bool(servers.primary() != old)
        return False

    wait_until(is_another, "another server is the primary", 60)


class AgainstSentinels(AgainstCartwatch):
    """Failovers of each kind in turn."""

    def __init__(
        self, plan: Plan, stand: Cartwatch, kinds: Mapping[str, Callable[[Any], Repair]], order: Iterator[str]
    ) -> None:
        super().__init__(plan, stand)
        self._kinds = kinds
        self._order = order
        self._rested_at = 0.0
        self.failovers: list[Failover] = []
        self._moments: list[float] = []
        numbers = range(FIRST_PROBE, FIRST_PROBE + plan.kills)
        self._probes = [Patient(f"P{number}", CRITICAL, random.Random(number)) for number in numbers]
        self.patients = [*self.patients, *self._probes]

    def run(self) -> Result:
        result = super().run()
        faults = result.verdict.faults
        early = self._answered_early() & set(faults["acknowledgements lost"])
        self.answered_early = len(early)
        lost = [episode for episode in faults["acknowledgements lost"] if episode not in early]
        return result._replace(verdict=result.verdict._replace(faults=faults | {"acknowledgements lost": lost}))

    def _answered_early(self) -> set[str]:
        """The episodes whose answer is a dead letter, and that were paged again after it.

        A replaced primary may page what was not accepted. Its sender sends it again, but the answer comes first.
        """
        letters = everything(self.store.redis, self.store.keys)
        refused = {reason.id for one in letters for reason in one.letter.reasons}
        pages = self.stand.phone.pages()
        return {
            episode
            for at, body in self.mail.accepted
            if body["id"] in refused
            and (episode := body.get("episode", ""))
            and any(page.at > at and page.id.startswith(f"{episode}.") for page in pages)
        }

    def beside(self) -> list[Callable[[threading.Event], None]]:
        return [lambda _: self.ward.write(self._fought), self.attend]

    def sender(self, stack: ExitStack, number: int) -> Send:
        send = super().sender(stack, number)

        def sent(body: Body) -> None:
            send(body)
            self._moments.append(time.monotonic())

        return sent

    def _fight(self) -> None:
        servers = self.stand.server
        client = Client(self.stand.settings)
        dealt: list[tuple[str, float, float]] = []
        for probe, kind in zip(self._probes, self._order, strict=False):
            servers.wait_until_whole(120)
            time.sleep(max(0.0, self._rested_at - time.monotonic()))
            self.dealt[kind] += 1
            dealt.append(self._fail_over(kind, probe, client))
        client._redis.close()
        client._celery.close()
        servers.wait_until_whole(120)
        ends = time.monotonic()
        self._fought.set()
        for (kind, began, paged), until in zip(dealt, [*(began for _, began, _ in dealt[1:]), ends], strict=True):
            times = [began, *(at for at in self._moments if began < at < until), until]
            self.failovers.append(Failover(kind, max(later - at for at, later in pairwise(times)), paged))
        time.sleep(1)
        self.patients = [patient for patient in self.patients if patient.ground]
        ground = frozenset[str]().union(*(patient.ground for patient in self.patients))
        self.mail.drop_unsent(lambda body: body["id"] in ground or body["type"] == "acknowledgement")

    def _fail_over(self, kind: str, probe: Patient, client: Client) -> tuple[str, float, float]:
        began = time.monotonic()

        def send() -> None:
            for body in probe.opening(datetime.now(UTC)):
                self.mail.send(body, lambda one: client.send([one]) and None)

        # From this thread: a server ends with the thread that started it.
        servers = self.stand.server
        old = servers.primary()
        repair = self._kinds[kind](servers)
        struck = time.monotonic()
        with self._threads([send]):
            _until_another(servers, old)
            self._rested_at = time.monotonic() + REST_SECONDS
            time.sleep(RETURNS_AFTER)
            repair()
        return kind, began, self._paged_after(probe, struck)

    def _paged_after(self, probe: Patient, began: float) -> float:
        while time.monotonic() - began < PAGED_WITHIN:
            for page in list(self.stand.phone.pages()):
                if page.path == FIRST and probe.name in page.title and says(page.title, CRS3.grade):
                    return page.at - time.time() + time.monotonic() - began
            time.sleep(0.1)
        return float("inf")


class Outcome(NamedTuple):
    """A campaign with so many copies: the verdict, and each failover."""

    copies: int
    result: Result
    failovers: Sequence[Failover]
    ended: int
    answered_early: int

    def with_another(self, other: "Outcome") -> "Outcome":
        """Both as one, of two runs with as many copies."""
        mine, its = self.result.verdict, other.result.verdict
        verdict = Verdict(
            accepted=mine.accepted + its.accepted,
            owed=mine.owed + its.owed,
            received=mine.received + its.received,
            duplicates=mine.duplicates + its.duplicates,
            delays=mine.delays + its.delays,
            faults={name: found + its.faults[name] for name, found in mine.faults.items()},
        )
        result = Result(
            verdict,
            self.result.blows + other.result.blows,
            self.result.starts + other.result.starts,
            self.result.sent_again + other.result.sent_again,
            self.result.settled and other.result.settled,
        )
        failovers = [*self.failovers, *other.failovers]
        early = self.answered_early + other.answered_early
        return Outcome(self.copies, result, failovers, self.ended + other.ended, early)


def run(plan: Plan, folder: Path, copies: int, order: Iterator[str]) -> Outcome:
    """Carry it out."""
    with Replicated(folder, copies) as stand:
        campaign = AgainstSentinels(plan, stand, KINDS, order)
        result = campaign.run()
        ended = result.starts - len(stand.processes.all())
        return Outcome(copies, result, campaign.failovers, ended, campaign.answered_early)


def table(outcomes: Sequence[Outcome]) -> str:
    """Markdown: one column a number of copies."""
    rows = [["", *(f"COPIES={one.copies}" for one in outcomes)], ["---", *("---:" for _ in outcomes)]]
    for kind in dict.fromkeys(failover.kind for one in outcomes for failover in one.failovers):
        for name, of in (("accepted again", "accepted_after"), ("next critical page", "paged_after")):
            rows.append([f"{kind}: {name} after, median (longest)", *(_seconds(one, kind, of) for one in outcomes)])
    rows += [
        ["failovers", *(str(len(one.failovers)) for one in outcomes)],
        ["messages accepted", *(str(one.result.verdict.accepted) for one in outcomes)],
        ["sent again by their sender", *(str(one.result.sent_again) for one in outcomes)],
        ["pages received", *(str(one.result.verdict.received) for one in outcomes)],
        ["pages received more than once", *(str(one.result.verdict.duplicates) for one in outcomes)],
        ["answers before their messages: dead letters, paged again", *(str(one.answered_early) for one in outcomes)],
        ["workers and gateways that ended", *(str(one.ended) for one in outcomes)],
        ["came to rest", *("yes" if one.result.settled else "NO" for one in outcomes)],
    ]
    faults = dict.fromkeys(name for one in outcomes for name in one.result.verdict.faults)
    rows += [[name, *(str(len(one.result.verdict.faults[name])) for one in outcomes)] for name in faults]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _seconds(outcome: Outcome, kind: str, of: str) -> str:
    found = [getattr(one, of) for one in outcome.failovers if one.kind == kind]
    return f"{median(found):.1f} s ({max(found):.1f} s)" if found else "-"
