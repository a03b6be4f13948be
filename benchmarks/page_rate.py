"""Pages a second flat out: ours, one page for each person on call and patient, beside Alertmanager, one for each alert.

Ours are owed before anybody delivers; then the workers of `cartwatch up` (four processes, and four for what is
critical) send them to as many channels as people are on call. The clock runs until all are at the phone.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from harness import Ground, Row, Size, eventually, freeze, in_turn, medians, say, thaw
from neighbours import NOT_INSTALLED, Alertmanager, Phone, wait_for
from ward import Ward, fever, registrations

PEOPLE = 8
SENDERS = 4


def ours(ground: Ground, phone: Phone, size: Size) -> Callable[[], float]:
    """Our service, its evaluation running and its delivery waiting until pages are owed."""
    ward = Ward(ground, "flat", f"json://127.0.0.1:{phone.port}", PEOPLE)
    ward.work(["advance"], 1)
    deliver = [ward.work([queue], SENDERS) for queue in ("deliver", "deliver_urgent")]
    fresh = 0

    def measure() -> float:
        nonlocal fresh
        patients = [f"B{number:06d}" for number in range(fresh, fresh + size.pages)]
        fresh += size.pages
        now = datetime.now(UTC)
        ward.settle(registrations(patients, now))
        freeze(*deliver)
        ward.settle(fever(patient, now) for patient in patients)
        owed = ward.pages_owed()
        before = phone.taken()[1]
        began = time.perf_counter()
        thaw(*deliver)
        eventually(lambda: ward.pages_owed() == 0, "every page is sent", within=180)
        lasted = time.perf_counter() - began
        assert phone.taken()[1] - before >= owed >= size.pages * PEOPLE
        return owed / lasted

    return measure


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
        variants = {"ours": ours(ground, phone, size)}
        if Alertmanager.is_installed():
            variants["Alertmanager"] = alertmanager(ground, phone, size)
        else:
            say(NOT_INSTALLED)
        found = medians(in_turn(variants, size.rounds))
    pace = f"{found['ours']:.0f}/s on {PEOPLE} channels"
    if "Alertmanager" not in found:
        return [Row("pages flat out", "-", ">= Alertmanager's", None, pace)]
    ratio = found["ours"] / found["Alertmanager"]
    seen = f"{pace}; Alertmanager {found['Alertmanager']:.0f}/s"
    return [Row("pages flat out, over Alertmanager's", f"{ratio:.2f} x", ">= 1 x", ratio >= 1, seen)]
