"""A gateway for tests: somebody's phone, somebody's board, and a worker that is run by hand."""

import asyncio
import re
from contextlib import AbstractContextManager
from html import unescape
from types import TracebackType
from typing import Any, Self

import httpx
from redis import Redis
from starlette.applications import Starlette

from alerts.episodes.episode import Episode
from config.settings import Settings
from config.site import Site
from tests.support.stored_ward import KEYS, SITE, Body, Clock, crs2, send
from worker.client import Client
from worker.gateway.app import create_app
from worker.links import Links
from worker.processing.advance import advance
from worker.runtime.runtime import Runtime
from worker.store.keys import Shard
from worker.store.shard import Store

SECRET = b"a secret of thirty-two characters"
PERSON = "haematologist-1"
ADDRESS = "https://gateway.test"


def site_with(**people: Any) -> Site:
    """The shipped site, in which some people are otherwise: `haematologist_1={"language": "it"}`."""
    found = dict(SITE.on_call.people)
    for name, fields in people.items():
        key = name.replace("_", "-")
        found[key] = found[key].model_copy(update=fields)
    return SITE._replace(on_call=SITE.on_call.model_copy(update={"people": found}))


class SleepingClient(Client):
    """Wakes nobody: the test runs the worker."""

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self._settings = settings
        self._redis = redis
        self.woken: list[Shard] = []

    def wake(self, shards: list[Shard]) -> None:
        self.woken += shards


class Browser:
    """Speaks to an application within this process, keeps its cookies, follows nothing by itself."""

    def __init__(self, app: Starlette, address: str) -> None:
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 50000))
        self._client = httpx.AsyncClient(transport=transport, base_url=address)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, **more))

    def cookies(self) -> httpx.Cookies:
        return self._client.cookies

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


class Desk(AbstractContextManager["Desk"]):
    """The gateway of a small ward, and what people do with it."""

    def __init__(
        self, redis: Redis, store: Store, clock: Clock, site: Site = SITE, https: bool = True, **settings: Any
    ) -> None:
        self.redis = redis
        self.store = store
        self.clock = clock
        self.site = site
        address = ADDRESS if https else ADDRESS.replace("https", "http")
        self.links = Links(SECRET, address)
        made = Settings(namespace=KEYS.namespace, shards=KEYS.shards, **settings)
        self.run = run = Runtime(made, site, store, clock)
        self.client = SleepingClient(made, redis)
        self.app = create_app(run, self.links, client=self.client, patience=0, every=0)
        self.gateway = self.app.state.gateway
        self.browser = Browser(self.app, address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.browser.close()

    # -- the ward --------------------------------------------------------------------------------

    def work(self) -> None:
        """Let the worker take what waits."""
        for _ in range(3):
            for shard in KEYS.all():
                advance(self.store, shard, self.clock, self.site)

    def send(self, *bodies: Body) -> None:
        """Messages of the ward, evaluated at once."""
        send(self.store, bodies, self.clock.now())
        self.work()

    def fall_ill(self, patient: str = "P1") -> Episode:
        """A patient gets CRS 2 and somebody is paged."""
        self.send(*crs2(patient, self.clock.now()))
        return self.crs(patient)

    def crs(self, patient: str = "P1") -> Episode:
        """The open episode of CRS."""
        state = self.store.state(patient)
        assert state is not None
        return state.episodes["crs"]

    # -- the phone -------------------------------------------------------------------------------

    def link(self, episode: Episode, person: str = PERSON, page: str = "") -> str:
        """The path of the link in the page that notified a person of an episode: the last, where none is named."""
        sent = [item for item in episode.deliveries if item.to == person and page in ("", item.page)]
        made = self.links.page(sent[-1].page, person, sent[-1].at)
        return made.removeprefix(self.links.public_url)

    def get(self, path: str, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.browser.request("GET", path, headers=named)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.browser.request("POST", path, **{"data": {"": ""}, **more})

    def press(self, path: str, action: str, **fields: str) -> httpx.Response:
        """Press a button of the page as it is shown now: its own mark, and what was typed."""
        shown = self.get(path)
        mark = re.search(r'name="mark" value="([0-9a-f]+)"', shown.text)
        return self.post(f"{path}/{action}", data={"mark": mark[1] if mark else "", **fields})

    # -- the board -------------------------------------------------------------------------------

    def sign_in(self, person: str = PERSON) -> httpx.Response:
        """Open a personal link and press the button."""
        path = self.links.sign_in(person, self.clock.now()).removeprefix(self.links.public_url)
        assert self.get(path).status_code == 200
        return self.post(path)

    def board_form(self, episode: Episode, path: str = "/board") -> dict[str, str]:
        """The hidden fields of the board's button for an episode."""
        shown = self.get(path).text
        form = re.search(rf'<form method="post" action="/board/episode/{episode.id}/have-it">(.*?)</form>', shown, re.S)
        assert form is not None, "no button for this episode"
        return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[1]))


def words(response: httpx.Response) -> str:
    """What a person reads of a page."""
    text = re.sub(r"<(script|style|head)\b.*?</\1>|<[^>]+>", " ", response.text, flags=re.S)
    return " ".join(unescape(text).split())
