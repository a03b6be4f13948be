"""Bodies with several messages: each comes out, none is lost, and a short count is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.intake.hl7.batches import split
from worker.intake.hl7.tokens import Hl7Error, read

FILE = b"FHS|^~\\&||HOSP"
BATCH = b"BHS|^~\\&||HOSP"


def one(control: int) -> bytes:
    return f"MSH|^~\\&|LAB|HOSP|||20240614||ORU^R01|{control}|P|2.5\rPID|1||P{control}".encode()


def body(*parts: bytes, end: bytes = b"\r") -> bytes:
    return b"".join(part.replace(b"\r", end) + end for part in parts)


def controls(raw: bytes) -> list[str]:
    return [read(message).segments[0].field(10).text for message in split(raw).messages]


def test_a_single_message_comes_back_as_it_is() -> None:
    assert split(one(1)) == ([one(1)], "")


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_a_batch_is_taken_apart_in_order(end: bytes) -> None:
    raw = body(FILE, BATCH, one(1), one(2), b"BTS|2", b"FTS|1", end=end)
    assert controls(raw) == ["1", "2"]
    assert split(raw).count_mismatch == ""
    assert [segment.name for segment in read(split(raw).messages[1]).segments] == ["MSH", "PID"]


def test_messages_may_follow_each_other_without_an_envelope() -> None:
    assert controls(body(one(1), one(2), one(3))) == ["1", "2", "3"]


def test_a_file_recorded_from_the_wire_is_taken_apart() -> None:
    assert controls(b"".join(b"\x0b" + one(number) + b"\x1c\r" for number in (1, 2))) == ["1", "2"]


def test_a_mark_before_the_batch_is_skipped() -> None:
    assert controls(b"\xef\xbb\xbf" + body(BATCH, one(1), b"BTS|1")) == ["1"]


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le"])
def test_a_wide_batch_is_taken_apart_and_its_messages_keep_their_text(codec: str) -> None:
    text = body(one(1), "MSH|^~\\&|LAB||||||ORU|2|P|2.5||||||UNICODE UTF-16\rOBX|1|ST|||µg".encode()).decode()
    found = split(text.encode(codec)).messages
    assert [read(message).segments[0].field(10).text for message in found] == ["1", "2"]
    assert read(found[1]).segments[1].field(5).text == "µg"


@pytest.mark.parametrize(("trailer", "said"), [(b"BTS|3", 3), (b"BTS|1", 1), (b"BTS|0|x", 0)])
def test_a_batch_that_holds_another_number_than_it_says_is_doubted(trailer: bytes, said: int) -> None:
    assert (
        split(body(BATCH, one(1), one(2), trailer)).count_mismatch
        == f"the batch is said to hold {said} message(s) and holds 2"
    )


@pytest.mark.parametrize("trailer", [b"BTS", b"BTS|", b"BTS||note", b"BTS|many", b"BTS|-1", b"BTS|" + b"9" * 5000])
def test_a_batch_that_says_no_number_is_not_doubted(trailer: bytes) -> None:
    assert split(body(BATCH, one(1), trailer)).count_mismatch == ""


def test_the_numbers_of_several_batches_are_added() -> None:
    assert split(body(FILE, BATCH, one(1), b"BTS|1", BATCH, one(2), b"BTS|1", b"FTS|2")).count_mismatch == ""


def test_segments_that_have_lost_their_header_come_out_to_be_refused_by_name() -> None:
    raw = body(BATCH, b"EVN|A04\rPID|1||P1", b"BTS|1")
    (piece,) = split(raw).messages
    assert piece == b"EVN|A04\rPID|1||P1"
    with pytest.raises(Hl7Error, match="begins with 'EVN' instead of MSH"):
        read(piece)


def test_a_batch_header_in_the_middle_of_a_message_parts_it_from_what_follows() -> None:
    assert split(body(BATCH, one(1), BATCH, b"PV1|1", b"BTS|1")).messages == [one(1), b"PV1|1"]


def test_an_empty_envelope_holds_nothing() -> None:
    assert split(body(FILE, BATCH, b"BTS|0", b"FTS|1")).messages == []


def test_free_text_that_begins_like_a_header_begins_no_message() -> None:
    raw = one(1) + b"\rNTE|1||the\rMSH was\rBTS is\rMSHX"
    assert controls(raw) == ["1"]


PARTS = st.sampled_from(
    [one(1), FILE, BATCH, b"BTS|1", b"FTS", b"PID|1", b"text", b"\x0b", b"\x1c", b"", b"MSH", b"\0"]
)


@given(st.binary(max_size=200) | st.lists(PARTS, max_size=12).map(lambda parts: b"\r".join(parts)))
def test_whatever_comes_every_line_comes_out_once(raw: bytes) -> None:
    found = split(raw)
    assert sum(map(len, found.messages)) <= 3 * len(raw) + 3
    if b"\0" not in raw:
        kept = b"\r".join(found.messages)
        for line in raw.replace(b"\n", b"\r").split(b"\r"):
            if line[:3] not in (b"FHS", b"BHS", b"BTS", b"FTS") and line.isascii() and line.isalnum():
                assert line in kept
