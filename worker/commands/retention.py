"""The command that erases patients."""

import click

from worker.commands.common import runtime, with_example


@with_example("cartwatch forget P1 --yes")
@click.command(short_help="Erase patients from the state and the audit.")
@click.argument("patients", nargs=-1, required=True, metavar="PATIENT...")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(patients: tuple[str, ...], yes: bool) -> None:
    """Erase patients from state, journals, dead letters, exports that wait, and the audit. It cannot be undone.

    The audit records that contents were erased, and not whose. Records that were merged are erased together: name all.
    Backups that were made before still hold the patients, and so do the EHR and the phones.
    """
    from worker.audit.retention import StillWatchedError
    from worker.audit.retention import forget as forget_patients
    from worker.store.erasure import ShardBusyError

    run = runtime()
    if not yes:
        click.confirm(f"erase {', '.join(patients)}? It cannot be undone", abort=True)
    try:
        done = forget_patients(run, patients)
    except (StillWatchedError, ShardBusyError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"erased; {done} record(s) of the audit have no content any more")
