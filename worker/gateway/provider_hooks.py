"""Answers that providers post here: a button of a notification, a webhook of a pager service, a text message.

Each request proves whom it comes from before anything is read of the store: by a signed address (ntfy), by a signature
(PagerDuty, Twilio, Vonage) or by a secret (Opsgenie, Telegram). A GET does nothing. A wrong signature counts against
its sender's address. A provider that proved itself always gets 200 and what happened, because it would repeat anything
else; a person's app gets the status that it shows.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from config.site import Site
from worker.delivery.answers import StoredAnswers
from worker.gateway import signatures
from worker.gateway.context import LARGEST_FORM, Gateway
from worker.gateway.error_pages import EXPIRED_LINK, NOT_OURS, Refused
from worker.gateway.page_answers import Answered, AnswerOutcome, acknowledge, nothing
from worker.links import BadLink, ExpiredLink

LARGEST_HOOK = 64 * 1024

PAGERDUTY_ANSWERS = ("incident.acknowledged", "incident.resolved")
OPSGENIE_ANSWERS = ("Acknowledge", "Close")
"""Events of a person that acknowledge here. Whoever resolves an alert there has seen it; it is closed here by the
measurements, or by a person who says so."""

PROVIDERS = ("pagerduty", "opsgenie", "telegram", "vonage", "twilio")
"""The providers that pass answers on, as their addresses name them."""

Hook = Callable[[Gateway, Request, bytes], Response]


def routes(gateway: Gateway) -> list[Route]:
    """The routes of providers. One without its secret does not exist."""
    settings = gateway.run.settings
    hooks: list[tuple[str, Hook, bool]] = [
        ("pagerduty", _pagerduty, bool(settings.pagerduty_secret)),
        ("opsgenie", _opsgenie, bool(settings.opsgenie_secret)),
        ("telegram", _telegram, bool(settings.telegram_secret)),
        ("vonage", _vonage, bool(settings.vonage_secret)),
        ("twilio", _twilio, True),
    ]
    return [
        Route("/a/{token}", _button(gateway), methods=["POST"]),
        *(
            Route(f"/hooks/{name}", _endpoint(gateway, hook), methods=["POST"])
            for name, hook, is_set in hooks
            if is_set
        ),
    ]


def _endpoint(gateway: Gateway, hook: Hook) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        body = await _body(request, LARGEST_HOOK)
        return await gateway.threads.links.run(hook, gateway, request, body)

    return answer


async def _body(request: Request, most: int) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Refused(NOT_OURS._replace(status=413))
    return body


# -- a button that posts a signed address ----------------------------------------------------------------


def _button(gateway: Gateway) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        token = request.path_params["token"]
        try:
            page = gateway.links.read_answer(token, gateway.now())
        except BadLink as error:
            raise gateway.bad_link(request) from error
        except ExpiredLink as error:
            raise Refused(EXPIRED_LINK) from error
        await _body(request, LARGEST_FORM)
        found = await gateway.threads.links.run(acknowledge, gateway, page, f"button {token}")
        return PlainTextResponse(f"{found.words}\n", found.status)

    return answer


# -- pager services ------------------------------------------------------------------------------------


def _pagerduty(gateway: Gateway, request: Request, body: bytes) -> Response:
    header = request.headers.get("x-pagerduty-signature", "")
    if not signatures.is_pagerduty(body, header, gateway.run.settings.pagerduty_secret or ""):
        raise gateway.bad_link(request)
    event = _object(_object(_json(body)).get("event"))
    page = _text(_object(event.get("data")).get("incident_key"))
    agent = _object(event.get("agent"))
    if event.get("event_type") not in PAGERDUTY_ANSWERS or agent.get("type") != "user_reference":
        return _reported(nothing(AnswerOutcome.IGNORED))
    at = _iso(_text(event.get("occurred_at")))
    if at is None or not signatures.is_fresh(at, gateway.now()):
        return _reported(nothing(AnswerOutcome.STALE))
    person = _by_name(gateway.site, _text(agent.get("summary")))
    return _reported(acknowledge(gateway, page, f"pagerduty {_text(event.get('id'))}", person))


def _opsgenie(gateway: Gateway, request: Request, body: bytes) -> Response:
    header = request.headers.get("authorization", "")
    if not signatures.is_bearer(header, gateway.run.settings.opsgenie_secret or ""):
        raise gateway.bad_link(request)
    event = _object(_json(body))
    alert = _object(event.get("alert"))
    if event.get("action") not in OPSGENIE_ANSWERS or _object(event.get("source")).get("type") == "API":
        return _reported(nothing(AnswerOutcome.IGNORED))
    at = signatures.from_any_unit(alert.get("updatedAt"))
    if at is None or not signatures.is_fresh(at, gateway.now()):
        return _reported(nothing(AnswerOutcome.STALE))
    person = _by_email(gateway.site, _text(alert.get("username")))
    mark = f"opsgenie {_text(alert.get('alertId'))} {alert.get('updatedAt')}"
    return _reported(acknowledge(gateway, _text(alert.get("alias")), mark, person))


def _telegram(gateway: Gateway, request: Request, body: bytes) -> Response:
    header = request.headers.get("x-telegram-bot-api-secret-token", "")
    if not signatures.is_secret(header, gateway.run.settings.telegram_secret or ""):
        raise gateway.bad_link(request)
    pressed = _object(_object(_json(body)).get("callback_query"))
    token, id = _text(pressed.get("data")), _text(pressed.get("id"))
    if not token or not id:
        return _reported(nothing(AnswerOutcome.IGNORED))
    try:
        found = acknowledge(gateway, gateway.links.read_answer(token, gateway.now()), f"button {token}")
    except BadLink:
        found = nothing(AnswerOutcome.UNKNOWN)
    except ExpiredLink:
        found = nothing(AnswerOutcome.STALE)
    answer = {"method": "answerCallbackQuery", "callback_query_id": id, "text": found.words, "show_alert": True}
    return JSONResponse(answer)


# -- text messages -------------------------------------------------------------------------------------


def _twilio(gateway: Gateway, request: Request, body: bytes) -> Response:
    fields = _form(body)
    url = f"{gateway.links.public_url}{request.url.path}"
    header = request.headers.get("x-twilio-signature", "")
    if not any(signatures.is_twilio(url, fields, header, token) for token in _twilio_tokens(gateway.site)):
        raise gateway.bad_link(request)
    mark = f"twilio {fields.get('MessageSid', '')}"
    found = _text_message(gateway, fields.get("From", ""), fields.get("Body", ""), mark, ("twilio",))
    return Response(f"<Response><Message>{escape(found.words)}</Message></Response>", media_type="text/xml")


def _vonage(gateway: Gateway, request: Request, body: bytes) -> Response:
    is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    fields = _form(body) if is_form else {name: str(value) for name, value in _object(_json(body)).items()}
    if not signatures.is_vonage(fields, gateway.run.settings.vonage_secret or ""):
        raise gateway.bad_link(request)
    at = signatures.from_seconds(fields.get("timestamp", ""))
    if at is None or not signatures.is_fresh(at, gateway.now()):
        return _reported(nothing(AnswerOutcome.STALE))
    mark = f"vonage {fields.get('messageId', '')}"
    services = ("vonage", "nexmo")
    return _reported(_text_message(gateway, fields.get("msisdn", ""), fields.get("text", ""), mark, services))


def _text_message(gateway: Gateway, sender: str, text: str, mark: str, services: Iterable[str]) -> Answered:
    """Acknowledge the page whose number a message names, if the message comes from the phone of its channel."""
    answers = StoredAnswers(gateway.run.store.redis, gateway.run.store.keys, gateway.links)
    for name in _channels_of(gateway.site, _digits(sender), services):
        for number in _numbers(text):
            if page := answers.page_of(name, number):
                return acknowledge(gateway, page, mark)
    return nothing(AnswerOutcome.IGNORED)


def _numbers(text: str) -> list[str]:
    """The numbers of four digits in a text, in its first words."""
    return [word for word in text.split()[:5] if len(word) == len("0000") and word.isascii() and word.isdecimal()]


def _channels_of(site: Site, sender: str, services: Iterable[str]) -> list[str]:
    """The channels that are answered by text message from a phone."""
    return [
        name
        for name, channel in site.on_call.channels.items()
        if channel.answers and channel.url.partition("://")[0].lower() in services and sender in _targets(channel.url)
    ]


def _targets(url: str) -> set[str]:
    """The phone numbers that an address sends to: all of its path."""
    parts = [_digits(unquote(part)) for part in urlsplit(url).path.split("/")]
    return {part for part in parts if part}


def _digits(text: str) -> str:
    return "".join(sign for sign in text if sign.isascii() and sign.isdigit())


def _twilio_tokens(site: Site) -> set[str]:
    """The tokens of the accounts whose replies come here."""
    addresses = (urlsplit(one.url) for one in site.on_call.channels.values() if one.answers)
    found = (unquote(one.netloc.partition("@")[0].partition(":")[2]) for one in addresses if one.scheme == "twilio")
    return {token for token in found if token}


# -- reading what came ---------------------------------------------------------------------------------


def _reported(found: Answered) -> Response:
    return JSONResponse({"outcome": found.outcome, "what": found.words})


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(NOT_OURS._replace(status=400)) from error


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError as error:
        raise Refused(NOT_OURS._replace(status=400)) from error


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value[:200] if isinstance(value, str) else ""


def _iso(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _by_name(site: Site, name: str) -> str:
    """The person of a name; empty if there is none, or several."""
    found = [key for key, person in site.on_call.people.items() if name and person.name == name]
    return found[0] if len(found) == 1 else ""


def _by_email(site: Site, email: str) -> str:
    found = [
        key for key, person in site.on_call.people.items() if person.email and person.email == email.strip().lower()
    ]
    return found[0] if len(found) == 1 else ""
