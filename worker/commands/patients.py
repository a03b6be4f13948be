"""Commands that look at the patients of a running service."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from worker.commands.common import echo_json, json_option, runtime

if TYPE_CHECKING:
    from alerts.episodes import Episode
    from config.site import Site


@click.command()
def board() -> None:
    """Every patient: grades now, open episodes, who has them."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from alerts.messages import SITE_SUBJECT
    from alerts.page import clock
    from alerts.silences import in_force
    from worker.unregistered import tally

    table = Table()
    for heading in ("patient", "place", "CRS", "ICANS", "open episodes"):
        table.add_column(heading)
    run = runtime()

    def at(moment: datetime) -> str:
        return clock(moment, run.site, "en")

    for watch in run.store.watches():
        admission = watch.chart.admission
        place = f"{admission.ward}/{admission.bed}" if admission else "not registered"
        if watch.patient == SITE_SUBJECT:
            place = "technical"
        episodes = [standing_line(item, run.site) for item in watch.episodes.values()]
        episodes += [
            f"silence {item.id}: {item.condition} until {at(item.until)} ({item.by}: {item.why})"
            for item in in_force(watch.silences, run.clock.now())
        ]
        grades = [watch.standing.get(system) or "undetermined" for system in ("crs", "icans")]
        table.add_row(*(escape(cell) for cell in (watch.patient, place, *grades, "\n".join(episodes))))
    Console().print(table)
    unregistered = tally(run.store.unregistered().values())
    if unregistered.patients:
        click.echo(f"not registered: {unregistered}; see `cartwatch set-aside`, `cartwatch register --help`")


def standing_line(episode: "Episode", site: "Site") -> str:
    """One open episode: what, how urgent, who has it until when, and how the last page of it fared."""
    from alerts.page import clock

    held = f"{episode.acknowledged_by} has it" if episode.acknowledged_by else "UNANSWERED"
    if episode.due_at is not None:
        held += f", {'asked again' if episode.acknowledged_by else 'next told'} {clock(episode.due_at, site, 'en')}"
    if episode.silenced_until is not None:
        held += f", silenced until {clock(episode.silenced_until, site, 'en')}"
    last = episode.deliveries[-1] if episode.deliveries else None
    sent = f"; last page to {last.to} on {last.channel}: {last.state}" if last else ""
    return f"{episode.id} {episode.title} [{episode.urgency}] {held}{sent}"


@click.command()
@click.argument("patient")
@click.option("--at", type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]), help="On the hospital's clock.")
@click.option("--rules", is_flag=True, help="Print each rule's table and source as well.")
@json_option
def explain(patient: str, at: datetime | None, rules: bool, as_json: bool) -> None:
    """Explain every grade of a patient: readings, rule, what was missing, what would change it."""
    from alerts.explain import explain as explained
    from worker.explain import as_values, lines

    run = runtime()
    watch = run.store.watch(patient)
    if watch is None:
        raise click.ClickException(f"no patient {patient}; see `cartwatch board`")
    moment = at.replace(tzinfo=run.site.zone) if at is not None else run.clock.now()
    found = explained(watch.chart, moment, run.site)
    if as_json:
        for values in as_values(found, rules=rules):
            echo_json(values)
        return
    for line in lines(found, rules=rules):
        click.echo(line)
