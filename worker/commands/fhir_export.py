"""Commands about the FHIR export to an EHR."""

import click

from worker.commands.common import runtime, with_example


@with_example("cartwatch fhir-export status")
@click.group(short_help="Inspect the export of grades and pages to an EHR.")
def fhir_export() -> None:
    """Inspect the export of grades and pages to an EHR."""


@with_example("cartwatch fhir-export status --json")
@fhir_export.command(short_help="Show the backlog and the refused resources.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines of the refused resources, each whole.")
@click.option("--forget", is_flag=True, help="Empty the list of refused resources.")
def status(as_json: bool, forget: bool) -> None:
    """Show the backlog of the FHIR export, and the resources the EHR refused, each with the reason."""
    import json

    from worker.clock import milliseconds
    from worker.fhir_export.refused import forget_refused, refused
    from worker.store import backlog

    run = runtime()
    for record in refused(run.store):
        if as_json:
            body = {"at": record.at.isoformat(), "patient": record.patient, "id": record.id, "why": record.why}
            click.echo(json.dumps(body | {"raw": record.raw}, ensure_ascii=False))
        else:
            click.echo(f"{record.at:%Y-%m-%dT%H:%M:%S}  {record.patient} {record.id}: {record.why}")
    now = run.clock.now()
    waits = backlog.read(run.store.redis, run.store.keys, now, exports=True).exports
    assert waits is not None
    seconds = (milliseconds(now) - waits.oldest) / 1000 if waits.oldest is not None else 0
    click.echo(f"{waits.batches} batch(es) wait, the oldest for {seconds:.0f} s; {waits.refused} refused", err=True)
    if forget:
        click.echo(f"{forget_refused(run.store)} forgotten", err=True)
