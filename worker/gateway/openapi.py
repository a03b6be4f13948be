"""The HTTP interface for systems, as an OpenAPI 3.1 document. Pages for people are not part of it."""

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alerts.message_schema import DIALECT, schema
from worker.gateway.provider_hooks import PROVIDERS
from worker.intake.endpoint import JSON, LARGEST
from worker.intake.fhir.interaction import TYPES
from worker.intake.native import LINE_TYPES, MOST_MESSAGES

FOR_PEOPLE = ("/", "/board", "/p/", "/sign-in/", "/sign-out", "/static")
"""What the paths of pages begin with; `/` alone is the way to the board."""

ERRORS = {
    "400": "not JSON, or it does not fit its address",
    "401": "no key, or an unknown one",
    "403": "the source is not listed, and unlisted ones are refused",
    "413": f"more than {LARGEST} bytes, or more than one message may cost",
    "415": "another Content-Type or Content-Encoding",
    "422": "refused, with the field and the fix",
    "429": "too many wrong keys from this address",
    "503": "not stored; send it again after Retry-After",
}


def routes() -> list[Route]:
    """`GET /openapi.json`."""
    made = document()

    async def answer(_: Request) -> Response:
        return JSONResponse(made)

    return [Route("/openapi.json", answer, methods=["GET"])]


def document() -> dict[str, Any]:
    """The document. It is the same for every installation."""
    messages = schema("#/components/schemas/{model}")
    native = {name: messages[name] for name in ("oneOf", "discriminator", "description")}
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": DIALECT,
        "info": {
            "title": "cartwatch",
            "version": "0.1.0",
            "description": "Decision support, not a medical device. The bedside monitor stays primary.",
        },
        "security": [{"sourceKey": []}],
        "paths": {**_fhir(), **_messages(), **_cds_hooks(), **_providers(), **_probes()},
        "components": {
            "securitySchemes": {
                "sourceKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The key of a source: `cartwatch source-key add SOURCE`",
                },
                "cdsClient": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
            "schemas": {
                **messages["$defs"],
                "Message": native,
                "Resource": _resource("A FHIR R4 resource"),
                "Bundle": _resource("A FHIR R4 Bundle", "Bundle"),
                "OperationOutcome": _resource("Issues, each with the field and the fix", "OperationOutcome"),
            },
        },
    }


def _resource(description: str, kind: str = "") -> dict[str, Any]:
    named: dict[str, Any] = {"const": kind} if kind else {"type": "string"}
    return {
        "type": "object",
        "description": description,
        "properties": {"resourceType": named},
        "required": ["resourceType"],
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: dict[str, Any], *kinds: str) -> dict[str, Any]:
    return {kind: {"schema": schema} for kind in kinds or ("application/json",)}


def _errors(*statuses: str) -> dict[str, Any]:
    known = ERRORS | {"412": "a condition does not hold", "202": "kept as a dead letter, with the reason"}
    return {
        status: {"description": known[status], "content": _json(_ref("OperationOutcome"), JSON)}
        for status in sorted({*ERRORS, *statuses})
    }


def _header(name: str, description: str, where: str = "header") -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "description": description, "schema": _TEXT}


_TEXT = {"type": "string"}
_TYPE = {"name": "type", "in": "path", "required": True, "schema": {"enum": list(TYPES)}}
_PREFER = _header("Prefer", "return=representation (the default), return=minimal or return=OperationOutcome")
_IF_MATCH = _header("If-Match", 'the version that the update meets, as in W/"1"')


def _fhir() -> dict[str, Any]:
    body = {"required": True, "content": _json(_ref("Resource"), JSON, "application/json")}
    written = {
        "description": "stored",
        "headers": {name: {"schema": _TEXT} for name in ("Location", "ETag", "Last-Modified")},
        "content": _json(_ref("Resource"), JSON),
    }
    answers = {"200": written, "201": written, **_errors("202", "412")}
    search = _header("identifier", "SYSTEM|VALUE", "query")
    create = {
        "summary": "Create a resource",
        "parameters": [_PREFER, _header("If-None-Exist", "identifier=SYSTEM|VALUE")],
        "requestBody": body,
        "responses": answers,
    }
    update = {"summary": "Update a resource, also the first time", "requestBody": body, "responses": answers}
    bundle = {
        "summary": "Send a batch, a transaction, a notification of a Subscription, or one resource",
        "requestBody": body,
        "responses": {
            "200": {"description": "entry by entry, in order", "content": _json(_ref("Bundle"), JSON)},
            "201": written,
            **_errors("202", "412"),
        },
    }
    statement = {"description": "the CapabilityStatement", "content": _json(_ref("Resource"), JSON)}
    metadata = {"summary": "What this FHIR endpoint can do", "security": [], "responses": {"200": statement}}
    return {
        "/fhir": {"post": bundle},
        "/fhir/metadata": {"get": metadata},
        "/fhir/{type}": {
            "parameters": [_TYPE],
            "post": create,
            "put": update | {"summary": "Update what a search finds", "parameters": [search, _IF_MATCH, _PREFER]},
        },
        "/fhir/{type}/{id}": {
            "parameters": [_TYPE, _header("id", "a FHIR id", "path")],
            "put": update | {"parameters": [_IF_MATCH, _PREFER]},
        },
    }


def _messages() -> dict[str, Any]:
    several = {"type": "array", "items": _ref("Message"), "maxItems": MOST_MESSAGES}
    content = _json({"oneOf": [_ref("Message"), several]}) | _json({"type": "string"}, *LINE_TYPES)
    accepted = {"description": "stored; what the chart will reject is named", **_outcome()}
    return {
        "/messages": {
            "post": {
                "summary": "Send native messages: one, a list, or one a line",
                "requestBody": {"required": True, "content": content},
                "responses": {**_errors(), "202": accepted},
            }
        }
    }


def _outcome() -> dict[str, Any]:
    return {"content": _json(_ref("OperationOutcome"), JSON)}


def _cds_hooks() -> dict[str, Any]:
    client: dict[str, Any] = {"security": [{"cdsClient": []}]}
    body = {"requestBody": {"required": True, "content": _json({"type": "object"})}}
    return {
        "/cds-services": {"get": _plain("The services of CDS Hooks", security=[])},
        "/cds-services/cartwatch-toxicity": {"post": _plain("The card of a patient's open episodes") | client | body},
        "/cds-services/cartwatch-toxicity/feedback": {"post": _plain("What became of a card") | client | body},
    }


def _providers() -> dict[str, Any]:
    """The ways by which a provider passes an answer on. Each checks its signature, and exists if its secret is set."""
    found: dict[str, Any] = {
        f"/hooks/{name}": {"post": _plain(f"An answer of a person, by {name}", security=[])} for name in PROVIDERS
    }
    button = _plain("Acknowledge a page by its own signed, short-lived address", security=[])
    return found | {"/a/{token}": {"parameters": [_header("token", "the signature", "path")], "post": button}}


def _probes() -> dict[str, Any]:
    probes = {
        "/livez": "Whether the process serves",
        "/readyz": "Whether the store answers",
        "/healthz": "Whether the service is well, part by part",
        "/metrics": "Metrics of Prometheus, for the networks that may read them",
        "/openapi.json": "This document",
    }
    return {path: {"get": _plain(summary, security=[])} for path, summary in probes.items()}


def _plain(summary: str, **more: Any) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": "done"}}, **more}


def for_systems(paths: Iterable[str]) -> set[str]:
    """The paths that are no pages for people."""
    return {path for path in paths if path != "/" and not path.startswith(FOR_PEOPLE[1:])}
