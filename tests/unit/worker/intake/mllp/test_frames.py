"""Frames out of any pieces the network makes of them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.intake.mllp.frames import BEGINNING, FrameReader, wrap

ONE = b"MSH|^~\\&|LAB\rPID|1"
TWO = b"MSH|^~\\&|LAB\rPID|2"


def bodies(*pieces: bytes, most: int = 1000) -> list[bytes]:
    reader = FrameReader(most)
    return [frame.body for piece in pieces for frame in reader.feed(piece)]


def test_a_frame_is_vt_body_fs_cr() -> None:
    assert wrap(ONE) == b"\x0b" + ONE + b"\x1c\r"
    assert bodies(wrap(ONE)) == [ONE]


def test_several_frames_may_come_at_once() -> None:
    assert bodies(wrap(ONE) + wrap(TWO) + wrap(ONE)) == [ONE, TWO, ONE]


def test_a_frame_may_come_byte_by_byte() -> None:
    assert bodies(*(bytes([byte]) for byte in wrap(ONE) + wrap(TWO))) == [ONE, TWO]


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n", b"\r\r\n", b"garbage", b"\x1c\r", b"\0\xff"])
def test_whatever_stands_between_frames_is_skipped(between: bytes) -> None:
    assert bodies(between + b"\x0b" + ONE + b"\x1c" + between + b"\x0b" + TWO + b"\x1c" + between) == [ONE, TWO]


def test_only_bytes_that_are_no_line_ends_are_counted_as_skipped() -> None:
    reader = FrameReader()
    reader.feed(b"abc" + wrap(ONE) + b"\r\n" + wrap(TWO) + b"de")
    assert reader.skipped == 5


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_body_keeps_its_line_ends(end: bytes) -> None:
    assert bodies(wrap(ONE.replace(b"\r", end))) == [ONE.replace(b"\r", end)]


def test_a_frame_that_was_given_up_does_not_spoil_the_next() -> None:
    reader = FrameReader()
    assert [frame.body for frame in reader.feed(b"\x0b" + ONE[:9] + wrap(TWO))] == [TWO]
    assert reader.broken == 1


@pytest.mark.parametrize("header", [b"MSH|^~\\&", b"FHS|^~\\&", b"BHS|^~\\&", b"\xef\xbb\xbfMSH|^~\\&"])
def test_every_header_begins_anew(header: bytes) -> None:
    raw = b"\x0bMSH|lost\r\x0b" + header + b"\x1c\r"
    assert bodies(raw) == [header]
    assert bodies(*(bytes([byte]) for byte in raw)) == [header]


def test_a_vt_twice_breaks_nothing() -> None:
    reader = FrameReader()
    assert [frame.body for frame in reader.feed(b"\x0b" + wrap(ONE))] == [ONE]
    assert reader.broken == 0


@pytest.mark.parametrize("text", [b"a\x0bb", b"\x0b", b"a\x0bMS", b"a\x0bMSX", b"\x0b\x0b"])
def test_a_vt_in_free_text_is_text(text: bytes) -> None:
    body = ONE + b"\rNTE|1||" + text
    assert bodies(wrap(body)) == [body]
    assert bodies(*(bytes([byte]) for byte in wrap(body))) == [body]


def test_an_empty_frame_is_one() -> None:
    assert bodies(b"\x0b\x1c\r" + wrap(ONE)) == [b"", ONE]


def test_whether_a_frame_has_begun() -> None:
    reader = FrameReader()
    assert not reader.inside
    reader.feed(b"\x0bMSH")
    assert reader.inside
    reader.feed(b"\x1c\r")
    assert not reader.inside


@pytest.mark.parametrize("end", [b"", b"\x1c\r"])
def test_a_frame_that_is_too_long_comes_out_as_its_beginning_and_ends_the_reading(end: bytes) -> None:
    reader = FrameReader(most_bytes=100)
    first, last = reader.feed(wrap(ONE) + b"\x0b" + ONE + b"x" * 200 + end)
    assert (first.body, first.too_long, last.too_long) == (ONE, False, True)
    assert last.body.startswith(ONE)
    assert not reader.inside
    assert reader.feed(wrap(TWO)) == []


def test_a_body_of_the_greatest_length_is_taken() -> None:
    assert bodies(wrap(b"x" * 1000)) == [b"x" * 1000]
    assert FrameReader(1000).feed(b"\x0b" + b"x" * 1001)[0].too_long


def test_no_more_is_held_of_what_is_too_long_than_its_beginning() -> None:
    reader = FrameReader(most_bytes=200_000)
    (frame,) = [frame for _ in range(5) for frame in reader.feed(b"\x0b" + b"x" * 100_000)]
    assert (len(frame.body), frame.too_long) == (BEGINNING, True)


PIECES = st.sampled_from(
    [b"\x0b", b"\x1c", b"\r", b"\n", b"MSH", b"M", b"S", b"H", b"BHS", b"\xef\xbb\xbf", b"x", b"PID|1"]
)
STREAMS = st.binary(max_size=200) | st.lists(PIECES, max_size=40).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 200), max_size=10))
def test_the_pieces_the_network_makes_change_nothing(stream: bytes, cuts: list[int]) -> None:
    whole, parts = FrameReader(60), FrameReader(60)
    at = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    one = whole.feed(stream)
    other = [frame for begin, end in pairwise(at) for frame in parts.feed(stream[begin:end])]
    if any(frame.too_long for frame in one):
        # How much of it has come by the time it is too long depends on the pieces.
        assert [frame.too_long for frame in other] == [frame.too_long for frame in one]
        assert other[:-1] == one[:-1]
    else:
        assert other == one
        assert (parts.inside, parts.skipped, parts.broken) == (whole.inside, whole.skipped, whole.broken)


@given(st.lists(st.binary(max_size=40).map(lambda body: b"MSH" + body.translate(None, b"\x0b\x1c")), max_size=8))
def test_every_framed_body_comes_out(sent: list[bytes]) -> None:
    assert bodies(b"".join(map(wrap, sent))) == sent


def test_many_small_frames_cost_no_more_than_their_share() -> None:
    reader = FrameReader()
    assert len(reader.feed(b"\x0bM\x1c\r" * 300_000)) == 300_000


def test_many_vts_in_one_text_cost_no_more_than_their_share() -> None:
    reader = FrameReader()
    frames = [frame for _ in range(60) for frame in reader.feed(b"\x0bx" * 30_000)]
    assert frames == []


def test_more_frames_at_once_than_hold_messages_are_not_looked_at() -> None:
    reader = FrameReader(most_frames=100)
    assert len(reader.feed(b"\x0b\x1c" * 10_000)) == 101
    assert reader.feed(b"\x0bMSH|1\x1c\r") == []
