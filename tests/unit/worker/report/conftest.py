"""The reference case and what a replay of it should print."""

import pytest

from alerts.message_json import read_message
from alerts.messages import AnyMessage
from config.site import DEFAULTS
from config.tables import load_tables
from tests.support.replayed_case import ROME, replayed
from worker.report.course import Course, course_from


@pytest.fixture(scope="session")
def messages() -> list[AnyMessage]:
    """The reference case as shipped."""
    text = (DEFAULTS / "reference_case.ndjson").read_text(encoding="utf-8")
    return [read_message(line) for line in text.splitlines()]


@pytest.fixture(scope="session")
def course(messages: list[AnyMessage]) -> Course:
    """The course of the reference case."""
    return course_from(messages, replayed(), ROME, load_tables(DEFAULTS))
