"""`POST /fhir` and `POST /messages`. A key identifies the source. The status is 2xx only if everything is stored."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from http import HTTPStatus
from io import BytesIO
from itertools import islice
from typing import Annotated, Any, NamedTuple, Protocol

import msgspec
from redis.exceptions import RedisError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from alerts.chart.charting import why_unusable
from alerts.chart.sampling import Sampling
from alerts.message_json import BadMessage, read_message
from alerts.messages import AnyMessage
from config.intake import Source
from config.site import Site
from worker.intake.budget import Budget, OverBudget
from worker.intake.fhir.operation_outcome import STATUS, issue, of_bundle, of_item, outcome
from worker.intake.fhir.take import UnreadableResource, decode, kind_of, take_resource
from worker.intake.foreseen import foreseen
from worker.intake.permissions import allowed, permitted
from worker.intake.quota import is_refused, why_refused
from worker.intake.source_keys import RememberedKeys
from worker.intake.store import IntakeStore
from worker.intake.watched_config import IntakeConfig
from worker.runtime.bulkhead import Bulkhead, BusyError
from worker.store.capacity import IntakeStoppedError
from worker.store.durable import NotCopiedError
from worker.store.inbox import received_here, refuse_waveform
from worker.store.keys import Shard
from worker.store.requirements import UnfitStoreError

LARGEST = 4 * 1024 * 1024
"""The most bytes of a body; the same limit as for an MLLP frame."""

MOST_MESSAGES = 10_000
TOO_MANY = f"at most {MOST_MESSAGES} messages a request"
RETRY_AFTER = "5"
FHIR_TYPES = ("application/fhir+json", "application/json")
LINE_TYPES = ("application/x-ndjson", "application/ndjson")
NATIVE_TYPES = ("application/json", *LINE_TYPES)
OUR_OWN = ("receipt", "fault")


_Several = Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MOST_MESSAGES)]


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


class _Sender(NamedTuple):
    """The source of a request, and the configuration that reads it."""

    source: Source
    site: Site


class _Refused(Exception):
    """A refused request: the status, and issues that name the field and the fix."""

    def __init__(self, status: HTTPStatus, *issues: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.issues = issues


def routes(endpoint: Endpoint) -> list[Route]:
    """The two routes of the intake."""

    def taking(
        kinds: tuple[str, ...], take: Callable[[Endpoint, _Sender, bytes, str], tuple[int, dict[str, Any]]]
    ) -> Callable[[Request], Awaitable[Response]]:
        def read(name: str, body: bytes, kind: str) -> tuple[int, dict[str, Any]]:
            return take(endpoint, _sender(name, endpoint), body, kind)

        async def handle(request: Request) -> Response:
            try:
                name = await _source(request, endpoint)
                kind = _type(request, kinds)
                body = await _body(request, endpoint.largest)
                status, answer = await endpoint.threads.run_for(name, read, name, body, kind)
            except _Refused as refused:
                return _answer(refused.status, outcome(*refused.issues))
            except OverBudget as error:
                said = issue(f"{error}; nothing was stored", code="too-costly")
                return _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, outcome(said))
            except IntakeStoppedError as stopped:
                return _answer(HTTPStatus.SERVICE_UNAVAILABLE, outcome(issue(str(stopped), code="transient")))
            except BusyError:
                said = issue("too many requests wait; nothing was stored, send again", code="throttled")
                return _answer(HTTPStatus.SERVICE_UNAVAILABLE, outcome(said))
            except NotCopiedError:
                said = issue("too few machines of the state store have it; not accepted, send again", code="transient")
                return _answer(HTTPStatus.SERVICE_UNAVAILABLE, outcome(said))
            except RedisError:
                said = issue("the state store cannot be reached; nothing was stored, send again", code="transient")
                return _answer(HTTPStatus.SERVICE_UNAVAILABLE, outcome(said))
            except UnfitStoreError:
                said = issue("the state store may not be used as it is; nothing was stored", code="transient")
                return _answer(HTTPStatus.SERVICE_UNAVAILABLE, outcome(said))
            return _answer(status, answer)

        return handle

    return [
        Route("/fhir", taking(FHIR_TYPES, _fhir), methods=["POST"]),
        Route("/messages", taking(NATIVE_TYPES, _native), methods=["POST"]),
    ]


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
        raise _Refused(HTTPStatus.TOO_MANY_REQUESTS, said)
    said = issue("send `Authorization: Bearer KEY`; `cartwatch source-key add SOURCE` makes one", code="login")
    raise _Refused(HTTPStatus.UNAUTHORIZED, said)


def _sender(name: str, endpoint: Endpoint) -> _Sender:
    configured = endpoint.configured()
    source = configured.intake.source(name)
    if source is None:
        said = issue(f"the source {name} is not listed in intake.yaml", code="forbidden")
        raise _Refused(HTTPStatus.FORBIDDEN, said)
    return _Sender(source, configured.site)


def _type(request: Request, kinds: tuple[str, ...]) -> str:
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent not in kinds:
        said = issue(f"Content-Type: write {' or '.join(kinds)}", code="not-supported")
        raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, said)
    return sent


async def _body(request: Request, largest: int) -> bytes:
    """Read the body up to its limit. Content-Length is not trusted."""
    too_large = _Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        issue(f"a body has at most {largest} bytes; send it in parts", code="too-long"),
    )
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said[:20]) > largest:
        raise too_large
    parts, length = [], 0
    try:
        async for part in request.stream():
            length += len(part)
            if length > largest:
                raise too_large
            parts.append(part)
    except ClientDisconnect as error:
        raise _Refused(HTTPStatus.BAD_REQUEST, issue("the body ended early", code="incomplete")) from error
    return b"".join(parts)


def _fhir(endpoint: Endpoint, sender: _Sender, body: bytes, _: str) -> tuple[int, dict[str, Any]]:
    now = endpoint.now()
    try:
        resource = decode(body)
        understood = take_resource(resource, sender.source, sender.site.tables, now, endpoint.budget())
        parsed = foreseen(permitted(understood, sender.source), now, sender.site)
    except UnreadableResource as error:
        raise _Refused(HTTPStatus.BAD_REQUEST, issue(str(error))) from error
    put = endpoint.store.put(parsed, now)
    endpoint.wake(put.wake)
    (parsed,) = put.deliveries
    if is_refused(parsed):
        raise IntakeStoppedError(why_refused(parsed))
    if resource["resourceType"] == "Bundle":
        return HTTPStatus.OK, of_bundle(parsed, kind_of(resource))
    item = parsed.items[0]
    return int(STATUS[item.outcome][:3]), of_item(item)


def _native(endpoint: Endpoint, sender: _Sender, body: bytes, kind: str) -> tuple[int, dict[str, Any]]:
    raws = _lines(body) if kind in LINE_TYPES else _pieces(body)
    if not raws:
        raise _Refused(HTTPStatus.BAD_REQUEST, issue("no message: send one JSON object, a list, or one a line"))
    if len(raws) > MOST_MESSAGES:
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, issue(TOO_MANY))
    good: list[tuple[AnyMessage, bytes]] = []
    issues: list[dict[str, Any]] = []
    unusable: list[dict[str, Any]] = []
    now = endpoint.now()
    sampling = Sampling()
    for index, raw in enumerate(endpoint.budget().during(raws)):
        try:
            message = _allowed(read_message(raw), sender.source)
            refuse_waveform(sampling, message)
        except BadMessage as error:
            issues.append(issue(str(error), where=f"[{index}]"))
            continue
        good.append(received_here(message, raw, now))
        if why := why_unusable(message, now, sender.site):
            unusable.append(issue(f"stored, not used: {why}", "warning", "business-rule", f"[{index}]"))
    if good:
        endpoint.wake(endpoint.store.put_native(good, now, sender.source.name))
    used = f", {len(unusable)} of them not used" if unusable else ""
    parsed = issue(f"{len(good)} of {len(raws)} accepted{used}", "information", "informational")
    if issues:
        raise _Refused(HTTPStatus.UNPROCESSABLE_ENTITY, *issues[:100], *unusable[:100], parsed)
    return HTTPStatus.ACCEPTED, outcome(*unusable[:100], parsed)


def _allowed(message: AnyMessage, source: Source) -> AnyMessage:
    if message.source != source.name:
        raise BadMessage(f"source: {message.source[:40]!r}, and the key is of {source.name!r}; write that")
    if message.type in OUR_OWN:
        raise BadMessage(f"type: {message.type} is written by cartwatch alone")
    if message.patient.startswith("~") and message.type != "acknowledgement":
        raise BadMessage(f"patient: {message.patient[:40]!r} is reserved")
    return allowed(message, source)


def _pieces(body: bytes) -> list[bytes]:
    """The messages of a JSON body: one object, or the items of a list."""
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    try:
        if body.startswith(b"["):
            return [bytes(raw) for raw in msgspec.json.decode(body, type=_Several)]
        msgspec.json.decode(body, type=msgspec.Raw)
    except msgspec.ValidationError as error:
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, issue(TOO_MANY)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _Refused(HTTPStatus.BAD_REQUEST, issue(f"not JSON: {str(error)[:200]}")) from error
    return [body]


def _lines(body: bytes) -> list[bytes]:
    """The non-empty lines of a body, at most one more than the limit."""
    lines = (line.strip() for line in BytesIO(body.removeprefix(b"\xef\xbb\xbf")))
    return list(islice(filter(None, lines), MOST_MESSAGES + 1))


def _answer(status: int, body: dict[str, Any]) -> Response:
    headers = {"Cache-Control": "no-store"}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = RETRY_AFTER
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = "60"
    return Response(msgspec.json.encode(body), status, headers, "application/fhir+json")
