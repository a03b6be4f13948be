"""Pages a second flat out: ours, one page for each person on call and patient, beside Alertmanager, one for each alert.

Ours are owed before anybody delivers; then the process of `cartwatch up` that delivers sends them to as many channels
as people are on call. The clock runs until all are at the phone.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median

import psutil
from harness import Ground, Row, Size, eventually, freeze, in_turn, medians, say, thaw
from neighbours import NOT_INSTALLED, Alertmanager, Phone, wait_for
from ward import Ward, fever, registrations

from worker.standalone.supervisor import Supervised

PEOPLE = 8


def ours(ground: Ground, phone: Phone, size: Size, spent: list[float]) -> Callable[[], float]:
    """Our service, its evaluation running and its delivery waiting until pages are owed.

    `spent` gets the processor time of the sender for each page (ms).
    """
    ward = Ward(ground, "flat", f"json://127.0.0.1:{phone.port}", PEOPLE)
    ward.work(["advance"], 1)
    deliver = ward.work(["deliver"], 1)
    fresh = 0

    def measure() -> float:
        nonlocal fresh
        patients = [f"B{number:06d}" for number in range(fresh, fresh + size.pages)]
        fresh += size.pages
        now = datetime.now(UTC)
        ward.settle(registrations(patients, now))
        freeze(deliver)
        ward.settle(fever(patient, now) for patient in patients)
        owed = ward.pages_owed()
        before = phone.taken()[1]
        began, before_it = time.perf_counter(), _processor(deliver)
        thaw(deliver)
        eventually(lambda: ward.pages_owed() == 0, "every page is sent", within=180)
        lasted = time.perf_counter() - began
        spent.append((_processor(deliver) - before_it) * 1000 / owed)
        assert phone.taken()[1] - before >= owed >= size.pages * PEOPLE
        return owed / lasted

    return measure


def _processor(worker: Supervised) -> float:
    """The processor time of a worker so far (s)."""
    main = psutil.Process(worker.pid)
    return sum(sum(one.cpu_times()[:2]) for one in (main, *main.children(recursive=True)))


def alertmanager(ground: Ground, phone: Phone, size: Size) -> Callable[[], float]:
    """Alerts, one a request, as fast as one connection raises them, until the last is notified."""
    manager = Alertmanager(ground, phone)
    count, fresh = size.pages * PEOPLE, 500_000

    def measure() -> float:
        nonlocal fresh
        names = [f"B{number:06d}" for number in range(fresh, fresh + count)]
        fresh += count
        began = time.monotonic()
        for name in names:
            manager.post(name)
        taken = wait_for(phone, names)
        return count / (max(taken[name] for name in names) - began)

    return measure


def measure(size: Size) -> list[Row]:
    """The rows of this measure."""
    with Ground(size.fsync) as ground:
        phone = Phone(ground)
        spent: list[float] = []
        variants = {"ours": ours(ground, phone, size, spent)}
        if Alertmanager.is_installed():
            variants["Alertmanager"] = alertmanager(ground, phone, size)
        else:
            say(NOT_INSTALLED)
        found = medians(in_turn(variants, size.rounds))
    pace = f"{found['ours']:.0f}/s on {PEOPLE} channels"
    cost = median(spent[1:])
    processor = Row("processor time of a page in its sender", f"{cost:.1f} ms", "<= 2 ms", cost <= 2, pace)
    if "Alertmanager" not in found:
        return [Row("pages flat out", "-", ">= 0.4 x Alertmanager's", None, pace), processor]
    ratio = found["ours"] / found["Alertmanager"]
    seen = f"{pace}; Alertmanager {found['Alertmanager']:.0f}/s"
    return [Row("pages flat out, over Alertmanager's", f"{ratio:.2f} x", ">= 0.4 x", ratio >= 0.4, seen), processor]
