"""What an HL7 body costs grows with its size and no faster, and ends when the budget does."""

import math
from collections.abc import Callable

import pytest

from tests.support.feeds import INTAKE, TABLES, hl7, obr, obx, oru, pid, source
from tests.support.work import Clock, Work, work_of
from worker.intake import read
from worker.intake.budget import Budget, OverBudget
from worker.intake.hl7.batches import split
from worker.intake.parsed import ElementOutcome, Parsed

RXA = "RXA|||20240614080000+0200||612865^tocilizumab^RXNORM|480|mg"
EVN = "EVN||20240614080000+0200"


def unordered(number: int) -> bytes:
    """Results without an order number, which are named after the whole message."""
    return oru(*[obx()] * number, order="OBR|1")


def long_order(number: int) -> bytes:
    """An order number as long as its results."""
    return oru(*[obx(sub=f"{at}") for at in range(number)], order=obr("F" * 50 * number))


def long_medication_order(number: int) -> bytes:
    """The same of administrations."""
    return hl7(pid(), f"ORC|RE||{'F' * 50 * number}", *[RXA] * number, event="RAS^O17")


def merges(number: int) -> bytes:
    """A record of many identifiers into which many others are merged."""
    into = "~".join([*(f"{at}^^^OTHER^XX" for at in range(number)), "P1^^^HOSP^MR"])
    return hl7(EVN, pid(into), *(f"MRG|M{at}^^^HOSP^MR" for at in range(number)), event="ADT^A40")


def patients(number: int) -> bytes:
    """Many patients in one message."""
    return oru(*(f"{pid(f'P{at}^^^HOSP^MR')}\r{obx()}" for at in range(number)))


def segments(number: int) -> bytes:
    """Segments that nothing reads."""
    return oru(*["ZZZ|1"] * number)


def lines(number: int) -> bytes:
    """Text that runs over many lines, in no character set."""
    return oru("NTE|1||\xff" + "\rx" * number).replace("\xff".encode(), b"\xff")


def ordered(number: int) -> bytes:
    """What is sent in earnest."""
    return oru(*(f"{obr(f'F{at}')}\r{obx()}" for at in range(number)))


BODIES: dict[str, Callable[[int], bytes]] = {
    made.__name__: made
    for made in (unordered, long_order, long_medication_order, merges, patients, segments, lines, ordered)
}


def taken(raw: bytes, budget: Budget | None = None) -> Parsed:
    return read.hl7(raw, INTAKE, TABLES, source(), budget)


@pytest.mark.parametrize("made", BODIES.values(), ids=list(BODIES))
def test_twice_the_message_is_twice_the_work(made: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (work_of(monkeypatch, taken, made(size)) for size in (45, 90))
    assert two.is_within(2.2, one), (one, two)


@pytest.mark.parametrize("made", BODIES.values(), ids=list(BODIES))
def test_the_work_ends_with_the_budget(made: Callable[[int], bytes]) -> None:
    raw = made(600)
    assert taken(raw).elements
    with pytest.raises(OverBudget, match="longer than"):
        taken(raw, Budget(seconds=6, timer=Clock()))


@pytest.mark.parametrize("made", [unordered, long_medication_order, merges])
def test_results_are_bounded(made: Callable[[int], bytes]) -> None:
    with pytest.raises(OverBudget, match="more than 20 results"):
        taken(made(21), Budget(results=20))


@pytest.mark.parametrize("begin", [b"", b"FHS|^~\\&\r", "\ufeff".encode("utf-16-le")], ids=["plain", "batch", "wide"])
def test_a_batch_is_taken_apart_in_linear_work_and_ends_with_the_budget(
    begin: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(number: int) -> bytes:
        many = "".join(["MSH|^~\\&|A\r"] * number)
        return begin + many.encode("utf-16-le" if b"\0" in begin or begin[:1] == b"\xff" else "utf-8")

    one, two = (work_of(monkeypatch, split, made(size)) for size in (300, 600))
    assert two.is_within(2.2, one), (one, two)
    assert len(split(made(600)).messages) == 600
    with pytest.raises(OverBudget):
        split(made(600), Budget(seconds=6, timer=Clock()))
    assert len(split(made(600), Budget(seconds=math.inf, timer=Clock())).messages) == 600


HOSTILE = {
    "a hundred identifiers and one": oru(patient=pid("~".join(["P1^^^HOSP^MR"] * 101))),
    "values": oru(obx(value="~".join(["1"] * 50_000))),
    "escapes": oru(obx(kind="ST", value="\\T\\" * 50_000)),
    "escapes that never end": oru(obx(kind="ST", value="\\X0D" * 50_000)),
    "a number": oru(obx(value="1" * 100_000)),
    "an exponent": oru(obx(value="1e999999999")),
    "a range": oru(obx(limits="1" * 60)),
    "a unit": oru(obx(unit="x" * 100_000)),
    "character sets": oru(obx()).replace(b"|2.5.1", b"|2.5.1||||||" + b"A~" * 50_000),
    "a drug's name": hl7(pid(), RXA.replace("tocilizumab", "tocilizumab " * 50_000), event="RAS^O17"),
    "components": oru(obx(code="^".join(["1988-5"] * 50_000))),
}
"""Bodies that are long in one place."""


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=list(HOSTILE))
def test_what_is_long_in_one_place_is_read_in_linear_work(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    found = taken(raw)
    assert found.elements
    assert all(len(element.messages) <= 2 for element in found.elements)
    assert work_of(monkeypatch, taken, raw).is_within(1, Work(10 * len(raw), 10 * len(raw)))


def test_a_patient_of_too_many_identifiers_is_nobody() -> None:
    (element,) = taken(oru(obx(), patient=pid("~".join(["P1^^^HOSP^MR"] * 101)))).elements
    assert (element.outcome, element.why) == (ElementOutcome.DEAD_LETTER, "PID-3: patient: more than 100 identifiers")


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (oru(obx()), "hl7/a51e145dc59407293117841f4b888c5c"),
        (oru(obx(), order="OBR|1"), "hl7/8f79acbc95d3eea2ce787cad6636cdeb"),
        (hl7(pid(), "ORC|RE||7", RXA, event="RAS^O17"), "hl7/5dad12302def996492393a289fd873e3"),
    ],
)
def test_a_result_keeps_its_name(raw: bytes, name: str) -> None:
    """What is sent again, or corrected, is known by the name it had."""
    assert taken(raw).messages[0]["id"] == name
