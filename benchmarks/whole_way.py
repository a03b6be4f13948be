"""Readings a second through the whole way, from the inbox to committed state and pages owed, beside Celery's own pace.

A backlog of some minutes of a ward stands in the inboxes while nobody may advance a shard; then it is let go, and the
clock runs until all of it is evaluated and committed. One, two and four processes of one worker, and bare Celery with a
task that does nothing for each reading, in turn.

Then, where it is present, real charting as late as it really came, over the same on time: each arrival by itself, from
the inbox to the commit, in this process and in its processor time, by a clock that follows the stays.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import groupby

from charting import LONGEST_STAYS, STREAM, batches
from harness import TINY, Ground, Row, Size, eventually, freeze, in_turn, medians, say, thaw
from neighbours import Plain
from ward import Ward, minutes, unhurried

from worker.processing.advance import advance
from worker.runtime.runtime import make

AIM_OVER_NOOP = 20.0
AIM_SECOND_PROCESS = 1.6
AIM_LATE = 1.5


class Backlog:
    """A ward whose worker has a number of processes: each call is the next minutes of it."""

    def __init__(self, ground: Ground, processes: int, size: Size) -> None:
        self._size = size
        self._turn = 0
        self.ward = Ward(ground, f"way{processes}")
        self.ward.work(["advance"], processes)
        # It ends now, so that nothing is late and nothing lies in the future.
        self._next = datetime.now(UTC) - timedelta(minutes=size.minutes * (size.rounds + 1))
        start = self._next - timedelta(days=size.days, minutes=5)
        self.ward.admit([f"P{number}" for number in range(size.patients)], start, size.days)
        self.bytes_in = self.bytes_out = self.readings = 0

    def __call__(self) -> float:
        """Readings a second."""
        self.ward.hold()
        count = self.ward.fill(minutes(self._size.patients, self._next, self._size.minutes, self._turn))
        self._next += timedelta(minutes=self._size.minutes)
        self._turn += 1
        before = self.ward.redis.info("stats")
        began = time.perf_counter()
        self.ward.let_go()
        eventually(self.ward.idle, "the backlog is evaluated", within=120)
        lasted = time.perf_counter() - began
        after = self.ward.redis.info("stats")
        self.bytes_in += after["total_net_input_bytes"] - before["total_net_input_bytes"]
        self.bytes_out += after["total_net_output_bytes"] - before["total_net_output_bytes"]
        self.readings += count
        return count / lasted

    def check(self) -> None:
        """That what was measured was the work: every patient charted, pages owed, no dead letter."""
        states = self.ward.store.states()
        charted = sum(1 for state in states if "temperature" in state.chart.entries)
        assert charted == self._size.patients, f"{charted} of {self._size.patients} patients are charted"
        assert self.ward.pages_owed() > 0, "nobody is owed a page"
        assert not self.ward.store.dead_letters(), "a dead letter"


def noop(ground: Ground, pool: str, size: Size) -> Callable[[], float]:
    """Tasks a second of a worker that does nothing for each reading."""
    plain = Plain(ground, f"noop-{pool}")
    worker = plain.work("celery", 1, pool)

    def measure() -> float:
        bodies = list(minutes(min(size.tasks, 50), datetime.now(UTC), 1 + size.tasks // 300))[: size.tasks]
        eventually(lambda: plain.idle("celery"), "the bare worker is idle")
        freeze(worker)
        plain.send("noop", bodies)
        began = time.perf_counter()
        thaw(worker)
        eventually(lambda: plain.idle("celery"), "every bare task is done", within=120)
        return len(bodies) / (time.perf_counter() - began)

    plain.send("noop", [{}])
    return measure


class Stays:
    """Real stays, of which a call evaluates the next one, arrival by arrival."""

    def __init__(self, ground: Ground, name: str, *, late: bool) -> None:
        self._ward = Ward(ground, name)
        self._run = make(self._ward.settings, self._ward.redis)
        self._stays = [list(stay) for _, stay in groupby(batches(late=late), key=lambda batch: batch.patient)]
        self._now = datetime.now(UTC)

    def now(self) -> datetime:
        """The time at which the last arrival came in."""
        return self._now

    def __call__(self) -> float:
        """Seconds of processor time a reading."""
        stay = self._stays.pop()
        shard = self._run.store.keys.of(stay[0].patient)
        busy, count = 0.0, 0
        for _, raw, self._now in stay:
            self._ward.put(shard, raw, self._now)
            began = time.process_time()
            while (run := advance(self._run.store, shard, self, self._run.site, unhurried)).messages:
                count += run.messages
            busy += time.process_time() - began
        return busy / count


def measure(size: Size) -> list[Row]:
    """The rows of this measure."""
    rows = _backlog(size)
    return [*rows, *_real_charting(size)] if STREAM.exists() and size is not TINY else rows


def _real_charting(size: Size) -> list[Row]:
    with Ground(size.fsync) as ground:
        variants = {name: Stays(ground, name.replace(" ", "-"), late=name == "late") for name in ("late", "on time")}
        found = medians(in_turn(variants, LONGEST_STAYS - 1))
    late, prompt = found["late"] * 1e6, found["on time"] * 1e6
    seen = f"processor time of this process: {late:.0f} µs a reading, {prompt:.0f} µs on time"
    what = "the whole way on real charting, as late as it came over on time"
    return [Row(what, f"{late / prompt:.2f} x", f"<= {AIM_LATE} x", late / prompt <= AIM_LATE, seen)]


def _backlog(size: Size) -> list[Row]:
    with Ground(size.fsync) as ground:
        backlogs = {count: Backlog(ground, count, size) for count in size.processes}
        variants = {f"{count} processes": backlog for count, backlog in backlogs.items()}
        variants |= {f"noop {pool}": noop(ground, pool, size) for pool in ("solo", "prefork")}
        found = medians(in_turn(variants, size.rounds))
        for backlog in backlogs.values():
            backlog.check()
        one = backlogs[1]
        sent, got = one.bytes_in / one.readings, one.bytes_out / one.readings
        say(f"Redis, a reading: {sent:.0f} bytes in, {got:.0f} out, with one process")
    return _rows(found, size)


def _rows(found: dict[str, float], size: Size) -> list[Row]:
    one, bare = found["1 processes"], max(found["noop solo"], found["noop prefork"])
    pace = f"{one:.0f} readings/s; no-op {found['noop solo']:.0f} solo, {found['noop prefork']:.0f} prefork"
    what = "the whole way, one process, over a no-op task a reading"
    rows = [Row(what, f"{one / bare:.1f} x", f">= {AIM_OVER_NOOP:.0f} x", one / bare >= AIM_OVER_NOOP, pace)]
    for count in size.processes[1:]:
        more = found[f"{count} processes"]
        met = more / one >= AIM_SECOND_PROCESS if count == 2 else None
        aim = f">= {AIM_SECOND_PROCESS} x" if count == 2 else "shown"
        rows.append(Row(f"the same, {count} processes over one", f"{more / one:.2f} x", aim, met, f"{more:.0f}/s"))
    return rows
