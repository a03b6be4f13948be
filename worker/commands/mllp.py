"""The command that receives HL7 v2 over MLLP."""

import click

from worker import tracing
from worker.commands.common import refuse_unfit_store, runtime, with_example


@with_example("cartwatch mllp", "cartwatch mllp monitors")
@click.command(short_help="Receive HL7 v2 over MLLP.")
@click.argument("names", nargs=-1)
def mllp(names: tuple[str, ...]) -> None:
    """Receive HL7 v2 over MLLP on the listeners of intake.yaml: NAMES, or all of them.

    If intake.yaml has no listeners, the command waits for the first. It acknowledges a message once it is stored.
    On Ctrl-C or SIGTERM it answers what it has received, and ends.
    """
    import asyncio

    from config.problems import ConfigurationError
    from worker.client import Client
    from worker.intake.mllp.errors import ListenerError
    from worker.intake.mllp.run import serve, stop_on_signals
    from worker.intake.watched_config import WatchedIntakeConfig
    from worker.monitoring.last_alarm import watching
    from worker.runtime.logging_setup import configure

    run = runtime()
    configure(run.settings)
    tracing.start()
    try:
        in_force = WatchedIntakeConfig(run.settings.config_dir)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    listeners = in_force.value.intake.listeners
    unknown = sorted(set(names) - set(listeners))
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: not one of {', '.join(listeners)}", param_hint="NAMES")
    refuse_unfit_store(run)

    async def listen() -> None:
        await serve(names, in_force, run, Client(run.settings, run.store.redis), click.echo, stop_on_signals())

    try:
        with watching(run.settings):
            asyncio.run(listen())
    except ListenerError as error:
        raise click.ClickException(str(error)) from error
