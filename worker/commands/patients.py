"""Commands that look at the patients of a running service."""

from datetime import datetime

import click

from worker.commands.common import runtime


@click.command()
def board() -> None:
    """Every patient: grades now, open episodes, who has them."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from alerts.messages import SITE_SUBJECT

    table = Table()
    for heading in ("patient", "place", "CRS", "ICANS", "open episodes"):
        table.add_column(heading)
    for watch in runtime().store.watches():
        admission = watch.chart.admission
        place = f"{admission.ward}/{admission.bed}" if admission else "not registered"
        if watch.patient == SITE_SUBJECT:
            place = "technical"
        episodes = [
            f"{item.id} {item.title} [{item.urgency}] {item.acknowledged_by or 'UNANSWERED'}"
            for item in watch.episodes.values()
        ]
        grades = [watch.standing.get(system) or "undetermined" for system in ("crs", "icans")]
        table.add_row(*(escape(cell) for cell in (watch.patient, place, *grades, "\n".join(episodes))))
    Console().print(table)


@click.command()
@click.argument("patient")
@click.option("--at", type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]), help="On the hospital's clock.")
@click.option("--rules", is_flag=True, help="Print each rule's table and source as well.")
def explain(patient: str, at: datetime | None, rules: bool) -> None:
    """Explain every grade of a patient: readings, rule, what was missing, what would change it."""
    from alerts.explain import explain as explained
    from worker.explain import lines

    run = runtime()
    watch = run.store.watch(patient)
    if watch is None:
        raise click.ClickException(f"no patient {patient}; see `cartwatch board`")
    moment = at.replace(tzinfo=run.site.zone) if at is not None else run.clock.now()
    for line in lines(explained(watch.chart, moment, run.site), rules=rules):
        click.echo(line)


@click.command("set-aside")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of text.")
def set_aside(as_json: bool) -> None:
    """List the messages that could not be used, with the reason, and the patients nobody has registered."""
    import json

    store = runtime().store
    for listed, record in store.set_aside():
        body = {"listed": listed, "at": record.at.isoformat(), "source": record.source, "patient": record.patient}
        body |= {"id": record.id, "why": record.why, "raw": record.raw}
        click.echo(json.dumps(body, ensure_ascii=False) if as_json else _set_aside_line(body))
    for patient, note in store.unclaimed().items():
        count, first, last = note.split()
        body = {"patient": patient, "count": count, "first": first, "last": last, "why": "patient not registered"}
        text = f"patient {patient}: not registered; {count} message(s) kept since {first}; send its registration"
        click.echo(json.dumps(body, ensure_ascii=False) if as_json else text)


def _set_aside_line(body: dict[str, str]) -> str:
    what = " ".join(part for part in (body["source"], body["patient"], body["id"]) if part)
    return f"{body['listed']}  {body['at'][:19]}  {what}: {body['why']}"
