"""What a reading costs late in a stay over its beginning, and among many patients over few; and what a patient takes.

In processor time of this process, so that what else the machine does is not counted.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from harness import Ground, Row, Size, in_turn, medians
from stay import live
from ward import Ward, minutes, registrations, unhurried

from alerts.watch import Watch
from worker.advance import advance
from worker.packing import pack
from worker.runtime import make

AIM = 1.2
AIM_KIB = 64
FEW = 10
MINUTES = 5
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


def in_redis(ground: Ground, watch: Watch) -> float:
    """KiB that a patient takes in Redis, its share of the keys included."""
    client = ground.client(ground.database())
    for number in range(SHARE):
        client.hset("watches", f"P{number}", pack(watch))
        client.zadd("timers", {f"P{number}": number})
    taken = sum(int(client.memory_usage(key, samples=0) or 0) for key in ("watches", "timers"))
    return taken / SHARE / 1024


def measure(size: Size) -> list[Row]:
    """The rows of this measure."""
    with Ground(size.fsync) as ground:
        variants = {str(count): of_ward(ground, count, size.rounds) for count in (FEW, size.crowd)}
        found = medians(in_turn(variants, size.rounds))
        lived = live(size.stay)
        kib = in_redis(ground, lived[size.stay[-1]].watch)
    few, many = found[str(FEW)], found[str(size.crowd)]
    first, last = lived[size.stay[0]].cost, lived[size.stay[-1]].cost
    days = f"day {size.stay[-1]} over day {size.stay[0]} of a stay"
    shown = "; ".join(f"day {day} {one.cost * 1e6:.0f} µs" for day, one in lived.items())
    crowd = f"{many * 1e6:.0f} µs; {few * 1e6:.0f} µs"
    return [
        Row(f"cost of a reading, {days}", f"{last / first:.2f} x", f"<= {AIM} x", last / first <= AIM, shown),
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
