"""Administrations (RAS), merges and admissions (ADT)."""

from typing import Any

import pytest

from tests.support.feeds import AT, hl7, one, pid, source, taken
from worker.intake.parsed import ElementOutcome

TOCILIZUMAB = "612865^tocilizumab^RXNORM"
NOREPINEPHRINE = "7512^norepinephrine^RXNORM"
BEGUN, ENDED = "20240614080000+0200", "20240614200000+0200"
LATER = "2024-06-14T20:00:00+02:00"


def rxa(
    drug: str = TOCILIZUMAB, end: str = "", status: str = "CP", action: str = "A", rate: str = "", start: str = BEGUN
) -> str:
    return f"RXA|0|1|{start}|{end}|{drug}|480|mg|||||{rate}||||||||{status}|{action}"


def ras(*segments: str) -> bytes:
    return hl7(pid(), "ORC|RE|O1|F1", *segments, event="RAS^O17")


def actions(raw: bytes) -> list[tuple[str, str]]:
    element = one(taken(raw))
    assert element.outcome is ElementOutcome.STORED, element.why
    return [(message["action"], message["effective"]) for message in element.messages]


def test_a_dose() -> None:
    (message,) = one(taken(ras(rxa()))).messages
    assert message.pop("id").startswith("hl7/")
    assert message == {
        "type": "treatment",
        "source": "lab",
        "patient": "P1",
        "effective": AT,
        "drug": "tocilizumab",
        "action": "given",
        "dose": "480",
        "unit": "mg",
    }


def test_infusions() -> None:
    assert actions(ras(rxa(NOREPINEPHRINE, rate="h"))) == [("started", AT)]
    assert actions(ras(rxa(NOREPINEPHRINE, end=ENDED))) == [("started", AT), ("stopped", LATER)]
    assert actions(ras(rxa(NOREPINEPHRINE, end=BEGUN))) == [("given", AT)]
    assert actions(ras(rxa(NOREPINEPHRINE))) == [("given", AT)]


@pytest.mark.parametrize("status", ["RE", "NA"])
def test_what_was_refused_by_the_patient_was_not_given(status: str) -> None:
    assert one(taken(ras(rxa(status=status)))).outcome is ElementOutcome.IGNORED


def test_a_deleted_administration_is_retracted_under_its_id() -> None:
    given, gone = one(taken(ras(rxa()))).messages[0], one(taken(ras(rxa(action="D")))).messages[0]
    assert (given["id"], gone["status"]) == (gone["id"], "entered_in_error")


@pytest.mark.parametrize(
    "segment",
    [rxa(start=""), rxa(start="20240614"), rxa(status="ZZ"), rxa("612865^anakinra^RXNORM"), rxa("9^Tocilizumab^L")],
)
def test_what_is_doubtful_is_dead_lettered(segment: str) -> None:
    assert one(taken(ras(segment))).outcome is ElementOutcome.DEAD_LETTER


def test_a_drug_that_is_not_watched_and_a_message_without_any() -> None:
    assert one(taken(ras(rxa("11124^vancomycin^RXNORM")))).outcome is ElementOutcome.IGNORED
    assert one(taken(ras())).outcome is ElementOutcome.IGNORED
    assert one(taken(hl7(rxa(), event="RAS^O17"))).outcome is ElementOutcome.REFUSED


EVN = "EVN||20240614080000+0200"


@pytest.mark.parametrize("event", ["A40", "A34"])
def test_a_merge_names_the_record_that_ends_and_the_one_that_goes_on(event: str) -> None:
    element = one(taken(hl7(EVN, pid("NEW^^^HOSP^MR"), "MRG|OLD^^^HOSP^MR", event=f"ADT^{event}")))
    (message,) = element.messages
    assert message.pop("id").startswith("hl7/")
    assert message == {"type": "merge", "source": "lab", "patient": "OLD", "into": "NEW", "effective": AT}


@pytest.mark.parametrize(
    ("operator", "by"), [("77^Rossi^Anna", "Anna Rossi"), ("77", "77"), ("^Rossi", "Rossi"), ('""', None), ("", None)]
)
def test_who_enters_a_merge_or_a_discharge_is_named_and_makes_no_other_message(operator: str, by: str | None) -> None:
    evn = f"{EVN}|||{operator}"
    merge, same = (
        one(taken(hl7(event, pid("NEW^^^HOSP^MR"), "MRG|OLD^^^HOSP^MR", event="ADT^A40"))).messages[0]
        for event in (evn, EVN)
    )
    left = one(taken(hl7(evn, pid(), "PV1|1|I|HAEM-2^R1^12", event="ADT^A03"), source(registers=["*"]))).messages[0]
    assert (merge.get("by"), left.get("by")) == (by, by)
    assert merge["id"] == same["id"]


def test_merges_that_are_none() -> None:
    assert one(taken(hl7(EVN, pid(), "MRG|P1^^^HOSP^MR", event="ADT^A40"))).outcome is ElementOutcome.IGNORED
    assert one(taken(hl7(EVN, pid(), event="ADT^A40"))).outcome is ElementOutcome.DEAD_LETTER
    assert one(taken(hl7(EVN, pid(), "MRG|A1^^^HOSP^AN", event="ADT^A40"))).outcome is ElementOutcome.DEAD_LETTER
    assert one(taken(hl7(pid("N^^^H^MR"), "MRG|O^^^H^MR", event="ADT^A40"))).outcome is ElementOutcome.DEAD_LETTER


def test_one_message_may_merge_several() -> None:
    raw = hl7(EVN, pid("A^^^H^MR"), "MRG|B^^^H^MR", pid("C^^^H^MR"), "MRG|D^^^H^MR", event="ADT^A40")
    assert [(message["patient"], message["into"]) for message in taken(raw).messages] == [("B", "A"), ("D", "C")]


def admission(event: str, pv1: str = "PV1|1|I|HAEM-2^R1^12", **policy: Any) -> Any:
    return one(taken(hl7(EVN, pid(born="19550501"), pv1, event=f"ADT^{event}"), source(**policy)))


@pytest.mark.parametrize("event", ["A01", "A02", "A08"])
def test_an_admission_to_a_watched_ward(event: str) -> None:
    (message,) = admission(event, registers=["HAEM-2"]).messages
    assert message.pop("id").startswith("hl7/")
    assert message == {
        "type": "registration",
        "source": "lab",
        "patient": "P1",
        "effective": AT,
        "born": "1955-05-01",
        "ward": "HAEM-2",
        "bed": "12",
        "setting": "inpatient",
    }


@pytest.mark.parametrize(
    ("patient_class", "setting"), [("O", "outpatient"), ("R", "outpatient"), ("E", None), ('""', None), ("", None)]
)
def test_the_patient_class_says_the_setting(patient_class: str, setting: str | None) -> None:
    (message,) = admission("A08", f"PV1|1|{patient_class}|HAEM-2^R1^12", registers=["*"]).messages
    assert message.get("setting") == setting


@pytest.mark.parametrize(
    ("segments", "allergies"),
    [
        ((), None),
        (("AL1|1|DA|^co-trimoxazole", "AL1|2||1545^penicillin G", 'AL1|3||""'), "co-trimoxazole, penicillin G"),
        (("AL1|1||LATEX", "AL1|2||LATEX"), "LATEX"),
    ],
)
def test_allergies_are_read_and_without_any_stay_unknown(segments: tuple[str, ...], allergies: str | None) -> None:
    raw = hl7(EVN, pid(), "PV1|1|I|HAEM-2^R1^12", *segments, event="ADT^A08")
    (message,) = one(taken(raw, source(registers=["*"]))).messages
    assert message.get("allergies") == allergies


def test_a_list_of_allergies_that_is_cut_shows_it() -> None:
    raw = hl7(EVN, pid(), *(f"AL1|1||^{number:0150d}" for number in range(20)), event="ADT^A08")
    (message,) = one(taken(raw, source(registers=["*"]))).messages
    assert len(message["allergies"]) == 2000
    assert message["allergies"].endswith("…")


def test_a_discharge() -> None:
    (message,) = admission("A03", registers=["*"]).messages
    assert (message["type"], message["effective"]) == ("discharge", AT)


def test_a_transfer_out_of_a_watched_ward_is_heard() -> None:
    (message,) = admission("A02", "PV1|1|I|ICU^1^2|||HAEM-2^R1^12", registers=["HAEM-2"]).messages
    assert message["ward"] == "ICU"


def test_other_wards_register_nobody() -> None:
    assert admission("A01").outcome is ElementOutcome.IGNORED
    assert admission("A01", registers=["ICU"]).outcome is ElementOutcome.IGNORED


def test_administrations_without_line_ends_do_not_vanish() -> None:
    assert one(taken(ras(rxa()).replace(b"\rRXA", b" RXA"))).outcome is ElementOutcome.DEAD_LETTER
    assert one(taken(ras())).outcome is ElementOutcome.IGNORED
