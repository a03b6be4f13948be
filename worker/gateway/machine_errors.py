"""Errors as hospital systems read them: below `/fhir` and at `/messages` each is an OperationOutcome, never a page."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from worker.intake.endpoint import response
from worker.intake.fhir.operation_outcome import issue, outcome

SYSTEMS = ("/fhir", "/messages")
CODES = {404: "not-found", 405: "not-supported", 413: "too-long", 500: "exception", 503: "transient"}


def is_of_systems(scope: Scope) -> bool:
    """Whether a request is for an address of hospital systems."""
    path: str = scope["path"]
    return any(path == base or path.startswith(f"{base}/") for base in SYSTEMS)


def words(status: int) -> str:
    """A status in words for a system."""
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return "internal error: it may not have been stored, send it again"
    return HTTPStatus(status).phrase.lower()


def error(scope: Scope, status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error whose words are the same for everybody: an OperationOutcome for systems, else plain text."""
    if is_of_systems(scope):
        return response(status, outcome(issue(text, code=CODES.get(status, "invalid"))), headers)
    return PlainTextResponse(f"{text}\n", status, dict(headers or {}))
