"""Commands about what a record system is told."""

import click

from worker.commands.common import runtime


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON lines of what was refused, each with the whole resource.")
@click.option("--forget", is_flag=True, help="Empty the list of what was refused.")
def exports(as_json: bool, forget: bool) -> None:
    """Say what waits for the record system (FHIR), and list what it refused, with the reason."""
    import json

    from worker.fhir_export.backlog import backlog, forget_refused, refused

    run = runtime()
    for record in refused(run.store):
        if as_json:
            body = {"at": record.at.isoformat(), "patient": record.patient, "id": record.id, "why": record.why}
            click.echo(json.dumps(body | {"raw": record.raw}, ensure_ascii=False))
        else:
            click.echo(f"{record.at:%Y-%m-%dT%H:%M:%S}  {record.patient} {record.id}: {record.why}")
    waits = backlog(run.store, run.clock.now())
    seconds = waits.oldest.total_seconds()
    click.echo(f"{waits.batches} batch(es) wait, the oldest for {seconds:.0f} s; {waits.refused} refused", err=True)
    if forget:
        click.echo(f"{forget_refused(run.store)} forgotten", err=True)
