"""Wake-ups that wait behind each other are executed as one task."""

from types import SimpleNamespace
from typing import Any

import pytest
from kombu.message import Message
from kombu.utils.json import dumps

from worker import task_batcher, wakeup_batcher
from worker.wakeup_batcher import SHARDS_AT_ONCE, WakeupGatherer


class Channel:
    """The broker's side of messages: a queue that is fetched from, and what was acknowledged."""

    no_ack_consumers = None

    def __init__(self) -> None:
        self.waiting: list[Message] = []
        self.fetched = 0
        self.acknowledged: list[str] = []

    def basic_ack(self, tag: str, multiple: bool = False) -> None:
        del multiple
        self.acknowledged.append(tag)

    def fetch(self, _: Any, queue: str, most: int) -> list[Message]:
        assert queue == "advance"
        self.fetched += 1
        taken, self.waiting = self.waiting[:most], self.waiting[most:]
        return taken

    def message(self, *args: Any, task: str = "advance", **kwargs: Any) -> Message:
        return Message(
            dumps([args, kwargs, {}]),
            delivery_tag=str(args),
            headers={"lang": "py", "task": task, "id": "1"},
            channel=self,
            content_type="application/json",
            content_encoding="utf-8",
            accept={"application/json"},
        )


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Channel:
    channel = Channel()
    monkeypatch.setattr(task_batcher, "fetch", channel.fetch)
    monkeypatch.setattr(wakeup_batcher, "fetches", lambda _: True)
    return channel


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup_batcher.state, "active_requests", {object()})


@pytest.fixture
def handed() -> list[Message]:
    return []


@pytest.fixture
def gatherer(channel: Channel, handed: list[Message]) -> WakeupGatherer:
    task_consumer: Any = SimpleNamespace(channel=channel, accept={"application/json"}, on_decode_error=None)
    consumer: Any = SimpleNamespace(checked=lambda receive: receive, task_consumer=task_consumer)
    return WakeupGatherer(consumer, handed.append)


@pytest.mark.usefixtures("busy")
def test_wake_ups_that_wait_become_one_task_while_the_worker_is_busy(
    gatherer: WakeupGatherer, channel: Channel, handed: list[Message]
) -> None:
    channel.waiting = [channel.message(shard) for shard in range(1, 8)]
    gatherer(channel.message(0))
    [one] = handed
    assert (one.headers["task"], one.payload["args"]) == ("advance", list(range(SHARDS_AT_ONCE)))
    one.ack_log_error(None, (OSError,))
    assert len(channel.acknowledged) == SHARDS_AT_ONCE
    gatherer(channel.waiting.pop(0))
    assert handed[1].payload["args"] == [4, 5, 6, 7], "nothing of the first is left"


def test_a_worker_without_work_begins_with_a_wake_up_at_once(
    gatherer: WakeupGatherer, channel: Channel, handed: list[Message]
) -> None:
    channel.waiting = [channel.message(1)]
    first = channel.message(0)
    gatherer(first)
    assert handed == [first]
    assert channel.fetched == 0


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize(
    ("args", "named"), [((1, 2), {}), (("1",), {}), ((), {"shard": 1}), ((1,), {"task": "export"})], ids=str
)
def test_any_other_task_is_executed_alone(
    gatherer: WakeupGatherer, channel: Channel, handed: list[Message], args: tuple[Any, ...], named: dict[str, Any]
) -> None:
    other = channel.message(*args, **named)
    channel.waiting = [other]
    gatherer(channel.message(0))
    gatherer(other)
    assert handed[0] is other
    assert handed[1].payload[0] == [0]
    assert handed[2] is other
