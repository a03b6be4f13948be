"""The replicas and Sentinels of a store: can a message be accepted, and could another machine take over?

None of it is fatal: without replicas nothing new is accepted, and what was accepted is still evaluated and paged.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from alerts.wording.phrase import Phrase, phrase
from worker.store.connection import StoreClient
from worker.store.durable import NotCopiedError, accepting, copies_of

COPIES = "store copies"
REPLICAS = "store replicas"
SENTINELS = "Sentinels"

PROBE_MS = 2000
"""A replica connects anew after a failover, which takes about a second. Only a longer time without it is reported."""

ANSWER_SECONDS = 1.0
"""The time for the answer of a replica."""

START_REPLICAS = Phrase("start the replicas: until one has caught up, nothing new is accepted")

Trouble = tuple[str, Phrase, Phrase]
"""A part, what is wrong with it, and the fix."""


def too_few_copies(redis: Redis, info: Mapping[str, Any]) -> Iterator[Trouble]:
    """Whether fewer replicas are connected than an acceptance needs, as the primary reports it."""
    needed, online = copies_of(redis) - 1, len(_online(info))
    if online < needed:
        yield COPIES, phrase("{n} of {n2} needed replicas are connected", n=online, n2=needed), START_REPLICAS


def probe(redis: Redis, key: str) -> Iterator[Trouble]:
    """Whether a write is copied in time."""
    pipe = accepting(redis, PROBE_MS)
    pipe.set(key, 1, ex=60)
    try:
        pipe.execute()
    except NotCopiedError:
        yield COPIES, Phrase("a write did not reach enough replicas"), START_REPLICAS


def unready(redis: Redis, info: Mapping[str, Any]) -> Iterator[Trouble]:
    """What would make a failover lose something, or fail: replicas and Sentinels, each asked by itself."""
    if copies_of(redis) > 1:
        for replica in _online(info):
            yield from _replica(redis, str(replica["ip"]), int(replica["port"]))
    if isinstance(redis, StoreClient) and redis.sentinels is not None:
        yield from _sentinels(redis, len(_online(info)))


def _online(info: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = [one for name, one in info.items() if name.startswith("slave") and isinstance(one, Mapping)]
    return [one for one in found if one.get("state") == "online"]


def _replica(redis: Redis, host: str, port: int) -> Iterator[Trouble]:
    place = f"{host}:{port}"
    try:
        with _direct(redis, host, port) as replica:
            persistence, fsync = replica.info("persistence"), "always"
            with suppress(ResponseError):
                fsync = replica.config_get("appendfsync").get("appendfsync", fsync)
    except RedisError as error:
        seen = phrase("{place} does not answer ({error})", place=place, error=type(error).__name__)
        yield REPLICAS, seen, Phrase("look at its log and its network")
        return
    if not persistence.get("aof_enabled"):
        seen = phrase("{place} has appendonly no: a copy there is lost with its power", place=place)
        yield REPLICAS, seen, Phrase("set appendonly yes and appendfsync always on every server")
    elif fsync != "always":
        seen = phrase("{place} has appendfsync {when}", place=place, when=str(fsync))
        yield REPLICAS, seen, Phrase("set appendonly yes and appendfsync always on every server")
    elif persistence.get("aof_last_write_status", "ok") != "ok":
        seen = phrase("{place} cannot write its append-only file", place=place)
        yield REPLICAS, seen, Phrase("free space on its disk")


def _direct(redis: Redis, host: str, port: int) -> Redis:
    """A connection to one replica, with the name, the password and the certificates of the store's."""
    used = redis.connection_pool.connection_kwargs
    kept = {name: value for name, value in used.items() if name in ("username", "password") or name.startswith("ssl_")}
    return Redis(
        host,
        port,
        ssl=bool(kept.keys() - {"username", "password"}) or _is_tls(redis),
        retry=Retry(NoBackoff(), 0),
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        **kept,
    )


def _is_tls(redis: Redis) -> bool:
    return "SSL" in "".join(kind.__name__ for kind in redis.connection_pool.connection_class.__mro__)


def _sentinels(redis: StoreClient, online: int) -> Iterator[Trouble]:
    assert redis.sentinels is not None
    answers = replicas = 0
    for sentinel in redis.sentinels.sentinels:
        try:
            sentinel.sentinel_ckquorum(redis.service)
            known = cast("dict[str, Any]", sentinel.sentinel_master(redis.service))
        except ResponseError as error:
            seen = phrase("they cannot agree on a failover ({error})", error=str(error).partition(" ")[0])
            yield SENTINELS, seen, Phrase("start the Sentinels that are missing")
            return
        except RedisError:
            continue
        answers += 1
        replicas = int(known.get("num-slaves", 0))
    missing = len(redis.sentinels.sentinels) - answers
    if missing:
        seen = phrase("{n} of {n2} do not answer", n=missing, n2=len(redis.sentinels.sentinels))
        yield SENTINELS, seen, Phrase("start the Sentinels that are missing")
    if answers and online < replicas:
        seen = phrase("{n} of {n2} are connected", n=online, n2=replicas)
        yield REPLICAS, seen, Phrase("start the replica, or let the Sentinels forget it (SENTINEL RESET)")
