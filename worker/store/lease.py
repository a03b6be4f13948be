"""Whoever holds a key by a token: what only the holder may do."""

from collections.abc import Callable

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import WatchError


def while_held(redis: Redis, key: str, token: bytes, write: Callable[[Pipeline], object]) -> bool:
    """Write in one transaction, if the key still has this token; whether it had."""
    with redis.pipeline(transaction=True) as pipe:
        try:
            pipe.watch(key)  # type: ignore[no-untyped-call]
            if pipe.get(key) != token:
                return False
            pipe.multi()
            write(pipe)
            pipe.execute()
        except WatchError:
            return False
    return True


def free(redis: Redis, key: str, token: bytes) -> bool:
    """Let another have a key, if it still has this token; whether it had."""
    return while_held(redis, key, token, lambda pipe: pipe.delete(key))
