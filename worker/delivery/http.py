"""The HTTP of Apprise's plugins: connections are kept open, responses are bounded, and a request can be cut off.

All plugins call functions of the module `requests`, which opens a connection for each call: most of the processor time
of a page, and a TLS handshake with the provider. `keep_connections` therefore replaces the name `requests` in a
plugin's own module by a stand-in. It has one session for each thread, and one thread sends on a channel: no session is
shared. All other names are those of `requests`.

`requests` reads a whole response into memory, so a provider that answers without end would exhaust the sender. And its
read timeout is for one read, so an answer in drips would never end: `cut_off` can end its connections (`sockets.py`).
"""

import os
import socket
import sys
import threading
import time
from functools import lru_cache
from typing import Any, Protocol

import requests
from requests import PreparedRequest, Response, Session, sessions
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from worker.delivery.sockets import Handled

RESPONSE_LIMIT = 64 * 1024
"""Bytes of a response that are read; a provider sends a few hundred."""

KEPT_SECONDS = 3.0
"""An idle connection is not used after this: most servers close it after five seconds or later."""

_PART = 8 * 1024


class _Handled(Handled, HTTPConnection):
    """A connection that `cut_off` can end."""

    def _new_conn(self) -> socket.socket:
        return self.handle(super()._new_conn())

    def close(self) -> None:
        """Close it, and its handle."""
        super().close()
        self.let_go()


class _HandledTls(_Handled, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Handled


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _HandledTls


class BoundedAdapter(HTTPAdapter):
    """Reads the beginning of a response, unless the caller streams it. A whole response leaves its connection open."""

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        """Make the pools of connections."""
        super().init_poolmanager(*args, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        """The pools of connections through a proxy."""
        manager: Any = super().proxy_manager_for(proxy, **named)
        manager.pool_classes_by_scheme = self.poolmanager.pool_classes_by_scheme
        return manager

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
    try:
        for part in response.iter_content(_PART):
            content += part
            if len(content) >= RESPONSE_LIMIT:
                response.close()
                break
    except BaseException:
        response.close()
        raise
    response._content = bytes(content[:RESPONSE_LIMIT])
    response._content_consumed = True


class _ThreadSession(Session):
    """The session of a thread. It reads the environment once for each host, and keeps no cookie."""

    def __init__(self) -> None:
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, BoundedAdapter())
        self.trust_env = False  # no file of passwords (netrc) is looked for with each request
        self.used = time.monotonic()
        self.hosts: set[str] = set()

    def merge_environment_settings(self, url: Any, _: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """How the environment says that a request is sent: through what, and which authorities are known."""
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or ""
        return dict(_environment(_host(url), verify, bundle), stream=stream, cert=cert)


def _host(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


@lru_cache(256)
def _environment(host: str, verify: Any, _: str) -> dict[str, Any]:
    """The settings that the environment gives for a host. The last argument distinguishes two environments."""
    found: Any = Session().merge_environment_settings(host, {}, None, verify, None)
    return dict(found)


class Follower(Protocol):
    """Sees the requests of a thread."""

    def amended(self, url: str, named: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a request, as they are to be sent."""
        ...

    def answered(self, response: Response) -> None:
        """A response arrived."""
        ...


class Requests:
    """Stands for the module `requests`. Its functions use the session of the calling thread."""

    def __init__(self) -> None:
        self._threads = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(requests, name)

    def follow(self, follower: "Follower | None") -> None:
        """Let a follower see each request of the calling thread, and its response; None: nobody."""
        self._threads.follower = follower

    def request(self, method: str, url: str, **named: Any) -> Response:
        """Send a request, by the session of the calling thread.

        Raises:
            requests.RequestException: no response, or an unreadable one.
        """
        follower: Follower | None = getattr(self._threads, "follower", None)
        if follower is None:
            return self._request(method, url, **named)
        response = self._request(method, url, **follower.amended(url, named))
        follower.answered(response)
        return response

    def _request(self, method: str, url: str, **named: Any) -> Response:
        """Send a request on a connection that is open, if there is one.

        A connection that the server has just closed is replaced once: that shows only when it is used.

        Raises:
            requests.RequestException: no response, or an unreadable one.
        """
        session = self._session()
        host = _host(url)
        kept = host in session.hosts
        session.hosts.add(host)
        try:
            return session.request(method, url, **named)
        except requests.Timeout:
            raise
        except requests.ConnectionError:
            if not kept:
                raise
            self.close()
            return self._session().request(method, url, **named)
        finally:
            session.cookies.clear()
            session.used = time.monotonic()

    def get(self, url: str, params: Any = None, **named: Any) -> Response:
        """As `requests.get`."""
        return self.request("get", url, params=params, **named)

    def post(self, url: str, data: Any = None, json: Any = None, **named: Any) -> Response:
        """As `requests.post`."""
        return self.request("post", url, data=data, json=json, **named)

    def put(self, url: str, data: Any = None, **named: Any) -> Response:
        """As `requests.put`."""
        return self.request("put", url, data=data, **named)

    def patch(self, url: str, data: Any = None, **named: Any) -> Response:
        """As `requests.patch`."""
        return self.request("patch", url, data=data, **named)

    def delete(self, url: str, **named: Any) -> Response:
        """As `requests.delete`."""
        return self.request("delete", url, **named)

    def _session(self) -> _ThreadSession:
        session: _ThreadSession | None = getattr(self._threads, "session", None)
        if session is not None and time.monotonic() - session.used > KEPT_SECONDS:
            self.close()
            session = None
        if session is None:
            session = self._threads.session = _ThreadSession()
        return session

    def close(self) -> None:
        """Close the connections of the calling thread."""
        session: _ThreadSession | None = getattr(self._threads, "session", None)
        if session is not None:
            self._threads.session = None
            session.close()


REQUESTS = Requests()


@lru_cache(512)
def keep_connections(classes: tuple[type, ...]) -> None:
    """Let the classes of a plugin, its own and those that it inherits from, send by the sessions of threads."""
    for one in classes:
        module = sys.modules.get(one.__module__)
        if one.__module__.startswith("apprise.plugins.") and getattr(module, "requests", None) is requests:
            setattr(module, "requests", REQUESTS)  # noqa: B010 - mypy knows no such name


def bound_responses() -> None:
    """Bound the responses of every other `requests` session in this process from now on."""
    setattr(sessions, "HTTPAdapter", BoundedAdapter)  # noqa: B010 - mypy knows no name it does not export
