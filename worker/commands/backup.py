"""Commands that copy the working state: backup, restore."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.commands.common import DATA, configuration, settings_of_service, with_example

if TYPE_CHECKING:
    from redis import Redis

    from config.settings import Settings

FILE = click.Path(dir_okay=False, path_type=Path)


@with_example("cartwatch backup cartwatch.backup")
@click.command(short_help="Copy the working state to a file.")
@click.argument("file", type=FILE)
def backup(file: Path) -> None:
    """Copy the working state of the running service to FILE: patients, episodes, pages that are owed, messages.

    The copy is of one moment, and the service goes on. It holds patient data and the secret that signs links. The audit
    is not in it.
    """
    from worker.monitoring.backups import back_up
    from worker.runtime.runtime import keys_of
    from worker.store.snapshot import TooMuchWaitsError

    settings = settings_of_service()
    try:
        size = back_up(settings, keys_of(settings), file)
    except (TooMuchWaitsError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{file}: {size} bytes")


@with_example("cartwatch restore cartwatch.backup --data data")
@click.command(short_help="Restore the working state from a file.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar=DATA,
    help="The folder of a `cartwatch up` that does not run; default: the store CARTWATCH_REDIS_URL.",
)
@click.option("--replace", is_flag=True, help="Replace the patients that the store has.")
def restore(file: Path, data: Path | None, replace: bool) -> None:
    """Restore the working state from a backup, into a store that no process of cartwatch uses.

    All pages that were owed then are owed again; none is that had been sent. Once the service runs, a technical page
    says from when the state is: have the sources send again what they sent since.
    """
    from config.settings import Settings
    from worker.runtime.runtime import connect_patiently
    from worker.standalone.embedded_redis import EmbeddedRedis, EmbeddedRedisError

    settings = Settings()
    configuration(settings.config_dir)
    if data is None:
        if "CARTWATCH_REDIS_URL" not in os.environ:
            raise click.UsageError("name a folder by --data, or the store by CARTWATCH_REDIS_URL")
        with connect_patiently(settings) as redis:
            _restore(redis, settings, file, replace=replace)
        return
    try:
        with EmbeddedRedis(data) as server:
            settings = Settings(redis_url=server.url, broker_url=server.broker_url)
            with connect_patiently(settings) as redis:
                _restore(redis, settings, file, replace=replace)
    except EmbeddedRedisError as error:
        raise click.ClickException(f"{error} (a service that runs must be stopped first)") from error


def _restore(redis: "Redis", settings: "Settings", file: Path, *, replace: bool) -> None:
    from worker.monitoring.set_back import restored_mark
    from worker.runtime.runtime import keys_of
    from worker.store.backup_file import BadBackupError, read_header, read_keys
    from worker.store.snapshot import is_empty, others_connected, restore_snapshot

    keys = keys_of(settings)
    try:
        header = read_header(file)
    except (BadBackupError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if header.shards != keys.shards:
        raise click.ClickException(f"the backup has {header.shards} shards: set CARTWATCH_SHARDS={header.shards}")
    if others := others_connected(redis):
        raise click.ClickException(
            f"{len(others)} process(es) of cartwatch use the store: stop workers, gateways and listeners first"
        )
    if not replace and not is_empty(redis, keys):
        raise click.ClickException("the store is not empty: write --replace to lose what it has")
    count = restore_snapshot(redis, keys, read_keys(file), restored_mark(keys, header.at))
    at = header.at.astimezone(configuration(settings.config_dir).zone)
    click.echo(f"{count} keys restored from {at:%Y-%m-%d %H:%M:%S}; what was accepted since may be missing")
