"""What is fuzzed: each takes any bytes and comes back, within bounds, with an end for each of them."""

import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime

from config.intake import load_intake
from config.site import load_site
from worker.intake import read
from worker.intake.fhir.entries import UnreadableResource
from worker.intake.hl7 import tokens
from worker.intake.hl7.ack import acknowledge
from worker.intake.hl7.batches import split
from worker.intake.hl7.header import read_header
from worker.intake.mllp.frames import FrameReader
from worker.intake.parsed import ElementOutcome

NOW = datetime(2024, 6, 15, 12, tzinfo=UTC)
MOST_BYTES = 2_000
"""Of a body for the reader of frames, so that the fuzzer finds what is too long."""

LARGEST_GROWTH = 64 * 1024 * 1024

INTAKE = load_intake()
TABLES = load_site().tables
SOURCE = INTAKE.source("fuzz")


def frames(data: bytes) -> None:
    """The first byte says into how many pieces the network cuts the others."""
    size = data[0] + 1 if data else 1
    stream = data[1:]
    whole, parts = FrameReader(MOST_BYTES), FrameReader(MOST_BYTES)
    at_once = whole.feed(stream)
    in_pieces = [frame for at in range(0, len(stream), size) for frame in parts.feed(stream[at : at + size])]
    assert [frame.too_long for frame in at_once] == [frame.too_long for frame in in_pieces]
    assert [frame for frame in at_once if not frame.too_long] == [frame for frame in in_pieces if not frame.too_long]


def header(data: bytes) -> None:
    """Whatever can be named can be answered."""
    for body in (data, b"MSH|^~\\&|" + data):
        acknowledge(read_header(body), False, NOW, data[:50].decode("latin-1"))


def segments(data: bytes) -> None:
    """Every part of every message of a batch."""
    for body in (data, b"MSH|^~\\&|LAB\rOBX|1|ST|||" + data):
        for piece in split(body).messages:
            try:
                message = tokens.read(piece)
            except tokens.Hl7Error:
                continue
            for segment in message.segments[:20]:
                for number in range(25):
                    field = segment.field(number)
                    assert len(field.text) <= 2 * len(piece)
                    for repetition in field.repetitions[:5]:
                        repetition.component(1), repetition.component(2, 2)


def hl7(data: bytes) -> None:
    """Every message ends in one of four ways."""
    taken = read.hl7(data, INTAKE, TABLES)
    assert taken.items
    assert all(element.outcome in ElementOutcome for element in taken.elements)


def fhir(data: bytes) -> None:
    """Every resource as well, or it is refused."""
    assert SOURCE is not None
    try:
        taken = read.fhir(data, SOURCE, TABLES, NOW)
    except UnreadableResource:
        return
    assert all(element.outcome in ElementOutcome for element in taken.elements)


def native(data: bytes) -> None:
    """Native messages, alone, in a list, or one a line."""
    for taken in read.parse_any(data, "fuzz", INTAKE, TABLES, NOW):
        assert taken.items


def bounded(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The same, and it must not take memory out of all proportion to what it is given."""

    def run(data: bytes) -> None:
        tracemalloc.start()
        try:
            target(data)
            assert tracemalloc.get_traced_memory()[1] < LARGEST_GROWTH
        finally:
            tracemalloc.stop()

    return run


TARGETS: dict[str, Callable[[bytes], None]] = {
    "frames": frames,
    "header": header,
    "segments": segments,
    "hl7": hl7,
    "fhir": fhir,
    "native": native,
}

SEEDS: dict[str, tuple[bytes, ...]] = {
    "frames": (b"\x07noise\x0bMSH|^~\\&|A\x1c\r\x0bMSH|lost\x0bMSH|^~\\&|B\x1c",),
    "header": (b"LAB|HOSP|CW|ICU|1||ORU^R01^ORU_R01|77|P|2.5.1|||AL|NE||8859/1",),
    "segments": (b"BHS|^~\\&\rMSH|^~\\&|A\rOBX|1|TX|||a\\T\\b\\X41\\~c^d&e\\.br\\\rBTS|1\r",),
    "hl7": (
        b"MSH|^~\\&|LAB|HOSP|||20240614||ORU^R01|1|P|2.5\rPID|1||P1^^^HOSP^MR\rOBR|1||F1|P^P^L|||20240614080000+0200\r"
        b"OBX|1|NM|1988-5^CRP^LN||85|mg/L|0-5|H|||F|||20240614080000+0200\r",
        b"MSH|^~\\&|EMR|HOSP|||20240614||ADT^A40|1|P|2.5\rPID|1||P1^^^HOSP^MR\rMRG|P2^^^HOSP^MR\r",
    ),
    "fhir": (
        b'{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org",'
        b'"code":"1988-5"}]},"subject":{"reference":"Patient/7"},"effectiveDateTime":"2024-06-14T08:00:00+02:00",'
        b'"valueQuantity":{"value":85.0,"unit":"mg/L"}}',
        b'{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient","id":"7"}}]}',
    ),
    "native": (
        b'{"type":"reading","id":"1","source":"fuzz","patient":"P1","effective":"2024-06-14T08:00:00Z","reading":"crp",'
        b'"value":"<5","unit":"mg/L"}',
    ),
}
