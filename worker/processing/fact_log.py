"""The log line of each fact that a commit made true: a page that is owed, an answer, a silence, an episode that ended.

It carries ids, never a patient or a value. As JSON each field is one of its own. The whole fact is in the journal.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

log = logging.getLogger(__name__)

KINDS = frozenset({"page", "acknowledged", "handed_over", "silenced", "silence_ended", "closed"})
"""The kinds of journal lines that are logged. A grade is none: its line would be a value."""

FIELDS = ("page", "episode", "condition", "urgency", "reason", "channel")
"""What is logged of a journal line."""


def log_facts(events: Iterable[Mapping[str, Any]]) -> None:
    """Write a line for each of a commit's journal lines that is a fact for operators."""
    for event in events:
        if event["kind"] in KINDS:
            fact = {"fact": event["kind"]} | {name: event[name] for name in FIELDS if event.get(name)}
            log.info(" ".join(f"{name}=%s" for name in fact), *fact.values(), extra=fact)
