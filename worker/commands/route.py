"""`cartwatch route`: the people who would be notified, and when."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.commands.common import config_option, configuration, echo_json, json_option, runtime, with_example

if TYPE_CHECKING:
    from worker.commands.route_text import Route


@with_example("cartwatch route e7", 'cartwatch route --urgency high --at "2024-06-14 03:00"')
@click.command(short_help="Show who would be notified when.")
@click.argument("episode", required=False)
@click.option(
    "--urgency",
    type=click.Choice(["critical", "high", "medium", "low", "technical"]),
    help="Show a new page of this urgency instead of an episode.",
)
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]),
    help="Time of the page, on the hospital's clock; default: now. With --urgency.",
)
@json_option
@config_option
def route(
    episode: str | None, urgency: str | None, at: datetime | None, as_json: bool, config_dir: Path | None
) -> None:
    """Show who would be notified when if nobody answers: the ladder, with the rota at each minute.

    With EPISODE the command shows an open episode of the running service: who was notified, who has it, silences, and
    what follows. With --urgency it shows a new page, and needs no running service.
    """
    if (episode is None) == (urgency is None):
        raise click.UsageError("name an episode of the running service (see `cartwatch board`), or give --urgency")
    if episode is not None and at is not None:
        raise click.UsageError("--at goes with --urgency: an episode is shown as it stands now")
    found = _of_episode(episode) if episode is not None else _of_urgency(str(urgency), at, config_dir)
    if as_json:
        for notification in found.notifications():
            echo_json(notification)
        return
    for line in found.lines():
        click.echo(line)


def _of_urgency(urgency: str, at: datetime | None, config_dir: Path | None) -> "Route":
    from alerts.episodes.preview import hypothetical
    from config.site import URGENCIES
    from config.wall_clock import moment
    from worker.commands.route_text import Route

    site = configuration(config_dir)
    now = moment(at, site.zone) if at is not None else datetime.now(UTC)
    [named] = [known for known in URGENCIES if known == urgency]
    return Route(hypothetical(named, now), (), now, site)


def _of_episode(episode: str) -> "Route":
    from worker.commands.route_text import Route

    run = runtime()
    patient = run.store.patient_of(episode)
    state = run.store.state(patient) if patient is not None else None
    if state is None:
        raise click.ClickException(f"no episode {episode}; see `cartwatch board`")
    for standing in state.episodes.values():
        if standing.id == episode:
            return Route(standing, state.silences, run.clock.now(), run.site)
    raise click.ClickException(f"episode {episode} is closed: nobody is notified any more")
