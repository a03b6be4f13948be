"""Whatever comes in ends in one of four ways: no crash, and nothing out of all bounds."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.messages import MESSAGE
from tests.support.feeds import (
    INTAKE,
    NOW,
    TABLES,
    administration,
    bundle,
    coding,
    concept,
    fhir,
    hl7,
    obr,
    observation,
    obx,
    pid,
    quantity,
    source,
)
from worker.intake import read
from worker.intake.fhir.entries import UnreadableResource
from worker.intake.parse import line
from worker.intake.parsed import ElementOutcome, Parsed

EVERYTHING = source(registers=["*"], type="monitor", codes={"L": {"1": "crp", "2": "ice", "3": "drug:tocilizumab"}})

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
PATIENT = {"resourceType": "Patient", "id": "7", "identifier": [{"value": "P1"}], "birthDate": "1955-05-01"}
REPORT = {"resourceType": "DiagnosticReport", "id": "d", "result": [{"reference": "Observation/o1"}], "subject": {}}
SEEDS = [
    observation(),
    observation(valueQuantity=None, component=[{"code": concept(coding("8480-6")), "valueQuantity": quantity(1)}]),
    observation("67775-7", valueQuantity=None, valueString="Alert"),
    administration(effectiveDateTime=None, effectivePeriod={"start": "2024-06-14T08:00:00Z"}),
    PATIENT,
    REPORT,
    bundle(PATIENT, REPORT, observation(subject={"reference": "Patient/7"})),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a JSON document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, inner in items for found in places(inner, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A good resource with a few values replaced by anything."""
    body: Any = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 3))):
        body = replaced(body, draw(st.sampled_from(places(body))), draw(JSON))
    return body


def accounted_for(taken: Parsed, size: int) -> None:
    for item in taken.items:
        assert item.elements
        assert len(item.elements) <= size + 2
    for element in taken.elements:
        assert element.outcome in ElementOutcome
        assert element.why or element.outcome is ElementOutcome.STORED
        assert len(element.why) < 3000
        for message in element.messages:
            MESSAGE.validate_python(message)
            assert not message["patient"].startswith("~")
    json.dumps(line(taken, "x"))


@settings(max_examples=400)
@given(damaged())
def test_damaged_fhir(body: Any) -> None:
    raw = json.dumps(body).encode(errors="surrogatepass")
    try:
        found = fhir(raw, EVERYTHING)
    except UnreadableResource:
        return
    accounted_for(found, len(raw))
    assert found.items or body["entry"] == []


@settings(max_examples=150)
@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode(errors="replace")))
def test_anything_at_all(raw: bytes) -> None:
    for found in read.parse_any(raw, "x", INTAKE, TABLES, NOW):
        accounted_for(found, len(raw))


SIGNS = st.text(alphabet="ABCFLNPSTXW^~&\\|<>=\"'.0123456789 -+é\n", max_size=25)
EVENTS = ("ORU^R01", "OUL^R22", "RAS^O17", "ADT^A40", "ADT^A01", "ADT^A03", "MDM^T02")
SEGMENTS = [
    pid(),
    obr(),
    obx(),
    obx("67775-7^LOC^LN", "Alert", "", kind="CWE"),
    obx("1^x^L", "<^5", "mg/L", kind="SN"),
    "SPM|1",
    "ORC|RE|O1|F1",
    "RXA|0|1|20240614080000+0200||612865^tocilizumab^RXNORM|480|mg|||||||||||||CP|A",
    "EVN||20240614080000+0200",
    "MRG|OLD^^^HOSP^MR",
    "PV1|1|I|HAEM-2^R1^12",
]


@st.composite
def damaged_hl7(draw: st.DrawFn) -> bytes:
    """Segments in any order, with a few fields replaced by anything."""
    segments = []
    for segment in draw(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=8)):
        fields = segment.split("|")
        for _ in range(draw(st.integers(0, 2))):
            fields[draw(st.integers(1, len(fields) - 1))] = draw(SIGNS)
        segments.append("|".join(fields))
    return hl7(*segments, event=draw(st.sampled_from(EVENTS)))


@settings(max_examples=400)
@given(damaged_hl7(), st.booleans())
def test_damaged_hl7(raw: bytes, zoned: bool) -> None:
    of = EVERYTHING if zoned else EVERYTHING._replace(zone=None)
    accounted_for(read.hl7(raw, INTAKE, TABLES, of), len(raw))
