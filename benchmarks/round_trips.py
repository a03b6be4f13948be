"""How often a batch goes to Redis and back: counted, whatever it holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from unittest.mock import patch

from harness import Ground, Row, Size
from redis.connection import AbstractConnection
from ward import Ward, fever, minutes, registrations

from worker.advance import advance
from worker.clock import SystemClock
from worker.runtime import make


class Counted(NamedTuple):
    """What turns over all shards came to."""

    trips: int
    batches: int
    messages: int


@contextmanager
def trips() -> Iterator[list[int]]:
    """Count what this process sends to Redis: a pipeline goes as one."""
    sent: list[int] = []
    send = AbstractConnection.send_packed_command

    def counting(self: AbstractConnection, *command: Any, **how: Any) -> Any:
        sent.append(1)
        return send(self, *command, **how)

    with patch.object(AbstractConnection, "send_packed_command", counting):
        yield sent


def measure(size: Size) -> list[Row]:
    """The rows of this measure."""
    with Ground(size.fsync) as ground:
        ward = Ward(ground, "trips")
        run, clock = make(ward.settings, ward.redis), SystemClock()
        start = datetime.now(UTC) - timedelta(minutes=size.minutes)

        def turns() -> Counted:
            with trips() as sent:
                done = [advance(run.store, shard, clock, run.site) for shard in run.store.keys.all()]
            return Counted(len(sent), sum(turn.batches for turn in done), sum(turn.messages for turn in done))

        ward.fill(registrations([f"P{number}" for number in range(size.patients)], start))
        turns()
        nothing = turns()
        ward.fill(iter([fever("P0", datetime.now(UTC))]))
        one = turns()
        ward.fill(minutes(size.patients, start, size.minutes))
        return [_row("one reading", one, nothing), _row("a backlog", turns(), nothing)]


def _row(what: str, seen: Counted, nothing: Counted) -> Row:
    trips_a_batch = (seen.trips - nothing.trips) / seen.batches
    figures = f"{seen.messages / seen.batches:.0f} messages a batch"
    return Row(f"round trips to Redis, a batch of {what}", f"{trips_a_batch:.0f}", "stated", None, figures)
