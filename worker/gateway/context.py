"""The context of every route of the gateway: the parts of the process, the reader, rendering and refusals."""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from alerts.wording.catalogue import say
from config.languages import ENGLISH, languages
from config.site import Language, Site
from worker.client import Client
from worker.gateway import machine_errors
from worker.gateway.error_pages import BAD_LINK, BROKEN, BUSY, NO_SUCH, NOT_OURS, STORE_DOWN, TOO_MANY, Refused
from worker.gateway.rate_limit import FailedAttempts
from worker.gateway.responses import Responses
from worker.gateway.security_middleware import sender_of
from worker.gateway.sessions import Sessions
from worker.gateway.view import Reader
from worker.links import Links
from worker.runtime.bulkhead import Bulkhead, BusyError
from worker.runtime.runtime import Runtime

FOLDER = Path(__file__).parent
LARGEST_FORM = 16 * 1024
PRESS = re.compile(r"[0-9a-f]{24}")


class Threads(NamedTuple):
    """A thread pool (bulkhead) for each kind of request. A response occupies a thread until it takes effect."""

    links: Bulkhead
    board: Bulkhead


class Gateway(NamedTuple):
    """The parts of one gateway process. `patience`: how many seconds a press waits for its effect."""

    run: Runtime
    links: Links
    client: Client
    responses: Responses
    sessions: Sessions
    failed_attempts: FailedAttempts
    threads: Threads
    patience: float

    @property
    def site(self) -> Site:
        return self.run.site

    def now(self) -> datetime:
        return self.run.clock.now()

    def reader(self, person: str) -> Reader:
        """A person as a reader."""
        return Reader(person, self.site, self.site.on_call.people[person].language, self.now())

    def language_of(self, person: str) -> Language | None:
        """The language of a person; None if the person is no longer configured."""
        known = self.site.on_call.people.get(person)
        return known.language if known is not None else None

    def may_act(self, person: str) -> bool:
        """Whether a person may respond on the board."""
        return self.site.on_call.people[person].may == "act"

    def bad_link(self, request: Request) -> Refused:
        """The refusal of a link that this installation did not make. It counts against the sender's address."""
        return Refused(TOO_MANY if self.failed_attempts.note(sender_of(request.scope)) else BAD_LINK)


@cache
def templates() -> Environment:
    """The templates. Every inserted value is escaped."""
    loader = FileSystemLoader(FOLDER / "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def html(name: str, language: Language, values: Mapping[str, object], status: int = 200) -> Response:
    text = templates().get_template(name).render(language=language, say=partial(say, language=language), **values)
    return HTMLResponse(text, status)


def refusal(request: Request, error: Exception) -> Response:
    """The page of a refusal. It contains nothing of the request."""
    refused = error if isinstance(error, Refused) else _refused(error)
    why = refused.refusal
    if machine_errors.is_of_systems(request.scope):
        headers = error.headers if isinstance(error, HTTPException) else None
        return machine_errors.error(request.scope, why.status, machine_errors.words(why.status), headers)
    language = refused.language or language_asked_for(request)
    response = html("refused.html.j2", language, {"refusal": why}, why.status)
    if why.status == 429:
        response.headers["retry-after"] = "60"
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


def _refused(error: Exception) -> Refused:
    if isinstance(error, RedisError):
        return Refused(STORE_DOWN)
    if isinstance(error, BusyError):
        return Refused(BUSY)
    if isinstance(error, HTTPException):
        return Refused(NO_SUCH if error.status_code == 404 else NOT_OURS._replace(status=error.status_code))
    return Refused(BROKEN)


def language_asked_for(request: Request) -> Language:
    """The first supported language of the browser, for an unknown sender."""
    first = request.headers.get("accept-language", "").partition(",")[0].partition(";")[0].partition("-")[0]
    return language if (language := first.strip().lower()) in languages() else ENGLISH


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form that one of our own pages sent.

    Raises:
        Refused: it comes from another site, is no form, or is too large.
    """
    if not _is_ours(request):
        raise Refused(NOT_OURS)
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise Refused(NOT_OURS._replace(status=415))
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise Refused(NOT_OURS._replace(status=413))
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError as error:
        raise Refused(NOT_OURS._replace(status=400)) from error


def _is_ours(request: Request) -> bool:
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    # Browsers send "null" if a page asks for no referrer; then the line above has decided.
    return origin in (None, "null") or urlsplit(origin).netloc == request.headers.get("host")


def press_of(request: Request) -> str:
    """The press whose effect an address requests; empty if there is none."""
    press = request.query_params.get("press", "")
    return press if PRESS.fullmatch(press) else ""
