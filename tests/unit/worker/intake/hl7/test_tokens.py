"""The tokenizer: every way HL7 is written, and no way to make it fail otherwise than by saying why."""

import string
from pathlib import Path

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.feeds import CORPUS
from worker.intake.hl7 import tokens
from worker.intake.hl7.batches import split
from worker.intake.hl7.tokens import Hl7Error, Hl7Message, read

HEADER = "MSH|^~\\&|LAB|HOSP|||20240614090000||ORU^R01|1|P|2.5.1"
LINES = (HEADER, "PID|1||P1^^^HOSP^MR~Q2^^^REG&1.2&ISO^PI", "OBX|1|NM|1988-5^CRP^LN||85|mg/L")


def message(*lines: str, end: str = "\r") -> Hl7Message:
    return read(end.join((*lines, "")).encode())


def value(text: str) -> str:
    """What an OBX-5 is read as."""
    return message(HEADER, f"OBX|1|ST|||{text}").segments[1].field(5).text


def in_charset(name: str, text: bytes) -> str:
    header = HEADER.encode() + b"||||||" + name.encode()
    return read(header + b"\rOBX|1|ST|||" + text + b"\r").segments[1].field(5).text


# -- lines -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r", "\n\n", "\r\n\r\n"])
def test_segments_end_with_any_line_end(end: str) -> None:
    assert [segment.name for segment in message(*LINES, end=end).segments] == ["MSH", "PID", "OBX"]


def test_line_ends_may_be_mixed() -> None:
    raw = f"{LINES[0]}\n{LINES[1]}\r{LINES[2]}\r\n{LINES[2]}".encode()
    assert [segment.name for segment in read(raw).segments] == ["MSH", "PID", "OBX", "OBX"]


@pytest.mark.parametrize("around", [b"\xef\xbb\xbf", b"\r\n", b"\x0b", b" \t", b"\x0b\xef\xbb\xbf"])
def test_a_mark_or_framing_before_the_message_is_skipped(around: bytes) -> None:
    assert read(around + "\r".join(LINES).encode()).segments[0].field(10).text == "1"


def test_framing_behind_the_message_is_no_part_of_its_last_field() -> None:
    assert read("\r".join(LINES).encode() + b"\r\x1c\r").segments[2].field(6).text == "mg/L"


def test_a_line_that_begins_no_segment_belongs_to_the_one_above() -> None:
    found = message(HEADER, "OBX|1|TX|||first line", "second line", "", "OBX|2|NM|||5")
    assert [segment.name for segment in found.segments] == ["MSH", "OBX", "OBX"]
    assert found.segments[1].field(5).text == "first line\nsecond line"


def test_only_line_ends_of_hl7_end_a_segment() -> None:
    assert value("a\x0bb\x0cc\x85d\u2028e") == "a\x0bb\x0cc\x85d\u2028e"


def test_first_and_all_find_by_name() -> None:
    found = message(*LINES, "OBX|2|NM|||5")
    first = found.first("OBX")
    assert first is not None
    assert first.field(1).text == "1"
    assert found.first("NK1") is None
    assert [segment.field(1).text for segment in found.all("OBX")] == ["1", "2"]
    assert found.all("NK1") == []


# -- fields ----------------------------------------------------------------------------------------


def test_the_header_is_numbered_as_hl7_does() -> None:
    header = message(*LINES).segments[0]
    assert [header.field(n).text for n in (1, 2, 3, 4, 10, 11)] == ["|", "^~\\&", "LAB", "HOSP", "1", "P"]
    assert header.field(9).component(2) == "R01"


def test_a_field_has_repetitions_components_and_subcomponents() -> None:
    field = message(*LINES).segments[1].field(3)
    assert [one.component(1) for one in field.repetitions] == ["P1", "Q2"]
    assert field.component(5) == "MR"
    assert field.component(4, repetition=1) == "REG"
    assert field.component(4, 2, repetition=1) == "1.2"
    assert field.text == "P1^^^HOSP^MR"
    assert field.raw == "P1^^^HOSP^MR~Q2^^^REG&1.2&ISO^PI"


@pytest.mark.parametrize(
    ("c", "sub", "repetition"), [(9, 1, 0), (1, 2, 0), (1, 1, 5), (0, 1, 0), (1, 0, 0), (-1, 1, -2)]
)
def test_what_is_absent_is_empty(c: int, sub: int, repetition: int) -> None:
    assert message(*LINES).segments[1].field(3).component(c, sub, repetition) == ""


@pytest.mark.parametrize("number", [0, -1, 99])
def test_an_absent_field_is_an_empty_one(number: int) -> None:
    for segment in message(*LINES).segments:
        field = segment.field(number)
        assert (bool(field), field.text, field.repetitions, field.component(1)) == (False, "", [], "")


def test_hl7s_explicit_nothing_is_text() -> None:
    assert value('""') == '""'


def test_separators_are_those_of_the_message() -> None:
    found = read(b"MSH#*!?%#LAB*1#HOSP##\rPID#1##P1***HOSP%2*MR!Q2#a?S?b?F?c?T?d?E?e?R?f")
    assert found.segments[0].field(2).text == "*!?%"
    assert found.segments[0].field(3).component(2) == "1"
    assert found.segments[1].field(3).component(4, 2) == "2"
    assert found.segments[1].field(3).component(1, repetition=1) == "Q2"
    assert found.segments[1].field(4).text == "a*b#c%d?e!f"


def test_separators_a_header_leaves_out_are_the_usual_ones() -> None:
    assert read(b"MSH||LAB\rPID|1||a^b").segments[1].field(3).component(2) == "b"
    assert read(b"MSH|^|LAB\rPID|1||a~b").segments[1].field(3).component(1, repetition=1) == "b"


def test_a_usual_separator_that_is_taken_is_not_used_twice() -> None:
    found = read(b"MSH^~|\\&^LAB\rPID^1^^a~b|c")
    assert found.segments[1].field(3).component(2) == "b"
    assert read(b"MSH^\rPID^a~b").segments[1].field(1).component(1, repetition=1) == "b"


def test_a_truncation_sign_of_version_2_7_is_no_trouble() -> None:
    assert read(b"MSH|^~\\&#|LAB\rPID|1||a&b").segments[1].field(3).component(1, 2) == "b"


# -- escapes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"5\T\6", "5&6"),
        (r"a\F\b\S\c\R\d\E\e", "a|b^c~d\\e"),
        (r"\X48\\X4C37\ ", "HL7 "),
        (r"line\.br\line", "line\nline"),
        (r"\H\bold\N\ ", "bold "),
        (r"\.sp2\x\.sk 3\y\.in+4\z", "\nx yz"),
        (r"\Zabc\x", "x"),
        (r"\C2842\x\M244142\y", "xy"),
        (r"\X4\x", r"\X4\x"),
        (r"\Xzz\x", r"\Xzz\x"),
        (r"\X\x", r"\X\x"),
        (r"C:\data\file", r"C:\data\file"),
        (r"single \ backslash", r"single \ backslash"),
        (r"end\ ", "end\\ "),
        (r"\.sp999999999\x", "\nx"),
        (r"\.sp9999999999999999\x", r"\.sp9999999999999999\x"),
    ],
)
def test_escapes_are_read_and_what_is_none_stays(written: str, meant: str) -> None:
    assert value(f"{written}.") == f"{meant}."


def test_an_escaped_separator_separates_nothing() -> None:
    field = message(HEADER, r"PID|1||a\S\b^c\T\d&e").segments[1].field(3)
    assert (field.component(1), field.component(2), field.component(2, 2)) == ("a^b", "c&d", "e")


def test_an_escape_of_bytes_is_in_the_messages_character_set() -> None:
    assert in_charset("8859/1", rb"\XB5\g/L") == "µg/L"
    assert in_charset("UNICODE UTF-8", rb"\XC2B5\g/L") == "µg/L"


# -- character sets --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "text"),
    [
        ("", "utf-8", "µg/L"),
        ("ASCII", "utf-8", "µg/L"),
        ("UNICODE UTF-8", "utf-8", "µg/L 血液"),
        ("UTF-8", "utf-8", "µg/L"),
        ("8859/1", "latin-1", "µg/L"),
        ("8859/15", "iso8859-15", "10 €"),
        ("8859/7", "iso8859-7", "αβγ"),
        ("ISO IR100", "latin-1", "µg/L"),
        ("WINDOWS-1252", "cp1252", "10 € – µg"),
        ("GB 18030-2000", "gb18030", "血液"),
        ("BIG-5", "big5", "血液"),
        ("KS X 1001", "euc_kr", "혈액"),
        ("~ISO IR87", "iso2022_jp", "血液"),
        ("8859/99", "utf-8", "µg/L"),
        ("punycode", "utf-8", "µg/L"),
    ],
)
def test_every_character_set_a_header_names(name: str, codec: str, text: str) -> None:
    assert in_charset(name, text.encode(codec)) == text


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_wide_encodings_are_known_by_their_first_bytes(codec: str) -> None:
    assert read("\r".join((*LINES, "OBX|2|ST|||µ")).encode(codec)).segments[3].field(5).text == "µ"


def test_bytes_that_are_not_in_the_declared_set_lose_nothing_and_spoil_no_other_line() -> None:
    raw = b"\r".join(
        [HEADER.encode() + b"||||||UNICODE UTF-8", "OBX|1|ST|||µg/L".encode(), b"OBX|2|ST|||\xb5g/L", b"OBX|3|NM|||5"]
    )
    assert [segment.field(5).text for segment in read(raw).all("OBX")] == ["µg/L", "µg/L", "5"]


def test_a_byte_that_no_set_knows_is_kept() -> None:
    assert in_charset("", b"\x81") == "\x81"


def test_a_message_that_falsely_says_utf_16_is_read() -> None:
    assert in_charset("UNICODE UTF-16", b"abc") == "abc"


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "is empty"),
        (b"\r\n \x0b\x1c", "is empty"),
        (b"PID|1", "begins with 'PID' instead of MSH"),
        (b"{}", "begins with 'something else' instead of MSH"),
        (b"msh|^~\\&|", "instead of MSH"),
        (b"MSH", "MSH-1"),
        (b"MSHX^~\\&X", "MSH-1"),
        (b"MSH ^~\\& ", "MSH-1"),
        (b"MSH\r|^~", "MSH-1"),
        (b"MSH|LAB|HOSP", "MSH-2: these are no"),
        (b"MSH|^~\\& |LAB", "MSH-2: these are no"),
        (b"MSH|" + bytes(range(33, 48)) * 3, "MSH-2: these are no"),
        (b"MSH|^~\\\\&|LAB", "MSH-2: the same encoding character twice"),
        (b"MSH|^~\\&|a\rPID|1\rMSH|^~\\&|b\r", "more than one MSH"),
    ],
)
def test_what_is_no_message_is_refused_with_the_reason(raw: bytes, why: str) -> None:
    with pytest.raises(Hl7Error, match=why):
        read(raw)


def test_a_refusal_shows_nothing_of_the_message() -> None:
    with pytest.raises(Hl7Error) as refused:
        read(b"PID|1||P1||ROSSI^MARIA")
    assert "ROSSI" not in str(refused.value)


# -- whatever comes --------------------------------------------------------------------------------


def everything(raw: bytes) -> list[str]:
    """Every part of a message that can be asked for; what is refused has none."""
    try:
        found = read(raw)
    except Hl7Error:
        return []
    parts = []
    for segment in found.segments:
        for number in range(1, 30):
            field = segment.field(number)
            parts += [field.text, *(one.text for one in field.repetitions)]
            parts += [field.component(c, sub, r) for c in (1, 2) for sub in (1, 2) for r in (0, 1)]
    return parts


LIKELY = st.sampled_from(
    [*"|^~\\&#\r\n\x0b\x1c\x00.XTSFREZ0A", "MSH|^~\\&|", "\rOBX|", "\rPID|", "\\X", "\\.br\\", "\\T\\"]
)


@given(st.binary(max_size=300) | st.lists(LIKELY, max_size=60).map(lambda parts: "".join(parts).encode("latin-1")))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for body in (raw, b"MSH|^~\\&|" + raw, HEADER.encode() + b"\rOBX|1|ST|||" + raw):
        for part in everything(body):
            assert len(part) <= len(body)


TEXT = st.text(string.printable.replace("\r", "").replace("\n", "").replace("\x0b", "") + "µ°血", max_size=40)
ESCAPED = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})


@given(TEXT)
def test_a_text_that_was_escaped_is_read_as_it_was(text: str) -> None:
    assert value(f"{text.translate(ESCAPED)}|") == text


@given(st.lists(st.lists(st.text("ab1 ", max_size=3), min_size=1, max_size=4), min_size=1, max_size=4))
def test_components_agree_with_another_reader(rows: list[list[str]]) -> None:
    """python-hl7 on what both can read: LF alone and stray lines are beyond it."""
    field = "~".join("^".join(row) for row in rows)
    raw = f"{HEADER}\rOBX|1|ST|||{field}|end\r"
    theirs, ours = hl7.parse(raw).segment("OBX"), read(raw.encode()).segments[1]
    assert ours.field(5).raw == str(theirs[5])
    if ours.field(5):
        assert len(ours.field(5).repetitions) == len(rows)
        for number, row in enumerate(rows):
            assert [ours.field(5).component(c, repetition=number) for c in range(1, len(row) + 1)] == row


@pytest.mark.parametrize("unit", ["\\", "|", "^", "\r", "\rOBX|", "\\.br\\", "x\r", "\\X41\\", "&~^|", "\\X"])
def test_size_costs_no_more_than_its_share(unit: str) -> None:
    """Half a million signs of whatever is worst; what grew with the square would not end within the time limit."""
    found = read((HEADER + "\rOBX|1|ST|||" + unit * (500_000 // len(unit))).encode())
    field = found.segments[1].field(5)
    assert len(field.text) <= 500_000
    assert field.component(200_000) == field.component(1, 200_000) == field.component(1, repetition=200_000) == ""


def test_a_segment_begins_with_a_name_and_a_separator() -> None:
    assert tokens.begins_segment("ZX1|a", "|")
    assert not any(tokens.begins_segment(line, "|") for line in ("", "OBX", "OBX^", "obx|", "1BX|", "PID_X|", "ÄÄÄ|"))


CORPUS_FILES = sorted([*CORPUS.glob("hl7v2/*.hl7"), *CORPUS.glob("bad/*.hl7")])


@pytest.mark.skipif(not CORPUS_FILES, reason="the corpus is not here")
@pytest.mark.parametrize("path", CORPUS_FILES, ids=lambda path: path.name)
def test_real_messages_are_read_or_refused_with_a_reason(path: Path) -> None:
    pieces = split(path.read_bytes()).messages
    assert pieces
    for piece in pieces:
        try:
            found = read(piece)
        except Hl7Error:
            assert path.parent.name == "bad"
        else:
            written = [line for line in piece.removeprefix(b"\xef\xbb\xbf").splitlines() if line[3:4] == b"|"]
            assert len(found.segments) == len(written)
