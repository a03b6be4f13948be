"""Native messages as HL7 v2: ADT^A01 and A03, ORU^R01, RAS^O17. One message a source and moment."""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby

from alerts.messages import AnyMessage, Discharge, Reading, Registration, Treatment
from tests.support.wire.codes import LOCAL, LOINC, PATIENTS, PRODUCTS, RXNORM, SITE, WORDS


def has_form(message: AnyMessage) -> bool:
    """Whether HL7 can say it. The items of an ICE, the start of a drug, statements and notes it cannot."""
    if isinstance(message, Reading):
        return message.items is None
    if isinstance(message, Treatment):
        return message.action == "given"
    return isinstance(message, Registration | Discharge)


def left_over(message: AnyMessage) -> AnyMessage | None:
    """What HL7 cannot say of a message that has a form: of a registration the infusion, the product and the team."""
    if isinstance(message, Registration):
        return message.model_copy(update={"born": None, "ward": None, "bed": None})
    return None


def encode(messages: Iterable[AnyMessage]) -> list[bytes]:
    """What the systems of the site send of messages that have a form."""

    def kind(message: AnyMessage) -> tuple[str, str]:
        return message.source, message.type

    made = []
    for (source, name), group in groupby(sorted(messages, key=kind), key=kind):
        found = list(group)
        if name in ("registration", "discharge"):
            made += [_admission(message) for message in found]
        else:
            body = _results(found) if name == "reading" else _given(found)
            made.append(_message(source, "ORU^R01^ORU_R01" if name == "reading" else "RAS^O17^RAS_O17", found[0], body))
    return made


def _message(source: str, kind: str, first: AnyMessage, body: Iterable[str]) -> bytes:
    at = _time(first.received or first.effective)
    route = f"{source.upper()}|{PATIENTS}|CARTWATCH|{PATIENTS}"
    msh = f"MSH|^~\\&|{route}|{at}||{kind}|{first.id}|P|2.5.1||||||UNICODE UTF-8"
    return "".join(f"{line}\r" for line in (msh, *body)).encode()


def _patient(message: AnyMessage, born: str = "") -> str:
    return f"PID|1||{message.patient}^^^{PATIENTS}^MR||||{born}"


def _admission(message: AnyMessage) -> bytes:
    at = _time(message.effective)
    if isinstance(message, Registration):
        born = message.born.strftime("%Y%m%d") if message.born else ""
        body = (f"EVN|A01|{at}", _patient(message, born), f"PV1|1|I|{message.ward}^^{message.bed}")
        return _message(message.source, "ADT^A01^ADT_A01", message, body)
    body = (f"EVN|A03|{at}", _patient(message), f"PV1|1|I|HAEM-2^^12{'|' * 42}{at}")
    return _message(message.source, "ADT^A03^ADT_A03", message, body)


def _results(messages: list[AnyMessage]) -> list[str]:
    first = messages[0]
    lines = [_patient(first), f"OBR|1||{first.id}|PANEL^Panel^{SITE}|||{_time(first.effective)}{'|' * 18}F"]
    readings = [message for message in messages if isinstance(message, Reading)]
    return lines + [_result(number, reading) for number, reading in enumerate(readings, 1)]


def _result(number: int, reading: Reading) -> str:
    name = reading.reading
    code = f"{LOINC[name]}^{name}^LN" if name in LOINC else f"{LOCAL[name]}^{name}^{SITE}"
    said = WORDS.get(str(reading.value))
    kind, value = ("NM", str(reading.value)) if said is None else ("CWE", f"X^{said}^{SITE}")
    fields = ("OBX", number, kind, code, "", value, reading.unit or "", _range(reading), "", "", "", "F")
    return "|".join(map(str, fields)) + f"|||{_time(reading.effective)}"


def _range(reading: Reading) -> str:
    if reading.low is None:
        return "" if reading.high is None else f"<{reading.high}"
    return f"{reading.low}-{reading.high}"


def _given(messages: list[AnyMessage]) -> list[str]:
    lines = [_patient(messages[0])]
    for message in messages:
        if isinstance(message, Treatment):
            lines += [f"ORC|RE||{message.id}", _administration(message)]
    return lines


def _administration(message: Treatment) -> str:
    drug, at = message.drug, _time(message.effective)
    code = f"{RXNORM[drug]}^{drug}^RXNORM" if drug in RXNORM else f"{PRODUCTS[drug]}^{drug}^{SITE}"
    dose = "999" if message.dose is None else str(message.dose)
    return f"RXA|0|1|{at}|{at}|{code}|{dose}|{message.unit or ''}{'|' * 13}CP|A"


def _time(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M%S%z")
