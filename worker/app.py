"""The Celery application: wake-ups only. What it carries may be lost; every worker's tick makes up for it."""

import logging
import os
import threading
from typing import Any

import billiard.pool
from celery import Celery, bootsteps
from celery.exceptions import WorkerShutdown
from celery.signals import setup_logging, worker_process_init

from config.settings import Settings
from worker.monitoring import last_alarm
from worker.runtime.logging_setup import configure
from worker.runtime.queues import FOREIGN_QUEUE, QUEUES, declared, is_amqp
from worker.runtime.runtime import runtime
from worker.store.requirements import UnfitStoreError, require_usable_store
from worker.ticker import EVERY_SECONDS, tick

log = logging.getLogger(__name__)

# A process of the pool that ends waits up to 30 s until its results have been read. A worker that is being stopped was
# often seen to read no more, so that an upgrade took half a minute. A result that is lost only has its task run again.
billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 20

settings = Settings()

app = Celery("cartwatch", broker=settings.broker, include=["worker.tasks"])
app.conf.update(
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_default_queue=FOREIGN_QUEUE,
    task_queues=declared(settings.broker),
    # The heartbeat goes the way of a page, so that a way that is closed silences it.
    task_routes={**{name: {"queue": name} for name in QUEUES}, "heartbeat": {"queue": "deliver"}},
    task_time_limit=60,
    task_soft_time_limit=45,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=10_000,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_consumer="worker.task_consumer:TolerantConsumer",
    # A sender that knows its page was taken must live to record it. What is delivered again as it could not be
    # acknowledged finds nothing to do.
    worker_cancel_long_running_tasks_on_connection_loss=False,
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
elif is_amqp(settings.broker):
    # Without the broker's word for it a message may be lost on its way there.
    app.conf.broker_transport_options = {"confirm_publish": True}
    # RabbitMQ gives the queue of a worker's remote control to one worker of a name only: a second one on the same
    # machine would not start. With Redis it must stay: without it a worker was seen not to notice that its broker had
    # been restarted, and to take nothing from then on.
    app.conf.worker_enable_remote_control = False


class Tick(bootsteps.StartStopStep):
    """Each second, in every worker: wake every shard with waiting messages, due timers or due pages."""

    requires = ("celery.worker.components:Timer",)

    def start(self, parent: Any) -> None:
        """Begin ticking when the worker's timer runs.

        A worker whose configuration, or whose store, cannot be used does not start, and says why.
        """
        run = runtime()
        try:
            require_usable_store(run.store.redis, run.store.keys, run.settings)
        except UnfitStoreError as error:
            log.critical("this worker does not start. %s", error)
            last_alarm.refused(run.settings, error)
            raise WorkerShutdown(os.EX_CONFIG) from error
        parent.timer.call_repeatedly(EVERY_SECONDS, tick, (parent.app, lambda: pool_lives(parent.pool)))
        last_alarm.start(run.settings)


def pool_lives(pool: Any) -> bool:
    """Whether every process of a worker's pool lives. Celery starts one that died again, if it can."""
    processes = getattr(pool._pool, "_pool", None)
    return processes is None or sum(process.is_alive() for process in processes) >= pool.num_processes


app.steps["worker"].add(Tick)


@worker_process_init.connect
def _watch_configuration(**_: object) -> None:
    """In every process of the pool, so that one that idles has the configuration that the others have."""
    runtime().configuration.watch(threading.Event())


@setup_logging.connect
def _logging(**_: object) -> None:
    configure(settings.log_level)
