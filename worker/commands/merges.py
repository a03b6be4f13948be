"""Commands about merged records: list the merges, undo one."""

import time
from typing import TYPE_CHECKING, Any

import click

from worker.commands.common import runtime, settings_of_service, with_example
from worker.commands.responses import by_option, person

if TYPE_CHECKING:
    from alerts.chart.merge_register import Link
    from alerts.state import PatientState
    from config.site import Site

LOOKS = 100
LOOK_EVERY_SECONDS = 0.1


@with_example("cartwatch merges")
@click.command(short_help="List the merged records.")
def merges() -> None:
    """List every merge: which record continues under which, since when, who asked for it, and what ended it."""
    run = runtime()
    for state in run.store.states(unregistered=True):
        for link in state.merges.into:
            click.echo(_line(state, link, run.site))


def _line(state: "PatientState", link: "Link", site: "Site") -> str:
    from alerts.pages.values import clock

    who = f"{link.by} ({link.source})" if link.by else link.source
    merge = f"{state.patient} merged into {link.other}, says {who}, {clock(link.at, site, 'en')}"
    if link.is_retracted:
        return f"{merge}: retracted"
    received = state.merges.newest_received
    if received is not None and received.age > link.age:
        return f"{merge}: ended by the newer merge of {received.other} into {state.patient}"
    if link is not state.merges.goes_to:
        return f"{merge}: replaced by a newer merge"
    return (
        f"{merge}: continues there"
        if link.known
        else f"{merge}: waits for the other record; until then both are watched"
    )


@with_example("cartwatch unmerge P1 --by haematologist-1")
@click.command(short_help="Undo the merge of a record into another.")
@click.argument("old")
@by_option
def unmerge(old: str, by: str) -> None:
    """Undo the merge of OLD into another record. OLD is watched again, with every message that arrived under it."""
    from worker.client import Client

    run = runtime()
    who = person(run, by)
    state = run.store.state(old)
    messages = _retractions(state, who, run.clock.now().isoformat()) if state is not None else []
    if not messages:
        raise click.ClickException(f"{old} is not merged into another record; see `cartwatch merges`")
    Client(settings_of_service()).send(messages, source="cli")
    for _ in range(LOOKS):
        state = run.store.state(old)
        if state is not None and not any(link.known and not link.is_retracted for link in state.merges.into):
            break
        time.sleep(LOOK_EVERY_SECONDS)
    else:
        raise click.ClickException(f"{old}: stored, and not processed yet: is a worker running? See `cartwatch health`")
    others = ", ".join(dict.fromkeys(body["into"] for body in messages if body["patient"] == old))
    click.echo(f"{old} is watched again, with every message that arrived under it")
    click.echo(f"{others} keeps its copy: enter in error there what belongs to {old} alone")


def _retractions(state: "PatientState", by: str, now: str) -> list[dict[str, Any]]:
    """Retractions of a record's merges into others, and the reverse merges that those had ended."""
    standing = [link for link in state.merges.into if not link.is_retracted]
    found = [_body(state.patient, link.other, link) for link in standing]
    for link in state.merges.received:
        if not link.is_retracted and any(one.other == link.other and one.age > link.age for one in standing):
            found.append(_body(link.other, state.patient, link))
    return [body | {"by": by, "received": now} for body in found]


def _body(old: str, into: str, link: "Link") -> dict[str, Any]:
    body = {"type": "merge", "id": link.id, "source": link.source, "patient": old, "into": into}
    return body | {"effective": link.at.isoformat(), "status": "entered_in_error"}
