"""A fake phone: the receiver of pages in demonstrations, tests and benchmarks."""

import json
import logging
import socket
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import msgspec

log = logging.getLogger(__name__)

_OK = 200
_LARGEST_BODY = 16 * 1024 * 1024


class ReceivedPage(msgspec.Struct, frozen=True):
    """One page as it arrived. `at_received_order` counts all received pages from 0."""

    path: str
    page_id: str
    title: str
    body: str
    at_received_order: int
    attachments: tuple[str, ...] = ()


class PhoneRequest(msgspec.Struct, frozen=True):
    """One request and its response. If `status` is None, the connection was dropped."""

    path: str
    page_id: str
    status: int | None


class Behaviour(msgspec.Struct, frozen=True):
    """The answer of a path: its status, its delay in seconds, or a dropped connection."""

    status: int = _OK
    delay: float = 0.0
    drop: bool = False


class FakePhone:
    """Receives Apprise's `json://` pages at any path of a port. A context manager; thread-safe.

    It listens on loopback unless `host` names another address. A page counts as received if the response is a success,
    even a late one. A refused or dropped page is only an attempt. The phone calls `callback` with each received page in
    order, one at a time, before the sender gets its response, so the callback should be quick.
    """

    def __init__(
        self, callback: Callable[[ReceivedPage], None] | None = None, port: int = 0, host: str = "127.0.0.1"
    ) -> None:
        self._host = host
        self._callback = callback
        self._behaviours: dict[str, Behaviour] = {}
        self._received: list[ReceivedPage] = []
        self._attempts: list[PhoneRequest] = []
        # Re-entrant: the callback may read the phone.
        self._changed = threading.Condition(threading.RLock())
        self._closing = threading.Event()
        self._server = _PhoneServer((host, port), self._take)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="fake phone", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The Apprise address of this phone, without a path: `json://<host>:<port>`."""
        return f"json://{self._host}:{self._server.server_port}"

    @property
    def received(self) -> list[ReceivedPage]:
        """Every page received so far, in order of arrival."""
        with self._changed:
            return list(self._received)

    @property
    def attempts(self) -> list[PhoneRequest]:
        """Every request so far, refused and dropped ones included, in order of arrival."""
        with self._changed:
            return list(self._attempts)

    def behave(self, path: str, *, status: int | None = None, delay: float = 0.0, drop: bool = False) -> None:
        """Set the response of a path; `behave(path)` alone resets it.

        A `status` of 3xx redirects to the same path, where a GET succeeds: a sender that follows it is deceived.
        """
        with self._changed:
            self._behaviours[path] = Behaviour(status or _OK, delay, drop)

    def wait_for(self, count: int, within: float = 10.0) -> list[ReceivedPage]:
        """Wait until `count` pages have been received, and return all of them.

        Raises:
            TimeoutError: fewer arrived `within` that many seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._received) >= count, within):
                raise TimeoutError(f"{len(self._received)} of {count} pages arrived within {within} s")
            return list(self._received)

    def close(self) -> None:
        """Stop receiving. Delayed responses are not awaited."""
        self._closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def _take(self, path: str, page_id: str, payload: dict[str, Any]) -> Behaviour:
        with self._changed:
            behaviour = self._behaviours.get(path, Behaviour())
            self._attempts.append(PhoneRequest(path, page_id, None if behaviour.drop else behaviour.status))
            if 200 <= behaviour.status < 300 and not behaviour.drop:
                self._record(path, page_id, payload)
            self._changed.notify_all()
        self._closing.wait(behaviour.delay)
        return behaviour

    def _record(self, path: str, page_id: str, payload: dict[str, Any]) -> None:
        names = tuple(str(item.get("filename", "")) for item in payload.get("attachments") or ())
        page = ReceivedPage(
            path,
            page_id,
            str(payload.get("title", "")),
            str(payload.get("message", "")),
            len(self._received),
            names,
        )
        self._received.append(page)
        if self._callback is None:
            return
        try:
            self._callback(page)
        except Exception:
            log.exception("the callback of the fake phone failed")


class _PhoneServer(ThreadingHTTPServer):
    # Joined on close, so that no thread outlives the phone.
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], take: Callable[[str, str, dict[str, Any]], Behaviour]) -> None:
        self.take = take
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer would resolve the full host name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, *_: object) -> None:
        # The sender hung up. The default prints a traceback.
        log.debug("a connection to the fake phone broke", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    # A silent connection must not delay `close`.
    timeout = 5
    server: _PhoneServer

    def do_POST(self) -> None:
        payload = self._payload()
        if payload is None:
            self._answer(400)
            return
        behaviour = self.server.take(self.path.partition("?")[0], self.headers.get("X-Page-Id", ""), payload)
        if behaviour.drop:
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._answer(behaviour.status)

    def do_GET(self) -> None:
        self._answer(_OK)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the paths name people and the bodies name patients."""

    def _payload(self) -> dict[str, Any] | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LARGEST_BODY:
            return None
        try:
            payload = json.loads(self.rfile.read(int(length)))
        except ValueError:
            return None
        return payload if isinstance(payload, dict) else None

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()
