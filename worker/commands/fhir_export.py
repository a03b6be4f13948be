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
