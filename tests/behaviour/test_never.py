"""What must never happen, whatever comes in, in whatever order, however people answer."""

import random
from collections.abc import Callable
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.messages import AnyMessage
from tests.support.ward import Ward, changed, message

RUNS = settings(max_examples=25)
SEEDS = st.integers(0, 2**32)

VALUES: dict[str, list[object]] = {
    "temp": [36.6, 37.9, 38.2, 39.6],
    "sbp": [72, 86, 104, 121],
    "spo2": [83, 90, 97],
    "device": ["none", "nasal_cannula", "face_mask"],
}
CODES: dict[str, list[object]] = {
    "ice": [10, 9, 8, 6, 3, 1],
    "seizure": ["none", "brief"],
    "consciousness": ["spontaneous", "voice"],
}
DRUGS = ["tocilizumab", "dexamethasone", "norepinephrine"]


class Chance:
    """A stay that chance writes: readings on time and late, from people and devices, corrections, answers, silence."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.ward = Ward(day=1)
        self.ward.admit()
        self.charted: list[AnyMessage] = []
        self.peak: dict[str, int] = {}

    def go_on(self) -> None:
        """One thing that may happen on a ward."""
        acts: list[Callable[[], None]] = [self.measure, self.measure, self.assess, self.treat, self.count]
        acts += [self.correct, self.answer, self.repeat, self.wait, self.wait]
        self.rng.choice(acts)()

    def at(self) -> timedelta:
        """How long ago: mostly just now, sometimes late."""
        return timedelta(minutes=self.rng.choice([0, 0, 0, 3, 40, 300]))

    def chart(self, *items: AnyMessage) -> None:
        self.charted += items
        self.ward.send(*items)

    def measure(self) -> None:
        kinds = self.rng.sample(sorted(VALUES), self.rng.randint(1, 3))
        at, by = self.ward.now - self.at(), self.rng.choice(["person", "person", "monitor"])
        self.chart(*(self.ward.vital(kind, self.rng.choice(VALUES[kind]), at, by=by) for kind in kinds))

    def assess(self) -> None:
        kind = self.rng.choice(sorted(CODES))
        value = self.rng.choice(CODES[kind])
        self.chart(message("reading", self.ward.now - self.at(), reading=kind, value=value, by="person"))

    def treat(self) -> None:
        drug, action = self.rng.choice(DRUGS), self.rng.choice(["given", "started", "stopped"])
        self.chart(message("treatment", self.ward.now - self.at(), source="emar", drug=drug, action=action))

    def count(self) -> None:
        kind = self.rng.choice(["platelets", "neutrophils"])
        value = self.rng.choice([0.3, 12, 90])
        self.chart(self.ward.result(kind, value, self.ward.now - self.at()))

    def correct(self) -> None:
        if self.charted:
            wrong = self.rng.choice(self.charted)
            self.ward.send(changed(wrong, status="entered_in_error", received=self.ward.now))

    def answer(self) -> None:
        if self.ward.pages:
            self.ward.ack(self.rng.choice(self.ward.pages[-4:]))

    def repeat(self) -> None:
        if self.charted:
            self.ward.send(self.rng.choice(self.charted))

    def wait(self) -> None:
        self.ward.jump(minutes=self.rng.choice([1, 7, 45, 240]))


@RUNS
@given(SEEDS)
def test_no_grade_stands_above_what_was_paged(seed: int) -> None:
    stay = Chance(seed)
    for _ in range(25):
        stay.go_on()
        for condition in ("crs", "icans"):
            grade = int(stay.ward.grade(condition) or 0)
            if grade:
                assert stay.ward.is_open(condition)
                assert stay.ward.episode(condition).level >= grade
                assert stay.ward.episode(condition).notified


@RUNS
@given(SEEDS)
def test_no_open_episode_is_forgotten_before_somebody_takes_it(seed: int) -> None:
    stay = Chance(seed)
    for _ in range(25):
        stay.go_on()
        for episode in stay.ward.state().episodes.values():
            if episode.urgency == "low":
                assert episode.next_at is None
            elif not episode.acknowledged_by:
                assert episode.next_at is not None


@RUNS
@given(SEEDS)
def test_no_two_pages_share_an_id(seed: int) -> None:
    stay = Chance(seed)
    for _ in range(25):
        stay.go_on()
    ids = [page.id for page in stay.ward.pages]
    assert len(set(ids)) == len(ids)


@RUNS
@given(SEEDS)
def test_no_page_is_cancelled_that_notifies_of_what_nobody_acknowledged_yet(seed: int) -> None:
    stay = Chance(seed)
    for _ in range(25):
        before = len(stay.ward.cancelled)
        stay.go_on()
        cancelled = set(stay.ward.cancelled[before:])
        for episode in stay.ward.state().episodes.values():
            assert episode.acknowledged_by or cancelled.isdisjoint(episode.pending)
