"""What the ways in by HTTP share: the key of a source, the body with its limits, and the answer to every error.

The status is 2xx only if everything is stored.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

import msgspec
from redis.exceptions import RedisError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from config.intake import Source
from config.site import Site
from worker.intake.budget import Budget, OverBudget
from worker.intake.fhir.operation_outcome import issue, outcome
from worker.intake.source_keys import RememberedKeys
from worker.intake.store import IntakeStore
from worker.intake.unpacking import BadPackingError, TooLargeError, unpacked
from worker.intake.watched_config import IntakeConfig
from worker.runtime.bulkhead import Bulkhead, BusyError
from worker.store.capacity import IntakeStoppedError
from worker.store.durable import NotCopiedError
from worker.store.keys import Shard
from worker.store.requirements import UnfitStoreError

LARGEST = 4 * 1024 * 1024
"""The most bytes of a body, also once it is unpacked; the same limit as for an MLLP frame."""

RETRY_AFTER = "5"
PACKINGS = ("", "identity", "gzip", "x-gzip")
JSON = "application/fhir+json"
_encoder = msgspec.json.Encoder(decimal_format="number")


class Tries(Protocol):
    """Recent attempts with wrong keys, by address."""

    def note(self, address: str) -> bool:
        """Count one more attempt; return whether there are too many."""
        ...

    def are_too_many(self, address: str) -> bool:
        """Whether one more attempt would be too many."""
        ...


class Endpoint(NamedTuple):
    """The parts that the routes need. Each request calls `configured` and `budget` once; each append calls `wake`."""

    store: IntakeStore
    keys: RememberedKeys
    wrong_keys: Tries
    configured: Callable[[], IntakeConfig]
    wake: Callable[[Iterable[Shard]], None]
    now: Callable[[], datetime]
    threads: Bulkhead
    largest: int = LARGEST
    budget: Callable[[], Budget] = Budget


class RequestSource(NamedTuple):
    """The source of a request, and the configuration that reads it."""

    source: Source
    site: Site


class RefusedRequest(Exception):
    """A refused request: the status, and issues that name the field and the fix."""

    def __init__(self, status: int, *issues: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = int(status)
        self.issues = issues
        self.headers = headers or {}


Take = Callable[[RequestSource, bytes, str], Response]
"""Stores a body of a content type, in a thread; returns the answer."""


async def answer(endpoint: Endpoint, request: Request, kinds: tuple[str, ...], take: Take) -> Response:
    """Take the body of a request from its source, and answer it, whatever goes wrong."""

    def read(name: str, body: bytes, packed: bool, kind: str) -> Response:
        return take(_sender(name, endpoint), _unpacked(body, endpoint.largest) if packed else body, kind)

    return await guarded(lambda: _answer(endpoint, request, kinds, read))


async def _answer(
    endpoint: Endpoint, request: Request, kinds: tuple[str, ...], read: Callable[[str, bytes, bool, str], Response]
) -> Response:
    name = await _source(request, endpoint)
    kind = _type(request, kinds)
    packed = _is_packed(request)
    body = await _body(request, endpoint.largest)
    return await endpoint.threads.run_for(name, read, name, body, packed, kind)


async def guarded(take: Callable[[], Awaitable[Response]]) -> Response:
    """The response, or the OperationOutcome of what went wrong."""
    try:
        return await take()
    except RefusedRequest as refused:
        return response(refused.status, outcome(*refused.issues), refused.headers)
    except OverBudget as error:
        said = issue(f"{error}; nothing was stored", code="too-costly")
        return response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, outcome(said))
    except (RedisError, BusyError, UnfitStoreError) as error:
        return response(HTTPStatus.SERVICE_UNAVAILABLE, outcome(_transient(error)))


def _transient(error: Exception) -> dict[str, Any]:
    """Why a request is to be sent again."""
    if isinstance(error, IntakeStoppedError):
        return issue(str(error), code="transient")
    if isinstance(error, BusyError):
        return issue("too many requests wait; nothing was stored, send again", code="throttled")
    if isinstance(error, NotCopiedError):
        return issue("too few machines of the state store have it; not accepted, send it again", code="transient")
    if isinstance(error, UnfitStoreError):
        return issue("the state store may not be used as it is; nothing was stored", code="transient")
    return issue("the state store cannot be reached; nothing was stored, send again", code="transient")


async def _source(request: Request, endpoint: Endpoint) -> str:
    """The source whose key a request carries. Wrong keys from its address never delay a valid one."""
    address = request.client.host if request.client is not None else ""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    slowed = endpoint.wrong_keys.are_too_many(address)
    name = await endpoint.keys.source_of(key.strip(), slowed=slowed) if scheme.lower() == "bearer" else None
    if name is not None:
        return name
    if endpoint.wrong_keys.note(address):
        said = issue("too many wrong keys from this address; wait a minute", code="throttled")
        raise RefusedRequest(HTTPStatus.TOO_MANY_REQUESTS, said)
    said = issue("send `Authorization: Bearer KEY`; `cartwatch source-key add SOURCE` makes one", code="login")
    raise RefusedRequest(HTTPStatus.UNAUTHORIZED, said)


def _sender(name: str, endpoint: Endpoint) -> RequestSource:
    configured = endpoint.configured()
    source = configured.intake.source(name)
    if source is None:
        said = issue(f"the source {name} is not listed in intake.yaml", code="forbidden")
        raise RefusedRequest(HTTPStatus.FORBIDDEN, said)
    return RequestSource(source, configured.site)


def _type(request: Request, kinds: tuple[str, ...]) -> str:
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent not in kinds:
        said = issue(f"Content-Type: write {' or '.join(kinds)}", code="not-supported")
        raise RefusedRequest(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, said)
    return sent


def _is_packed(request: Request) -> bool:
    """Whether the body is packed by gzip. Nothing else is unpacked."""
    sent = request.headers.get("content-encoding", "").strip().lower()
    if sent not in PACKINGS:
        said = issue("Content-Encoding: send the body as it is, or packed by gzip", code="not-supported")
        raise RefusedRequest(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, said, headers={"Accept-Encoding": "gzip"})
    return sent in PACKINGS[2:]


def _unpacked(body: bytes, largest: int) -> bytes:
    try:
        return unpacked(body, largest)
    except TooLargeError as error:
        raise _too_large(largest) from error
    except BadPackingError as error:
        raise RefusedRequest(HTTPStatus.BAD_REQUEST, issue("the body is not packed by gzip")) from error


def _too_large(largest: int) -> RefusedRequest:
    said = issue(f"a body has at most {largest} bytes; send it in parts", code="too-long")
    return RefusedRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, said)


async def _body(request: Request, largest: int) -> bytes:
    """Read the body up to its limit. Content-Length is not trusted."""
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said[:20]) > largest:
        raise _too_large(largest)
    parts, length = [], 0
    try:
        async for part in request.stream():
            length += len(part)
            if length > largest:
                raise _too_large(largest)
            parts.append(part)
    except ClientDisconnect as error:
        raise RefusedRequest(HTTPStatus.BAD_REQUEST, issue("the body ended early", code="incomplete")) from error
    return b"".join(parts)


def response(status: int, body: dict[str, Any] | None, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in FHIR's JSON, or an empty one."""
    sent = {"Cache-Control": "no-store", **(headers or {})}
    if status == HTTPStatus.UNAUTHORIZED:
        sent["WWW-Authenticate"] = "Bearer"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        sent["Retry-After"] = RETRY_AFTER
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        sent["Retry-After"] = "60"
    return Response(_encoder.encode(body) if body is not None else b"", status, sent, JSON if body else None)
