"""Helpers of several commands. Imports stand inside the functions, so that `--help` answers at once."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from config.intake import Intake
    from config.settings import Settings
    from config.site import Site
    from worker.runtime.runtime import Runtime

BAD_INPUT = 2
"""The exit code if some of the input could not be used and the rest was."""


def configuration(folder: Path | None) -> "Site":
    """Load a site's configuration, or fail with its errors."""
    from config.problems import ConfigurationError
    from config.site import load_site

    try:
        return load_site(folder)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error


def intake_of(folder: Path | None) -> "Intake":
    """Load a site's intake, or fail with its errors."""
    from config.intake import load_intake
    from config.problems import ConfigurationError

    try:
        return load_intake(folder)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error


DATA = "CARTWATCH_DATA"


def _name_service(context: click.Context, option: click.Parameter, folder: Path | None) -> None:
    """Ignore a folder of the environment if a store is given there: `cartwatch up` sets it for its own processes."""
    from_environment = context.get_parameter_source(option.name or "") is ParameterSource.ENVIRONMENT
    context.meta[DATA] = None if from_environment and "CARTWATCH_REDIS_URL" in os.environ else folder


data_option = click.Option(
    ["--data"],
    type=click.Path(file_okay=False, path_type=Path),
    envvar=DATA,
    expose_value=False,
    callback=_name_service,
    help="The service on this data folder, if several run.",
)
"""The option of every command that uses a running service (`worker/cli.py`)."""


def settings_of_service() -> "Settings":
    """The settings of the running service that this command uses."""
    from worker.standalone.service import ServiceError, find_settings

    context = click.get_current_context(silent=True)
    try:
        return find_settings(context.meta.get(DATA) if context is not None else None)
    except ServiceError as error:
        raise click.ClickException(str(error)) from error


def runtime() -> "Runtime":
    """The runtime of the service that this command uses."""
    from worker.runtime.runtime import make

    settings = settings_of_service()
    configuration(settings.config_dir)
    return make(settings)


def gateway_runtime() -> "Runtime":
    """The runtime for a process in which people wait for the store, with short timeouts."""
    from worker.runtime.runtime import GATEWAY, connect, make

    settings = settings_of_service()
    configuration(settings.config_dir)
    return make(settings, connect(settings.redis_url, GATEWAY, settings.copies))


def refuse_unfit_store(run: "Runtime") -> None:
    """Return if the store meets every requirement; else name the setting and the fix."""
    from worker.monitoring.last_alarm import refused
    from worker.store.requirements import UnfitStoreError, require_usable_store

    try:
        require_usable_store(run.store.redis, run.store.keys, run.settings)
    except UnfitStoreError as error:
        refused(run.settings, error)
        raise click.ClickException(str(error)) from error


Command = TypeVar("Command", bound=click.Command)


def with_example(*commands: str) -> Callable[[Command], Command]:
    """End the `--help` of a command with examples, one on each line."""

    def add(command: Command) -> Command:
        # \b keeps click from wrapping the lines.
        command.epilog = "\n".join(
            ("\b", "Example:" if len(commands) == 1 else "Examples:", *(f"  {one}" for one in commands))
        )
        return command

    return add


config_option = click.option(
    "--config",
    "config_dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CARTWATCH_CONFIG_DIR",
    help="Folder with site.yaml and conventions.yaml; default: the shipped example.",
)


json_option = click.option("--json", "as_json", is_flag=True, help="JSON lines instead of text.")


def echo_json(value: object) -> None:
    """Print one value as a JSON line; times as ISO 8601."""
    import json

    click.echo(json.dumps(value, ensure_ascii=False, default=lambda at: at.isoformat()))


def lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The non-empty lines with their numbers, without the byte order mark that Windows writes first."""
    for number, line in enumerate(file, 1):
        text = line.removeprefix(b"\xef\xbb\xbf").strip()
        if text:
            yield number, text
