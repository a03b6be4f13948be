"""From the moment a reading is handed over to the moment its page is at the phone, at a steady pace.

Ours as `cartwatch up` runs it: the client library appends the reading, on disk, and wakes; one process evaluates, one
delivers, to the twenty channels of as many people. Bare Celery: a task that sends a second task, which posts; one
process for the first, four for the second. All keep their connections open. Alertmanager: one alert a request, where it
is installed. Every reading is of another patient, and every one pages.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from statistics import median
from typing import NamedTuple

from harness import Ground, Row, Size, percentile, say
from neighbours import NOT_INSTALLED, Alertmanager, Phone, Plain, wait_for
from spread import CHANNELS
from ward import Ward, fever, registrations

PACES = (5, 50, 200)
AIMS = {5: 1.5, 50: 1.5, 200: 2.0}
"""Of p99, over that of bare Celery's two hops."""
SECONDS = 8
"""As long as a pace is kept up at most."""
SENDERS = 4
WITHIN = 30
"""Seconds after which a page counts as one that took so long."""

Hand = Callable[[str], object]


class Seen(NamedTuple):
    """One round, in milliseconds."""

    p50: float
    p99: float


def ours(ground: Ground, phone: Phone, patients: list[str]) -> Hand:
    """Our service, with every patient registered."""
    ward = Ward(ground, "pager", f"json://127.0.0.1:{phone.port}", CHANNELS, on_call=1)
    ward.work(["advance"], 1, script="spread.py")
    ward.work(["deliver"], 1)
    ward.settle(registrations(patients, datetime.now(UTC)))
    return lambda patient: ward.client.send([fever(patient, datetime.now(UTC))])


def bare(ground: Ground, phone: Phone) -> Hand:
    """Two hops of bare Celery."""
    plain = Plain(ground, "twohop", phone.url)
    plain.work("evaluate", 1)
    plain.work("notify", SENDERS)
    return lambda patient: plain.send("evaluate", [{"patient": patient}])


def at_a_pace(hand: Hand, phone: Phone, names: list[str], pace: int) -> Seen:
    """Hand over readings at a steady pace; how long their pages took."""
    handed: dict[str, float] = {}
    begin = time.monotonic() + 0.05
    for number, name in enumerate(names):
        time.sleep(max(0.0, begin + number / pace - time.monotonic()))
        handed[name] = time.monotonic()
        hand(name)
    taken = wait_for(phone, names, WITHIN)
    waits = [(taken.get(name, at + WITHIN) - at) * 1000 for name, at in handed.items()]
    return Seen(percentile(waits, 0.5), percentile(waits, 0.99))


def measure(size: Size) -> list[Row]:
    """The rows of this measure."""
    counts = {pace: min(size.pages, pace * SECONDS) for pace in PACES}
    numbers = range(sum(counts.values()) * (size.rounds + 1))
    with Ground(size.fsync) as ground:
        phone = Phone(ground)
        hands = {"ours": ours(ground, phone, [f"B0{number:05d}" for number in numbers]), "bare": bare(ground, phone)}
        if Alertmanager.is_installed():
            hands["Alertmanager"] = Alertmanager(ground, phone).post
        else:
            say(NOT_INSTALLED)
        fresh = iter(numbers)
        return [_at(pace, count, hands, phone, fresh, size.rounds) for pace, count in counts.items()]


def _at(pace: int, count: int, hands: dict[str, Hand], phone: Phone, fresh: Iterator[int], rounds: int) -> Row:
    seen: dict[str, list[Seen]] = {name: [] for name in hands}
    for number in range(rounds + 1):
        patients = list(islice(fresh, count))
        for place, (name, hand) in enumerate(hands.items()):
            # Nobody waits for a bed of another's.
            one = at_a_pace(hand, phone, [f"B{place}{patient:05d}" for patient in patients], pace)
            if number:
                seen[name].append(one)
    shown = {name: Seen(*(median(one[place] for one in of) for place in (0, 1))) for name, of in seen.items()}
    ratio = shown["ours"].p99 / shown["bare"].p99
    figures = "; ".join(f"{name} {one.p50:.1f} / {one.p99:.1f} ms" for name, one in shown.items())
    what = f"reading to page at {pace}/s, p99 over bare Celery's"
    return Row(what, f"{ratio:.2f} x", f"<= {AIMS[pace]} x", ratio <= AIMS[pace], f"p50 / p99: {figures}")
