"""What follows of a message reaches the EHR once, in order, and is only then forgotten here."""

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any

import pytest

from alerts.messages import SITE_SUBJECT
from tests.support.exporting import Exporting, receipt
from tests.support.fake_ehr import Resource
from tests.support.stored_ward import KEYS, NOW, Body, acknowledgement, crs2, reading, waiting
from worker.clock import milliseconds
from worker.fhir_export import circuit_breaker
from worker.fhir_export import export as module
from worker.fhir_export.client import FhirClient, PutResult
from worker.fhir_export.export import PAGE_KEPT, export
from worker.fhir_export.refused import forget_refused, refused
from worker.store import schema, unreadable
from worker.store.backlog import ExportBacklog


def temperature(value: str, minutes: int, **more: Any) -> Body:
    return reading("temperature", value, at=NOW + timedelta(minutes=minutes), **more)


def in_error(body: Body) -> Body:
    return {**body, "status": "entered_in_error", "received": NOW.isoformat()}


# -- what is taken -----------------------------------------------------------------------------------


def test_grades_and_pages_are_taken_and_nothing_waits_any_more(ward: Exporting) -> None:
    assert ward.comes(*crs2())
    page = ward.crs_page()
    assert ward.export() is False
    [crs] = ward.observations()
    assert (crs["status"], crs["valueQuantity"]["value"]) == ("final", 2)
    sent = ward.communication(page["page"])
    assert sent["about"][0]["identifier"] == crs["identifier"][0]
    assert ward.waits() == 0
    assert len(ward.record.requests) == 1


def test_a_batch_that_changes_nothing_leaves_nothing_to_export(ward: Exporting) -> None:
    ward.comes(*crs2())
    ward.export()
    assert not ward.comes(temperature("38.9", 0, id="again"))
    ward.export()
    assert len(ward.record.requests) == 1


def test_a_retracted_grade_is_entered_in_error_in_the_record(ward: Exporting) -> None:
    fever = temperature("38.9", 30)
    ward.clock.forward(minutes=30)
    ward.comes(crs2()[0], fever)
    ward.export()
    [given] = ward.observations()
    ward.comes(in_error(fever))
    ward.export()
    assert ward.record.statuses(given) == ["final", "entered-in-error"]
    [back, stands] = ward.observations()
    assert "valueQuantity" not in back
    assert back["identifier"] == given["identifier"]
    assert stands["dataAbsentReason"]["coding"][0]["code"] == "unknown"


def test_of_a_resource_that_changed_while_it_waited_only_the_last_version_is_sent(ward: Exporting) -> None:
    [registered, fever, _] = crs2()
    ward.comes(registered, fever)
    ward.comes({**fever, "value": "38.7", "status": "corrected", "received": NOW.isoformat()})
    assert ward.waits() == 2
    ward.export()
    [crs] = ward.observations()
    assert ward.record.statuses(crs) == ["amended"]
    assert crs["note"][0]["text"] == "fever 38.7 °C (>= 38.0)"


def test_more_than_one_transaction_holds_is_said_to_wait(ward: Exporting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 1)
    [registered, fever, pressure] = crs2()
    ward.comes(registered, fever)
    ward.comes(pressure)
    assert ward.export() is True
    assert ward.export() is False
    assert [len(bundle["entry"]) > 0 for _, bundle in ward.record.requests] == [True, True]


# -- the life of a page ------------------------------------------------------------------------------


def test_a_page_goes_on_as_it_is_sent_and_taken(ward: Exporting) -> None:
    ward.comes(*crs2())
    page = ward.crs_page()
    ward.export()
    assert ward.communication(page["page"])["status"] == "in-progress"
    sent_at = ward.clock.forward(seconds=5)
    ward.comes(receipt(page["page"], "sent", sent_at))
    ward.export()
    exported = ward.communication(page["page"])
    assert (exported["status"], exported["sent"]) == ("completed", sent_at.isoformat())
    assert "received" not in exported
    taken_at = ward.clock.forward(minutes=4)
    ward.comes(acknowledgement(page["episode"], at=taken_at))
    ward.export()
    exported = ward.communication(page["page"])
    assert exported["received"] == "2024-06-14T10:04:05+02:00"
    assert exported["note"][0] == {
        "authorString": "haematologist-1",
        "time": "2024-06-14T10:04:05+02:00",
        "text": "acknowledged",
    }
    assert (exported["sent"], exported["payload"]) == (
        sent_at.isoformat(),
        [{"contentString": page[n]} for n in ("title", "text")],
    )
    assert len([one for one in ward.record.resources_of("Communication") if one["topic"]["text"] == "crs"]) == 1


def test_a_page_that_is_answered_before_it_was_sent_was_not_done(ward: Exporting) -> None:
    ward.comes(*crs2())
    page = ward.crs_page()
    ward.comes(acknowledgement(page["episode"], at=ward.clock.now(), by="haematologist-2"))
    ward.export()
    exported = ward.communication(page["page"])
    assert (exported["status"], exported["statusReason"]["text"][:14]) == ("not-done", "no longer owed")
    assert "received" not in exported, "somebody else took it"


def test_what_becomes_of_a_page_nobody_exported_is_passed_over(ward: Exporting) -> None:
    ward.comes(*crs2())
    page = ward.crs_page()
    ward.export()
    ward.store.redis.delete(ward.shard().page(page["page"]))
    ward.comes(receipt(page["page"], "sent", ward.clock.now()))
    ward.export()
    assert ward.waits() == 0
    assert ward.communication(page["page"])["status"] == "in-progress"


def test_a_page_is_not_remembered_for_ever(ward: Exporting) -> None:
    ward.comes(*crs2())
    page = ward.crs_page()
    ward.export()
    left = ward.store.redis.ttl(ward.shard().page(page["page"]))
    assert 0 < left <= PAGE_KEPT.total_seconds()


# -- what goes wrong ---------------------------------------------------------------------------------


class Dies(FhirClient):
    """Takes what it is sent and kills its caller before there is an answer."""

    def put(self, resources: Sequence[Resource], now: Any) -> PutResult:
        super().put(resources, now)
        raise KeyboardInterrupt


def test_what_dies_between_the_answer_and_the_removal_is_sent_again_and_stands_once(ward: Exporting) -> None:
    ward.comes(*crs2())
    dying = Dies(ward.settings)
    with pytest.raises(KeyboardInterrupt):
        export(ward.store, ward.shard(), ward.clock, ward.settings, dying)
    dying.close()
    first = [list(versions) for versions in ward.record.resources]
    assert ward.waits() == 1
    ward.export()
    assert ward.waits() == 0
    assert ward.record.resources == [versions * 2 for versions in first]


def test_a_base_that_cannot_take_anything_now_is_left_alone_and_asked_again(ward: Exporting) -> None:
    ward.comes(*crs2())
    ward.record.answers = [(503, {})] * 2
    assert ward.export() is False
    ward.export()
    assert len(ward.record.requests) == 1, "not before its time"
    ward.clock.forward(seconds=1)
    ward.export()
    assert len(ward.record.requests) == 2
    ward.clock.forward(seconds=4)
    ward.export()
    assert len(ward.record.requests) == 2, "the second wait is longer"
    assert ward.waits() == 1
    ward.clock.forward(seconds=1)
    ward.export()
    assert (len(ward.record.requests), ward.waits()) == (3, 0)
    assert circuit_breaker.read(ward.store.redis, ward.store.keys) is None


def test_a_base_is_left_alone_for_as_long_as_it_asks(ward: Exporting) -> None:
    ward.comes(*crs2())
    ward.record.answers = [(429, {"Retry-After": "120"})]
    ward.export()
    ward.clock.forward(seconds=119)
    ward.export()
    assert circuit_breaker.is_open(ward.store.redis, KEYS, ward.clock.now())
    assert len(ward.record.requests) == 1
    ward.clock.forward(seconds=1)
    assert not circuit_breaker.is_open(ward.store.redis, KEYS, ward.clock.now())
    ward.export()
    assert ward.waits() == 0


def test_a_base_that_fails_is_left_alone_by_every_shard(ward: Exporting) -> None:
    ward.comes(*crs2())
    ward.comes(*crs2("P2"), patient="P2")
    ward.record.answers = [(500, {})]
    ward.export()
    ward.export("P2")
    assert len(ward.record.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 405, 301, 500])
def test_what_is_not_the_fault_of_what_was_sent_keeps_it(ward: Exporting, status: int) -> None:
    ward.comes(*crs2())
    ward.record.answers = [(status, {"Location": "http://127.0.0.1:9/"})]
    ward.export()
    assert ward.waits() == 1
    assert list(refused(ward.store)) == []


def of_crs(resource: Resource) -> bool:
    return resource["resourceType"] == "Observation" and resource["code"]["coding"][0]["code"] == "crs"


def test_what_the_base_refuses_is_listed_reported_and_holds_nothing_up(ward: Exporting) -> None:
    ward.comes(*crs2())
    ward.comes(temperature("36.8", 0, id="later"))
    ward.record.refuses = of_crs
    ward.export()
    assert ward.waits() == 0
    assert ward.observations() == []
    assert ward.observations("ctcae.fever")
    assert ward.record.resources_of("Communication")
    [record] = list(refused(ward.store))
    assert (record.patient, record.why) == ("P1", "it answered 422: no such code")
    assert record.id.startswith("Observation ")
    assert waiting(ward.store, SITE_SUBJECT) == 1, "the site hears of it"
    assert ward.backlog().refused == 1
    assert forget_refused(ward.store) == 1
    assert list(refused(ward.store)) == []


def test_a_base_that_fails_while_a_refusal_is_looked_for_keeps_what_is_left(ward: Exporting) -> None:
    ward.comes(*crs2())
    ward.record.answers = [(422, {}), (422, {}), (503, {})]
    ward.export()
    assert ward.waits() == 1
    assert list(refused(ward.store)) == [], "it is found again, and listed once"
    ward.clock.forward(seconds=1)
    ward.export()
    assert ward.waits() == 0


def test_what_cannot_be_expressed_in_fhir_is_listed_and_holds_nothing_up(
    ward: Exporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(item: dict[str, Any], *_: object) -> Resource:
        if item["system"] == "crs":
            raise KeyError("system")
        return observation(item, *_)

    observation = module.observation
    monkeypatch.setattr(module, "observation", fails)
    ward.comes(*crs2())
    ward.comes(reading("ice", 9))
    ward.export()
    assert ward.waits() == 0
    [record] = list(refused(ward.store))
    assert record.why == "internal error KeyError"
    assert ward.observations("ice")


# -- one process at a time ---------------------------------------------------------------------------


def test_a_shard_that_somebody_exports_is_left_alone(ward: Exporting) -> None:
    ward.comes(*crs2())
    ward.store.redis.set(ward.shard().export_lease, "another")
    assert ward.backlog().shards == ()
    ward.export()
    assert ward.record.requests == []
    ward.store.redis.delete(ward.shard().export_lease)
    assert ward.backlog().shards == (ward.shard().number,)


def test_the_claim_is_given_back(ward: Exporting) -> None:
    ward.comes(*crs2())
    ward.export()
    assert not ward.store.redis.exists(ward.shard().export_lease)


def test_who_lost_the_claim_takes_nothing_off(ward: Exporting) -> None:
    ward.comes(*crs2())
    ward.record.on_taken = lambda: ward.store.redis.set(ward.shard().export_lease, "another") and None
    ward.export()
    assert ward.waits() == 1
    assert ward.store.redis.get(ward.shard().export_lease) == b"another"


# -- what is seen of it ------------------------------------------------------------------------------


def test_what_waits_is_counted_with_its_age(ward: Exporting) -> None:
    assert ward.backlog() == ExportBacklog(0, None, 0, ())
    ward.comes(*crs2())
    assert ward.backlog() == ExportBacklog(1, milliseconds(NOW), 0, (ward.shard().number,))


def test_an_open_circuit_is_reported_after_five_minutes(ward: Exporting) -> None:
    ward.comes(*crs2())
    ward.record.answers = [(503, {})]
    ward.export()
    circuit = circuit_breaker.read(ward.store.redis, ward.store.keys)
    assert circuit is not None
    assert (circuit.why, circuit.since) == ("it answered 503", NOW.astimezone(UTC))
    assert not circuit.is_to_be_reported(NOW + timedelta(seconds=299))
    assert circuit.is_to_be_reported(NOW + timedelta(seconds=300))


def test_a_failing_base_is_recorded_since_the_first_failure(ward: Exporting) -> None:
    ward.comes(*crs2())
    ward.record.answers = [(503, {})] * 2
    ward.export()
    ward.clock.forward(seconds=1)
    ward.export()
    circuit = circuit_breaker.read(ward.store.redis, ward.store.keys)
    assert circuit is not None
    assert (circuit.since, circuit.tries) == (NOW, 2)


def test_an_entry_that_cannot_be_read_is_listed_and_holds_up_no_other(ward: Exporting) -> None:
    ward.store.redis.xadd(ward.shard().exports, {"at": 1, "e": b"junk"})
    ward.store.redis.xadd(ward.shard().exports, {"what": "is this"})
    ward.comes(*crs2())
    ward.export()
    assert ward.waits() == 0
    assert ward.observations()
    assert [one.kind for _, one in unreadable.listed(ward.store.redis, KEYS)] == ["export", "export"]


def test_a_page_exported_before_that_cannot_be_read_holds_up_nothing(ward: Exporting) -> None:
    ward.comes(*crs2())
    page = ward.crs_page()["page"]
    ward.export()
    ward.store.redis.set(ward.shard().page(page), b"junk")
    ward.comes(receipt(page, "sent", ward.clock.now()))
    ward.export()
    assert ward.waits() == 0


def test_an_entry_of_a_newer_version_is_left_to_it(ward: Exporting) -> None:
    ward.store.redis.set(KEYS.schema, schema.VERSION + 1)
    ward.store.redis.xadd(ward.shard().exports, {"at": 1, "e": b"\xc1\x09of a newer version"})
    assert not ward.export()
    assert ward.waits() == 1
    assert ward.store.redis.get(ward.shard().export_lease) is None
