"""The OpenAPI document and the schema of messages: valid, as in the documents, and true of what is there."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from starlette.routing import Mount, Route

from alerts.message_json import BadMessage, read_message
from alerts.message_schema import schema
from config.settings import Settings
from config.site import DEFAULTS
from tests.support.desk import ADDRESS, Browser, Desk
from worker.commands.schema import text
from worker.gateway import openapi
from worker.gateway.app import create_app
from worker.gateway.cds_card import SERVICE
from worker.gateway.cds_hooks import BASE
from worker.gateway.serve import intake_routes
from worker.intake.fhir.interaction import TYPES
from worker.intake.watched_config import WatchedIntakeConfig
from worker.runtime.runtime import Runtime

DOCUMENTS = Path(__file__).parents[4] / "docs" / "integrators"
BODY: dict[str, Any] = {"id": "m1", "source": "lab", "patient": "P1", "effective": "2024-06-14T08:00:00+02:00"}
READING = BODY | {"type": "reading"}

validator = Draft202012Validator(schema())


@pytest.mark.parametrize(("of", "name"), [("messages", "messages.schema.json"), ("openapi", "openapi.json")])
def test_the_documents_hold_what_the_command_prints(of: str, name: str) -> None:
    printed = f"cartwatch schema {of} > docs/integrators/{name}"
    assert (DOCUMENTS / name).read_text(encoding="utf-8") == f"{text(of)}\n", f"run `{printed}`"


def test_the_openapi_document_is_valid() -> None:
    validate(openapi.document())


def test_the_schema_of_messages_is_valid() -> None:
    Draft202012Validator.check_schema(schema())


def test_the_document_names_every_route_for_systems_and_no_other(desk: Desk) -> None:
    """A route for systems that is added needs its place in `worker/gateway/openapi.py`."""
    named = dict.fromkeys(("pagerduty_secret", "opsgenie_secret", "telegram_secret", "vonage_secret"), "x" * 32)
    settings = Settings(**named, namespace="test", shards=4)
    run = Runtime(settings, desk.site, desk.store, desk.clock)
    app = create_app(run, desk.links, intake_routes(run, desk.client, WatchedIntakeConfig(None)), client=desk.client)
    routes = {one.path: one.methods for one in app.routes if isinstance(one, Route)}
    assert [one.path for one in app.routes if isinstance(one, Mount)] == ["/static"]
    served = openapi.for_systems(routes) - {"/fhir/{rest:path}"}
    stated = set(openapi.document()["paths"])
    below = {path for path in stated if path.startswith("/fhir/")}
    cds = {path for path in stated if path.startswith("/cds-services")}
    assert served | below | cds == stated
    assert cds == {BASE, f"{BASE}/{SERVICE}", f"{BASE}/{SERVICE}/feedback"}
    for path in served - {"/fhir"}:
        methods = {method.lower() for method in routes[path] or ()} - {"head"}
        assert methods == set(openapi.document()["paths"][path]) & {"get", "post", "put"}, path


def test_it_is_served_to_whoever_asks(desk: Desk) -> None:
    browser = Browser(desk.app, ADDRESS)
    assert browser.request("GET", "/openapi.json").json() == openapi.document()
    browser.close()
    types = openapi.document()["paths"]["/fhir/{type}"]["parameters"][0]["schema"]["enum"]
    assert types == list(TYPES)


def is_valid(message: Any) -> bool:
    return bool(validator.is_valid(message))


def is_read(message: Any) -> bool:
    try:
        read_message(json.dumps(message))
    except BadMessage:
        return False
    return True


def test_the_reference_case_is_valid() -> None:
    lines = (DEFAULTS / "reference_case.ndjson").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not is_valid(json.loads(line))] == []


ICE = {"year": 1, "month": 1, "city": 1, "hospital": 1, "naming": 3, "command": 1, "writing": 1, "attention": 1}
GOOD: list[dict[str, Any]] = [
    {"reading": "crp", "value": 85, "unit": "mg/L"},
    {"reading": "crp", "value": "85.5", "unit": "mg/L", "low": 0, "high": "5"},
    {"reading": "crp", "value": "<0.1", "status": "preliminary"},
    {"reading": "crp", "value": ">= 5", "received": "2024-06-14T08:00:00Z"},
    {"reading": "crp", "absent": "UNABLE TO REPORT"},
    {"reading": "crp", "status": "entered_in_error"},
    {"reading": "ice", "value": 10},
    {"reading": "ice", "items": ICE},
    {"reading": "oxygen_device", "value": "nasal_cannula"},
]
BAD: list[dict[str, Any]] = [
    {"reading": "crp"},
    {"reading": "crp", "value": None},
    {"reading": "crp", "value": True},
    {"reading": "crp", "value": "many"},
    {"reading": "crp", "value": [1]},
    {"reading": "crp", "value": 1, "status": "final?"},
    {"reading": "crp", "value": 1, "by": "nobody"},
    {"reading": "crp", "value": 1, "low": "<5"},
    {"reading": "crp", "value": 1, "surplus": 1},
    {"reading": "crp", "value": 1, "effective": "2024-06-14T08:00:00"},
    {"reading": "crp", "value": 1, "effective": "yesterday"},
    {"reading": "crp", "value": 1, "patient": ""},
    {"reading": "crp", "items": ICE},
    {"reading": "telegram", "value": 1},
    {"reading": "ice", "value": 11},
    {"reading": "ice", "value": -1},
    {"reading": "ice", "value": 1.5},
    {"reading": "ice", "items": ICE | {"year": 2}},
    {"reading": "ice", "items": {"year": 1}},
    {"reading": "oxygen_device", "value": "snorkel"},
    {"reading": "oxygen_device", "value": 1},
]
OTHERS: list[tuple[dict[str, Any], bool]] = [
    ({"type": "telegram"}, False),
    ({"type": "fault", "condition": "x", "what": ["y"]}, False),
    ({"type": "statement", "statement": "hypotension", "value": True, "by": "d1"}, True),
    ({"type": "statement", "statement": "hypotension", "value": "yes"}, False),
    ({"type": "statement", "statement": "nonsense", "value": True}, False),
    ({"type": "treatment", "drug": "tocilizumab", "action": "given", "dose": "480", "unit": "mg"}, True),
    ({"type": "treatment", "drug": "aspirin", "action": "given"}, False),
    ({"type": "treatment", "drug": "tocilizumab", "action": "ordered"}, False),
    ({"type": "silence", "episode": "e1", "until": BODY["effective"], "by": "d1", "why": "x"}, True),
    ({"type": "silence", "until": BODY["effective"], "by": "d1", "why": "x"}, False),
    ({"type": "silence", "condition": "crs", "until": BODY["effective"], "by": "d1", "why": "x"}, False),
    ({"type": "registration", "infused": BODY["effective"], "born": "1955-05-01"}, True),
]


@pytest.mark.parametrize("more", GOOD)
def test_what_is_read_is_valid(more: dict[str, Any]) -> None:
    assert (is_read(READING | more), is_valid(READING | more)) == (True, True)


@pytest.mark.parametrize("more", BAD)
def test_what_is_not_valid_is_not_read(more: dict[str, Any]) -> None:
    assert (is_read(READING | more), is_valid(READING | more)) == (False, False)


@pytest.mark.parametrize(("more", "good"), OTHERS)
def test_messages_of_other_types(more: dict[str, Any], good: bool) -> None:
    assert is_valid(BODY | more) is good
    if more["type"] != "fault":  # written by cartwatch alone: it reads it, and no sender may send it
        assert is_read(BODY | more) is good


@pytest.mark.parametrize("name", list(BODY))
def test_what_is_missing_is_missed_by_both(name: str) -> None:
    message = {key: value for key, value in (READING | GOOD[0]).items() if key != name}
    assert (is_read(message), is_valid(message)) == (False, False)
