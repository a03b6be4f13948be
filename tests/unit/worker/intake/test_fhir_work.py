"""What a FHIR body costs grows with its size and no faster, and ends when the budget does."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.feeds import (
    LOINC,
    NOW,
    TABLES,
    administration,
    bundle,
    coding,
    concept,
    fhir,
    observation,
    source,
)
from tests.support.work import Clock, work_of
from worker.intake import read
from worker.intake.budget import Budget, OverBudget
from worker.intake.fhir import take
from worker.intake.fhir.detached import COPIED
from worker.intake.fhir.entries import UnreadableResource
from worker.intake.parsed import ElementOutcome

LENT = {"reference": "Patient/1"}
UNNAMED: dict[str, Any] = {"id": None, "subject": None}


def contained(number: int) -> dict[str, Any]:
    """One resource without id, and so many Observations without id in it."""
    inside = [observation(**UNNAMED) for _ in range(number)]
    return {"resourceType": "DiagnosticReport", "status": "final", "subject": LENT, "contained": inside}


def identifiers(number: int) -> dict[str, Any]:
    """A patient of many identifiers, and many results of it."""
    of = {"resourceType": "Patient", "id": "1", "identifier": [{"system": f"urn:{at}"} for at in range(number)]}
    of["identifier"].append({"system": "urn:hospital", "value": "P1"})
    return bundle(of, *(observation(id=f"o{at}", subject=LENT) for at in range(number)))


def unusable_patient(number: int) -> dict[str, Any]:
    """The same where no identifier will do."""
    of = {"resourceType": "Patient", "id": "1", "identifier": [{"value": f"{at}"} for at in range(number)]}
    return bundle(of, *(observation(id=f"o{at}", subject=LENT) for at in range(number)))


def product(number: int) -> dict[str, Any]:
    """A product of many codes, given many times."""
    codes = [coding(f"{at}", "urn:x", f"thing {at}") for at in range(number)]
    drug = {"resourceType": "Medication", "id": "m", "code": concept(*codes)}
    given = {"medicationCodeableConcept": None, "medicationReference": {"reference": "Medication/m"}}
    return bundle(drug, *(administration(id=f"a{at}", **given) for at in range(number)))


def reports(number: int) -> dict[str, Any]:
    """Many reports that list the same results."""
    listed = [{"reference": f"Observation/o{at}"} for at in range(number // 10)]
    made = [{"resourceType": "DiagnosticReport", "id": f"r{at}", "subject": LENT, "result": listed} for at in range(10)]
    return bundle(*made, *(observation(id=f"o{at}", subject=None) for at in range(number)))


def members(number: int) -> dict[str, Any]:
    """A chain of panels, each the member of the one before, and the last of the first."""
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "subject": LENT,
        "result": [{"reference": "Observation/0"}],
    }
    chain = [
        observation(id=f"{at}", subject=None, hasMember=[{"reference": f"Observation/{(at + 1) % number}"}])
        for at in range(number)
    ]
    return bundle(report, *chain)


def components(number: int) -> dict[str, Any]:
    """One Observation of many parts."""
    return observation(component=[{"code": concept(coding("8310-5"))} for _ in range(number)])


def results(number: int) -> dict[str, Any]:
    """What is sent in earnest."""
    return bundle(*(observation(id=f"o{at}") for at in range(number)))


BODIES: dict[str, Callable[[int], dict[str, Any]]] = {
    made.__name__: made
    for made in (contained, identifiers, unusable_patient, product, reports, members, components, results)
}


@pytest.mark.parametrize("made", BODIES.values(), ids=list(BODIES))
def test_twice_the_body_is_twice_the_work(
    made: Callable[[int], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (work_of(monkeypatch, fhir, made(size)) for size in (45, 90))
    assert two.is_within(2.2, one), (one, two)


@pytest.mark.parametrize("made", BODIES.values(), ids=list(BODIES))
def test_the_work_ends_with_the_budget(made: Callable[[int], dict[str, Any]]) -> None:
    raw = json.dumps(made(90 if made in (identifiers, unusable_patient, product) else 900)).encode()
    whole = read.fhir(raw, source(), TABLES, NOW)
    assert whole.elements
    if made is components:
        with pytest.raises(OverBudget, match="results"):
            read.fhir(raw, source(), TABLES, NOW, Budget(results=800))
        return
    with pytest.raises(OverBudget, match="longer than"):
        read.fhir(raw, source(), TABLES, NOW, Budget(seconds=10, timer=Clock()))


LONG = {
    "codings": observation(code=concept(*[coding("1988-5")] * 101)),
    "identifiers": observation(identifier=[{"value": "1"}] * 101),
    "components": observation(component=[{}] * 1001),
    "no components": observation(component=[1] * 50_000),
    "members": observation(hasMember=[{}] * 10_001),
    "contained": contained(1) | {"contained": [observation(**UNNAMED)] * 10_001},
}


@pytest.mark.parametrize("sent", LONG.values(), ids=list(LONG))
def test_a_list_longer_than_any_in_earnest_is_refused_with_a_short_reason(sent: dict[str, Any]) -> None:
    (element,) = fhir(sent).elements
    assert element.outcome is ElementOutcome.REFUSED
    assert 10 < len(element.why) < 200


def test_one_long_list_refuses_its_resource_alone() -> None:
    found = fhir(bundle(LONG["components"], observation(id="o2")))
    assert [item.outcome for item in found.items] == [ElementOutcome.REFUSED, ElementOutcome.STORED]


DEEP = json.loads("[" * 400 + "]" * 400)
NUMBERS = ("1e999999999", "-1e-999999999", "1" * 5000, "1" * 5000 + ".5", "0." + "0" * 5000 + "1")


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:12])
def test_a_number_nothing_measures_is_no_value(number: str) -> None:
    raw = json.dumps(observation(value=7)).replace('"value": 7', f'"value": {number}').encode()
    try:
        (element,) = fhir(raw).elements
    except UnreadableResource:
        return
    assert element.outcome is ElementOutcome.DEAD_LETTER
    assert len(element.why) < 200


@pytest.mark.parametrize(
    "sent",
    [
        {"resourceType": "Bundle", "type": DEEP, "entry": []},
        {"resourceType": "Bundle", "entry": [{"request": {"method": DEEP}}]},
        {"resourceType": "Bundle", "entry": [{"fullUrl": DEEP, "resource": observation(id=DEEP)}]},
        observation(id=DEEP),
        observation(extension=DEEP, id=None, code=concept(coding("1", "urn:x"))),
        bundle(administration(medicationReference={"reference": DEEP}, medicationCodeableConcept=None)),
    ],
)
def test_what_is_nested_without_end_is_answered(sent: dict[str, Any]) -> None:
    assert all(element.outcome is not ElementOutcome.STORED for element in fhir(sent).elements)


def heavy(characters: int, times: int) -> dict[str, Any]:
    """A product with a long text that nothing of ours reads, given many times and never understood."""
    drug = {"resourceType": "Medication", "id": "m", "text": {"div": "x" * characters}}
    drug |= {"code": concept(coding("1", "urn:x", "tocilizumab"))}
    given = {"medicationCodeableConcept": None, "medicationReference": {"reference": "Medication/m"}}
    return bundle(drug, *(administration(id=f"a{at}", **given) for at in range(times)))


def kept(sent: dict[str, Any]) -> int:
    return sum(len(item.raw) for item in fhir(sent).items if item.outcome is ElementOutcome.DEAD_LETTER)


def test_a_product_is_kept_with_each_administration_as_far_as_it_is_read() -> None:
    sent = heavy(100_000, 50)
    found = fhir(sent)
    assert [item.outcome for item in found.items[1:]] == [ElementOutcome.DEAD_LETTER] * 50
    assert kept(sent) < 50 * 1000
    (again,) = fhir(found.items[1].raw.encode()).elements
    assert again.why == found.items[1].elements[0].why, "what is kept says the same of itself"


def test_what_would_be_copied_into_many_is_refused_where_it_is_too_much() -> None:
    sent = heavy(0, 50)
    sent["entry"][0]["resource"]["code"]["extension"] = ["x" * 100_000]
    outcomes = [item.outcome for item in fhir(sent).items[1:]]
    assert outcomes == [ElementOutcome.DEAD_LETTER] * 10 + [ElementOutcome.REFUSED] * 40
    assert kept(sent) < 2 * COPIED


def test_a_patient_is_not_copied_into_each_result_inside() -> None:
    subject = {"identifier": {"system": "u" * 390, "value": "P" * 190, "type": {"coding": [{"code": "t" * 390}]}}}
    unknown = {"resourceType": "Observation", "status": "no", "code": concept(coding("1988-5", LOINC))}
    sent = observation(id="o", subject=subject, contained=[unknown] * 1000)
    (item,) = fhir(sent).items
    assert item.outcome is ElementOutcome.DEAD_LETTER
    assert len(item.raw) < len(json.dumps(sent)) + 2000
    assert [one.patient for one in fhir(item.raw.encode()).elements] == [one.patient for one in item.elements]


def test_a_medication_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    times = []
    real = take.medications._codings
    monkeypatch.setattr(take.medications, "_codings", lambda raw: times.append(raw) or real(raw))
    fhir(heavy(10, 100))
    assert len(times) == 1
