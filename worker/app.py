"""The Celery application: wake-ups only. What it carries may be lost; every worker's tick makes up for it."""

from typing import Any

from celery import Celery, bootsteps
from celery.signals import setup_logging
from kombu import Queue

from config.settings import Settings
from worker.logs import configure

QUEUES = ("advance", "ingest", "deliver")

FOREIGN_QUEUE = "celery"
"""Where a producer that knows nothing of our queues sends `send_task("ingest", ...)`."""

settings = Settings()

app = Celery("cartwatch", broker=settings.broker, include=["worker.tasks"])
app.conf.update(
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_default_queue=FOREIGN_QUEUE,
    # Without a key of their own all would be bound to Celery's default exchange by the same one.
    task_queues=[Queue(name, routing_key=name) for name in (*QUEUES, FOREIGN_QUEUE)],
    task_routes={name: {"queue": name} for name in QUEUES},
    task_time_limit=60,
    task_soft_time_limit=45,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=10_000,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_soft_shutdown_timeout=10,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    enable_utc=True,
)
if settings.broker.startswith(("redis", "unix", "sentinel")):
    app.conf.broker_transport_options = {
        "visibility_timeout": 120,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 15,
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }


class Tick(bootsteps.StartStopStep):
    """Each second, in every worker: wake every shard with waiting messages, due timers or due pages."""

    requires = ("celery.worker.components:Timer",)

    def start(self, parent: Any) -> None:
        """Begin ticking when the worker's timer runs; a worker whose configuration cannot be used does not start."""
        from worker.runtime import runtime
        from worker.tick import EVERY_SECONDS, tick

        runtime()
        parent.timer.call_repeatedly(EVERY_SECONDS, tick)


app.steps["worker"].add(Tick)


@setup_logging.connect
def _logging(**_: object) -> None:
    configure(settings.log_level)
