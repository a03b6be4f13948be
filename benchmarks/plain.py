"""Bare Celery, as a measure: a task that does nothing, and a reading that takes two hops to a phone.

`noop` is what one Celery message costs before anybody works on it. `evaluate` and `notify` are the least a pager on
Celery does: one task takes the reading and sends another, which posts the page. Nothing is stored, graded or
acknowledged.
"""

import os
from functools import cache
from http.client import HTTPConnection
from urllib.parse import urlsplit

from celery import Celery

app = Celery("plain", broker=os.environ.get("PLAIN_BROKER", "memory://"))
app.conf.update(
    task_ignore_result=True,
    task_routes={"evaluate": {"queue": "evaluate"}, "notify": {"queue": "notify"}},
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop(reading: dict[str, str]) -> None:
    """Take a reading and do nothing."""


@app.task(name="evaluate")
def evaluate(reading: dict[str, str]) -> None:
    """Every reading is worth a page."""
    app.send_task("notify", (f"fever, bed {reading['patient']}",))


@app.task(name="notify")
def notify(words: str) -> None:
    """Post it to the phone, on a connection that stays open."""
    phone = urlsplit(os.environ["PLAIN_PHONE"])
    connection = _connected(phone.netloc)
    connection.request("POST", phone.path, words.encode())
    connection.getresponse().read()


@cache
def _connected(address: str) -> HTTPConnection:
    return HTTPConnection(address, timeout=8)
