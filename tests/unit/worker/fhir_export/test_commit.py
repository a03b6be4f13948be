"""What is to be exported is committed with the state it follows from, and only where there is somewhere to go."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from redis import Redis

from alerts.messages import SITE_SUBJECT
from alerts.state import Effects
from alerts.wording.phrase import Phrase
from config.settings import Settings
from tests.support.exporting import Exporting
from tests.support.stored_ward import KEYS, NOW, SITE, Clock, acknowledgement, crs2, raw, reading, send
from worker.clock import milliseconds
from worker.fhir_export.records import records_of
from worker.processing.advance import advance
from worker.runtime.runtime import make
from worker.store import commit as module
from worker.store.codec import pack_export, unpack_export
from worker.store.commit import Commit, LostLeaseError, Transaction
from worker.store.keys import SYNTHETIC
from worker.store.shard import Store

SHARD = KEYS.of("P1")
ITEM = {"kind": "cancelled", "page": "p.1"}


def neighbour() -> str:
    """Another patient of the same shard."""
    return next(name for name in (f"N{number}" for number in range(100)) if KEYS.of(name) == SHARD)


def test_where_nothing_is_exported_nothing_is_written(store: Store, clock: Clock) -> None:
    send(store, crs2())
    assert advance(store, SHARD, clock, SITE).exports is False
    assert not store.redis.exists(SHARD.exports)


def test_a_batch_of_several_patients_is_one_entry(ward: Exporting) -> None:
    ward.comes(*crs2(), *crs2(neighbour()))
    [(_, fields)] = ward.store.stream(SHARD.exports)
    items = unpack_export(fields[b"e"])
    assert {item["patient"] for item in items if item["kind"] == "grade"} == {"P1", neighbour()}
    assert int(fields[b"at"]) == milliseconds(NOW)


def test_it_is_committed_with_the_state_or_not_at_all(ward: Exporting) -> None:
    send(ward.store, crs2())
    batch = ward.store.take(SHARD, Clock())
    assert batch is not None
    outcome = Commit(exports=pack_export([ITEM]))
    with Transaction(ward.store, batch) as transaction:
        transaction.states(["P1"])
        ward.store.redis.set(SHARD.lease, "another")
        with pytest.raises(LostLeaseError):
            transaction.commit(batch, outcome, NOW)
    assert ward.waits() == 0


def test_nothing_is_owed_of_the_site_and_of_the_synthetic_patient(ward: Exporting) -> None:
    from alerts.step.system_faults import fault

    trouble = fault("store", Phrase("the store is full"), "x", NOW).model_dump_json(exclude_none=True).encode()
    for subject in (SITE_SUBJECT, SYNTHETIC):
        shard = KEYS.of(subject)
        ward.store.redis.xadd(shard.inbox, {"m": trouble.replace(SITE_SUBJECT.encode(), subject.encode())})
        assert advance(ward.store, shard, ward.clock, SITE).exports is False
        assert not ward.store.redis.exists(shard.exports)


def test_a_page_names_the_grades_it_is_about_as_they_stand(ward: Exporting) -> None:
    ward.comes(*crs2())
    [crs] = [item for item in ward.items() if item["kind"] == "grade" and item["system"] == "crs"]
    assert ward.crs_page()["about"] == [crs["id"]]


def test_a_page_is_about_no_retracted_grade(ward: Exporting) -> None:
    ward.comes(*crs2())
    state = ward.store.state("P1")
    assert state is not None
    page = {**ward.crs_page(), "about": []}
    gone = {name: (replace(series[-1], retracted=True),) for name, series in state.issued_grades.items()}
    retracted = replace(state, issued_grades=gone)
    assert records_of(retracted, retracted, [], Effects(events=[page]), NOW, SITE) == [page]
    assert records_of(state, state, [], Effects(events=[page]), NOW, SITE) != [page]


def test_an_acknowledgement_names_the_pages_of_its_episode(ward: Exporting) -> None:
    ward.comes(*crs2())
    page = ward.crs_page()
    at = ward.clock.forward(minutes=3)
    ward.comes(acknowledgement(page["episode"], at=at))
    [taken] = [item for item in ward.items() if item["kind"] == "acknowledged"]
    assert taken == {
        "kind": "acknowledged",
        "at": "2024-06-14T10:03:00+02:00",
        "by": "haematologist-1",
        "pages": [page["page"]],
    }


def test_the_journal_s_other_lines_are_nobody_else_s_business(ward: Exporting) -> None:
    ward.comes(*crs2())
    page = ward.crs_page()
    close = {"type": "closure", "id": "c", "source": "gateway", "patient": "P1", "effective": NOW.isoformat()}
    ward.comes({**close, "episode": page["episode"], "by": "haematologist-1", "why": "no CRS"})
    assert {item["kind"] for item in ward.items()} <= {"grade", "page", "cancelled", "episode"}


def test_so_many_batches_wait_at_most(ward: Exporting, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, Any] = {}
    add = Redis.xadd

    def added(self: Any, name: str, fields: Any, **more: Any) -> Any:
        if name == SHARD.exports:
            kept.update(more)
        return add(self, name, fields, **more)

    monkeypatch.setattr("redis.client.Pipeline.xadd", added)
    monkeypatch.setattr(module, "EXPORTS_KEPT", 5)
    ward.comes(*crs2())
    assert kept == {"maxlen": 5, "approximate": True}


def test_a_replay_exports_nothing(redis: Redis) -> None:
    """Its patients are in nobody's record."""
    base = "https://record.example/fhir"
    assert make(Settings(fhir_base=base), redis).store.exports
    assert not make(Settings(fhir_base=base, clock="simulated"), redis).store.exports
    assert not make(Settings(), redis).store.exports


def test_the_token_is_never_shown() -> None:
    assert "hidden" not in repr(Settings(fhir_base="https://record.example/fhir", fhir_token="hidden"))  # noqa: S106


def test_a_receipt_says_what_became_of_its_page(ward: Exporting) -> None:
    from tests.support.exporting import receipt

    ward.comes(*crs2())
    at = NOW + timedelta(seconds=4)
    ward.comes(receipt("abc.1", "sent", at))
    [item] = [item for item in ward.items() if item["kind"] == "receipt"]
    assert item == {"kind": "receipt", "page": "abc.1", "outcome": "sent", "at": at.isoformat()}


def test_what_is_exported_needs_no_message_that_can_be_read(ward: Exporting) -> None:
    ward.store.redis.xadd(SHARD.inbox, {"m": b"{"})
    ward.store.redis.xadd(SHARD.inbox, {"m": raw(crs2()[0])})
    ward.store.redis.xadd(SHARD.inbox, {"m": raw(reading("temperature", "38.9"))})
    advance(ward.store, SHARD, ward.clock, SITE)
    assert [item["system"] for item in ward.items() if item["kind"] == "grade"][:1] == ["crs"]
