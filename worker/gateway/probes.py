"""Probes: of this gateway (`/livez`, `/readyz`), of the service (`/healthz`), and `/metrics`. No patient, no value."""

import asyncio
import hmac
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from worker.gateway.context import Gateway
from worker.gateway.metrics import exposition
from worker.gateway.snapshot import WardSnapshots
from worker.monitoring.health import Check
from worker.runtime.bulkhead import BusyError, SingleFlight

READY_SECONDS = 3.0
"""If all threads are busy for longer, or the store does not answer, the gateway cannot open a link either."""

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class MetricsAccess(NamedTuple):
    """The permitted readers of the metrics: these networks, and requests with the token."""

    networks: tuple[IPv4Network | IPv6Network, ...] = LOOPBACK
    token: str = ""

    def allows(self, request: Request) -> bool:
        """Whether a request comes from a permitted reader."""
        brought = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.token and hmac.compare_digest(brought.encode(), self.token.encode()):
            return True
        try:
            address = ip_address(request.client.host if request.client is not None else "")
        except ValueError:
            return False
        return any(address in network for network in self.networks)


def routes(gateway: Gateway, live: WardSnapshots, access: MetricsAccess) -> list[Route]:
    """The routes of the probes and of the metrics."""

    scrape: SingleFlight[bytes] = SingleFlight(gateway.threads.board)
    asked: SingleFlight[object] = SingleFlight(gateway.threads.links)

    async def livez(_: Request) -> Response:
        return PlainTextResponse("serving\n")

    async def readyz(_: Request) -> Response:
        try:
            async with asyncio.timeout(READY_SECONDS):
                await asked.join(gateway.run.store.redis.ping)
        except BusyError:
            return PlainTextResponse("too many requests wait\n", 503)
        except (RedisError, TimeoutError):
            return PlainTextResponse("the store does not answer\n", 503)
        return PlainTextResponse("ready\n")

    async def healthz(_: Request) -> Response:
        return await _health(live)

    async def metrics(request: Request) -> Response:
        if not access.allows(request):
            return PlainTextResponse("not from here\n", 403)
        ward = await live.ward(or_last=False)
        text = await scrape.join(lambda: exposition(ward, gateway.run.store, gateway.now()))
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    probes = {"/livez": livez, "/readyz": readyz, "/healthz": healthz, "/metrics": metrics}
    return [Route(path, answer, methods=["GET"]) for path, answer in probes.items()]


async def _health(live: WardSnapshots) -> Response:
    try:
        checks = (await live.ward(or_last=False)).checks
    except RedisError:
        checks = (Check("store", False, ""),)
    well = all(check.well for check in checks)
    parts = [{"part": check.part, "well": check.well} for check in checks]
    return JSONResponse({"well": well, "parts": parts}, 200 if well else 503)
