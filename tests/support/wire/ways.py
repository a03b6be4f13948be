"""The reference case on its way over the wire: real listeners, a real store, in simulated time."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import httpx

from alerts.messages import AnyMessage
from config.listeners import Listener
from tests.support.senders import Sender
from tests.support.subscriptions import notification
from tests.support.wire import fhir, hl7
from tests.support.wire.codes import SOURCES, configure
from worker.gateway.app import create_app
from worker.gateway.serve import intake_routes
from worker.intake.mllp.handler import StoringHandler
from worker.intake.mllp.listener import MllpListener
from worker.intake.source_keys import SourceKeys
from worker.intake.store import IntakeStore
from worker.intake.watched_config import WatchedIntakeConfig
from worker.links import links_of
from worker.runtime.runtime import make
from worker.standalone.replay import Replay
from worker.store.keys import Shard
from worker.store.subscriptions import Subscriptions

HOLDS_MS = 60_000


class OverTheWire(Replay):
    """A replay whose messages come in as the systems of a site send them; what has no form there comes natively.

    While the messages of a moment arrive one after the other their shard is held, so that they are judged together,
    as those of a native replay are, which come in with one append.
    """

    def __init__(self, folder: Path, registers: str) -> None:
        super().__init__(config_dir=configure(folder, registers))
        self.sent: Counter[str] = Counter()
        """Messages by the way they went and their type."""

    def _play(self, at: datetime, messages: list[AnyMessage]) -> None:
        if not messages:
            super()._play(at, messages)
            return
        shards = {self.store.keys.of(message.patient) for message in messages}
        for shard in shards:
            self._hold(shard)
        pipe = self.store.redis.pipeline(transaction=True)
        self.clock.set(at, pipe)
        pipe.execute()
        self.send(messages, at)
        self.store.redis.delete(*(shard.lease for shard in shards))
        self.client.wake(shards)
        self._wait_until_quiet(at)

    def _hold(self, shard: Shard) -> None:
        """A wake-up that came too late for the moment before may be looking at the shard."""
        while not self.store.redis.set(shard.lease, "the wire", nx=True, px=HOLDS_MS):
            time.sleep(0.001)

    def send(self, messages: list[AnyMessage], at: datetime) -> None:
        """Send the messages of one moment, and hear of each that it was taken."""
        raise NotImplementedError

    def natively(self, messages: list[AnyMessage], at: datetime) -> None:
        """Into the inbox, as a producer of native messages and the gateway itself append."""
        raws = [message.model_dump_json(exclude_none=True).encode() for message in messages]
        assert self.client.send_raw(raws, now=at).stored == len(messages)

    def count(self, way: str, messages: Sequence[AnyMessage]) -> None:
        """Note what went which way."""
        self.sent.update(f"{way} {message.type}" for message in messages)


class OverMllp(OverTheWire):
    """HL7 v2 through one connection to a real listener."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "HAEM-2")

    def __enter__(self) -> Self:
        super().__enter__()
        self._wire = ExitStack()
        self._sender = self._wire.enter_context(Sender(self._wire.enter_context(self._listening())))
        return self

    def __exit__(self, *raised: Any) -> None:
        self._wire.close()
        super().__exit__(*raised)

    def send(self, messages: list[AnyMessage], at: datetime) -> None:
        """HL7 first; beside it what it cannot say."""
        spoken = [message for message in messages if hl7.has_form(message)]
        natively = [message for message in messages if not hl7.has_form(message)]
        natively += [more for message in spoken if (more := hl7.left_over(message)) is not None]
        raws = hl7.encode(spoken)
        if raws:
            self._sender.send(*raws)
            answers = self._sender.answers(len(raws))
            assert [answer[:2] for answer in answers] == ["AA"] * len(raws)
        if natively:
            self.natively(natively, at)
        self.count("HL7", spoken)
        self.count("native", natively)

    @contextmanager
    def _listening(self) -> Iterator[int]:
        """The port of a listener in an event loop of its own."""
        run = make(self.settings, self.store.redis)
        in_force = WatchedIntakeConfig(self.settings.config_dir)
        store = IntakeStore(run.store.redis, run.store.keys)
        handler = StoringHandler(store, lambda: in_force.value, self.client.wake, run.clock.now)
        listener = MllpListener("wire", Listener(port=0), handler, run.clock.now)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(listener.start(), loop).result(30)
            yield listener.port
        finally:
            asyncio.run_coroutine_threadsafe(listener.stop(), loop).result(30)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(30)
            loop.close()
            handler.close()


class OverHttp(OverTheWire):
    """FHIR to the gateway's own application, and natively what it cannot say; each source with its key."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "*")

    def __enter__(self) -> Self:
        super().__enter__()
        run = make(self.settings, self.store.redis)
        keys = SourceKeys(run.store.redis, run.store.keys)
        self._keys = {name: keys.add(name, datetime.now().astimezone()) for name in SOURCES}
        links = links_of(run.store.redis, run.store.keys, self.settings, "http://gateway")
        in_force = WatchedIntakeConfig(self.settings.config_dir)
        self._app = create_app(run, links, intake_routes(run, self.client, in_force), client=self.client)
        return self

    def send(self, messages: list[AnyMessage], at: datetime) -> None:
        """FHIR first; beside it what it cannot say. What people answer the gateway appends itself."""
        answers = [message for message in messages if message.source not in self._keys]
        spoken = [message for message in messages if message not in answers and fhir.has_form(message)]
        natively = [message for message in messages if message not in answers and not fhir.has_form(message)]
        natively += [more for message in spoken if (more := fhir.left_over(message)) is not None]
        asyncio.run(self._post(fhir.resources(spoken), natively))
        if answers:
            self.natively(answers, at)
        self.count("FHIR", spoken)
        self.count("native", [*natively, *answers])

    async def _post(self, made: list[tuple[str, list[fhir.Resource]]], natively: list[AnyMessage]) -> None:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            for source, resources in made:
                await self.post_resources(client, source, resources)
            for message in natively:
                raw = message.model_dump_json(exclude_none=True)
                answer = await client.post("/messages", content=raw, headers=self._headers(message.source, "json"))
                assert answer.status_code == 202, answer.text

    async def post_resources(self, client: httpx.AsyncClient, source: str, resources: list[fhir.Resource]) -> None:
        """As one batch."""
        answer = await self.post(client, source, "", fhir.bundle(resources))
        statuses = {entry["response"]["status"] for entry in answer.json()["entry"]}
        assert (answer.status_code, statuses) == (200, {"201 Created"}), answer.text

    async def post(self, client: httpx.AsyncClient, source: str, path: str, resource: fhir.Resource) -> httpx.Response:
        """Post a resource below `/fhir`, with the key of its source."""
        headers = self._headers(source, "fhir+json")
        return await client.post(f"/fhir{path}", content=fhir.encode(resource), headers=headers)

    def _headers(self, source: str, kind: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._keys[source]}", "Content-Type": f"application/{kind}"}


class OverCreates(OverHttp):
    """Each resource by a create at its own address, without an id: the gateway gives it one."""

    async def post_resources(self, client: httpx.AsyncClient, source: str, resources: list[fhir.Resource]) -> None:
        """One by one."""
        for resource in resources:
            kind = resource["resourceType"]
            bare = {name: value for name, value in resource.items() if name != "id" or kind == "Patient"}
            answer = await self.post(client, source, f"/{kind}", bare)
            assert (answer.status_code, answer.headers["etag"]) == (201, 'W/"1"'), answer.text


class OverNotifications(OverHttp):
    """Each source's resources as notifications of its Subscription, with its counter."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._notified: Counter[str] = Counter()

    async def post_resources(self, client: httpx.AsyncClient, source: str, resources: list[fhir.Resource]) -> None:
        """The events of one moment, after a handshake before the first."""
        if not self._notified[source]:
            assert (await self.post(client, source, "", notification(kind="handshake"))).status_code == 200
        first = self._notified[source] + 1
        self._notified[source] += len(resources)
        answer = await self.post(client, source, "", notification(resources, first=first))
        statuses = [entry["response"]["status"] for entry in answer.json()["entry"]]
        assert statuses == ["200 OK", *["201 Created"] * len(resources)], answer.text

    def missed(self) -> int:
        """Events that a counter misses."""
        found = Subscriptions(self.store.redis, self.store.keys).all()
        assert {name.source: state.last for name, state in found.items()} == dict(self._notified)
        return sum(gap.events for state in found.values() for gap in state.gaps)
