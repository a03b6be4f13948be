"""A fake EHR: a FHIR base on loopback. It accepts transactions, finds resources by identifier, fails on request."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Resource = dict[str, Any]
Refuses = Callable[[Resource], bool]


class FakeEhr:
    """The server. `answers` are given to the next requests, as (status, headers); then it works again.

    `refuses` says which resources it never takes; `on_taken` is called after a transaction has taken effect and before
    it is answered. `resources` holds every version of each resource, in the order they were created.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], Resource]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.refuses: Refuses = lambda _: False
        self.on_taken: Callable[[], None] = lambda: None
        self.resources: list[list[Resource]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def base(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/fhir"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def resources_of(self, kind: str) -> list[Resource]:
        """The resources of a type as they stand."""
        return [versions[-1] for versions in self.resources if versions[-1]["resourceType"] == kind]

    def statuses(self, resource: Resource) -> list[str]:
        """The statuses the one resource with an identifier has had."""
        [versions] = self._found(resource)
        return [version["status"] for version in versions]

    def _found(self, resource: Resource) -> list[list[Resource]]:
        def name(of: Resource) -> tuple[str, Resource]:
            return of["resourceType"], of["identifier"][0]

        return [versions for versions in self.resources if name(versions[-1]) == name(resource)]

    def take(self, bundle: Resource) -> tuple[int, Resource]:
        """A transaction: all of it, or none."""
        names = [(entry["resource"]["resourceType"], entry["resource"]["identifier"]) for entry in bundle["entry"]]
        if bundle["type"] != "transaction" or any(names.count(name) > 1 for name in names):
            return 400, _outcome("one resource twice")
        if any(self.refuses(entry["resource"]) for entry in bundle["entry"]):
            return 422, _outcome("no such code")
        for entry in bundle["entry"]:
            self._put(entry["resource"], entry["request"])
        self.on_taken()
        return 200, {"resourceType": "Bundle", "type": "transaction-response"}

    def _put(self, resource: Resource, request: dict[str, str]) -> None:
        """A conditional update replaces what it finds by its own identifier; whatever else is sent makes another."""
        url = urlsplit(request["url"])
        [asked] = parse_qs(url.query).get("identifier", [""])
        [own] = resource["identifier"]
        conditional = request["method"] == "PUT" and url.path == resource["resourceType"]
        found = self._found(resource) if conditional and asked == f"{own['system']}|{own['value']}" else []
        if found:
            found[0].append(resource)
        else:
            self.resources.append([resource])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        system = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bundle = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                system.requests.append(({name.lower(): value for name, value in self.headers.items()}, bundle))
                headers: dict[str, str] = {}
                if system.answers:
                    (status, headers), body = system.answers.pop(0), {}
                else:
                    status, body = system.take(bundle)
                self._answer(status, headers, json.dumps(body).encode())

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is printed."""

        return Handler


def _outcome(said: str) -> Resource:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "diagnostics": said}]}
