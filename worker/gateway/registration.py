"""The registration of a patient on the board: a form for people who may act."""

import hmac
import re
import secrets
import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from alerts.messages import MESSAGE
from config.vocabulary import PRODUCTS
from worker.gateway.context import Gateway, form_of, html
from worker.gateway.error_pages import NOT_OURS, VIEW_ONLY, Refused, unusable
from worker.gateway.sessions import Session
from worker.gateway.sign_in import cookie_of, session_of
from worker.intake.registration import BadFieldError, is_processed, registration
from worker.store.durable import accepting
from worker.store.inbox import append, encoded

SOURCE = "gateway"
MARK = re.compile(r"[0-9a-f]{16}")
LOOK_EVERY_SECONDS = 0.05


def routes(gateway: Gateway) -> list[Route]:
    async def show(request: Request) -> Response:
        cookie_of(gateway, request)
        return await gateway.threads.board.run(_show, gateway, request)

    async def take(request: Request) -> Response:
        cookie_of(gateway, request)
        form = await form_of(request)
        return await gateway.threads.board.run(_take, gateway, request, form)

    return [
        Route("/board/register", show, methods=["GET"]),
        Route("/board/register", take, methods=["POST"]),
    ]


def _who_may(gateway: Gateway, request: Request) -> Session:
    session = session_of(gateway, request)
    if not gateway.may_act(session.person):
        raise Refused(VIEW_ONLY, gateway.reader(session.person).language)
    return session


def _show(gateway: Gateway, request: Request) -> Response:
    session = _who_may(gateway, request)
    reader = gateway.reader(session.person)
    values = {
        "reader": reader,
        "proof": gateway.links.proof(session.id),
        "mark": secrets.token_hex(8),
        "waiting": gateway.run.store.unregistered(),
        "products": PRODUCTS,
        "stored": "stored" in request.query_params,
    }
    return html("register.html.j2", reader.language, values)


def _take(gateway: Gateway, request: Request, form: dict[str, str]) -> Response:
    """Append the registration and wait a moment for its effect. Idempotent: a form sent twice is one registration."""
    session = _who_may(gateway, request)
    language = gateway.reader(session.person).language
    mark = form.get("mark", "")
    if not hmac.compare_digest(form.get("proof", "").encode(), gateway.links.proof(session.id).encode()):
        raise Refused(NOT_OURS, language)
    if not MARK.fullmatch(mark):
        raise Refused(NOT_OURS._replace(status=400), language)
    now = gateway.now()
    try:
        body = registration(form, f"register {mark}", SOURCE, now, gateway.site)
    except BadFieldError as error:
        raise Refused(unusable(str(error)), language) from error
    message = MESSAGE.validate_python(body)
    store = gateway.run.store
    gateway.client.wake(append(store.redis, store.keys, [encoded(message)], now, accepting(store.redis)).wake)
    for _ in range(int(gateway.patience / LOOK_EVERY_SECONDS)):
        if is_processed(store, body):
            break
        time.sleep(LOOK_EVERY_SECONDS)
    if not is_processed(store, body):
        return RedirectResponse("/board/register?stored=1", 303)
    return RedirectResponse(f"/board/patient/{gateway.links.opaque(message.patient)}?registered=1", 303)
