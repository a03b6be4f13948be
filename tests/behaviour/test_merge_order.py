"""Merges in any order, rings among them, over records in shards of their own: they settle, and end alike."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.messages import AnyMessage
from alerts.state import PatientState
from alerts.step.step import step
from tests.support.ward import INFUSED, SITE, VITALS, changed, message

NAMES = ("A", "B", "C", "D")
START = INFUSED.astimezone(UTC) + timedelta(days=1)
NOW = START + timedelta(hours=1)
MOST_STEPS = 4_000

RUNS = settings(max_examples=60)
SEEDS = st.integers(0, 2**16)


class Shards:
    """Each record in a shard of its own: an inbox, read in any order, and messages that it forwards to the others."""

    def __init__(self, messages: Sequence[AnyMessage], seed: int) -> None:
        self.dice = random.Random(seed)
        self.states = {name: PatientState(patient=name) for name in NAMES}
        self.inboxes: dict[str, list[AnyMessage]] = {name: [] for name in NAMES}
        self.forwarded: dict[str, list[AnyMessage]] = {name: [] for name in NAMES}
        self.dead_letters = 0
        for item in messages:
            self.inboxes[item.patient].append(item)

    def run(self) -> Iterator[None]:
        """Step by step, by chance, until nothing waits."""
        while waiting := [(box, name) for box in (self.inboxes, self.forwarded) for name in NAMES if box[name]]:
            box, name = self.dice.choice(waiting)
            taken = self.dice.randint(1, len(box[name]))
            if box is self.inboxes:  # the patients and sources of a shard alternate
                self.dice.shuffle(box[name])
            batch, box[name] = box[name][:taken], box[name][taken:]
            if box is self.inboxes:
                self.states[name], effects = step(self.states[name], batch, NOW, SITE)
                self.forwarded[name] += effects.forwarded
                self.dead_letters += len(effects.dead_letters)
            else:
                for item in batch:
                    self.inboxes[item.patient].append(item)
            yield

    def settle(self) -> "Shards":
        """The same, and at every moment each record ends in one that is evaluated."""
        for steps, _ in enumerate(self.run()):
            assert steps < MOST_STEPS, "messages go round"
            for name in NAMES:
                self.end_of(name)
        assert self.dead_letters == 0
        return self

    def end_of(self, name: str) -> str:
        """The record under which one goes on in the end."""
        passed = [name]
        while into := self.states[passed[-1]].merged_into:
            assert into not in passed, f"a ring: {passed}"
            passed.append(into)
        return passed[-1]

    def outcome(self) -> dict[str, str]:
        """Which record goes on under which."""
        return {name: state.merged_into for name, state in self.states.items()}

    def temperatures(self, name: str) -> set[str]:
        """Ids of the temperatures a record holds."""
        return {entry.id for entry in self.states[name].chart.entries.get("temperature", ())}


@st.composite
def merges(draw: st.DrawFn) -> list[AnyMessage]:
    """Merges of a few records into each other, several of one minute, one sent again, one perhaps retracted."""
    found = []
    for number in range(draw(st.integers(1, 6))):
        old, into = draw(st.permutations(NAMES))[:2]
        at = START + timedelta(minutes=draw(st.integers(0, 3)))
        received = at + timedelta(seconds=draw(st.integers(0, 2)))
        found.append(message("merge", at, patient=old, source="ehr", id=f"m{number}", into=into, received=received))
    again = changed(found[0], received=found[0].effective + timedelta(minutes=5))
    return [*found, again]


def readings() -> list[AnyMessage]:
    """Every record registered, with a temperature of its own each few minutes."""
    found: list[AnyMessage] = []
    for name in NAMES:
        found.append(message("registration", START, patient=name, source="ehr", infused=INFUSED))
        for minute in range(0, 9, 3):
            fields = {"reading": VITALS["temp"], "value": 36.8, "unit": "Cel", "by": "person"}
            at = START + timedelta(minutes=minute)
            found.append(message("reading", at, patient=name, id=f"{name} {minute}", **fields))
    return found


def shuffled(messages: Sequence[AnyMessage], seed: int) -> list[AnyMessage]:
    return random.Random(seed).sample(list(messages), len(messages))


@RUNS
@given(merges(), SEEDS)
def test_any_order_and_batching_of_merges_ends_alike(drawn: list[AnyMessage], seed: int) -> None:
    known = [*readings(), *drawn]
    first = Shards(known, seed).settle()
    second = Shards(shuffled(known, seed), seed + 1).settle()
    assert first.outcome() == second.outcome()
    assert {first.end_of(name) for name in NAMES} >= {name for name in NAMES if first.states[name].is_graded}


@RUNS
@given(merges(), SEEDS)
def test_where_a_record_ends_is_everything_that_came_in_under_it(drawn: list[AnyMessage], seed: int) -> None:
    shards = Shards(shuffled([*readings(), *drawn], seed), seed).settle()
    for name in NAMES:
        own = {f"{name} {minute}" for minute in range(0, 9, 3)}
        assert own <= shards.temperatures(name)
        assert own <= shards.temperatures(shards.end_of(name))


@RUNS
@given(merges(), st.integers(0, 5), SEEDS)
def test_any_order_of_merges_and_of_one_that_is_retracted_ends_alike(
    drawn: list[AnyMessage], which: int, seed: int
) -> None:
    retracted = drawn[which % len(drawn)]
    known = [*readings(), *drawn, changed(retracted, status="entered_in_error", received=NOW)]
    first = Shards(known, seed).settle()
    second = Shards(shuffled(known, seed), seed + 1).settle()
    assert first.outcome() == second.outcome()
