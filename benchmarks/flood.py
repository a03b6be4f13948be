"""How long the pages of a patient's shard mates take while that patient's back-fill, or a flood of one time, comes in.

Ours as `cartwatch up` runs it: one process evaluates, four deliver. One patient sends a day of heart rates at 1 Hz in
nine requests, or thousands of pressures of one moment; after each of the first six requests another patient of the
same shard becomes sick.
Prints the seconds from the readings to the page of each, and how long the flood itself takes.
Run: python benchmarks/flood.py [day|moment] [messages]
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import count, islice

from harness import FULL, Ground, eventually, machine, say
from neighbours import Phone, wait_for
from ward import Body, Ward, fever, reading, registrations

REQUESTS = 9
MATES = 6
WITHIN = 120.0
SENT = {"day": 86_400, "moment": 8_000}
SENDER = "B999999"


def flood(sort: str, number: int, end: datetime) -> list[Body]:
    """The messages of the one patient."""
    if sort == "day":
        return [
            reading("heart_rate", str(80 + n % 30), "/min", SENDER, end - timedelta(seconds=n), "monitor-7", "monitor")
            for n in reversed(range(number))
        ]
    return [
        reading("systolic_bp", str(100 + n % 40), "mm[Hg]", SENDER, end, "monitor-7", "monitor") | {"id": f"m{n}"}
        for n in range(number)
    ]


def measure(sort: str, number: int) -> None:
    """One run."""
    with Ground(FULL.fsync) as ground:
        phone = Phone(ground)
        ward = Ward(ground, "flood", f"json://127.0.0.1:{phone.port}")
        ward.work(["advance"], 1)
        ward.work(["deliver"], 1)
        shard = ward.store.keys.of(SENDER)
        mates = list(islice((b for b in (f"B{n:06d}" for n in count()) if ward.store.keys.of(b) == shard), MATES))
        now = datetime.now(UTC)
        ward.settle(registrations([SENDER, *mates], now - timedelta(days=1)))
        raws = [json.dumps(body).encode() for body in flood(sort, number, now)]
        each = -(-number // REQUESTS)
        began, sick = time.monotonic(), {}
        for request in range(REQUESTS):
            ward.client.send_raw(raws[request * each : (request + 1) * each])
            for mate in mates[request : request + 1]:
                sick[mate] = time.monotonic()
                ward.client.send([fever(mate, datetime.now(UTC))])
        handed = time.monotonic() - began
        arrived = wait_for(phone, mates, WITHIN)
        waits = sorted(arrived.get(mate, float("inf")) - at for mate, at in sick.items())
        say(f"{number} messages handed over in {handed:.1f} s; pages after {', '.join(f'{w:.1f}' for w in waits)} s")
        eventually(ward.idle, "the flood is worked off", within=600, every=0.2)
        say(f"the flood was worked off after {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    say(machine())
    chosen = sys.argv[1] if len(sys.argv) > 1 else "day"
    measure(chosen, int(sys.argv[2]) if len(sys.argv) > 2 else SENT[chosen])
