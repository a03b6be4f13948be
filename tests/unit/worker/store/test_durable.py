"""Acceptance: the transaction, then WAIT on the same connection; a stub stands for the connection."""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.retry import Retry

from tests.support.feeds import NOW, obx, oru, taken
from tests.support.stored_ward import KEYS
from worker.intake.store import IntakeStore
from worker.store import durable
from worker.store.connection import StoreClient
from worker.store.durable import NotCopiedError, accepting


class Connection:
    """Answers each transaction of one command, and each WAIT with the next number of replicas."""

    def __init__(self, replicas: Sequence[int | Exception]) -> None:
        self.sent: list[str] = []
        self.retry = Retry(NoBackoff(), 3, (StoreConnectionError,))
        self.db = 0
        self.host, self.port = "h1", 6379
        self.connected = [[b"h2", b"6379", b"1"]]
        self._replicas = list(replicas)
        self._replies: list[Any] = []

    def pack_commands(self, commands: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        return commands

    def send_packed_command(self, commands: Sequence[tuple[Any, ...]]) -> None:
        if commands[0][0] == "WAIT":
            self.sent += [" ".join(map(str, command)) for command in commands]
            self._replies = [self._replicas.pop(0), [b"master", 1, self.connected]]
        else:
            self.sent += [str(name) for name, *_ in commands]
            self._replies = [b"OK", b"QUEUED", [1]]

    def read_response(self, **_: Any) -> Any:
        reply = self._replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def disconnect(self, *_: Any, **__: Any) -> None: ...


class Pool:
    """Gives that one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.connection_kwargs: dict[str, Any] = {}

    def get_connection(self, *_: Any) -> Connection:
        return self.connection

    def release(self, _: Connection) -> None: ...

    def get_encoder(self) -> Any:
        return None


def pipeline(connection: Connection, copies: int = 2) -> Pipeline:
    client = StoreClient()
    client.copies, client.connection_pool = copies, Pool(connection)  # type: ignore[assignment]
    pipe = accepting(client)
    pipe.set("key", 1)
    return pipe


def test_the_wait_follows_the_transaction_on_its_connection() -> None:
    connection = Connection([1])
    pipeline(connection).execute()
    assert connection.sent == ["MULTI", "SET", "EXEC", f"WAIT 1 {durable.WAIT_MS}", "ROLE"]


class TwoReplicas:
    """Sentinels that know one replica; the primary reports another one."""

    def required(self, primary: tuple[str, int], connected: Iterable[tuple[str, int]] = ()) -> int:
        assert primary == ("h1", 6379)
        return len({("h2", 6379), *connected})


@pytest.mark.parametrize(
    ("copied", "offset", "accepted"),
    [([1, 1], b"1", False), ([1, 2], b"1", True), ([2], b"1", True), ([1], b"0", True)],
)
def test_a_replica_that_has_just_connected_does_not_stand_for_another(
    copied: list[int], offset: bytes, accepted: bool
) -> None:
    """One that has acknowledged nothing yet stands for nobody."""
    connection = Connection(copied)
    connection.connected = [[b"h3", b"6379", offset]]
    pipe = pipeline(connection)
    pipe.replicas = TwoReplicas()  # type: ignore[attr-defined]
    with nullcontext() if accepted else pytest.raises(NotCopiedError):
        pipe.execute()


def test_a_message_on_too_few_machines_is_not_accepted_and_not_repeated() -> None:
    """It is stored there already, and its sender repeats it."""
    connection = Connection([1])
    with pytest.raises(NotCopiedError, match=r"stored on 2 machine.*3 are required"):
        pipeline(connection, copies=3).execute()
    assert connection.sent.count("EXEC") == 1


def test_a_transaction_whose_primary_dies_before_the_copy_is_repeated_whole() -> None:
    connection = Connection([StoreConnectionError("gone"), 1])
    pipeline(connection).execute()
    assert connection.sent.count("EXEC") == 2


def test_one_copy_waits_for_nobody(redis: Redis) -> None:
    assert not isinstance(accepting(redis), durable.AcceptingPipeline)


class Replicated:
    """A pipeline whose executions are counted, and fail while nobody has a copy."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.has_copies = True
        self.writes: list[list[str]] = []

    def accepting(self, _: Redis) -> Pipeline:
        pipe = self.redis.pipeline(transaction=True)
        execute = pipe.execute

        def copied(raise_on_error: bool = True) -> list[Any]:
            self.writes.append([str(command[0][0]) for command in pipe.command_stack])
            replies = execute(raise_on_error)
            if not self.has_copies:
                raise NotCopiedError(1, 2)
            return replies

        pipe.execute = copied  # type: ignore[method-assign]
        return pipe


@pytest.fixture
def replicated(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Replicated:
    made = Replicated(redis)
    monkeypatch.setattr("worker.intake.store.accepting", made.accepting)
    monkeypatch.setattr("worker.intake.store.copies_of", lambda _: 2)
    return made


def test_a_repetition_writes_again_before_it_is_accepted(redis: Redis, replicated: Replicated) -> None:
    """The first time one machine had it: "already stored" would be a promise that nothing keeps."""
    intake = IntakeStore(redis, KEYS)
    replicated.has_copies = False
    for _ in range(2):
        with pytest.raises(NotCopiedError):
            intake.put(taken(oru(obx())), NOW)
    replicated.has_copies = True
    assert intake.put(taken(oru(obx())), NOW).repeated
    assert "EXPIRE" in replicated.writes[-1], "a score that stays the same is no write, and WAIT waits for none"
    assert redis.xlen(KEYS.of("P1").inbox) == 1


def test_a_repetition_among_new_deliveries_writes_again(redis: Redis, replicated: Replicated) -> None:
    intake = IntakeStore(redis, KEYS)
    first, second = taken(oru(obx(), control="1")), taken(oru(obx(), control="2"))
    intake.put(first, NOW)
    assert not intake.put_all([first, second], NOW).repeated
    assert replicated.writes[-1].count("ZADD") == 1
    assert redis.xlen(KEYS.of("P1").inbox) == 2
