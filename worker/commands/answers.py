"""Commands by which a person answers: take an episode, hand it over, silence it, close it.

Each is a message in the inbox like any other; what becomes of it stands on the board a moment later.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from worker.commands.common import runtime, settings_of_service

if TYPE_CHECKING:
    from worker.runtime import Runtime

by_option = click.option("--by", required=True, help="Who answers: an id of people in site.yaml.")
page_option = click.option("--page", help="The page that is answered; it says what you have been told of.")


@click.command()
@click.argument("episode")
@by_option
@page_option
def ack(episode: str, by: str, page: str | None) -> None:
    """Acknowledge an episode: its ladder stops until it worsens, or until the taking runs out."""
    run = runtime()
    _send(run, episode, {"type": "acknowledgement", "by": _person(run, by), "page": page})
    click.echo(f"{by} has {episode}")


@click.command("hand-over")
@click.argument("episode")
@by_option
@page_option
@click.option("--to", help="Who is to be told now; without it the next of the ladder is.")
def hand_over(episode: str, by: str, page: str | None, to: str | None) -> None:
    """Hand an episode over to somebody who can take it."""
    run = runtime()
    if to is not None:
        _person(run, to, "--to")
    _send(run, episode, {"type": "hand_over", "by": _person(run, by), "page": page, "to": to})
    click.echo(f"{episode} is handed over to {to or 'the next of the ladder'}")


@click.command()
@click.argument("episode", required=False)
@click.option("--patient", help="With --condition and --urgency: silence a condition of this patient.")
@click.option("--condition", help="As named on pages and on the board: crs, icans, cytopenia, overdue_vitals ...")
@click.option("--urgency", help="The most urgent page that may be hidden.")
@click.option("--for", "length", metavar="DURATION", help='How long, as in "2 h" or "30 min".')
@click.option("--end", metavar="ID", help="End the silence of this id at once.")
@by_option
@click.option("--why", help="Why; it stands in the journal and on the board.")
def silence(
    episode: str | None,
    patient: str | None,
    condition: str | None,
    urgency: str | None,
    length: str | None,
    end: str | None,
    by: str,
    why: str | None,
) -> None:
    """Silence an EPISODE, or a condition of a patient, for a while. Anything more urgent still pages."""
    run = runtime()
    body: dict[str, Any] = {"type": "silence", "by": _person(run, by)}
    now = run.clock.now()
    if end is not None:
        _end_silence(run, end, body, now)
        return
    if (episode is None) == (patient is None or condition is None):
        raise click.UsageError("name either an EPISODE, or --patient and --condition")
    if length is None or why is None:
        raise click.UsageError("say --for how long, and --why")
    body |= {"until": (now + _duration(length)).isoformat(), "why": why, "urgency": urgency, "condition": condition}
    number = _send(run, episode, body, patient)
    click.echo(f"silenced for {length} by {by}; end it with: cartwatch silence --end {number} --by {by}")


def _end_silence(run: "Runtime", number: str, body: dict[str, Any], now: datetime) -> None:
    """Take back the message that asked for the silence."""
    for watch in run.store.watches():
        for held in watch.silences:
            if held.id == number:
                body |= {"id": held.id, "source": held.source, "effective": held.at.isoformat(), "why": held.why}
                body |= {"until": held.until.isoformat(), "urgency": held.urgency, "status": "entered_in_error"}
                body |= {"episode": held.episode} if held.episode else {"condition": held.condition}
                _append(body | {"patient": watch.patient, "received": now.isoformat()})
                click.echo(f"silence {number} ended")
                return
    raise click.ClickException(f"no silence {number} is in force; see `cartwatch board`")


@click.command()
@click.argument("episode")
@by_option
@click.option("--why", required=True, help="Why; it stands in the journal.")
@click.option("--false-alarm", is_flag=True, help="It never was one.")
def close(episode: str, by: str, why: str, false_alarm: bool) -> None:
    """Close an episode: it opens again only at a higher level."""
    run = runtime()
    verdict = "false_alarm" if false_alarm else "over"
    _send(run, episode, {"type": "closure", "by": _person(run, by), "why": why, "verdict": verdict})
    click.echo(f"{episode} is closed")


def _person(run: "Runtime", name: str, option: str = "--by") -> str:
    if name not in run.site.on_call.people:
        raise click.BadParameter(f"{name}: not one of {', '.join(run.site.on_call.people)}", param_hint=option)
    return name


def _duration(text: str) -> Any:
    from config.types import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--for") from error


def _send(run: "Runtime", episode: str | None, body: dict[str, Any], patient: str | None = None) -> str:
    """Append one answer to the inbox of the patient it is about; return the id it has."""
    if episode is not None:
        patient = run.store.patient_of(episode)
        if patient is None:
            raise click.ClickException(f"no episode {episode}; see `cartwatch board`")
        body |= {"episode": episode}
    now = run.clock.now()
    number = f"{body['type']}-{int(now.timestamp() * 1000)}"
    said = {name: value for name, value in body.items() if value is not None}
    _append(said | {"id": number, "source": "cli", "patient": patient, "effective": now.isoformat()})
    return number


def _append(message: dict[str, Any]) -> None:
    from alerts.messages import BadMessage
    from worker.client import Client

    try:
        Client(settings_of_service()).send([message], source="cli")
    except BadMessage as error:
        raise click.ClickException(str(error)) from error
