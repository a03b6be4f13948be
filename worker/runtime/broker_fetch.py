"""Many messages of a Redis broker in one round trip: take what a queue holds, and acknowledge it.

Kombu takes each message with one command, records it as unacknowledged with a second, and acknowledges it with a third,
and each of them waits for the disk. The script here moves messages from the end of a queue to kombu's record of the
unacknowledged, in kombu's own form, at one moment: none can be lost between the two. Other brokers send ahead what they
have; there each message is acknowledged by itself.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any, cast

from kombu.message import Message
from kombu.transport import virtual
from kombu.utils.json import loads
from redis.exceptions import ResponseError

log = logging.getLogger(__name__)

LARGEST = 16_384
"""Bytes of a message, as the broker keeps it, that is taken with others."""

_SCRIPT = """
local queue, unacked, index = KEYS[1], KEYS[2], KEYS[3]
local most, largest, now = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local waiting = redis.call('LRANGE', queue, -most, -1)
local taken = {}
for place = #waiting, 1, -1 do
  local item = waiting[place]
  local good, message = pcall(cjson.decode, item)
  local properties = good and type(message) == 'table' and message.properties
  local info = type(properties) == 'table' and properties.delivery_info
  local tag = info and properties.delivery_tag
  if #item > largest or type(tag) ~= 'string' or type(info) ~= 'table' or type(info.exchange) ~= 'string'
      or type(info.routing_key) ~= 'string' then
    break
  end
  local origin = cjson.encode(info.exchange) .. ',' .. cjson.encode(info.routing_key)
  redis.call('ZADD', index, now, tag)
  redis.call('HSET', unacked, tag, '[' .. item .. ',' .. origin .. ']')
  taken[#taken + 1] = item
end
if #taken > 0 then
  redis.call('LTRIM', queue, 0, -#taken - 1)
end
return taken
"""
"""It stops at a message that is large or in no form of kombu's: kombu takes that one."""


def fetches(channel: Any) -> bool:
    """Whether the broker is a Redis, from which messages are fetched."""
    return hasattr(channel, "unacked_key") and hasattr(channel, "conn_or_acquire")


def fetch(channel: Any, queue: str, most: int) -> list[Message]:
    """Take up to so many messages of a queue, oldest first, recorded as unacknowledged. No prefetch count limits it."""
    prefix = channel.global_keyprefix or ""  # kombu adds it to the keys of its own commands only
    keys = [f"{prefix}{name}" for name in (queue, channel.unacked_key, channel.unacked_index_key)]
    try:
        with channel.conn_or_acquire() as client:
            items = client.eval(_SCRIPT, len(keys), *keys, most, LARGEST, repr(time.time()))
    except ResponseError as error:
        log.warning("messages of the queue %s are taken one by one (%s)", queue, error)
        return []
    messages = [channel.Message(loads(item), channel=channel) for item in items]
    for message in messages:
        virtual.QoS.append(channel.qos, message, message.delivery_tag)  # what the Redis transport does beside its trip
    return messages


def acknowledge(messages: Sequence[Message], logger: Any, errors: tuple[type[Exception], ...]) -> None:
    """Acknowledge messages of one channel. If that fails, the broker gives them out again."""
    channel: Any = messages[0].channel
    if not fetches(channel):
        for message in messages:
            message.ack_log_error(logger, errors)
        return
    tags = [message.delivery_tag for message in messages]
    try:
        with channel.conn_or_acquire() as client:
            client.pipeline().zrem(channel.unacked_index_key, *tags).hdel(channel.unacked_key, *tags).execute()
    except errors as error:
        logger.critical("could not acknowledge %d messages (%s)", len(messages), type(error).__name__)
    _forget(channel, messages)


def _forget(channel: Any, messages: Iterable[Message]) -> None:
    """Let the channel fetch others in the place of these messages, even if their acknowledgement failed."""
    for message in messages:
        virtual.QoS.ack(channel.qos, cast(str, message.delivery_tag))
        cast(Any, message)._state = "ACK"
