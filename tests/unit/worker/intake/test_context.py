"""What only the context of a page needs comes in over HL7 and FHIR too: by public codes, or by a site's own."""

import pytest

from tests.support.feeds import administration, coding, fhir, hl7, obr, observation, obx, one, pid, source, taken

OWN = "urn:hospital:drugs"


@pytest.mark.parametrize("code", ["29463-7", "3141-9"])
def test_a_body_weight_is_read_from_both_where_the_site_says_which_is_for_doses(code: str) -> None:
    mapped = source(codes={"http://loinc.org": {code: "weight"}})
    (sent,) = one(fhir(observation(code, 72.5, "kg"), mapped)).messages
    (same,) = one(taken(hl7(pid(), obr(), obx(f"{code}^Body weight^LN", "72.5", "kg")), mapped)).messages
    assert one(fhir(observation(code, 72.5, "kg"))).messages == ()
    assert {(message["reading"], message["value"], message["unit"]) for message in (sent, same)} == {
        ("weight", "72.5", "kg")
    }


@pytest.mark.parametrize("drug", ["antibiotic", "fluid_bolus"])
def test_a_class_of_drugs_is_mapped_from_a_code_of_the_site(drug: str) -> None:
    mapped = source(codes={OWN: {"X1": f"drug:{drug}"}})
    (message,) = one(fhir(administration("completed", coding("X1", OWN, "Meropenem")), mapped)).messages
    assert (message["drug"], message["action"]) == (drug, "given")
