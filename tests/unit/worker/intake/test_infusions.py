"""The infusion of CAR-T cells, as FHIR and HL7 say it, registers the patient with day 0 and the product."""

from typing import Any

import pytest

from config.vocabulary import PRODUCTS, TRADE_NAMES, product_code
from tests.support.feeds import (
    AT,
    SNOMED,
    administration,
    coding,
    concept,
    fhir,
    hl7,
    observation,
    one,
    pid,
    source,
    taken,
)
from worker.intake.parsed import ElementOutcome, ElementResult

ATC = "http://www.whocc.no/atc"
AXI = coding("L01XL03", ATC, "axicabtagene ciloleucel")
CAR_T = coding("1156961008", SNOMED, "Chimeric antigen receptor T-cell immunotherapy")
LATER = "2024-06-14T20:00:00+02:00"


def procedure(status: str = "completed", *codings: dict[str, str], **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "resourceType": "Procedure",
        "id": "p1",
        "status": status,
        "code": concept(*(codings or (CAR_T,))),
        "subject": {"identifier": {"system": "urn:hospital", "value": "P1"}},
        "performedDateTime": AT,
    }
    return {name: held for name, held in (body | more).items() if held is not None}


def registration(element: ElementResult) -> dict[str, Any]:
    assert element.outcome is ElementOutcome.STORED, element.why
    (message,) = element.messages
    assert (message["type"], message["patient"], message["source"]) == ("registration", "P1", "lab")
    return message


@pytest.mark.parametrize("status", ["in-progress", "completed", "stopped"])
def test_a_procedure_of_the_infusion_registers(status: str) -> None:
    message = registration(one(fhir(procedure(status))))
    assert (message["id"], message["infused"], message["effective"]) == ("Procedure/p1", AT, AT)
    assert "product" not in message


@pytest.mark.parametrize(
    "times",
    [
        {"performedPeriod": {"start": AT, "end": LATER}},
        {"occurrenceDateTime": AT},
        {"occurrencePeriod": {"start": AT}},
    ],
)
def test_the_infusion_is_when_it_began(times: dict[str, Any]) -> None:
    assert registration(one(fhir(procedure(performedDateTime=None, **times))))["infused"] == AT


def test_a_record_that_was_changed_later_holds_over_the_one_before() -> None:
    assert registration(one(fhir(procedure(meta={"lastUpdated": LATER}))))["effective"] == LATER


def test_the_administration_of_the_product_registers_with_the_product() -> None:
    message = registration(one(fhir(administration("completed", AXI))))
    assert (message["infused"], message["product"]) == (AT, "axicabtagene ciloleucel")


def test_a_trade_name_beside_the_code_says_the_same_product() -> None:
    kymriah = coding("L01XL04", ATC, "KYMRIAH dispersion for infusion")
    assert registration(one(fhir(administration("completed", kymriah))))["product"] == "tisagenlecleucel"


def test_a_code_and_a_name_that_disagree_register_nobody() -> None:
    element = one(fhir(administration("completed", coding("L01XL03", ATC, "tisagenlecleucel"))))
    assert (element.outcome, element.messages) == (ElementOutcome.DEAD_LETTER, ())


def test_a_product_under_a_code_that_is_not_mapped_is_said_and_can_be_mapped() -> None:
    local = coding("77", "urn:pharmacy", "obecabtagene autoleucel")
    assert "is named like obecabtagene; map its code" in one(fhir(administration("completed", local))).why
    mapped = source(codes={"urn:pharmacy": {"77": "product:obecabtagene"}})
    assert registration(one(fhir(administration("completed", local), mapped)))["product"] == "obecabtagene autoleucel"
    mapped = source(codes={"urn:theatre": {"CART": "infusion"}})
    assert registration(one(fhir(procedure("completed", coding("CART", "urn:theatre")), mapped)))["infused"] == AT


@pytest.mark.parametrize(
    ("status", "outcome"), [("not-done", ElementOutcome.IGNORED), ("odd", ElementOutcome.DEAD_LETTER)]
)
def test_what_did_not_happen_registers_nobody(status: str, outcome: ElementOutcome) -> None:
    for resource in (procedure(status), administration(status, AXI)):
        assert one(fhir(resource)).outcome is outcome


def test_an_infusion_that_is_retracted_says_what_to_do() -> None:
    for resource in (procedure("entered-in-error"), administration("entered-in-error", AXI)):
        element = one(fhir(resource))
        assert element.outcome is ElementOutcome.DEAD_LETTER
        assert "cartwatch register" in element.why


def test_a_day_without_the_hour_says_so() -> None:
    element = one(fhir(procedure(performedDateTime="2024-06-14")))
    assert (element.outcome, element.why) == (
        ElementOutcome.DEAD_LETTER,
        "performed: 2024-06-14 is a day, and the infusion needs the hour",
    )
    assert one(fhir(procedure(performedDateTime=None))).outcome is ElementOutcome.DEAD_LETTER


@pytest.mark.parametrize("kind", ["monitor", "laboratory"])
def test_a_monitor_or_a_laboratory_registers_nobody(kind: str) -> None:
    element = one(fhir(procedure(), source(type=kind)))
    assert (element.outcome, element.messages) == (ElementOutcome.IGNORED, ())
    assert one(fhir(procedure(), source(type=kind, registers=["*"]))).outcome is ElementOutcome.STORED


def test_another_procedure_is_not_read() -> None:
    element = one(fhir(procedure("completed", coding("80146002", SNOMED, "Appendectomy"))))
    assert (element.outcome, element.messages) == (ElementOutcome.IGNORED, ())
    assert one(fhir({"resourceType": "Procedure", "code": 7})).outcome is ElementOutcome.IGNORED


def test_an_infusion_that_cannot_be_read_says_which_field() -> None:
    assert "status" in one(fhir(procedure() | {"status": None})).why


def test_an_infusion_of_nobody_is_dead_lettered() -> None:
    assert one(fhir(procedure(subject=None))).outcome is ElementOutcome.DEAD_LETTER


def test_an_observation_coded_as_an_infusion_or_a_drug_is_no_reading() -> None:
    for code in (CAR_T, AXI, coding("H02AB02", ATC, "dexamethasone")):
        assert one(fhir(observation() | {"code": concept(code)})).outcome is ElementOutcome.IGNORED


# -- HL7 ---------------------------------------------------------------------------------------------


def ras(drug: str = "L01XL03^axicabtagene ciloleucel^ATC", status: str = "CP", action: str = "A") -> bytes:
    rxa = f"RXA|0|1|20240614080000+0200||{drug}|1|mL|||||||||||||{status}|{action}"
    return hl7(pid(), "ORC|RE|O1|F1", rxa, event="RAS^O17")


def test_an_hl7_administration_of_the_product_registers() -> None:
    message = registration(one(taken(ras())))
    assert (message["infused"], message["product"]) == (AT, "axicabtagene ciloleucel")


def test_an_hl7_administration_that_was_refused_or_retracted_registers_nobody() -> None:
    assert one(taken(ras(status="RE"))).outcome is ElementOutcome.IGNORED
    assert one(taken(ras(action="D"))).outcome is ElementOutcome.DEAD_LETTER
    assert one(taken(ras(status="??"))).outcome is ElementOutcome.DEAD_LETTER


# -- products ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(PRODUCTS))
def test_a_product_is_known_by_its_code_its_name_and_its_trade_name(code: str) -> None:
    assert {product_code(text) for text in (code, PRODUCTS[code].upper(), TRADE_NAMES[code].title())} == {code}


def test_another_text_is_no_known_product() -> None:
    assert product_code("a trial product") == ""
