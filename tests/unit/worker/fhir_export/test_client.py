"""One request to the FHIR base, and what its answer means."""

import json
import logging
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from config.settings import Settings
from tests.support.fake_ehr import FakeEhr
from tests.support.stored_ward import NOW
from worker.fhir_export import client as module
from worker.fhir_export.client import FhirClient, PutOutcome, PutResult, _diagnostics, fhir_base

RESOURCE = {
    "resourceType": "Observation",
    "identifier": [{"system": "urn:cartwatch:grade", "value": "g1"}],
    "status": "final",
}


@pytest.fixture
def elsewhere() -> Iterator[FakeEhr]:
    with FakeEhr() as system:
        yield system


def test_the_token_is_brought_and_fhir_is_spoken(record: FakeEhr, base: FhirClient) -> None:
    assert base.put([RESOURCE], NOW) == PutResult(PutOutcome.ACCEPTED)
    [(headers, bundle)] = record.requests
    assert headers["authorization"] == "Bearer a-token"
    assert headers["content-type"] == "application/fhir+json"
    assert bundle["entry"][0]["resource"] == RESOURCE


def test_without_a_token_none_is_brought(record: FakeEhr) -> None:
    base = FhirClient(Settings(fhir_base=record.base))
    base.put([RESOURCE], NOW)
    base.close()
    assert "authorization" not in record.requests[0][0]


def test_a_redirection_is_not_followed(record: FakeEhr, base: FhirClient, elsewhere: FakeEhr) -> None:
    record.answers = [(307, {"Location": elsewhere.base})]
    answer = base.put([RESOURCE], NOW)
    assert answer.outcome is PutOutcome.FAILED
    assert "redirection" in answer.why
    assert elsewhere.requests == []


def test_a_token_that_is_not_accepted_is_said(record: FakeEhr, base: FhirClient) -> None:
    record.answers = [(401, {})]
    assert base.put([RESOURCE], NOW).why == "it answered 401: the token is not accepted"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, "refused") for status in (400, 409, 412, 413, 422)),
        *((status, "failed") for status in (401, 404, 408, 429, 500, 503)),
    ],
)
def test_an_answer_speaks_of_the_content_or_of_the_way(
    record: FakeEhr, base: FhirClient, status: int, outcome: str
) -> None:
    record.answers = [(status, {})]
    assert base.put([RESOURCE], NOW).outcome == outcome


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("Fri, 14 Jun 2024 08:01:30 GMT", timedelta(seconds=90)),
        ("Fri, 14 Jun 2024 07:00:00 GMT", timedelta(0)),
        ("soon", None),
        ("9" * 40, None),
        ("", None),
    ],
)
def test_how_long_it_asks_to_wait(record: FakeEhr, base: FhirClient, text: str, wait: timedelta | None) -> None:
    record.answers = [(503, {"Retry-After": text})]
    assert base.put([RESOURCE], NOW).wait == wait


def test_a_base_nobody_listens_at_fails_without_naming_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        base = FhirClient(Settings(fhir_base=f"http://127.0.0.1:{taken.getsockname()[1]}/fhir"))
        answer = base.put([RESOURCE], NOW)
        base.close()
    assert answer == PutResult(PutOutcome.FAILED, "ConnectError")


@pytest.mark.parametrize("address", ["nonsense", "ftp://record.example/fhir", "http://[::1/fhir"])
def test_a_nonsense_address_fails(address: str) -> None:
    base = FhirClient(Settings(fhir_base=address))
    assert base.put([RESOURCE], NOW).outcome is PutOutcome.FAILED
    base.close()


def test_an_answer_in_drips_ends_with_the_task(
    record: FakeEhr, base: FhirClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> bytes:
        raise SoftTimeLimitExceeded

    record.answers = [(503, {})]
    monkeypatch.setattr(module, "_beginning", interrupted)
    assert base.put([RESOURCE], NOW) == PutResult(PutOutcome.FAILED, "it did not answer in time")


def test_what_it_says_of_a_refusal_is_kept_and_shortened(record: FakeEhr, base: FhirClient) -> None:
    record.refuses = lambda _: True
    assert base.put([RESOURCE], NOW) == PutResult(PutOutcome.REFUSED, "it answered 422", None, "no such code")


def test_nothing_of_it_stands_in_the_log(record: FakeEhr, base: FhirClient, caplog: pytest.LogCaptureFixture) -> None:
    from worker.runtime.logging_setup import configure

    root = logging.getLogger()
    before = root.handlers[:]
    configure(Settings())
    try:
        root.addHandler(caplog.handler)
        base.put([RESOURCE], NOW)
    finally:
        root.handlers[:] = before
    assert caplog.text == ""
    assert record.requests


def test_a_process_connects_once() -> None:
    settings = Settings(fhir_base="http://127.0.0.1:9/fhir")
    assert fhir_base(settings) is fhir_base(settings)


@pytest.mark.parametrize(
    ("issue", "said"),
    [
        ({"details": {"text": "Missing"}, "expression": ["Observation.code"]}, "Missing (Observation.code)"),
        ({"diagnostics": "Missing", "location": ["/f:code", "/f:status"]}, "Missing (/f:code, /f:status)"),
        ({"diagnostics": "Missing"}, "Missing"),
        ({"expression": ["Observation.code"]}, "Observation.code"),
        ({"expression": [1]}, ""),
        ({"details": None}, ""),
    ],
)
def test_a_refusal_names_the_element_it_is_about(issue: dict[str, Any], said: str) -> None:
    assert _diagnostics(json.dumps({"issue": [issue]}).encode()) == said
