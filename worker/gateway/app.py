"""The gateway as one Starlette application."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from worker.client import Client
from worker.gateway import board, cds_hooks, openapi, page, probes, provider_hooks, registration, sign_in
from worker.gateway.context import FOLDER, Gateway, Threads, refusal
from worker.gateway.error_pages import Refused
from worker.gateway.probes import MetricsAccess
from worker.gateway.rate_limit import FailedAttempts
from worker.gateway.responses import Responses
from worker.gateway.security_middleware import SecurityMiddleware
from worker.gateway.sessions import Sessions
from worker.gateway.snapshot import EVERY_SECONDS, WardSnapshots
from worker.links import Links
from worker.runtime.bulkhead import Bulkhead
from worker.runtime.runtime import Runtime

PATIENCE_SECONDS = 1.0
"""The time for which a press waits for its effect, so that the response normally shows it."""

LINK_THREADS = 24
BOARD_THREADS = 12


def create_app(
    run: Runtime,
    links: Links,
    intake_routes: Sequence[BaseRoute] = (),
    *,
    client: Client | None = None,
    access: MetricsAccess | None = None,
    patience: float = PATIENCE_SECONDS,
    every: float = EVERY_SECONDS,
) -> Starlette:
    """The application of one gateway process. Setting `app.state.live.closing` ends every live board."""
    store = run.store
    client = client or Client(run.settings, store.redis)
    sessions = Sessions(store.redis, store.keys)
    threads = Threads(Bulkhead(LINK_THREADS), Bulkhead(BOARD_THREADS))
    gateway = Gateway(run, links, client, Responses(store, client), sessions, FailedAttempts(), threads, patience)
    live = WardSnapshots(run, sessions, every, Bulkhead(1))
    app = Starlette(
        routes=[
            Route("/", _home, methods=["GET"]),
            *page.routes(gateway),
            *board.routes(gateway, live),
            *registration.routes(gateway),
            *sign_in.routes(gateway),
            *provider_hooks.routes(gateway),
            *cds_hooks.routes(gateway),
            *probes.routes(gateway, live, access or MetricsAccess()),
            *openapi.routes(),
            *intake_routes,
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ],
        middleware=[Middleware(SecurityMiddleware, https=links.is_https, failed=refusal)],
        exception_handlers={Refused: refusal, HTTPException: refusal},
    )
    app.state.gateway = gateway
    app.state.live = live
    return app


async def _home(_: Request) -> Response:
    return RedirectResponse("/board", 303)
