"""Rules for every request, whatever the route: methods, sizes, headers, and errors that reveal nothing."""

import logging
import re
import traceback
from collections.abc import Callable
from ipaddress import IPv6Address
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.gateway import machine_errors
from worker.gateway.rate_limit import SMALL_BODY, BodyBudget

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


HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[(?P<six>[0-9A-Fa-f:.]{2,45})\])(?::(?P<port>[0-9]{1,5}))?")
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}")


class TooLarge(Exception):
    """A body is larger than the limit."""


class TooMuch(Exception):
    """The bodies in progress exceed the budget."""


class SecurityMiddleware:
    """Wraps every route. No error reaches the server, which would log a patient's values."""

    def __init__(self, app: ASGIApp, *, https: bool, failed: Callable[[Request, Exception], Response]) -> None:
        self._app = app
        self._headers = HEADERS | ({"strict-transport-security": HSTS} if https else {})
        self._failed = failed
        self._bodies = BodyBudget()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
                if "location" in headers:
                    headers["location"] = _relative(headers["location"])
            await send(message)

        refusal = _refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, answer)
            return
        body = _Body(receive, self._bodies, sender_of(scope))
        try:
            await self._app(scope, body.receive, answer)
        except ClientDisconnect:
            return  # Nobody is left to receive a response.
        except Exception as error:
            if started:
                _note(error)
                raise ConnectionAbortedError from None
            await self._answer(error, scope)(scope, receive, answer)
        finally:
            body.release()

    def _answer(self, error: Exception, scope: Scope) -> ASGIApp:
        if isinstance(error, TooLarge):
            return _too_large(scope)
        if isinstance(error, TooMuch):
            return machine_errors.error(scope, 503, "too much at once", {"connection": "close", "Retry-After": "5"})

        async def failed(scope: Scope, receive: Receive, send: Send) -> None:
            _note(error)
            await self._failed(Request(scope), error)(scope, receive, send)

        return failed


def sender_of(scope: Scope) -> str:
    """The address of a request's sender; behind a proxy, the address that the proxy added."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _refusal(scope: Scope) -> Response | None:
    # An address of hospital systems has methods of its own, and names them.
    if scope["method"] not in METHODS and not machine_errors.is_of_systems(scope):
        return machine_errors.error(scope, 405, "method not allowed", {"allow": ", ".join(METHODS)})
    headers = Headers(scope=scope)
    for name, is_such in (("host", _is_host), ("origin", _is_origin)):
        sent = headers.getlist(name)
        if len(sent) > 1 or not all(map(is_such, sent)):
            return machine_errors.error(scope, 400, f"bad {name}")
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        return machine_errors.error(scope, 400, "bad content-length")
    return _too_large(scope) if int(length) > LARGEST_BODY else None


def _is_host(text: str) -> bool:
    match = HOST.fullmatch(text)
    if match is None or int(match["port"] or 0) > 65535:
        return False
    try:
        return match["six"] is None or bool(IPv6Address(match["six"]))
    except ValueError:
        return False


def _is_origin(text: str) -> bool:
    scheme, separator, host = text.partition("://")
    return text == "null" or bool(separator and SCHEME.fullmatch(scheme) and _is_host(host))


def _relative(location: str) -> str:
    """An address within this service, whatever host the request names."""
    parts = urlsplit(location)
    return parts._replace(scheme="", netloc="", path="/" + parts.path.lstrip("/")).geturl()


def _too_large(scope: Scope) -> Response:
    return machine_errors.error(scope, 413, "too large", {"connection": "close"})


class _Body:
    """The body of a request, counted while it arrives: by itself, and its large part together with all others."""

    def __init__(self, receive: Receive, budget: BodyBudget, address: str) -> None:
        self._receive = receive
        self._budget = budget
        self._address = address
        self._size = 0

    async def receive(self) -> Message:
        message = await self._receive()
        before = self._large
        self._size += len(message.get("body", b""))
        fits = self._budget.add(self._address, self._large - before)
        if self._size > LARGEST_BODY:
            raise TooLarge
        if not fits:
            raise TooMuch
        return message

    def release(self) -> None:
        """Release the budget of the request."""
        self._budget.release(self._address, self._large)

    @property
    def _large(self) -> int:
        return max(0, self._size - SMALL_BODY)


def _note(error: Exception) -> None:
    """Log the place and kind of an error. Its own text may contain a patient's values."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    log.error("request failed: %s at %s:%d", type(error).__name__, Path(frame.filename).name, frame.lineno)
