"""How the service is: for a probe, and as counts for Prometheus. No patient, no value."""

import hmac
from collections import Counter
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from config.site import URGENCIES
from worker.gateway.live import Live, Ward
from worker.gateway.standing import is_free, is_overdue
from worker.gateway.web import Gateway
from worker.health import Check

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class MetricsAccess(NamedTuple):
    """Who may read the counts: these networks, and whoever brings the token."""

    networks: tuple[IPv4Network | IPv6Network, ...] = LOOPBACK
    token: str = ""

    def allows(self, request: Request) -> bool:
        """Whether a request comes from one of them."""
        brought = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.token and hmac.compare_digest(brought.encode(), self.token.encode()):
            return True
        try:
            address = ip_address(request.client.host if request.client is not None else "")
        except ValueError:
            return False
        return any(address in network for network in self.networks)


def routes(gateway: Gateway, live: Live, access: MetricsAccess) -> list[Route]:
    """`/healthz` and `/metrics`."""

    async def healthz(_: Request) -> Response:
        return await run_in_threadpool(_health, live)

    async def metrics(request: Request) -> Response:
        if not access.allows(request):
            return PlainTextResponse("not from here\n", 403)
        return await run_in_threadpool(_metrics, gateway, live)

    return [Route("/healthz", healthz, methods=["GET"]), Route("/metrics", metrics, methods=["GET"])]


def _health(live: Live) -> Response:
    try:
        checks = live.ward().checks
    except RedisError:
        checks = (Check("store", False, ""),)
    well = all(check.well for check in checks)
    parts = [{"part": check.part, "well": check.well} for check in checks]
    return JSONResponse({"well": well, "parts": parts}, 200 if well else 503)


def _metrics(gateway: Gateway, live: Live) -> Response:
    return PlainTextResponse(
        exposition(live.ward(), *_waiting(gateway)), media_type="text/plain; version=0.0.4; charset=utf-8"
    )


def _waiting(gateway: Gateway) -> tuple[int, int]:
    """Messages in the inboxes, and messages set aside."""
    store = gateway.run.store
    pipe = store.redis.pipeline(transaction=False)
    for shard in store.keys.all():
        pipe.xlen(shard.inbox)
        pipe.xlen(shard.key("set_aside"))
    answers = pipe.execute()
    return sum(answers[0::2]), sum(answers[1::2])


def exposition(ward: Ward, backlog: int, set_aside: int) -> str:
    """The counts as Prometheus reads them."""
    episodes = [episode for watch in ward.watches for episode in watch.episodes.values()]
    by_urgency = Counter(str(episode.urgency) for episode in episodes)
    by_state = Counter(str(told.state) for episode in episodes for told in episode.deliveries)
    watched = sum(watch.registered and watch.discharged_at is None for watch in ward.watches)
    lines = [
        *_gauge("patients", "Patients under watch", {"": watched}),
        *_gauge("open_episodes", "Open episodes", {f'urgency="{name}"': by_urgency[name] for name in URGENCIES}),
        *_gauge("unacknowledged_episodes", "Open episodes that nobody has", {"": sum(map(is_free, episodes))}),
        *_gauge("overdue_items", "Assessments that are overdue", {"": sum(map(is_overdue, episodes))}),
        *_gauge("inbox_messages", "Messages that wait to be judged", {"": backlog}),
        *_gauge("set_aside_messages", "Messages that could not be used", {"": set_aside}),
        *_gauge("pages", "Pages of open episodes", {f'state="{name}"': by_state[name] for name in sorted(by_state)}),
        *_gauge("feeds_silent", "Feeds that are silent", {"": _silent(ward)}),
        *_gauge("well", "Whether every part is well", {"": int(all(check.well for check in ward.checks))}),
    ]
    return "\n".join(lines) + "\n"


def _gauge(name: str, text: str, values: dict[str, int]) -> Iterable[str]:
    yield f"# HELP cartwatch_{name} {text}."
    yield f"# TYPE cartwatch_{name} gauge"
    for labels, value in values.items():
        yield f"cartwatch_{name}{{{labels}}} {value}" if labels else f"cartwatch_{name} {value}"


def _silent(ward: Ward) -> int:
    """Feeds of which it has been said that they are silent."""
    return sum(episode.condition.startswith("feed ") for watch in ward.watches for episode in watch.episodes.values())
