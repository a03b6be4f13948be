"""What laboratories and monitors really write: bounds in words, reasons in place of a number, codes for no value."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.feeds import (
    INTAKE,
    MDC,
    TABLES,
    coding,
    concept,
    fhir,
    hl7,
    obr,
    observation,
    obx,
    one,
    oru,
    pid,
    quantity,
    source,
    taken,
)
from worker.intake import read
from worker.intake.parsed import ElementOutcome, ElementResult, Parsed
from worker.intake.value_text import plain_bound

FIXTURES = Path(__file__).parent / "fixtures"


def by_hl7(text: str, code: str = "2276-4^Ferritin^LN", unit: str = "ng/mL", status: str = "F", **of: Any) -> Parsed:
    return taken(oru(obx(code, text, unit, status, kind="ST")), source(**of))


def by_fhir(text: str, code: str = "2276-4") -> Parsed:
    return fhir(observation(code, valueQuantity=None, valueString=text))


BOUNDS = {
    "GREATER THAN 2000": ">2000",
    "Greater than 2000": ">2000",
    "LESS THAN 0.4": "<0.4",
    "less than or equal to 0.4": "<=0.4",
    "MORE THAN 100000": ">100000",
    "ABOVE 2000": ">2000",
    "BELOW 0.1": "<0.1",
    ">2000": ">2000",
    "> 2000": "> 2000",
    "≥2000": ">=2000",
    ">/=2000": ">=2000",
    "=< 5": "<=5",
    "SUPERIORE A 2000": ">2000",
    "inferiore a 0.4": "<0.4",
    "maggiore o uguale a 5": "maggiore o uguale a 5",
}


@pytest.mark.parametrize(("text", "bound"), BOUNDS.items())
def test_a_bound_in_words(text: str, bound: str) -> None:
    assert plain_bound(text) == bound


@pytest.mark.parametrize("text", [text for text, bound in BOUNDS.items() if bound[:1] in "<>"])
def test_a_bound_is_charted_as_one(text: str) -> None:
    element = one(by_hl7(text))
    assert (element.outcome, element.why) == (ElementOutcome.STORED, "")
    assert element.messages[0]["value"] == BOUNDS[text]


REASONS = [
    "UNABLE TO REPORT",
    "COMPUTER NETWORK FAILURE. TEST NOT RESULTED.",
    "HEMOLYZED",
    "QNS",
    "SEE COMMENT",
    "campione insufficiente",
]


@pytest.mark.parametrize("text", REASONS)
def test_words_without_a_number_say_why_there_is_none(text: str) -> None:
    for element in (one(by_hl7(text)), one(by_fhir(text))):
        assert element.outcome is ElementOutcome.STORED
        assert ("value" in element.messages[0], element.messages[0]["absent"]) == (False, text)


@pytest.mark.parametrize("text", ["85 (HEMOLYZED)", "SEE NOTE 3", "GREATER THAN MANY 5", "GREATER THAN 1,5", "12-16"])
def test_words_with_a_number_are_never_guessed(text: str) -> None:
    assert one(by_hl7(text)).outcome is ElementOutcome.DEAD_LETTER


def test_of_a_bedside_score_unable_is_no_fault_of_the_laboratory() -> None:
    """A CAPD that could not be done is a finding; the word alone, in place of a number, is read by nobody as one."""
    local = {"LAB": {"CAPD": "capd"}}
    element = one(taken(oru(obx("CAPD^CAPD^LAB", "UNABLE TO REPORT", "", kind="ST")), source(codes=local)))
    assert (element.outcome, element.messages) == (ElementOutcome.DEAD_LETTER, ())


MONITOR = "150456^MDC_PULS_OXIM_SAT_O2^MDC"
CODES_FOR_NONE = ["-999", "-100", "-1", "8388607", "8388607.0", "-32768"]


@pytest.mark.parametrize("number", CODES_FOR_NONE)
@pytest.mark.parametrize(("status", "beside_x"), [("F", False), ("R", False), ("X", False), ("X", True)])
def test_a_monitor_s_code_for_no_value_is_absent_whatever_its_status(number: str, status: str, beside_x: bool) -> None:
    policy = {"type": "monitor", "value_beside_x": beside_x}
    element = one(taken(oru(obx(MONITOR, number, "262688^MDC_DIM_PERCENT^MDC", status)), source(**policy)))
    assert element.outcome is ElementOutcome.STORED
    [message] = element.messages
    assert "value" not in message
    expected = "(OBX-11 X)" if status == "X" and not beside_x else f"{number} was sent, which stands for no value"
    assert expected in message["absent"]


@pytest.mark.parametrize(
    ("code", "unit"),
    [("8867-4", "/min"), ("59408-5", "%"), ("8480-6", "mm[Hg]"), ("8310-5", "Cel"), ("9279-1", "/min")],
)
def test_a_nought_of_a_vital_sign_that_nobody_alive_has_is_absent(code: str, unit: str) -> None:
    for element in (one(by_hl7("0", f"{code}^x^LN", unit)), one(fhir(observation(code, 0, unit)))):
        assert element.messages[0]["absent"] == "0 was sent, which stands for no value"


@pytest.mark.parametrize(("code", "unit"), [("751-8", "10*9/L"), ("777-3", "10*9/L"), ("3151-8", "L/min")])
def test_a_nought_that_can_be_measured_is_a_value(code: str, unit: str) -> None:
    assert one(by_hl7("0", f"{code}^x^LN", unit)).messages[0]["value"] == "0"


def test_a_temperature_ten_times_too_high_is_shown_and_never_corrected() -> None:
    element = one(by_hl7("384.5", "8310-5^Body temperature^LN", "Cel"))
    assert element.outcome is ElementOutcome.DEAD_LETTER
    assert "is not plausible" in element.why
    assert element.messages[0]["value"] == "384.5", "the chart shows it, and rejects it"


# -- whole messages --------------------------------------------------------------------------------


def fixture(name: str) -> Parsed:
    """A message of our own, written as monitors and laboratories write them."""
    raw = (FIXTURES / name).read_bytes().replace(b"\n", b"\r")
    return read.hl7(raw, INTAKE, TABLES, source(type="monitor" if "monitor" in name else "laboratory"))


def messages(parsed: Parsed) -> dict[str, tuple[str, Any, str]]:
    """Reading to its time of day, its value, and why it has none."""
    return {
        message["reading"]: (message["effective"][11:16], message.get("value"), message.get("absent", ""))
        for message in parsed.messages
    }


def test_a_laboratory_that_writes_in_words() -> None:
    parsed = fixture("laboratory_in_words.hl7")
    assert [element.outcome for element in parsed.elements] == [ElementOutcome.STORED] * 6
    assert messages(parsed) == {
        "ferritin": ("06:00", ">2000", ""),
        "crp": ("06:00", "<0.4", ""),
        "platelets": ("06:00", ">2000", ""),
        "fibrinogen": ("06:00", None, "UNABLE TO REPORT"),
        "ldh": ("06:00", None, "COMPUTER NETWORK FAILURE. TEST NOT RESULTED."),
        "creatinine": ("06:00", "1.1", ""),
    }


def test_a_monitor_whose_cuff_measured_long_before_the_message() -> None:
    """Each OBX has a time of its own: a pressure of 24 minutes ago is charted then, and the pulse now."""
    parsed = fixture("monitor_old_cuff.hl7")
    found = messages(parsed)
    assert {name: at for name, (at, _, _) in found.items()} == {
        "heart_rate": "08:24",
        "systolic_bp": "08:00",
        "diastolic_bp": "08:00",
        "mean_bp": "08:00",
        "spo2": "08:24",
    }
    assert found["spo2"][2] == "-100 was sent, which stands for no value"
    assert found["heart_rate"][1] == "112"


def test_of_several_temperature_channels_the_highest_is_charted() -> None:
    parsed = fixture("monitor_three_temperatures.hl7")
    assert [message["value"] for message in parsed.messages if message["reading"] == "temperature"] == ["38.9"]
    ignored = [element for element in parsed.elements if element.outcome is ElementOutcome.IGNORED]
    assert len(ignored) == 2
    assert all("the highest temperature is charted" in element.why for element in ignored)


def temperatures(*values: tuple[str, str]) -> list[ElementResult]:
    rows = [obx("150344^MDC_TEMP^MDC", value, unit, sub=str(at)) for at, (value, unit) in enumerate(values)]
    return taken(oru(*rows), source(type="monitor")).elements


C, F = "268192^MDC_DIM_DEGC^MDC", "266560^MDC_DIM_FAHR^MDC"


@pytest.mark.parametrize(
    ("sent", "charted"),
    [
        ([("38.9", C), ("31.0", C)], ["38.9"]),
        ([("31.0", C), ("38.9", C), ("38.9", C)], ["38.9"]),
        ([("38.9", C), ("99.0", F)], ["38.9", "99.0"]),
        ([("38.9", C), ("8388607", C)], ["38.9"]),
        ([("38.9", C), ("18.3", C)], ["38.9"]),
    ],
)
def test_channels_that_cannot_be_compared_are_all_charted(sent: list[tuple[str, str]], charted: list[str]) -> None:
    stored = [element for element in temperatures(*sent) if element.outcome is ElementOutcome.STORED]
    assert [message["value"] for element in stored for message in element.messages if "value" in message] == charted


def test_temperatures_of_two_patients_or_moments_are_no_channels() -> None:
    rows = [
        pid("P1^^^HOSP^MR"),
        obr("F1"),
        obx("150344^MDC_TEMP^MDC", "38.9", C, sub="1"),
        obx("150344^MDC_TEMP^MDC", "36.9", C, sub="2", at="20240614070000+0200"),
        pid("P2^^^HOSP^MR"),
        obr("F2"),
        obx("150344^MDC_TEMP^MDC", "37.0", C, sub="1"),
    ]
    assert len(taken(hl7(*rows), source(type="monitor")).messages) == 3


def test_components_of_one_observation_are_channels_too() -> None:
    part = {"code": concept(coding("150344", MDC, "MDC_TEMP"))}
    components = [part | {"valueQuantity": quantity(value, "Cel")} for value in (31, 38)]
    resource = observation("8716-3", valueQuantity=None, component=components)
    assert [message["value"] for message in fhir(resource).messages] == ["38"]
