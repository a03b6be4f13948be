"""What a bare Celery task makes of the same job: one task a reading, which charts it and pages over HTTP.

As it would be written with care: late acknowledgement, rejection when the worker is lost, retries with back-off. It is
what `tests/chaos` and the benchmarks compare with.
"""

import json
import os
import urllib.error
import urllib.request
from functools import cache
from typing import Any

from celery import Celery, Task
from redis import Redis

WAITS_SECONDS = 8

app = Celery("bare", broker=os.environ.get("BARE_BROKER", "redis://127.0.0.1:6379/1"))
app.conf.update(
    task_ignore_result=True,
    task_default_queue="readings",
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": 30,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 15,
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
    },
)


@cache
def store() -> Redis:
    """The store of the charts."""
    return Redis.from_url(os.environ["BARE_STORE"], socket_timeout=5)


@app.task(name="reading", bind=True, autoretry_for=(Exception,), retry_backoff=1, retry_backoff_max=5, max_retries=20)
def reading(self: "Task[..., None]", body: dict[str, Any]) -> None:
    """Chart a reading once, and page if it is beyond its limit and that was not paged yet."""
    patient = body["patient"]
    if self.request.retries == 0:
        store().rpush(f"chart:{patient}", json.dumps([body["id"], str(body.get("value", body.get("action")))]))
    grade = grade_of(body)
    if grade and not store().sismember("paged", f"{patient} {grade}"):
        page(patient, grade, body["id"])
        store().sadd("paged", f"{patient} {grade}")


def grade_of(body: dict[str, Any]) -> str:
    """What a single message alone gives reason to page; empty for nothing."""
    kind, value = body.get("reading", body.get("drug", "")), body.get("value")
    if kind == "temperature" and float(str(value)) >= 38:
        return "fever"
    if kind == "systolic_bp" and float(str(value)) < 90:
        return "hypotension"
    if kind == "ice" and int(str(value)) <= 2:
        return "confusion"
    if kind == "seizure" and value != "none":
        return "seizure"
    return "pressor" if kind == "norepinephrine" else ""


def page(patient: str, grade: str, number: str) -> None:
    """Post it to the phone.

    Raises:
        OSError: it was not taken.
    """
    body = json.dumps({"title": f"HAEM-2/{patient}: {grade}", "message": grade}).encode()
    headers = {"Content-Type": "application/json", "X-Page-Id": number}
    request = urllib.request.Request(f"{os.environ['BARE_PHONE']}/phone-1", body, headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=WAITS_SECONDS) as answer:  # noqa: S310
        answer.read()
