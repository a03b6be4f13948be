"""The gateway as a process: uvicorn on an address, stopped gracefully."""

import asyncio
import logging
import ssl
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from types import FrameType
from typing import NamedTuple, cast

import uvicorn
from starlette.routing import Route

from worker.client import Client
from worker.gateway.app import create_app
from worker.gateway.connections import KEEP_ALIVE_SECONDS, Caps, Owing, protocols
from worker.gateway.probes import LOOPBACK, MetricsAccess
from worker.gateway.proxy import BehindProxy
from worker.gateway.rate_limit import FailedAttempts
from worker.gateway.snapshot import WardSnapshots
from worker.intake.endpoint import Endpoint
from worker.intake.http import routes as ways_in
from worker.intake.source_keys import RememberedKeys, SourceKeys
from worker.intake.store import IntakeStore
from worker.intake.watched_config import WatchedIntakeConfig, refresh_and_report
from worker.links import links_of
from worker.monitoring.last_alarm import watching
from worker.runtime.bulkhead import Bulkhead
from worker.runtime.reload import LOOK_EVERY_SECONDS
from worker.runtime.runtime import Runtime

log = logging.getLogger(__name__)

STOP_SECONDS = 5
CONNECTIONS = 900
"""More than all connections that owe bytes (`Caps`), use or await a thread (`Bulkhead`) or are live boards; fewer than
the usual limit of descriptors of a process."""

BACKLOG = 64
"""Connections accepted at once. Three times as many may be accepted before the first is read from. An address may have
more, so later connections do not close one that brought its request."""

INTAKE_THREADS = 4
"""Messages of hospital systems need the processor and do not wait. More threads would only slow the pages down."""


SWITCH_SECONDS = 0.0005
"""The longest time for which a computing thread keeps the interpreter; Python's default is 5 ms. While 30 senders post
bundles of 1.2 MiB, a page's link takes 0.6 s with this and 2.8 s without (median, on two busy cores)."""


class Listening(NamedTuple):
    """The address of the gateway, and its protocol."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False

    @property
    def url(self) -> str:
        """The base address if none is configured."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"


class _GatewayServer(uvicorn.Server):
    """Ends the live boards before it waits for requests in progress."""

    def __init__(self, config: uvicorn.Config, live: WardSnapshots) -> None:
        super().__init__(config)
        self._live = live

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to stop."""
        self._live.closing.set()
        super().handle_exit(sig, frame)


def serve(run: Runtime, listening: Listening, access: MetricsAccess) -> None:
    """Serve until a signal to stop. No request is logged, because its path may contain a link.

    Raises:
        ConfigurationError: `intake.yaml` or `codes.csv` cannot be used.
    """
    settings, store = run.settings, run.store
    client = Client(settings, store.redis)
    links = links_of(store.redis, store.keys, settings, settings.public_url or listening.url)
    in_force = WatchedIntakeConfig(settings.config_dir)
    app = create_app(run, links, intake_routes(run, client, in_force), client=client, access=access)
    # All connections of a proxy have its address. The proxy limits the connections of one sender.
    owing = Owing(Caps(of_one=Caps().of_all) if listening.behind_proxy else Caps())
    config = uvicorn.Config(
        BehindProxy(app) if listening.behind_proxy else app,
        host=listening.host,
        port=listening.port,
        http=cast("type[asyncio.Protocol]", protocols(owing, _tls(listening))),
        ws="none",
        proxy_headers=False,
        access_log=False,
        log_config=None,
        # Strangers would otherwise fill the log: a line for each invalid request.
        log_level="error",
        server_header=False,
        lifespan="off",
        limit_concurrency=CONNECTIONS,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=16 * 1024,
    )
    sys.setswitchinterval(SWITCH_SECONDS)
    log.info("listening on %s", listening.url)
    with _watched(in_force, run, client), watching(settings):
        _GatewayServer(config, app.state.live).run()


def _tls(listening: Listening) -> ssl.SSLContext | None:
    if listening.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(listening.certificate, listening.key)
    return context


@contextmanager
def _watched(in_force: WatchedIntakeConfig, run: Runtime, client: Client) -> Iterator[None]:
    """Check the intake's configuration every few seconds."""
    over = threading.Event()

    def watch() -> None:
        refresh_and_report(in_force, run, client)
        while not over.wait(LOOK_EVERY_SECONDS):
            refresh_and_report(in_force, run, client)

    # A daemon: while the store is down, it may wait longer for it than the gateway's end may take.
    threading.Thread(target=watch, name="intake", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def intake_routes(run: Runtime, client: Client, in_force: WatchedIntakeConfig) -> list[Route]:
    """The routes of hospital systems."""
    redis, keys = run.store.redis, run.store.keys
    endpoint = Endpoint(
        store=IntakeStore(redis, keys),
        keys=RememberedKeys(SourceKeys(redis, keys)),
        wrong_keys=FailedAttempts(),
        configured=lambda: in_force.value,
        wake=client.wake,
        now=run.clock.now,
        threads=Bulkhead(INTAKE_THREADS),
    )
    return ways_in(endpoint)


def access_of(networks: Iterable[str], token: str, *, behind_proxy: bool) -> MetricsAccess:
    """The permitted readers of the metrics. Behind a proxy every sender may seem to be this machine.

    Raises:
        ValueError: a text is not a network.
    """
    named = tuple(ip_network(network) for network in networks)
    return MetricsAccess(named or (() if behind_proxy else LOOPBACK), token)
