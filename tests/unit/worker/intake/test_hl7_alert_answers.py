"""PCD-05 (ORA^R41): what a person's answer at an alert manager becomes; and alerts of other systems."""

import json
from typing import Any, cast

import pytest
from redis import Redis

from alerts.messages import MESSAGE, Receipt
from config.intake import Intake, Source
from tests.support.alert_manager import pcd05
from tests.support.feeds import INTAKE, TABLES, hl7, obx, source
from tests.support.stored_ward import KEYS, NOW, SITE
from worker.intake import read
from worker.intake.mllp.acknowledger import ReceivedMessage
from worker.intake.mllp.handler import StoringHandler
from worker.intake.parsed import ElementOutcome, ElementResult
from worker.intake.permissions import permitted
from worker.intake.retry import retry
from worker.intake.store import IntakeStore
from worker.intake.watched_config import IntakeConfig
from worker.store.dead_letters import everything

EPISODE = "ad77cea61fdd"
CONTROL = f"{EPISODE}.1-18f3a2b4c5d"
AT = "20240614080140+0200"
MANAGER = source(
    "ascom", alert_manager="duty", people={"h1": "haematologist-1", "Two Haematologist": "haematologist-2"}
)
PERSON = "h1^Haematologist^One"


def answered(state: str, person: str = PERSON, control: str = CONTROL, source: Source = MANAGER) -> ElementResult:
    parsed = permitted(read.hl7(pcd05(control, EPISODE, state, person, AT), INTAKE, TABLES, source), source)
    (element,) = parsed.elements
    return element


def native(element: ElementResult) -> dict[str, Any]:
    assert element.outcome is ElementOutcome.STORED, element.why
    (message,) = element.messages
    MESSAGE.validate_python(message)
    return message


@pytest.mark.parametrize("state", ["ACCEPTED", "ACCEPTEDPOSITIVE", "ACCEPTEDNOTRELEVANT"])
def test_who_accepts_has_acknowledged(state: str) -> None:
    message = native(answered(state))
    assert message.pop("id").startswith("hl7/")
    assert message == {
        "type": "acknowledgement",
        "source": "ascom",
        "patient": f"~alert {EPISODE}",
        "effective": "2024-06-14T08:01:40+02:00",
        "episode": EPISODE,
        "page": f"{EPISODE}.1",
        "by": "haematologist-1",
        "via": "duty",
    }


def test_who_rejects_hands_over() -> None:
    assert native(answered("REJECTED"))["type"] == "hand_over"


def test_who_calls_it_false_closes_it() -> None:
    message = native(answered("ACCEPTEDFALSE"))
    assert (message["type"], message["verdict"], message["by"]) == ("closure", "false_alarm", "haematologist-1")


@pytest.mark.parametrize(
    "state", ["READ", "RECEIVED", "DELIVERED", "CALLBACKSTART", "CALLBACKEND", "CANCELLED", "COMPLETED", "ACTIONURI"]
)
def test_nothing_else_acknowledges(state: str) -> None:
    """Least of all that somebody has read it."""
    message = native(answered(state))
    assert (message["type"], message["outcome"], message["page"]) == ("receipt", "sent", f"{EPISODE}.1")


def test_what_cannot_be_delivered_is_undeliverable() -> None:
    receipt = MESSAGE.validate_python(native(answered("UNDELIVERABLE")))
    assert isinstance(receipt, Receipt)
    assert (receipt.outcome, receipt.channel) == ("undeliverable", "duty")


@pytest.mark.parametrize(
    ("person", "by"),
    [("x9^Haematologist^Two", "haematologist-2"), ("x9^Nobody^Known", "x9"), ("^Nobody^Known", "Known Nobody")],
)
def test_a_person_by_id_or_by_name(person: str, by: str) -> None:
    assert native(answered("ACCEPTED", person))["by"] == by


def test_a_state_as_plain_text_as_older_managers_send_it() -> None:
    raw = pcd05(CONTROL, EPISODE, "X", PERSON, AT).replace(b"RESPONSE^X^IHE_PCD_ACM", b"accepted")
    (element,) = read.hl7(raw, INTAKE, TABLES, MANAGER).elements
    assert native(element)["type"] == "acknowledgement"


@pytest.mark.parametrize(
    ("state", "person", "control"),
    [("ACCEPTED", "", CONTROL), ("ACCEPTED", PERSON, "keepalive.1"), ("ACCEPTED", PERSON, "")],
)
def test_what_cannot_be_used_is_a_dead_letter(state: str, person: str, control: str) -> None:
    assert answered(state, person, control).outcome is ElementOutcome.DEAD_LETTER


def test_a_state_of_no_standard_is_ignored_by_name() -> None:
    element = answered("PERHAPS")
    assert element.outcome is ElementOutcome.IGNORED
    assert "PERHAPS" in element.why


def test_only_a_source_that_is_an_alert_manager_may_answer() -> None:
    assert answered("ACCEPTED", source=source("lab")).outcome is ElementOutcome.DEAD_LETTER


def test_a_manager_may_send_nothing_else() -> None:
    assert not any(map(MANAGER.may_send, ("reading", "registration", "statement", "discharge", "merge", "silence")))


# -- whose alert it is ---------------------------------------------------------------------------------


def handler(redis: Redis) -> tuple[IntakeStore, StoringHandler]:
    store = IntakeStore(redis, KEYS)
    intake = Intake({"ascom": MANAGER}, None)
    return store, StoringHandler(store, lambda: IntakeConfig(intake, SITE), lambda _: None, lambda: NOW, "ascom")


def test_the_patient_is_the_one_of_the_alert(redis: Redis) -> None:
    redis.hset(KEYS.of("P1").key("episodes"), EPISODE, "P1")
    _, take = handler(redis)
    (outcome,) = take([ReceivedMessage(pcd05(CONTROL, EPISODE, "ACCEPTED", PERSON, AT), "10.0.0.1")])
    assert outcome.outcome is ElementOutcome.STORED
    ((_, fields),) = cast("list[tuple[bytes, dict[bytes, bytes]]]", redis.xrange(KEYS.of("P1").inbox))
    message = json.loads(fields[b"m"])
    assert (message["patient"], message["episode"], message["by"]) == ("P1", EPISODE, "haematologist-1")


def test_an_alert_that_is_not_known_is_a_dead_letter_and_never_retried(redis: Redis) -> None:
    store, take = handler(redis)
    (outcome,) = take([ReceivedMessage(pcd05(CONTROL, EPISODE, "ACCEPTED", PERSON, AT), "10.0.0.1")])
    assert outcome.outcome is ElementOutcome.DEAD_LETTER
    (letter,) = everything(store.redis, store.keys)
    assert [record.why for record in letter.letter.records()] == ["MSA-2, OBR-3: no alert of this installation"]
    redis.hset(KEYS.of("P1").key("episodes"), EPISODE, "P1")
    assert retry(store, Intake({"ascom": MANAGER}, None), TABLES, NOW).stored == 0


def test_an_alert_of_another_system_is_refused_by_name(redis: Redis) -> None:
    """Acknowledged, it would count as delivered there."""
    store, take = handler(redis)
    (outcome,) = take([ReceivedMessage(hl7(obx(), event="ORU^R40^ORU_R40"), "10.0.0.1")])
    assert outcome.outcome is ElementOutcome.REFUSED
    assert "ORU^R40" in outcome.why
    assert everything(store.redis, store.keys) == []
