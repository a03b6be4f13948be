"""`POST /messages`: native messages, one, a list, or one a line."""

from http import HTTPStatus
from io import BytesIO
from itertools import islice
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from alerts.chart.charting import why_unusable
from alerts.chart.sampling import Sampling
from alerts.message_json import BadMessage, read_message
from alerts.messages import AnyMessage
from config.intake import Source
from worker.intake.endpoint import Endpoint, RefusedRequest, RequestSource, response
from worker.intake.fhir.operation_outcome import issue, outcome
from worker.intake.permissions import allowed
from worker.store.inbox import received_here, refuse_waveform

MOST_MESSAGES = 10_000
TOO_MANY = f"at most {MOST_MESSAGES} messages a request"
LINE_TYPES = ("application/x-ndjson", "application/ndjson")
TYPES = ("application/json", *LINE_TYPES)
OUR_OWN = ("receipt", "fault")

_Several = Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MOST_MESSAGES)]


def take_messages(endpoint: Endpoint, sender: RequestSource, body: bytes, kind: str) -> Response:
    """Store native messages. A bad one is named by its place, and does not affect its neighbours."""
    raws = _lines(body) if kind in LINE_TYPES else _pieces(body)
    if not raws:
        raise RefusedRequest(HTTPStatus.BAD_REQUEST, issue("no message: send one JSON object, a list, or one a line"))
    if len(raws) > MOST_MESSAGES:
        raise RefusedRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, issue(TOO_MANY))
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
        raise RefusedRequest(HTTPStatus.UNPROCESSABLE_ENTITY, *issues[:100], *unusable[:100], parsed)
    return response(HTTPStatus.ACCEPTED, outcome(*unusable[:100], parsed))


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
        raise RefusedRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, issue(TOO_MANY)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedRequest(HTTPStatus.BAD_REQUEST, issue(f"not JSON: {str(error)[:200]}")) from error
    return [body]


def _lines(body: bytes) -> list[bytes]:
    """The non-empty lines of a body, at most one more than the limit."""
    lines = (line.strip() for line in BytesIO(body.removeprefix(b"\xef\xbb\xbf")))
    return list(islice(filter(None, lines), MOST_MESSAGES + 1))
