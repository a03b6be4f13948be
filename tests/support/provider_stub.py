"""A provider's documented interface on this machine: it records what is asked of it, and answers as a test says."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

import pytest

from worker.delivery.http import REQUESTS


class Asked(NamedTuple):
    """One request: its method, host and path as meant for the provider, its query, headers and body."""

    method: str
    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body))


class ProviderStub(ThreadingHTTPServer):
    """Answers with `status`, `headers` and `answer`; `by_path` has another answer for the end of a path."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.answer: Any = {}
        self.by_path: dict[str, Any] = {}
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        REQUESTS.close()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        REQUESTS.close()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand for every provider: their hosts become the first part of the path here."""
        real = REQUESTS._request

        def redirected(method: str, url: str, **named: Any) -> Any:
            parts = urlsplit(url)
            here = parts._replace(scheme="http", netloc=f"127.0.0.1:{self.server_port}")
            return real(method, here._replace(path=f"/{parts.hostname}{parts.path}").geturl(), **named)

        monkeypatch.setattr(REQUESTS, "_request", redirected)


class _Handler(BaseHTTPRequestHandler):
    server: ProviderStub
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        parts = urlsplit(self.path)
        _, host, *path = parts.path.split("/")
        asked = Asked(self.command, host, "/" + "/".join(path), dict(parse_qsl(parts.query)), dict(self.headers), body)
        self.server.asked.append(asked)
        found = next((one for end, one in self.server.by_path.items() if asked.path.endswith(end)), self.server.answer)
        content = json.dumps(found).encode()
        self.send_response_only(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - as the class calls them

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""
