"""What every route of the gateway works with: who asks, in which language, how answers are rendered and refused."""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from config.site import Language, Site
from worker.client import Client
from worker.gateway.answers import Answers
from worker.gateway.limits import BadTries
from worker.gateway.links import Links
from worker.gateway.sessions import Sessions
from worker.gateway.view import Reader
from worker.gateway.words import preferred, say_in
from worker.runtime import Runtime

FOLDER = Path(__file__).parent
LARGEST_FORM = 16 * 1024
TAP = re.compile(r"[0-9a-f]{24}")


class Refused(Exception):
    """A request that is not answered; the words under the key say why, and `key_more` what to do."""

    def __init__(self, status: int, key: str, more: str = "", language: Language | None = None) -> None:
        super().__init__(key)
        self.status = status
        self.key = key
        self.more = more or f"{key}_more"
        self.language = language


class Gateway(NamedTuple):
    """The parts of one gateway process. `patience`: seconds a tap waits for its effect before it is answered."""

    run: Runtime
    links: Links
    client: Client
    answers: Answers
    sessions: Sessions
    bad_tries: BadTries
    patience: float

    @property
    def site(self) -> Site:
        """The site's configuration."""
        return self.run.site

    def now(self) -> datetime:
        """The time."""
        return self.run.clock.now()

    def reader(self, person: str) -> Reader:
        """How what a person reads is said to them."""
        return Reader(person, self.site, self.site.on_call.people[person].language, self.now())

    def may_act(self, person: str) -> bool:
        """Whether a person may answer on the board."""
        return self.site.on_call.people[person].may == "act"

    def bad_link(self, request: Request) -> Refused:
        """The refusal of a link that was not made here, noted against whoever tried it."""
        address = request.client.host if request.client is not None else ""
        if self.bad_tries.note(address, self.now()):
            return Refused(429, "too_many")
        return Refused(403, "bad_link")


@cache
def templates() -> Environment:
    """The templates; everything that is filled in is escaped."""
    loader = FileSystemLoader(FOLDER / "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def html(name: str, language: Language, values: Mapping[str, object], status: int = 200) -> Response:
    """A whole page."""
    text = templates().get_template(name).render(language=language, say=say_in(language), **values)
    return HTMLResponse(text, status)


def refusal(request: Request, error: Exception) -> Response:
    """A page that says why not. Nothing of the request stands in it."""
    refused = error if isinstance(error, Refused) else _refused(error)
    language = refused.language or preferred(request.headers.get("accept-language", ""))
    response = html("refused.html.j2", language, {"key": refused.key, "more": refused.more}, refused.status)
    if refused.status == 429:
        response.headers["retry-after"] = "60"
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


def _refused(error: Exception) -> Refused:
    if isinstance(error, RedisError):
        return Refused(503, "store_down")
    if isinstance(error, HTTPException):
        return Refused(error.status_code, "no_such" if error.status_code == 404 else "refused")
    return Refused(500, "broken")


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form sent by one of our own pages.

    Raises:
        Refused: it comes from another site, is no form, or is too large.
    """
    if not _is_ours(request):
        raise Refused(403, "refused")
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise Refused(415, "refused")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise Refused(413, "refused")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError as error:
        raise Refused(400, "refused") from error


def _is_ours(request: Request) -> bool:
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    # Browsers send "null" where a page asks for no referrer; then the line above has decided.
    return origin in (None, "null") or urlsplit(origin).netloc == request.headers.get("host")


def tap_of(request: Request) -> str:
    """The tap whose effect an address asks for; empty where there is none."""
    tap = request.query_params.get("tap", "")
    return tap if TAP.fullmatch(tap) else ""
