"""Acknowledgements: who is notified what, in which mode, and never that it was rejected."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.intake.hl7.ack import acknowledge, asked_for
from worker.intake.hl7.header import Header, message_key, read_header
from worker.intake.hl7.tokens import Hl7Message, read

NOW = datetime(2024, 6, 14, 8, 0, tzinfo=UTC)


def header(tail: str = "P|2.5.1", event: str = "ORU^R01^ORU_R01", signs: str = "|^~\\&") -> Header:
    found = read_header(f"MSH{signs}|LAB^1|HOSP|CW|ICU|20240614||{event}|C-1|{tail}\rPID|1".encode())
    assert found is not None
    return found


def answer(of: Header | None, good: bool = True, why: str = "") -> Hl7Message:
    return read(acknowledge(of, good, NOW, why))


def code(of: Header | None, good: bool) -> str:
    return answer(of, good).segments[1].field(1).text


def enhanced(accept: str, application: str) -> Header:
    return header(f"P|2.5.1|||{accept}|{application}")


def test_it_goes_back_the_way_the_message_came() -> None:
    msh, msa = answer(header()).segments
    assert [msh.field(n).raw for n in (3, 4, 5, 6)] == ["CW", "ICU", "LAB^1", "HOSP"]
    assert [msh.field(n).raw for n in (2, 7, 9, 11, 12)] == [
        "^~\\&",
        "20240614080000+0000",
        "ACK^R01^ACK",
        "P",
        "2.5.1",
    ]
    assert [msa.field(n).text for n in (1, 2)] == ["AA", "C-1"]


def test_it_has_a_control_id_of_its_own_that_fits_the_field() -> None:
    own = answer(header()).segments[0].field(10).text
    assert own != "C-1"
    assert 0 < len(own) <= 20


@pytest.mark.parametrize(
    ("event", "kind"), [("ORU^R01", "ACK^R01"), ("ORU", "ACK"), ("", "ACK"), ("A^B^C", "ACK^B^ACK")]
)
def test_its_type_is_as_complete_as_that_of_the_message(event: str, kind: str) -> None:
    assert answer(header(event=event)).segments[0].field(9).raw == kind


def test_its_time_is_written_in_utc() -> None:
    raw = acknowledge(header(), True, NOW.astimezone(ZoneInfo("Europe/Rome")))
    assert read(raw).segments[0].field(7).text == "20240614080000+0000"


@pytest.mark.parametrize(
    ("accept", "application", "good", "bad"),
    [
        ("", "", "AA", "AE"),
        ("AL", "", "CA", "CE"),
        ("AL", "NE", "CA", "CE"),
        ("AL", "AL", "CA", "CE"),
        ("NE", "AL", "AA", "AE"),
        ("", "AL", "AA", "AE"),
        ("ER", "AL", "AA", "CE"),
        ("SU", "AL", "CA", "AE"),
        ("NE", "NE", "AA", "AE"),
        ("al", "", "CA", "CE"),
    ],
)
def test_the_mode_is_the_one_the_sender_asks_for(accept: str, application: str, good: str, bad: str) -> None:
    of = enhanced(accept, application)
    assert (code(of, True), code(of, False)) == (good, bad)


@pytest.mark.parametrize(
    ("accept", "application", "good", "bad"),
    [
        ("", "", True, True),
        ("AL", "NE", True, True),
        ("NE", "NE", False, False),
        ("ER", "NE", False, True),
        ("NE", "SU", True, False),
        ("ER", "SU", True, True),
    ],
)
def test_whether_an_answer_is_asked_for(accept: str, application: str, good: bool, bad: bool) -> None:
    of = enhanced(accept, application)
    assert (asked_for(of, True), asked_for(of, False)) == (good, bad)
    assert asked_for(None, False)


def test_it_never_says_rejected() -> None:
    for accept in ("", "AL", "NE", "ER", "SU"):
        for application in ("", "AL", "NE", "ER", "SU"):
            assert code(enhanced(accept, application), False) in ("AE", "CE")


def test_a_refusal_says_why_in_msa_and_in_err_where_the_version_has_it() -> None:
    _, msa, err = answer(header(), False, "store | is down").segments
    assert msa.field(3).text == "store   is down"
    assert [err.field(3).component(1), err.field(4).text, err.field(8).text] == ["207", "E", "store   is down"]


@pytest.mark.parametrize("version", ["2.1", "2.3.1", "2.4", "", "two", "2"])
def test_older_versions_have_no_such_err(version: str) -> None:
    assert [segment.name for segment in answer(header(f"P|{version}"), False, "why").segments] == ["MSH", "MSA"]


@pytest.mark.parametrize("version", ["2.5", "2.7.1", "2.10", "2.5.1^ITA"])
def test_newer_ones_do(version: str) -> None:
    assert len(answer(header(f"P|{version}"), False, "why").segments) == 3


def test_it_is_written_with_the_separators_of_the_message() -> None:
    found = read_header(b"MSH#*!?%#LAB#HOSP#CW#ICU###ORU*R01#C-1#P#2.5")
    raw = acknowledge(found, False, NOW, "a#b*c")
    assert raw.startswith(b"MSH#*!?%#CW#ICU#LAB#HOSP#")
    assert b"\rMSA#AE#C-1#a b c\r" in raw


def test_it_is_in_the_character_set_of_the_message() -> None:
    raw = "MSH|^~\\&|LÄB|HOSP|CW|ICU|||ORU^R01|µ1|P|2.4||||||8859/1".encode("latin-1")
    answered = acknowledge(read_header(raw), True, NOW)
    assert "MSA|AA|µ1".encode("latin-1") in answered
    assert answered.split(b"\r")[0].endswith(b"|8859/1")


def test_without_a_header_it_names_no_message() -> None:
    msh, msa, _ = answer(None, False, "not HL7").segments
    assert msh.field(3).text == "CARTWATCH"
    assert (msa.field(1).text, msa.field(2).text, msa.field(3).text) == ("AE", "", "not HL7")


@pytest.mark.parametrize("written", ["", "^~\\\\&", "LAB", "^ ", "\\"])
def test_encoding_characters_that_cannot_be_used_are_not_answered_with(written: str) -> None:
    found = read_header(f"MSH|{written}|LAB|HOSP|||||ORU|C-1|P|2.5".encode())
    assert answer(found).segments[1].field(2).text == "C-1"


@given(st.binary(max_size=200))
def test_any_header_that_can_be_read_can_be_answered(tail: bytes) -> None:
    found = read_header(b"MSH|^~\\&|" + tail)
    assert found is not None
    raw = acknowledge(found, False, NOW, tail.decode("latin-1"))
    assert 2 <= raw.count(b"\r") <= 3 or found.codec.startswith(("utf-16", "utf-32"))


# -- the header ------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"", b"MSH", b"PID|1", b"MSHX", b"{}", b"MSH ", b"\xff\xff"])
def test_what_does_not_begin_with_a_header_has_none(raw: bytes) -> None:
    assert read_header(raw) is None


def test_a_header_is_read_though_the_message_cannot_be() -> None:
    found = read_header(b"\x0bMSH|^~\\\\&|LAB|HOSP|CW|ICU|||ORU^R01|77\n")
    assert found is not None
    assert (found.control_id, found.kind, found.version) == ("77", "ORU", "")


def test_a_message_that_is_sent_again_has_the_same_key() -> None:
    raw = b"MSH|^~\\&|LAB|HOSP|||1||ORU^R01|1|P|2.5\rOBX|1|NM|||5\r"
    assert message_key(raw) == message_key(raw) == message_key(b"\x0b" + raw + b"\x1c\r")


def test_a_monitor_that_gives_every_message_one_control_id_loses_none() -> None:
    raw = b"MSH|^~\\&|LAB|HOSP|||1||ORU^R01|1|P|2.5\rOBX|1|NM|||%d\r"
    assert len({message_key(raw % value) for value in range(50)}) == 50


def test_a_body_without_a_header_has_a_key_as_well() -> None:
    assert message_key(b"PID|1") != message_key(b"PID|2")
