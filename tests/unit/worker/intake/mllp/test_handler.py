"""The handler: a batch in one transaction, each message's own end, nobody kept from being stored by another."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NoConnection

from alerts.message_json import read_message
from alerts.messages import SITE_SUBJECT
from config.intake import Intake, Policy
from tests.support.feeds import INTAKE, hl7, obx, oru, pid
from tests.support.stored_ward import KEYS, SITE, waiting
from worker.intake import read
from worker.intake.budget import Budget
from worker.intake.mllp.acknowledger import MessageOutcome, ReceivedMessage
from worker.intake.mllp.handler import StoringHandler
from worker.intake.parsed import ElementOutcome
from worker.intake.store import IntakeStore
from worker.intake.watched_config import IntakeConfig
from worker.store.capacity import FULL
from worker.store.dead_letters import everything
from worker.store.keys import Shard
from worker.store.requirements import UnfitStoreError
from worker.store.shard import Store

NOW = datetime(2024, 6, 14, 8, 0, tzinfo=UTC)
LAB = oru(obx(at="20240614080000+0200"))


class Bench:
    """A handler on a store in memory."""

    def __init__(self, redis: Redis, intake: Intake = INTAKE, source: str | None = None) -> None:
        self.woken: list[Shard] = []
        self.store = IntakeStore(redis, KEYS)
        self.handler = StoringHandler(self.store, lambda: IntakeConfig(intake, SITE), self._wake, lambda: NOW, source)

    def _wake(self, shards: Iterable[Shard]) -> None:
        self.woken += shards

    def take(self, *raws: bytes, peer: str = "10.0.0.1", count_mismatch: str = "") -> list[ElementOutcome]:
        results = self.handler([ReceivedMessage(raw, peer, count_mismatch) for raw in raws])
        return [result.outcome for result in results]

    def why(self) -> list[str]:
        return [record.why for one in everything(self.store.redis, self.store.keys) for record in one.letter.records()]


def patients(store: Store) -> list[str]:
    """Whose messages wait."""
    entries = [fields for shard in KEYS.all() for _, fields in store.stream(shard.inbox)]
    return sorted(read_message(fields[b"m"]).patient for fields in entries)


@pytest.fixture
def bench(redis: Redis) -> Bench:
    return Bench(redis)


def listed(name: str, **policy: object) -> Intake:
    assert INTAKE.unlisted is not None
    source = INTAKE.unlisted._replace(name=name, policy=Policy.model_validate(policy))
    return INTAKE._replace(sources={name: source})


def test_a_result_stands_in_its_patients_inbox(bench: Bench, store: Store) -> None:
    assert bench.take(LAB) == [ElementOutcome.STORED]
    assert waiting(store, "P1") == 1


def test_a_result_that_lies_ahead_is_a_dead_letter_that_its_chart_will_show(bench: Bench, store: Store) -> None:
    ahead = oru(obx(at="20300615060000+0200"))
    assert bench.take(ahead) == [ElementOutcome.DEAD_LETTER]
    assert waiting(store, "P1") == 1


def test_workers_are_woken_after_it(bench: Bench) -> None:
    bench.take(LAB)
    bench.handler.close()
    assert [shard.number for shard in bench.woken] == [KEYS.of("P1").number]


def test_a_message_that_is_sent_again_is_accepted_again_and_stored_once(bench: Bench, store: Store) -> None:
    assert bench.take(LAB, LAB) == [ElementOutcome.STORED] * 2
    assert bench.take(LAB) == [ElementOutcome.STORED]
    assert waiting(store, "P1") == 1


def test_a_monitor_with_one_control_id_for_all_loses_nothing(bench: Bench, store: Store) -> None:
    bench.take(*(oru(obx(value=str(value))) for value in range(40, 60)))
    assert waiting(store, "P1") == 20


def test_what_cannot_be_read_is_dead_lettered_with_its_text_and_its_neighbours_are_stored(
    bench: Bench, store: Store
) -> None:
    doubled = b"MSH|^~\\\\&|LAB|HOSP|||||ORU^R01|9|P|2.5\r"
    assert bench.take(LAB, doubled, oru(obx(), patient=pid("P2^^^HOSP^MR"))) == [
        ElementOutcome.STORED,
        ElementOutcome.DEAD_LETTER,
        ElementOutcome.STORED,
    ]
    [one] = everything(bench.store.redis, bench.store.keys)
    [record] = one.letter.records()
    assert "MSH-2" in record.why
    assert record.raw == doubled.decode()
    assert patients(store) == ["P1", "P2", SITE_SUBJECT]


def test_what_is_never_read_is_acknowledged(bench: Bench, redis: Redis) -> None:
    assert bench.take(hl7(event="MDM^T02")) == [ElementOutcome.IGNORED]
    assert redis.exists(KEYS.of("P1").inbox) == 0


def test_a_short_batch_is_dead_lettered_as_a_notice(bench: Bench) -> None:
    assert bench.take(LAB, count_mismatch="the batch is said to hold 2 message(s) and holds 1") == [
        ElementOutcome.STORED
    ]
    assert bench.why() == ["the batch is said to hold 2 message(s) and holds 1"]


def test_an_address_that_may_not_send_for_the_source_is_refused(redis: Redis, store: Store) -> None:
    bench = Bench(redis, listed("lab", senders=[{"application": "LAB"}], allow_from=["10.0.0.0/24"]))
    assert bench.take(LAB, peer="10.0.1.1") == [ElementOutcome.REFUSED]
    assert waiting(store, "P1") == 0
    assert bench.take(LAB, peer="10.0.0.9") == [ElementOutcome.STORED]


def test_a_listener_may_name_the_source_of_all_it_takes(redis: Redis, store: Store) -> None:
    bench = Bench(redis, listed("monitors", type="monitor"), source="monitors")
    bench.take(LAB)
    [(_, fields)] = store.stream(KEYS.of("P1").inbox)
    assert b'"source": "monitors"' in fields[b"m"]


def test_with_the_store_down_it_raises(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> None:
        raise NoConnection

    monkeypatch.setattr(bench.store, "put_all", down)
    with pytest.raises(NoConnection):
        bench.take(LAB)


def test_a_message_that_we_fail_on_is_dead_lettered_alone(
    bench: Bench, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = read.hl7

    def failing(raw: bytes, *rest: object) -> object:
        if b"P-bad" in raw:
            raise KeyError("P-bad")
        return real(raw, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(read, "hl7", failing)
    assert bench.take(oru(obx(), patient=pid("P-bad^^^HOSP^MR")), LAB) == [
        ElementOutcome.DEAD_LETTER,
        ElementOutcome.STORED,
    ]
    assert bench.why() == ["internal error KeyError"]
    assert waiting(store, "P1") == 1


def test_what_cannot_be_stored_as_what_it_means_is_stored_as_what_it_is(
    bench: Bench, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = read.hl7

    def unsound(raw: bytes, *rest: object) -> object:
        taken = real(raw, *rest)  # type: ignore[arg-type]
        if b"P2" not in raw:
            return taken
        (item,) = taken.items
        (element,) = item.elements
        return taken._replace(items=(item._replace(elements=(element._replace(messages=({"type": "reading"},)),)),))

    monkeypatch.setattr(read, "hl7", unsound)
    bench.take(LAB, oru(obx(), patient=pid("P2^^^HOSP^MR")))
    assert bench.why() == ["internal error KeyError"]
    assert waiting(store, "P1") == 1


UNUSABLE = oru(obx("67775-7^LOC^LN", "sleepy", "", kind="ST"), control="7")


def test_a_store_that_is_nearly_full_refuses_with_the_reason(
    bench: Bench, memory: Callable[[int, int], None], store: Store
) -> None:
    memory(90, 100)
    results = bench.handler([ReceivedMessage(UNUSABLE, "10.0.0.1"), ReceivedMessage(LAB, "10.0.0.1")])
    assert [(result.outcome, result.why) for result in results] == [(ElementOutcome.REFUSED, FULL)] * 2
    assert waiting(store, "P1") == 0


def test_each_result_is_that_of_its_message(redis: Redis) -> None:
    bench = Bench(redis, listed("lab", senders=[{"application": "LAB"}], allow_from=["10.0.0.0/24"]))
    messages = [
        ReceivedMessage(LAB, "10.0.1.1"),
        ReceivedMessage(UNUSABLE, "10.0.0.1", "one is missing"),
        ReceivedMessage(LAB, "10.0.0.1"),
    ]
    assert [result.outcome for result in bench.handler(messages)] == [
        ElementOutcome.REFUSED,
        ElementOutcome.DEAD_LETTER,
        ElementOutcome.STORED,
    ]


def test_a_store_of_another_number_of_shards_takes_nothing(bench: Bench, redis: Redis) -> None:
    redis.set(KEYS.shard_count, KEYS.shards + 1)
    with pytest.raises(UnfitStoreError):
        bench.take(LAB)


def test_what_costs_too_much_is_refused_with_the_reason_and_its_neighbours_are_stored(
    store: Store, bench: Bench
) -> None:
    bench.handler._budget = lambda: Budget(results=2)
    long = oru(obx(), obx(sub="2"), obx(sub="3"))
    first, second = bench.handler([ReceivedMessage(long, "10.0.0.1"), ReceivedMessage(LAB, "10.0.0.1")])
    assert first == MessageOutcome(ElementOutcome.REFUSED, "more than 2 results; send it in parts")
    assert second.outcome is ElementOutcome.STORED
    assert waiting(store, "P1") == 1
