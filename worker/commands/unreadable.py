"""The command about stored data that cannot be read."""

import sys

import click

from worker.commands.common import echo_json, json_option, runtime, with_example


@with_example("cartwatch unreadable --retry")
@click.command(short_help="List or retry stored data that cannot be read.")
@json_option
@click.option("--retry", "again", is_flag=True, help="Read everything again, after a repair or an upgrade.")
@click.option("--rebuild", "patient", metavar="PATIENT", help="Begin PATIENT anew from the journal.")
@click.option("--forget", is_flag=True, help="Drop pages, export entries and old technical incidents from the list.")
def unreadable(as_json: bool, again: bool, patient: str | None, forget: bool) -> None:
    """List stored data that cannot be read: patients who are not watched, pages that are not sent.

    The watchdog retries all of it every 15 s. Messages of a patient on the list wait until the state can be read.
    """
    from alerts.message_fields import visible
    from worker.client import Client
    from worker.store import dead_letters
    from worker.store import unreadable as store_list

    run = runtime()
    redis, keys, now = run.store.redis, run.store.keys, run.clock.now()
    if patient is not None:
        count, wake = store_list.rebuild(redis, keys, patient, run.store.journal(keys.of(patient)), now)
        if not wake:
            raise click.ClickException(f"{patient}: is not on the list; see `cartwatch unreadable`")
        click.echo(visible(f"{patient}: {count} message(s) of the journal are evaluated again; check the board"))
        Client(run.settings).wake(wake)
    if again:
        Client(run.settings).wake(store_list.retry(redis, keys, now))
    if forget:
        count, wake = store_list.forget(redis, keys, now)
        click.echo(f"{count} dropped")
        Client(run.settings).wake(wake)
    left = store_list.listed(redis, keys)
    for shard, one in left:
        body = {"kind": one.kind, "name": one.name, "shard": shard.number, "since": one.at, "why": one.why}
        text = f"{one.at.isoformat(timespec='seconds')}  {one.kind} {one.name}: {one.why}"
        echo_json(body) if as_json else click.echo(visible(text))
    for id_, why in dead_letters.unreadable(redis, keys):
        echo_json({"kind": "dead letter", "name": id_, "why": why}) if as_json else click.echo(
            f"dead letter {id_}: {why}"
        )
    if left:
        sys.exit(1)
