"""The Celery application. It carries wake-ups only: the ticker of every worker makes up for a lost one."""

import gc
import logging
import os
import threading
from importlib import import_module
from typing import Any

import billiard.pool
from celery import Celery, bootsteps
from celery.exceptions import WorkerShutdown
from celery.signals import setup_logging, worker_process_init

from config.settings import Settings
from worker import tracing
from worker.monitoring import last_alarm
from worker.runtime.broker import follow_primary, tls, worker_options
from worker.runtime.logging_setup import configure
from worker.runtime.queues import FOREIGN_QUEUE, QUEUES, declared, is_amqp
from worker.runtime.runtime import runtime
from worker.store.connection import StoreClient
from worker.store.requirements import UnfitStoreError, require_usable_store
from worker.task_batcher import IngestQueues
from worker.ticker import EVERY_SECONDS, tick

log = logging.getLogger(__name__)

# A pool process that ends waits up to 30 s until its results are read. A stopping worker often reads no more, so an
# upgrade took half a minute. If a result is lost, its task runs again.
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
    # The heartbeat uses the queue of pages: if pages cannot be delivered, it stops as well.
    task_routes={
        **{name: {"queue": name} for name in QUEUES},
        "heartbeat": {"queue": "deliver"},
        "follow": {"queue": "deliver"},
    },
    task_time_limit=60,
    task_soft_time_limit=45,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=10_000,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_consumer="worker.task_consumer:TolerantConsumer",
    # A sender whose page was accepted must live to record it. If the task could not be acknowledged, Celery delivers it
    # again, and it finds nothing to do.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_soft_shutdown_timeout=10,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # A primary that becomes a replica, or has none left and refuses to write, raises an error of the channel. Celery
    # would end the worker for it.
    broker_channel_error_retry=True,
    broker_use_ssl=tls(settings),
    enable_utc=True,
)
if is_amqp(settings.broker) or settings.broker.startswith(("redis", "unix", "sentinel")):
    app.conf.broker_transport_options = worker_options(settings)
if is_amqp(settings.broker):
    # RabbitMQ gives the queue for remote control to one worker of a name: a second worker on the same machine would
    # not start. With Redis remote control must stay: without it a worker did not notice that its broker was restarted,
    # and consumed nothing from then on.
    app.conf.worker_enable_remote_control = False


class Tick(bootsteps.StartStopStep):
    """The bootstep that ticks each second in every worker (`worker/ticker.py`)."""

    requires = ("celery.worker.components:Timer",)

    def start(self, parent: Any) -> None:
        """Start ticking when the worker's timer runs.

        A worker with an unusable configuration or store does not start, and logs why.
        """
        run = runtime()
        try:
            require_usable_store(run.store.redis, run.store.keys, run.settings)
        except UnfitStoreError as error:
            log.critical("this worker does not start. %s", error)
            last_alarm.refused(run.settings, error)
            raise WorkerShutdown(os.EX_CONFIG) from error
        parent.timer.call_repeatedly(EVERY_SECONDS, tick, (parent.app, lambda: pool_lives(parent.pool)))
        if run.settings.broker_sentinel and not run.settings.broker_is_apart:
            parent.timer.call_repeatedly(EVERY_SECONDS, _follow_primary, (parent,))
        last_alarm.start(run.settings)


def _follow_primary(worker: Any) -> None:
    # Before the first connection, and while it is closed, there is none.
    connection = getattr(worker.consumer, "connection", None)
    store = runtime().store.redis
    if connection is not None and connection.connected and isinstance(store, StoreClient):
        follow_primary(connection, store.primary)


def pool_lives(pool: Any) -> bool:
    """Whether every process of a worker's pool lives. Celery replaces one that died, if it can."""
    processes = getattr(pool._pool, "_pool", None)
    return processes is None or sum(process.is_alive() for process in processes) >= pool.num_processes


app.steps["worker"].add(Tick)
app.steps["consumer"].add(IngestQueues)


@worker_process_init.connect
def _watch_configuration(**_: object) -> None:
    """Watch the configuration in every pool process, so that an idle one has the same version as the others."""
    runtime().configuration.watch(threading.Event())
    if "deliver" in app.amqp.queues.consume_from:
        # Apprise is read before the first page, and the start does not wait for it.
        threading.Thread(target=import_module, args=("worker.delivery.process",), name="import", daemon=True).start()


@worker_process_init.connect
def _trace(**_: object) -> None:
    tracing.start()


@worker_process_init.connect
def _spare_the_loaded_code(**_: object) -> None:
    """Exempt what is loaded from garbage collection: 140 000 objects that live as long as the process.

    Each full collection read them all, which was a twelfth of the evaluation of a backlog.
    """
    gc.freeze()


@setup_logging.connect
def _logging(**_: object) -> None:
    configure(settings)
