"""The client of the FHIR base: one request, and the meaning of its response.

It follows no redirect, because the token is for this host alone.
"""

import json
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from http import HTTPStatus
from typing import Any, NamedTuple

import httpx
from celery.exceptions import SoftTimeLimitExceeded

from config.settings import Settings
from worker.fhir_export.bundle import Resource, transaction
from worker.runtime.retry_after import retry_after

log = logging.getLogger(__name__)

WAITS = httpx.Timeout(10, connect=4)
"""Seconds for each read and write, and to connect."""

RESPONSE_READ = 64 * 1024
"""The most bytes that are read of a response."""

REASON_KEPT = 300

OF_THE_CONTENT = frozenset({400, 409, 410, 412, 413, 415, 422})
"""Refusals of the content: a retry would be refused too. Every other 4xx concerns the address or the token."""


class PutOutcome(StrEnum):
    """The outcome of a request: accepted, refused for its content, or failed because the base cannot be used now."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    FAILED = "failed"


class PutResult(NamedTuple):
    """An outcome, the reason without a patient's detail, how long the base asks to wait, and its text on a refusal."""

    outcome: PutOutcome
    why: str = ""
    wait: timedelta | None = None
    diagnostics: str = ""


class FhirClient:
    """The client of the EHR that the settings name."""

    def __init__(self, settings: Settings) -> None:
        headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
        headers["Prefer"] = "return=minimal"
        if settings.fhir_token:
            headers["Authorization"] = f"Bearer {settings.fhir_token}"
        self._base = settings.fhir_base or ""
        self._client = httpx.Client(headers=headers, timeout=WAITS, follow_redirects=False)

    def put(self, resources: Iterable[Resource], now: datetime) -> PutResult:
        """Send resources in one transaction: the base accepts all of them, or none."""
        body = json.dumps(transaction(resources), ensure_ascii=False).encode()
        try:
            with self._client.stream("POST", self._base, content=body) as response:
                if response.is_success:
                    return PutResult(PutOutcome.ACCEPTED)
                return _verdict(response, _beginning(response), now)
        except SoftTimeLimitExceeded:
            return PutResult(PutOutcome.FAILED, "it did not answer in time")
        except (httpx.RequestError, httpx.InvalidURL) as error:
            # The error's own text may contain the address.
            return PutResult(PutOutcome.FAILED, type(error).__name__)

    def close(self) -> None:
        self._client.close()


@cache
def fhir_base(settings: Settings) -> FhirClient:
    """This process's client of the EHR."""
    return FhirClient(settings)


def _beginning(response: httpx.Response) -> bytes:
    read = b""
    for part in response.iter_bytes():
        read += part
        if len(read) >= RESPONSE_READ:
            break
    return read[:RESPONSE_READ]


def _verdict(response: httpx.Response, body: bytes, now: datetime) -> PutResult:
    status = response.status_code
    why = f"it answered {status}"
    if status in OF_THE_CONTENT:
        return PutResult(PutOutcome.REFUSED, why, diagnostics=_diagnostics(body))
    if response.is_redirect:
        why += ", a redirection, which is not followed"
    elif status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        why += ": the token is not accepted"
    return PutResult(PutOutcome.FAILED, why, retry_after(response.headers.get("retry-after", ""), now))


def _diagnostics(body: bytes) -> str:
    """The diagnostics of an OperationOutcome and the elements they name, shortened."""
    try:
        texts = [_issue(issue) for issue in json.loads(body)["issue"]]
        return "; ".join(text for text in texts if text)[:REASON_KEPT]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _issue(issue: dict[str, Any]) -> str:
    text = issue.get("diagnostics") or issue.get("details", {}).get("text") or ""
    elements = ", ".join(issue.get("expression") or issue.get("location") or ())
    return f"{text} ({elements})" if text and elements else text or elements
