"""Log lines: to standard error, and quiet about what others print."""

import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
from celery.worker.consumer import consumer

from config.settings import Settings
from tests.support.stored_ward import KEYS, SITE, Clock, acknowledgement, crs2, owed, send
from worker.app import app
from worker.processing.advance import advance
from worker.processing.fact_log import log_facts
from worker.runtime.logging_setup import configure
from worker.store.shard import Store


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_lines_go_to_standard_error_with_time_level_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings())
    logging.getLogger("worker.processing.advance").info("shard %d", 3)
    logging.getLogger("worker.processing.advance").debug("not this")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("INFO worker.processing.advance: shard 3\n")


def test_as_json_a_fact_has_fields_of_its_own_and_a_line_end_begins_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json"))
    log_facts([{"kind": "page", "patient": "P-secret", "page": "e1.1", "episode": "e1", "urgency": "critical"}])
    logging.getLogger("worker.store.inbox").warning("dead letter from %s", "lab\nall is well")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "fact=page page=e1.1 episode=e1 urgency=critical",
        "level": "info",
        "logger": "worker.processing.fact_log",
        "fact": "page",
        "page": "e1.1",
        "episode": "e1",
        "urgency": "critical",
    }
    assert second["event"] == "dead letter from lab\nall is well"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_facts_of_a_patient_who_gets_worse_name_no_patient_and_no_value(
    capsys: pytest.CaptureFixture[str], store: Store, clock: Clock, log_format: Literal["text", "json"]
) -> None:
    configure(Settings(log_format=log_format))
    send(store, [*crs2("secret name"), acknowledgement("?", "secret name")])
    advance(store, KEYS.of("secret name"), clock, SITE)
    said = capsys.readouterr().err
    pages = owed(store, "secret name")
    assert pages
    assert all(page.page.id in said and page.page.episode in said for page in pages)
    assert "secret name" not in said
    assert "38." not in said


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_apprise_never_prints_a_page(capsys: pytest.CaptureFixture[str], level: str) -> None:
    configure(Settings(log_level=level))
    for say in (logging.getLogger("apprise").debug, logging.getLogger("apprise").warning):
        say("Payload: CRS grade 2")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_celery_never_prints_what_a_task_was_called_with(capsys: pytest.CaptureFixture[str], level: str) -> None:
    configure(Settings(log_level=level))
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.pool", "kombu.transport"):
        logging.getLogger(name).info("Task ingest received: [{'patient': 'P1'}]")
        logging.getLogger(name).debug("Task ingest received: [{'patient': 'P1'}]")
    assert capsys.readouterr().err == ""


def test_what_celery_advises_at_each_outage_is_not_said_and_other_warnings_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(Settings())
    for text in (consumer.CANCEL_TASKS_BY_DEFAULT, "the certificate ends tomorrow"):
        logging.getLogger("py.warnings").warning("%s", text)
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "the certificate ends tomorrow" in said
    assert app.conf.worker_cancel_long_running_tasks_on_connection_loss is False


@pytest.mark.parametrize(
    "report", ["UNKNOWN_FORMAT", "UNKNOWN_TASK_ERROR", "INVALID_TASK_ERROR", "MESSAGE_DECODE_ERROR"]
)
def test_a_message_celery_cannot_use_is_reported_without_what_was_in_it(
    capsys: pytest.CaptureFixture[str], report: str
) -> None:
    configure(Settings())
    words = getattr(consumer, report)
    logging.getLogger("celery.worker.consumer.consumer").error(words, *["P-secret"] * words.count("%"))
    said = capsys.readouterr().err
    assert "secret" not in said
    assert len(said.splitlines()) == 1
    assert "message" in said or "task" in said


def test_a_lost_connection_is_still_reported_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings())
    logging.getLogger("celery.worker.consumer.consumer").error(consumer.CONNECTION_ERROR, "redis", "refused", "again")
    assert "consumer: Cannot connect to redis: refused.\\nagain\n" in capsys.readouterr().err


def test_a_name_with_a_line_end_begins_no_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings())
    logging.getLogger("worker.store.inbox").warning(
        "dead letter from %s", "lab\n2026-01-01 ERROR worker: all is well\x1b[2J"
    )
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert r"lab\n2026-01-01 ERROR worker: all is well\x1b[2J" in shown
