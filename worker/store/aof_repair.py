"""Repair of an append-only file (AOF) that a crash truncated in the middle of a transaction.

Redis and Valkey remove the incomplete command at the end, but leave its transaction open (valkey-io/valkey pull request
4342). At the next start they would read every later write as part of that transaction, and lose it if they crash once
more. A rewrite from memory makes the file whole again.
"""

import logging

from redis import Redis
from redis.exceptions import ResponseError

log = logging.getLogger(__name__)

TRUNCATED = "Truncating the AOF"
"""The server's log says this when it truncates its file."""


def rewrite(redis: Redis) -> None:
    """Ask the server to rewrite its file. Nothing happens if it refuses that or does so already."""
    try:
        redis.bgrewriteaof()
    except ResponseError as error:
        log.warning("the append-only file is not rewritten (%s)", str(error).partition(" ")[0])


def rewrite_if_restarted(redis: Redis, known: str) -> str:
    """Rewrite the file if the server is not the process `known` ("" for none); return its present process.

    Only the server's log says whether it truncated the file, and we cannot read that log.
    """
    current = str(redis.info("server").get("run_id", ""))
    if known and current != known:
        log.info("the store was restarted; its append-only file is rewritten")
        rewrite(redis)
    return current
