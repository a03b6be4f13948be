"""The patients of answers to alerts. A system that answers names the alert, and only the store knows whose it is."""

from typing import cast

from redis import Redis

from worker.intake.parsed import ElementOutcome, ElementResult, Parsed
from worker.store.backlog import per_shard
from worker.store.keys import Keys

OF_ALERT = "~alert "
"""In place of a patient: the episode that an answer names."""

UNKNOWN_ALERT = "MSA-2, OBR-3: no alert of this installation"


def addressed(parsed: Parsed, redis: Redis, keys: Keys) -> Parsed:
    """A delivery whose answers name their patients. One to an alert that is not known here is a dead letter."""
    if not parsed.answers or parsed.test:
        return parsed
    items = (
        item._replace(elements=tuple(_addressed(element, redis, keys) for element in item.elements))
        for item in parsed.items
    )
    return parsed._replace(items=tuple(items))


def _addressed(element: ElementResult, redis: Redis, keys: Keys) -> ElementResult:
    if not element.patient.startswith(OF_ALERT):
        return element
    episode = element.patient.removeprefix(OF_ALERT)
    rows = per_shard(redis, keys.all(), lambda pipe, shard: pipe.hget(shard.key("episodes"), episode))
    found = next((cast(bytes, patient).decode() for (patient,) in rows if patient is not None), None)
    if found is None:
        return ElementResult(ElementOutcome.DEAD_LETTER, element.where, why=UNKNOWN_ALERT)
    messages = tuple({**message, "patient": found} for message in element.messages)
    return element._replace(patient=found, messages=messages)
