"""Commands of the live service: run it, send messages to it, check its health."""

import sys
from pathlib import Path
from typing import BinaryIO

import click

from worker.commands.common import (
    BAD_INPUT,
    DATA,
    configuration,
    intake_of,
    lines,
    runtime,
    settings_of_service,
    with_example,
)

EVERY_QUEUE = "advance,ingest,deliver,export"


@with_example("cartwatch up --data data")
@click.command(short_help="Run the whole live service in the foreground.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar=DATA,
    help="Store patients in this folder; commands find the service by it.",
)
@click.option("--processes", default=2, show_default=True, help="Processes that evaluate; one more delivers.")
def up(data: Path | None, processes: int) -> None:
    """Run the live service in the foreground, embedded or against CARTWATCH_REDIS_URL."""
    from rich.console import Console

    from config.settings import Settings
    from worker.runtime.logging_setup import configure
    from worker.standalone.demo import print_page
    from worker.standalone.embedded_redis import EmbeddedRedisError
    from worker.standalone.service import serve, stop_on_signals
    from worker.store.requirements import UnfitStoreError

    settings = Settings()
    configure(settings)
    configuration(settings.config_dir)
    listens = bool(intake_of(settings.config_dir).listeners)
    console = Console()
    try:
        serve(
            data=data,
            processes=processes,
            listens=listens,
            say=lambda text: click.echo(text),
            on_page=lambda page: print_page(console, page),
            stop=stop_on_signals(),
        )
    except (EmbeddedRedisError, UnfitStoreError) as error:
        raise click.ClickException(str(error)) from error


@with_example("cartwatch worker --processes 4")
@click.command(short_help="Run one Celery worker in the foreground.")
@click.option("--queues", default=EVERY_QUEUE, hidden=True, help="Queues this worker consumes.")
@click.option("--processes", default=2, show_default=True, help="Processes of the pool.")
def worker(queues: str, processes: int) -> None:
    """Run one Celery worker in the foreground, for a supervisor or a container.

    It consumes every queue.
    """
    from celery.bin.celery import celery

    from config.settings import Settings
    from worker.monitoring.last_alarm import refused
    from worker.runtime.queues import QUEUES
    from worker.runtime.runtime import connect, keys_of
    from worker.standalone.supervisor import worker_arguments
    from worker.store.requirements import UnfitStoreError, require_usable_store

    settings = Settings()
    configuration(settings.config_dir)
    names = queues.split(",")
    unknown = sorted(set(names) - set(QUEUES))
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: not one of {', '.join(QUEUES)}", param_hint="--queues")
    try:
        with connect(settings.redis_url, copies=settings.copies) as redis:
            require_usable_store(redis, keys_of(settings), settings)
    except UnfitStoreError as error:
        refused(settings, error)
        raise click.ClickException(str(error)) from error
    # In this process: modules that are imported by now need not be imported again.
    celery(worker_arguments(names, processes), prog_name="celery", auto_envvar_prefix="CELERY")


@with_example("cartwatch send messages.ndjson", "cartwatch example --now | cartwatch send")
@click.command(short_help="Send native messages to the running service.")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--source", default="cartwatch send", show_default=True, help="Source of lines that cannot be read.")
def send(file: BinaryIO, source: str) -> None:
    """Append native messages (one JSON object a line) to the inbox of the running service.

    Accepted messages are stored. If a line cannot be read or used, the command names it and exits with 2.
    """
    from redis.exceptions import RedisError

    from worker.client import Client
    from worker.store.capacity import IntakeStoppedError
    from worker.store.requirements import UnfitStoreError

    raws = [line for _, line in lines(file)]
    try:
        settings = settings_of_service()
        accepted = Client(settings).send_raw(raws, source, site=configuration(settings.config_dir))
    except UnfitStoreError as error:
        raise click.ClickException(f"nothing was accepted. {error}") from error
    except IntakeStoppedError as error:
        raise click.ClickException(f"nothing was accepted. {error}") from error
    except RedisError as error:
        raise click.ClickException(f"the state store cannot be reached, nothing was accepted: {error}") from error
    click.echo(f"{accepted.stored} accepted, {len(accepted.refused)} dead-lettered")
    for record in accepted.refused:
        click.echo(f"dead letter: {record.why}", err=True)
    for place, why in accepted.unusable:
        click.echo(f"message {place + 1}: stored, not used: {why}", err=True)
    if accepted.refused or accepted.unusable:
        sys.exit(BAD_INPUT)


@with_example("cartwatch health")
@click.command(short_help="Check the store, the workers and what waits too long.")
@click.option("--quiet", is_flag=True, help="Only the exit code: 0 healthy, 1 not.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for a program to read.")
def health(quiet: bool, as_json: bool) -> None:
    """Check the store, its durability, the workers and what waits too long. Exit code 1: a part is unhealthy."""
    import json

    from redis.exceptions import RedisError

    from worker.monitoring.health import examine, unreachable

    run = runtime()
    try:
        checks = examine(run.store, run.clock.now(), run.site.on_call.channels)
    except RedisError as error:
        checks = [unreachable(error)]
    well = all(check.well for check in checks)
    if as_json:
        click.echo(json.dumps({"well": well, "parts": [check._asdict() for check in checks]}))
    for check in checks if not (quiet or as_json) else ():
        click.echo(f"{'well' if check.well else 'ILL '}  {check.part}: {check.seen}")
    if not well:
        sys.exit(1)
