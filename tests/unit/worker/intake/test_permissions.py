"""Who may say what, by each way in over the network."""

from typing import Any

import pytest
from redis import Redis

from alerts.messages import SITE_SUBJECT
from config.intake import Intake
from tests.support.feeds import INTAKE, NOW, administration, hl7, pid, source
from tests.support.stored_ward import reading, registration
from tests.unit.worker.intake.mllp.test_handler import Bench, patients
from tests.unit.worker.intake.test_http import FHIR, JSON, Ward, issues
from worker.intake.parsed import ElementOutcome
from worker.store.shard import Store

AT = NOW.isoformat()
STAY = {"patient": "P1", "source": "monitor-7", "id": "1", "effective": AT}
REST: list[dict[str, Any]] = [
    registration(source="monitor-7"),
    STAY | {"type": "discharge"},
    STAY | {"type": "merge", "into": "P2"},
    STAY | {"type": "statement", "statement": "hypotension", "value": False, "by": "N. N."},
    STAY | {"type": "treatment", "drug": "tocilizumab", "action": "given"},
    STAY | {"type": "closure", "episode": "e", "by": "haematologist-1", "why": "x"},
    STAY | {"type": "silence", "episode": "e", "by": "haematologist-1", "why": "x", "until": AT},
]


def listing(**policy: Any) -> Intake:
    return INTAKE._replace(sources={"monitor-7": source("monitor-7", **policy)})


@pytest.mark.parametrize("body", REST, ids=lambda body: body["type"])
@pytest.mark.parametrize("intake", [listing(type="monitor"), listing(type="laboratory"), INTAKE])
def test_a_device_a_laboratory_and_whoever_is_not_listed_send_readings_at_most(
    redis: Redis, body: dict[str, Any], intake: Intake
) -> None:
    ward = Ward(redis, intake)
    answer = ward.post("/messages", [body, reading("crp", 85)], JSON)
    assert (answer.status_code, ward.waiting) == (422, 1)
    assert f"type: {body['type']} is not accepted from" in issues(answer)


@pytest.mark.parametrize("body", REST, ids=lambda body: body["type"])
@pytest.mark.parametrize("intake", [listing(type="record"), listing(type="laboratory", registers=["*"])])
def test_a_listed_ehr_and_one_that_registers_send_the_rest(redis: Redis, body: dict[str, Any], intake: Intake) -> None:
    assert Ward(redis, intake).post("/messages", body, JSON).status_code == 202


def test_a_statement_names_its_person(redis: Redis) -> None:
    body = {name: value for name, value in REST[3].items() if name != "by"}
    answer = Ward(redis, listing(type="record")).post("/messages", body, JSON)
    assert answer.status_code == 422
    assert "by: a statement outranks the numbers" in issues(answer)


def test_a_treatment_by_fhir_is_refused_to_a_monitor(redis: Redis) -> None:
    answer = Ward(redis, listing(type="monitor")).post("/fhir", administration(), FHIR)
    assert answer.status_code == 422
    assert "treatment is not accepted from a monitor" in issues(answer)
    assert Ward(redis, listing(type="record")).post("/fhir", administration(), FHIR).status_code == 201


def test_a_merge_by_hl7_of_a_source_that_is_not_listed_is_a_dead_letter(redis: Redis, store: Store) -> None:
    merge = hl7("EVN||20240614080000+0200", pid("P1^^^HOSP^MR"), "MRG|P2^^^HOSP^MR", event="ADT^A40")
    bench = Bench(redis)
    assert bench.take(merge) == [ElementOutcome.DEAD_LETTER]
    assert "merge is not accepted from 'LAB/HOSP', which is not listed" in bench.why()[0]
    assert patients(store) == [SITE_SUBJECT]
