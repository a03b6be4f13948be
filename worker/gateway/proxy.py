"""The address of a request that came through a proxy."""

from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send


class BehindProxy:
    """Uses the address that the proxy added to `X-Forwarded-For`, the last entry, as the sender's.

    The sender may have written the entries before it. Uvicorn's own middleware uses the first if it trusts every proxy.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            added = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).rpartition(",")[2].strip()
            if (address := _address(added)) is not None:
                scope = {**scope, "client": (address, 0)}
        await self._app(scope, receive, send)


def _address(text: str) -> str | None:
    """The address that a proxy wrote, perhaps with a port and in brackets; None for any other text."""
    for candidate in (text, text.rpartition(":")[0], text[1:-1]):
        try:
            return str(ip_address(candidate.strip("[]")))
        except ValueError:
            continue
    return None
