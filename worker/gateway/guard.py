"""What holds for every request, whatever the route: methods, sizes, headers, and errors that tell nothing."""

import logging
import traceback
from collections.abc import Callable
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST")
LARGEST_BODY = 16 * 1024 * 1024

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-robots-tag": "noindex, nofollow, noarchive",
}
HSTS = "max-age=31536000"


class TooLarge(Exception):
    """A body is larger than it may be."""


class Guard:
    """Wraps every route. Nothing that fails inside reaches the server, which would log what a patient's values are."""

    def __init__(self, app: ASGIApp, *, https: bool, failed: Callable[[Request, Exception], Response]) -> None:
        self._app = app
        self._headers = HEADERS | ({"strict-transport-security": HSTS} if https else {})
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
            await send(message)

        refusal = _refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, answer)
            return
        try:
            await self._app(scope, _bounded(receive), answer)
        except Exception as error:
            if started:
                _note(error)
                raise ConnectionAbortedError from None
            await self._answer(error)(scope, receive, answer)

    def _answer(self, error: Exception) -> ASGIApp:
        if isinstance(error, TooLarge):
            return _too_large()

        async def failed(scope: Scope, receive: Receive, send: Send) -> None:
            _note(error)
            await self._failed(Request(scope), error)(scope, receive, send)

        return failed


def _refusal(scope: Scope) -> Response | None:
    if scope["method"] not in METHODS:
        return PlainTextResponse("method not allowed\n", 405, {"allow": ", ".join(METHODS)})
    length = Headers(scope=scope).get("content-length", "0")
    if not length.isdecimal():
        return PlainTextResponse("bad content-length\n", 400)
    return _too_large() if int(length) > LARGEST_BODY else None


def _too_large() -> Response:
    return PlainTextResponse("too large\n", 413, {"connection": "close"})


def _bounded(receive: Receive) -> Receive:
    """A body that says no length is counted."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > LARGEST_BODY:
            raise TooLarge
        return message

    return bounded


def _note(error: Exception) -> None:
    """Where and what kind; the error's own words may hold a patient's values."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    log.error("request failed: %s at %s:%d", type(error).__name__, Path(frame.filename).name, frame.lineno)
