"""The command about FHIR Subscriptions: list them, forget one."""

import click

from worker.commands.common import runtime, with_example


@with_example("cartwatch subscriptions")
@click.command(short_help="List the FHIR Subscriptions that notify us.")
@click.option("--forget", nargs=2, metavar="SOURCE SUBSCRIPTION", help="Forget one, that its server has ended.")
def subscriptions(forget: tuple[str, str] | None) -> None:
    """List each FHIR Subscription: its source, its last event, when it was last heard of, and what was missed."""
    from datetime import UTC, datetime

    from worker.store.subscriptions import SubscriptionName, Subscriptions

    store = runtime().store
    known = Subscriptions(store.redis, store.keys)
    if forget is not None:
        if not known.forget(SubscriptionName(*forget)):
            raise click.ClickException("no such subscription; `cartwatch subscriptions` lists them")
        return
    for name, state in known.all().items():
        seen = datetime.fromtimestamp(state.seen / 1000, UTC)
        missed = ", ".join(f"{gap.first} to {gap.last}" for gap in state.gaps)
        line = f"{name.source} {name.subscription}: event {state.last}, last heard {seen:%d %b %H:%M:%S} UTC"
        click.echo(f"{line}, {state.status or 'status unknown'}" + (f", missed {missed}" if missed else ""))
