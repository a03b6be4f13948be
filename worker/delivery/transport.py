"""The transport of one send: the true status of a provider's answer, how long it asks to wait, and its own id.

Apprise reports a status only in its log text, and the rest not at all. The transport sees the requests of the plugin
(`worker/delivery/http.py`). It also adds to a request what Apprise has no parameter for: Telegram's inline button.
"""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

from requests import Response

from worker.delivery.http import REQUESTS
from worker.runtime.retry_after import retry_after


class ProviderAnswer(NamedTuple):
    """The last answer of a provider: its status, the wait that it asks for, its id of the message, its own code.

    `code`: the code of a failure that a provider reports with the status of a success.
    """

    status: int
    wait: timedelta | None = None
    id: str = ""
    code: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the provider accepted the message."""
        return 200 <= self.status < 300 and not self.code


class Transport:
    """Follows the requests of the calling thread while it is entered. `button`: the text and the data of a button."""

    def __init__(self, service: str, button: tuple[str, str] | None = None) -> None:
        self._service, self._button = service, button
        self._last: Response | None = None

    def __enter__(self) -> Self:
        REQUESTS.follow(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        REQUESTS.follow(None)

    def amended(self, url: str, named: dict[str, Any]) -> dict[str, Any]:
        """A request with the button, if the service has one."""
        if self._button is None or not url.endswith("/sendMessage"):
            return named
        text, data = self._button
        keyboard = {"inline_keyboard": [[{"text": text, "callback_data": data}]]}
        return named | {"data": json.dumps(json.loads(named["data"]) | {"reply_markup": keyboard})}

    def answered(self, response: Response) -> None:
        """Keep the last response."""
        self._last = response

    @property
    def answer(self) -> ProviderAnswer | None:
        """The last answer; None if there was none."""
        if self._last is None:
            return None
        read = READ.get(self._service, lambda _: ("", ""))
        id, code = read(_body(self._last)) if self._last.ok else ("", "")
        at = self._last.headers.get("date", "")
        return ProviderAnswer(self._last.status_code, _wait(self._last.headers.get("retry-after", ""), at), id, code)


def _wait(text: str, date: str) -> timedelta | None:
    """A wait as the server means it. One that ends at a date counts from the date of its answer."""
    try:
        return retry_after(text, parsedate_to_datetime(date or "Thu, 01 Jan 1970 00:00:00 +0000")) if text else None
    except (ValueError, TypeError):
        return None


def _body(response: Response) -> Any:
    try:
        return json.loads(response.content or b"null")
    except (ValueError, RecursionError):
        return None


def _of(*path: str) -> Callable[[Any], tuple[str, str]]:
    """The id of a message at a place of a JSON answer."""

    def read(body: Any) -> tuple[str, str]:
        for name in path:
            body = body.get(name) if isinstance(body, dict) else None
        return (str(body)[:200] if isinstance(body, str | int) else ""), ""

    return read


def _vonage(body: Any) -> tuple[str, str]:
    """Vonage answers 200 to whatever it refuses; the status of the message is its own (0: accepted)."""
    messages = body.get("messages") if isinstance(body, dict) else None
    first = messages[0] if isinstance(messages, list) and messages and isinstance(messages[0], dict) else {}
    status = str(first.get("status", "0"))[:20]
    return str(first.get("message-id", ""))[:200], "" if status == "0" else status


READ: Mapping[str, Callable[[Any], tuple[str, str]]] = {
    "ntfy": _of("id"),
    "ntfys": _of("id"),
    "pover": _of("receipt"),
    "twilio": _of("sid"),
    "vonage": _vonage,
    "nexmo": _vonage,
    "tgram": _of("result", "message_id"),
    "pagerduty": _of("dedup_key"),
    "opsgenie": _of("requestId"),
}
"""Where each service puts its id of a message, and its code of a failure."""
