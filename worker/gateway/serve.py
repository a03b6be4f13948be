"""The gateway as a process: uvicorn on an address, stopped gracefully."""

from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import uvicorn
from starlette.routing import Route

from config.intake import load_intake
from worker.client import Client
from worker.gateway.app import create_app
from worker.gateway.links import links_of
from worker.gateway.live import Live
from worker.gateway.wellness import LOOPBACK, MetricsAccess
from worker.intake.http import Door
from worker.intake.http import routes as ways_in
from worker.intake.keys import SourceKeys
from worker.intake.store import IntakeStore
from worker.runtime import Runtime

STOP_SECONDS = 5
KEEP_ALIVE_SECONDS = 15
CONNECTIONS = 500


class Listening(NamedTuple):
    """Where the gateway listens, and how."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False

    @property
    def url(self) -> str:
        """How it is reached where nothing else is configured."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"


class _Server(uvicorn.Server):
    """Ends the live boards before it waits for what is still being answered."""

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to stop."""
        self._live.closing.set()
        super().handle_exit(sig, frame)


def serve(run: Runtime, listening: Listening, access: MetricsAccess) -> None:
    """Serve until a signal says stop. Nothing of a request is logged: its path may hold a link.

    Raises:
        ConfigurationError: `intake.yaml` or `codes.csv` cannot be used.
    """
    settings, store = run.settings, run.store
    client = Client(settings, store.redis)
    links = links_of(store.redis, store.keys, settings, settings.public_url or listening.url)
    app = create_app(run, links, intake_routes(run, client), client=client, access=access)
    config = uvicorn.Config(
        app,
        host=listening.host,
        port=listening.port,
        ssl_certfile=listening.certificate,
        ssl_keyfile=listening.key,
        proxy_headers=listening.behind_proxy,
        forwarded_allow_ips="*" if listening.behind_proxy else None,
        access_log=False,
        log_config=None,
        server_header=False,
        lifespan="off",
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=16 * 1024,
    )
    _Server(config, app.state.live).run()


def intake_routes(run: Runtime, client: Client) -> list[Route]:
    """Where hospital systems send: what they may send is read once, at the start."""
    redis, keys = run.store.redis, run.store.keys
    intake = load_intake(run.settings.config_dir)
    door = Door(
        store=IntakeStore(redis, keys),
        keys=SourceKeys(redis, keys),
        intake=lambda: intake,
        tables=lambda: run.site.tables,
        wake=client.wake,
        now=run.clock.now,
    )
    return ways_in(door)


def access_of(networks: Iterable[str], token: str, *, behind_proxy: bool) -> MetricsAccess:
    """Who may read the metrics. Behind a proxy everybody may seem to come from this machine.

    Raises:
        ValueError: something is not a network.
    """
    named = tuple(ip_network(network) for network in networks)
    return MetricsAccess(named or (() if behind_proxy else LOOPBACK), token)
