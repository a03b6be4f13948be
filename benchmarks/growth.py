"""What a reading costs late in a stay over its beginning, and among many patients over few; and what a patient takes.

In processor time of this process, so that what else the machine does is not counted.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from harness import Ground, Row, Size, in_turn, medians
from stay import late, live, reading, registered
from ward import Ward, minutes, registrations, unhurried

from alerts.message_json import read_message
from alerts.state import PatientState
from alerts.step.step import step
from config.site import load_site
from worker.processing.advance import advance
from worker.runtime.runtime import make
from worker.store.codec import pack

AIM = 1.2
AIM_LATE = 1.5
AIM_KIB = 64
AIM_STREAM = 40
FEW = 10
MINUTES = 5
BATCH = 1000
SHARE = 20
"""Patients whose memory is taken together."""


def drain(ward: Ward) -> Callable[[], float]:
    """Advance every shard until nothing waits, in this process."""
    run = make(ward.settings, ward.redis)

    def advance_all() -> float:
        count, began = 0, time.process_time()
        for shard in run.store.keys.all():
            count += advance(run.store, shard, run.clock, run.site, unhurried).messages
        return (time.process_time() - began) / count

    return advance_all


def of_ward(ground: Ground, patients: int, rounds: int) -> Callable[[], float]:
    """Seconds of processor a reading, in a ward so large; each patient has the same backlog, whatever their number."""
    ward = Ward(ground, f"ward{patients}")
    at = datetime.now(UTC) - timedelta(minutes=MINUTES * (rounds + 1))
    ward.fill(registrations([f"P{number}" for number in range(patients)], at))
    spend, turn = drain(ward), 0
    spend()

    def measure() -> float:
        nonlocal at, turn
        ward.fill(minutes(patients, at, MINUTES, turn))
        at, turn = at + timedelta(minutes=MINUTES), turn + 1
        return spend()

    return measure


def streamed(every: timedelta, stretch: timedelta) -> float:
    """Seconds of processor to read and evaluate the heart rates of a monitor that sends one `every` so long."""
    site, start = load_site(), datetime(2024, 6, 12, 8, tzinfo=UTC)
    state = registered(start, site)
    sent = [
        reading(start + number * every, "heart_rate", f"{70 + number * 7 % 60}", "/min", "monitor", id=str(number))
        for number in range(stretch // every)
    ]
    raws = [message.model_dump_json(exclude_none=True).encode() for message in sent]
    began = time.process_time()
    for first in range(0, len(raws), BATCH):
        batch = [read_message(raw) for raw in raws[first : first + BATCH]]
        state, _ = step(state, batch, start + stretch, site)
    return time.process_time() - began


def in_redis(ground: Ground, state: PatientState) -> float:
    """KiB that a patient takes in Redis, its share of the keys included."""
    client = ground.client(ground.database())
    for number in range(SHARE):
        client.hset("states", f"P{number}", pack(state))
        client.zadd("timers", {f"P{number}": number})
    taken = sum(int(client.memory_usage(key, samples=0) or 0) for key in ("states", "timers"))
    return taken / SHARE / 1024


def measure(size: Size) -> list[Row]:
    """The rows of this measure."""
    with Ground(size.fsync) as ground:
        variants = {str(count): of_ward(ground, count, size.rounds) for count in (FEW, size.crowd)}
        found = medians(in_turn(variants, size.rounds))
        lived, lived_late = live(size.stay), live(size.stay, late)
        kib = in_redis(ground, lived[size.stay[-1]].state)
    few, many = found[str(FEW)], found[str(size.crowd)]
    first, last = lived[size.stay[0]].cost, lived[size.stay[-1]].cost
    first_late, last_late = lived_late[size.stay[0]].cost, lived_late[size.stay[-1]].cost
    days = f"day {size.stay[-1]} over day {size.stay[0]} of a stay"
    shown, shown_late = (
        "; ".join(f"day {day} {one.cost * 1e6:.0f} µs" for day, one in each.items()) for each in (lived, lived_late)
    )
    crowd = f"{many * 1e6:.0f} µs; {few * 1e6:.0f} µs"
    minutely, each_second = (streamed(every, size.stream) for every in (timedelta(minutes=1), timedelta(seconds=1)))
    values = size.stream // timedelta(seconds=1)
    hours = size.stream // timedelta(hours=1)
    return [
        Row(
            f"{hours} h of a reading a second over one a minute, which are 60 x as many",
            f"{each_second / minutely:.0f} x",
            f"<= {AIM_STREAM} x",
            each_second / minutely <= AIM_STREAM,
            f"{each_second / values * 1e6:.0f} µs a reading; {minutely / values * 60e6:.0f} µs",
        ),
        Row(f"cost of a reading, {days}", f"{last / first:.2f} x", f"<= {AIM} x", last / first <= AIM, shown),
        Row(
            f"cost of a late reading, {days}",
            f"{last_late / first_late:.2f} x",
            f"<= {AIM} x",
            last_late / first_late <= AIM,
            shown_late,
        ),
        Row(
            f"cost of a reading on day {size.stay[-1]}, late over on time",
            f"{last_late / last:.2f} x",
            f"<= {AIM_LATE} x",
            last_late / last <= AIM_LATE,
            "each set of vital signs as late as real charting is",
        ),
        Row(
            f"cost of a reading, {size.crowd} patients over {FEW}",
            f"{many / few:.2f} x",
            f"<= {AIM} x",
            many / few <= AIM,
            crowd,
        ),
        Row(
            f"memory of a patient on day {size.stay[-1]}",
            f"{kib:.0f} KiB",
            f"<= {AIM_KIB} KiB",
            kib <= AIM_KIB,
            "in Redis, packed",
        ),
    ]
