"""Repair of an append-only file (AOF) that a crash truncated in the middle of a transaction.

Redis and Valkey remove the incomplete command at the end, but leave its transaction open (valkey-io/valkey pull request
4342). At the next start they would read every later write as part of that transaction, and lose it if they crash once
more. A rewrite from memory makes the file whole again.
"""

import logging
from datetime import timedelta

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


def rewrite_if_restarted(redis: Redis, known: str, since: timedelta | None) -> str:
    """Rewrite the file if the server is not the process `known` ("" for none); return its present process.

    Only the server's log says whether it truncated the file, and we cannot read that log. A server that has run for
    longer than `since`, when the known one was seen, took over from it: a replica gets its data from the primary.
    """
    server = redis.info("server")
    current = str(server.get("run_id", ""))
    ran = timedelta(seconds=int(server.get("uptime_in_seconds", 0)))
    if known and current != known and (since is None or ran <= since):
        log.info("the store was restarted; its append-only file is rewritten")
        rewrite(redis)
    return current
