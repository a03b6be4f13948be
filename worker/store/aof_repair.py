"""An append-only file that a crash cut short in the middle of a transaction.

Redis and Valkey cut the torn command off the end, but leave the transaction open that it was part of (valkey-io/valkey
pull request 4342): what is written from then on would at the next start be taken for the rest of it, and be lost if
that crashes too. Written anew from memory, the file is whole again.
"""

import logging

from redis import Redis
from redis.exceptions import ResponseError

log = logging.getLogger(__name__)

TRUNCATED = "Truncating the AOF"
"""What the server's log says where it has cut its file."""


def rewrite(redis: Redis) -> None:
    """Ask for the file to be written anew; a server that does not let us, or is at it, is left as it is."""
    try:
        redis.bgrewriteaof()
    except ResponseError as error:
        log.warning("the append-only file is not written anew (%s)", str(error).partition(" ")[0])


def rewrite_if_restarted(redis: Redis, known: str) -> str:
    """The same where the server is not the process it was (`known`, "" for none); return which it is now.

    Whether it has cut its file stands only in its log, which is not ours to read.
    """
    current = str(redis.info("server").get("run_id", ""))
    if known and current != known:
        log.info("the store was restarted; its append-only file is written anew")
        rewrite(redis)
    return current
