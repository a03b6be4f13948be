"""CDS Hooks `patient-view`: a card of the open episodes when a chart is opened. Read only.

Pull, never a page. What a clinician does with the card goes into the patient's journal as a note.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alerts.messages import MESSAGE
from alerts.state import PatientState
from worker.gateway.cds_card import HOOK, REASONS, SERVICE, card, discovery, identifiers
from worker.gateway.cds_token import BadTokenError, Caller, CdsClients
from worker.gateway.context import Gateway, language_asked_for
from worker.gateway.security_middleware import sender_of
from worker.gateway.view import Reader
from worker.store.durable import accepting
from worker.store.inbox import append, encoded

BASE = "/cds-services"
LARGEST = 1024 * 1024
"""Bytes of a request. A prefetched Patient may hold a photograph."""

SOURCE = "cds-hooks"
CARD_KEPT = timedelta(hours=24)
FEEDBACK_AT_MOST = 20
COMMENT_AT_MOST = 500
OUTCOMES = ("accepted", "overridden")
MERGES_FOLLOWED = 5

Answer = Callable[[Gateway, Request, Caller, Any], Response]


class RefusedCallError(Exception):
    """A call that cannot be answered, with its status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def routes(gateway: Gateway) -> list[Route]:
    """The routes of the service; none if the site names no client.

    Raises:
        ConfigurationError: the file of clients cannot be used.
    """
    path = gateway.run.settings.cds_clients
    if path is None:
        return []
    clients = CdsClients(path)

    async def discover(_: Request) -> Response:
        return JSONResponse(discovery())

    def endpoint(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            try:
                body = await _body(request)
                return await gateway.threads.board.run(_answered, gateway, clients, request, body, answer)
            except RefusedCallError as error:
                return JSONResponse({"error": str(error)}, error.status)

        return handle

    return [
        Route(BASE, discover, methods=["GET"]),
        Route(f"{BASE}/{SERVICE}", endpoint(_cards), methods=["POST"]),
        Route(f"{BASE}/{SERVICE}/feedback", endpoint(_feedback), methods=["POST"]),
    ]


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise RefusedCallError(413, "too large")
    return body


def _answered(gateway: Gateway, clients: CdsClients, request: Request, body: bytes, answer: Answer) -> Response:
    caller = _caller(gateway, clients, request)
    try:
        call = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedCallError(400, "not JSON") from error
    if not isinstance(call, dict):
        raise RefusedCallError(400, "not a JSON object")
    return answer(gateway, request, caller, call)


def _caller(gateway: Gateway, clients: CdsClients, request: Request) -> Caller:
    """The client of a call. A token proves it once: a call that somebody recorded is refused."""
    now = gateway.now()
    service = f"{gateway.links.public_url}{BASE}/{SERVICE}"
    try:
        caller = clients.check(request.headers.get("authorization", ""), (service, f"{service}/feedback"), now)
        if not gateway.run.store.redis.set(_key(gateway, "token", caller.token), 1, nx=True, ex=caller.until - now):
            raise BadTokenError("used before")
    except BadTokenError as error:
        too_many = gateway.failed_attempts.note(sender_of(request.scope))
        raise RefusedCallError(429 if too_many else 401, f"the client's token is not accepted: {error}") from error
    return caller


def _cards(gateway: Gateway, request: Request, caller: Caller, call: Any) -> Response:
    if call.get("hook") != HOOK:
        raise RefusedCallError(400, f"this service answers {HOOK} alone")
    prefetch = call.get("prefetch")
    patient = prefetch.get("patient") if isinstance(prefetch, dict) else None
    if not isinstance(patient, dict):
        raise RefusedCallError(412, "prefetch.patient is needed: its identifier names the patient here")
    state = _state(gateway, identifiers(patient, gateway.run.settings.fhir_system))
    if state is None:
        return JSONResponse({"cards": []})
    uuid = str(uuid4())
    reader = Reader("", gateway.site, language_asked_for(request), gateway.now())
    link = f"{gateway.links.public_url}/board/patient/{gateway.links.opaque(state.patient)}"
    found = card(state, reader, uuid, gateway.links.public_url, link)
    if found is not None:
        value = json.dumps([state.patient, caller.issuer])
        gateway.run.store.redis.set(_key(gateway, "card", uuid), value, ex=CARD_KEPT)
    return JSONResponse({"cards": [found] if found is not None else []})


def _state(gateway: Gateway, names: list[str]) -> PatientState | None:
    """The one patient whom some identifiers name. If they name several here, nobody's episodes are shown."""
    found = {}
    for name in names[:10]:
        state = None if name.startswith("~") else gateway.run.store.state(name)
        for _ in range(MERGES_FOLLOWED):
            if state is None or not state.merged_into:
                break
            state = gateway.run.store.state(state.merged_into)
        if state is not None:
            found[state.patient] = state
    return next(iter(found.values())) if len(found) == 1 else None


def _feedback(gateway: Gateway, _: Request, caller: Caller, call: Any) -> Response:
    """Note what became of cards. It changes no episode, and an unknown card is passed over."""
    entries = call.get("feedback")
    if not isinstance(entries, list):
        raise RefusedCallError(400, "feedback: a list is needed")
    now = gateway.now()
    store = gateway.run.store
    notes = [note for entry in entries[:FEEDBACK_AT_MOST] if (note := _note(gateway, caller, entry, now)) is not None]
    if notes:
        messages = [encoded(MESSAGE.validate_python(note)) for note in notes]
        gateway.client.wake(append(store.redis, store.keys, messages, now, accepting(store.redis)).wake)
    return JSONResponse({})


def _note(gateway: Gateway, caller: Caller, entry: Any, now: datetime) -> dict[str, object] | None:
    if not isinstance(entry, dict) or entry.get("outcome") not in OUTCOMES or not isinstance(entry.get("card"), str):
        return None
    known = cast("bytes | None", gateway.run.store.redis.get(_key(gateway, "card", entry["card"][:100])))
    if known is None:
        return None
    patient, issuer = json.loads(known)
    if issuer != caller.issuer:
        return None
    text = f"CDS card {entry['outcome']}{_why(entry.get('overrideReason'))}"
    at = _time(entry.get("outcomeTimestamp"), now)
    name = hashlib.blake2s(f"{entry['card']} {text} {at}".encode(), digest_size=12).hexdigest()
    return {
        "type": "note",
        "id": f"cds {name}",
        "source": SOURCE,
        "patient": patient,
        "effective": at.isoformat(),
        "text": text,
        "by": caller.issuer[:100],
    }


def _why(reason: Any) -> str:
    """The reason of an override that the card offered, and the comment."""
    if not isinstance(reason, dict):
        return ""
    given = reason.get("reason")
    code = given.get("code") if isinstance(given, dict) else None
    said = REASONS.get(code, "") if isinstance(code, str) else ""
    comment = reason.get("userComment")
    words = " ".join(comment.split())[:COMMENT_AT_MOST] if isinstance(comment, str) else ""
    return "".join(f": {part}" for part in (said, words) if part)


def _time(text: Any, now: datetime) -> datetime:
    """The time of a feedback; now if there is none of today's past."""
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return now
    return at if now - CARD_KEPT <= at <= now else now


def _key(gateway: Gateway, what: str, name: str) -> str:
    return f"{gateway.run.store.keys.namespace}:cds_{what}:{name}"
