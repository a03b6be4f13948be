"""Everything below `/fhir`, as FHIR clients use it: metadata, create, update, batch and transaction.

Every answer is FHIR's JSON, also to an address or a method that does not exist.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple

from redis.client import Pipeline
from redis.exceptions import WatchError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from alerts.message_fields import visible
from worker.intake.endpoint import Endpoint, RefusedRequest, RequestSource, answer, guarded, response
from worker.intake.fhir import capability
from worker.intake.fhir.conditions import decide, questions, updated_twice
from worker.intake.fhir.entries import SentResource, UnreadableResource, decode, entries_of, kind_of
from worker.intake.fhir.interaction import TYPES, BadRequest, Interaction, of_request
from worker.intake.fhir.notifications import ID_ONLY, SubscriptionNotification, names_in, notification_of
from worker.intake.fhir.operation_outcome import issue, issues_of, of_bundle, of_item, status_of
from worker.intake.fhir.take import is_test, take_entries
from worker.intake.foreseen import foreseen
from worker.intake.parsed import ElementOutcome, Parsed
from worker.intake.permissions import permitted
from worker.intake.quota import all_kept, is_refused, why_refused
from worker.intake.store import Put
from worker.store.capacity import IntakeStoppedError
from worker.store.inbox import SOURCE_SHOWN
from worker.store.subscriptions import SubscriptionName, Subscriptions

log = logging.getLogger(__name__)

CONTENT_TYPES = ("application/fhir+json", "application/json", "application/json+fhir")
ATTEMPTS = 20
"""How often a conditional delivery is decided anew, because its source wrote at the same time."""

WITHDRAW = "nothing is deleted: send it again by PUT with the status entered-in-error"


class _Address(NamedTuple):
    """An address below `/fhir`, and the methods that it has."""

    methods: tuple[str, ...]
    type: str = ""
    id: str = ""
    metadata: bool = False


class FhirService:
    """The ASGI application of everything below `/fhir`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        sent = await guarded(partial(self._answer, request))
        await sent(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        address = address_of(request.path_params.get("rest", ""))
        if request.method not in address.methods:
            why = WITHDRAW if request.method == "DELETE" else f"{request.method[:20]} is not offered here"
            allow = {"Allow": ", ".join(address.methods)}
            raise RefusedRequest(HTTPStatus.METHOD_NOT_ALLOWED, issue(why, code="not-supported"), headers=allow)
        if address.metadata:
            return _metadata(request)
        return await answer(self._endpoint, request, CONTENT_TYPES, partial(self._take, request, address))

    def _take(self, request: Request, address: _Address, sender: RequestSource, body: bytes, _: str) -> Response:
        now, interaction = self._endpoint.now(), _interaction(request, address)
        try:
            resource = decode(body)
            if resource["resourceType"] == "Bundle" and (interaction.type or interaction.is_update):
                raise UnreadableResource("a Bundle is sent to the base, by POST")
            put = self._put(resource, interaction, sender, now)
        except UnreadableResource as error:
            raise RefusedRequest(HTTPStatus.BAD_REQUEST, issue(str(error))) from error
        self._endpoint.wake(put.wake)
        (parsed,) = put.deliveries
        if is_refused(parsed):
            raise IntakeStoppedError(why_refused(parsed))
        if resource["resourceType"] == "Bundle":
            return response(HTTPStatus.OK, of_bundle(parsed, kind_of(resource), put.versions, now))
        return _of_one(parsed, put, resource, preferred(request.headers.get("prefer", "")), now)

    def _put(self, resource: dict[str, Any], interaction: Interaction, sender: RequestSource, now: datetime) -> Put:
        for _ in range(ATTEMPTS):
            with suppress(WatchError):
                return self._put_as_known(resource, interaction, sender, now)
        said = issue("its source writes too much at the same time; nothing was stored, send again", code="conflict")
        raise RefusedRequest(HTTPStatus.SERVICE_UNAVAILABLE, said)

    def _put_as_known(
        self, resource: dict[str, Any], interaction: Interaction, sender: RequestSource, now: datetime
    ) -> Put:
        """Read a delivery by what is known now, and store it.

        Raises:
            WatchError: what was known has changed meanwhile; nothing was stored.
        """
        store, source = self._endpoint.store, sender.source
        budget = self._endpoint.budget()
        notification = notification_of(resource) if resource["resourceType"] == "Bundle" else None
        entries = entries_of(resource, interaction)
        asked = questions(entries)
        versions = store.versions(source.name)
        known = versions.look(store.redis, asked.names, asked.searches)
        entries = decide(entries, known)
        taken = take_entries(entries, source, sender.site.tables, now, budget, test=is_test(resource))
        parsed = foreseen(permitted(taken, source), now, sender.site)
        if resource["resourceType"] == "Bundle" and kind_of(resource) == "transaction":
            _require_whole(entries, parsed)
        if notification is not None:
            return store.put(all_kept(parsed), now, self._recording(notification, resource, source.name, now))
        condition = partial(versions.require, known=known, names=asked.names, searches=asked.searches)
        return store.put(parsed, now, condition if asked.conditional else None)

    def _recording(
        self, notification: SubscriptionNotification, bundle: dict[str, Any], source: str, now: datetime
    ) -> Callable[[Pipeline], None]:
        """What records a notification in the transaction that stores its resources.

        Raises:
            RefusedRequest: it names its resources and holds none.
        """
        names = names_in(bundle)
        if notification.carries_events and not names:
            log.warning("a notification of %s from %s holds no resource and was refused", *_shown(notification, source))
            raise RefusedRequest(HTTPStatus.UNPROCESSABLE_ENTITY, issue(ID_ONLY))
        store = self._endpoint.store
        return partial(
            Subscriptions(store.redis, store.keys).begin,
            name=SubscriptionName(source, notification.subscription),
            status=notification.status,
            count=notification.highest,
            events=notification.received(names),
            now=now,
            begins=notification.begins,
        )


def _shown(notification: SubscriptionNotification, source: str) -> tuple[str, str]:
    return visible(notification.subscription)[:SOURCE_SHOWN], source[:SOURCE_SHOWN]


def address_of(path: str) -> _Address:
    """The address that a path below `/fhir` names, with or without a slash at its end.

    Raises:
        RefusedRequest: there is none.
    """
    match [part for part in path.split("/") if part]:
        case []:
            return _Address(("POST",))
        case ["metadata"]:
            return _Address(("GET", "HEAD"), metadata=True)
        case [kind] if kind in TYPES:
            return _Address(("POST", "PUT"), kind)
        case [kind, id] if kind in TYPES and not id.startswith(("$", "_")):
            return _Address(("PUT",), kind, id)
    said = f"there is no such address; resources of {', '.join(TYPES)} are taken, and Bundles at the base"
    raise RefusedRequest(HTTPStatus.NOT_FOUND, issue(said, code="not-found"))


def preferred(prefer: str) -> str:
    """What a client prefers to get back: `minimal`, `representation`, `operationoutcome`; empty if it says nothing."""
    for part in prefer.replace(";", ",").split(","):
        name, _, value = part.strip().partition("=")
        if name.strip().lower() == "return":
            return value.strip().strip('"').lower()
    return ""


def _metadata(request: Request) -> Response:
    asked = request.query_params.get("_format") or request.headers.get("accept", "")
    if "xml" in asked and "json" not in asked and "*/*" not in asked:
        said = issue("only JSON is spoken: application/fhir+json", code="not-supported")
        raise RefusedRequest(HTTPStatus.NOT_ACCEPTABLE, said)
    return response(HTTPStatus.OK, capability.statement())


def _interaction(request: Request, address: _Address) -> Interaction:
    headers = request.headers
    try:
        return of_request(
            request.method,
            address.type,
            address.id,
            request.url.query,
            headers.get("if-none-exist", ""),
            headers.get("if-match", ""),
        )
    except BadRequest as error:
        raise RefusedRequest(int(error.status[:3]), issue(str(error))) from error


def _require_whole(entries: list[SentResource], parsed: Parsed) -> None:
    """Refuse a transaction of which an entry is refused, or that updates one resource twice: nothing is stored."""
    if name := updated_twice(entries):
        said = issue(f"a transaction updates a resource once, and several entries update {name}; nothing was stored")
        raise RefusedRequest(HTTPStatus.BAD_REQUEST, said)
    refused = [item for item in parsed.items if item.outcome is ElementOutcome.REFUSED]
    if refused:
        said = issue("nothing of the transaction was stored", code="processing")
        issues = [one for item in refused[:100] for one in issues_of(item)]
        raise RefusedRequest(int(status_of(refused[0])[:3]), *issues, said)


def _of_one(parsed: Parsed, put: Put, resource: dict[str, Any], prefer: str, now: datetime) -> Response:
    """The answer to one resource: where it stands and in which version; of a dead letter the reason."""
    item = parsed.items[0]
    version = put.versions.get(item.id)
    status = int(status_of(item, version)[:3])
    if version is None:
        return response(status, of_item(item))
    headers = {
        "Location": f"/fhir/{item.id}/_history/{version}",
        "ETag": f'W/"{version}"',
        "Last-Modified": f"{now:%a, %d %b %Y %H:%M:%S} GMT",
    }
    if item.outcome is ElementOutcome.DEAD_LETTER or item.again or prefer == "operationoutcome":
        return response(status, of_item(item), headers)
    if prefer == "minimal":
        return response(status, None, headers)
    meta = resource.get("meta")
    meta = (meta if isinstance(meta, dict) else {}) | {"versionId": str(version), "lastUpdated": now.isoformat()}
    return response(status, resource | {"id": item.id.partition("/")[2], "meta": meta}, headers)
