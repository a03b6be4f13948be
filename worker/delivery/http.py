"""The HTTP of Apprise's plugins, which all call `requests`: at most 64 KiB of a response are read.

`requests` reads a whole response into memory, so that a provider that answers without end would exhaust the sender.
Nothing else in this project uses `requests`: its adapter is replaced for the whole process.
"""

from contextlib import closing
from typing import Any

from requests import PreparedRequest, Response, sessions
from requests.adapters import HTTPAdapter

RESPONSE_LIMIT = 64 * 1024
"""Bytes of a response that are read; a provider sends a few hundred."""

_PART = 8 * 1024


class BoundedAdapter(HTTPAdapter):
    """Reads the beginning of a response and closes the connection, unless the caller streams it."""

    def send(self, request: PreparedRequest, stream: bool = False, *args: Any, **named: Any) -> Response:
        """Send a request; the content of its response is at most `RESPONSE_LIMIT` bytes.

        Raises:
            requests.RequestException: no response, or an unreadable one.
        """
        response = super().send(request, True, *args, **named)
        if not stream:
            _read(response)
        return response


def _read(response: Response) -> None:
    """Fill in the content as `requests` would have, cut off."""
    content = bytearray()
    with closing(response):
        for part in response.iter_content(_PART):
            content += part
            if len(content) >= RESPONSE_LIMIT:
                break
    response._content = bytes(content[:RESPONSE_LIMIT])
    response._content_consumed = True


def bound_responses() -> None:
    """Bound the responses of every `requests` session in this process from now on."""
    setattr(sessions, "HTTPAdapter", BoundedAdapter)  # noqa: B010 - mypy knows no name it does not export
