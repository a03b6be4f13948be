"""The HTTP of Apprise's plugins, which all call `requests`: an answer is read up to 64 KiB, whoever sends it.

`requests` reads a whole answer into memory before anybody sees it: a receiver that answers without end would cost the
sender all there is. Nothing else in this project uses `requests`, so its adapter is exchanged for the whole process.
"""

from contextlib import closing
from typing import Any

from requests import PreparedRequest, Response, sessions
from requests.adapters import HTTPAdapter

ANSWER_MOST = 64 * 1024
"""Bytes of an answer that are read; a provider's answer has a few hundred."""

_PART = 8 * 1024


class BoundedAdapter(HTTPAdapter):
    """Reads the beginning of an answer and closes the connection, unless the caller asked to read it himself."""

    def send(self, request: PreparedRequest, stream: bool = False, *args: Any, **named: Any) -> Response:
        """Send a request; the content of its answer is at most `ANSWER_MOST` bytes.

        Raises:
            requests.RequestException: no answer, or one that cannot be read.
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
            if len(content) >= ANSWER_MOST:
                break
    response._content = bytes(content[:ANSWER_MOST])
    response._content_consumed = True


def bound_answers() -> None:
    """From now on every session of `requests` in this process is bounded."""
    setattr(sessions, "HTTPAdapter", BoundedAdapter)  # noqa: B010 - mypy knows no name it does not export
