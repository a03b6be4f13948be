"""Commands by which a person answers: acknowledge, hand over, silence or close an episode.

Each appends a message to the inbox, like any other; the board shows the result a moment later.
"""

from datetime import datetime
from time import sleep as pause
from typing import TYPE_CHECKING, Any, cast

import click

from worker.commands.common import runtime, settings_of_service, with_example

if TYPE_CHECKING:
    from alerts.episodes.episode import Episode
    from worker.runtime.runtime import Runtime

LOOKS, LOOK_EVERY = 100, 0.1
"""The number of checks whether an answer was processed, and the seconds between two of them."""

SEE_BOARD = "see `cartwatch board`"

by_option = click.option("--by", required=True, help="Your id under `people` in site.yaml.")
page_option = click.option("--page", help="The page you answer: only what it reported is acknowledged.")


@with_example("cartwatch ack e7 --by haematologist-1")
@click.command(short_help="Acknowledge an episode: you have it.")
@click.argument("episode")
@by_option
@page_option
@click.option("--take-over", is_flag=True, help="Take it over from whoever has it; they are notified.")
@click.option("--yes", is_flag=True, help="Take over without confirmation.")
def ack(episode: str, by: str, page: str | None, take_over: bool, yes: bool) -> None:
    """Acknowledge an episode. The ladder stops until the episode worsens or the acknowledgement times out."""
    run = runtime()
    before = _open_episode(run, episode) if take_over else None
    who = before.acknowledged_by if before is not None else ""
    if who and who != by and not yes:
        click.confirm(f"{_name(run, who)} has {episode}. Take it over?", abort=True)
    body = {"type": "acknowledgement", "by": person(run, by), "page": page, "take_over_from": who or None}
    now = _answered(run, episode, body)
    if now is None:
        raise click.ClickException(f"{episode} is over")
    if now.acknowledged_by == by:
        click.echo(f"{by} has {episode}" + (f", taken over from {who}" if who and who != by else ""))
    elif now.acknowledged_by:
        how = f"to take it over: cartwatch ack {episode} --by {by} --take-over"
        raise click.ClickException(f"{now.acknowledged_by} has {episode}; {how}")
    else:
        raise click.ClickException(f"nobody has {episode}: it has worsened since, or was not paged; {SEE_BOARD}")


@with_example("cartwatch hand-over e7 --by haematologist-1 --to haematologist-2")
@click.command("hand-over", short_help="Hand an episode over to somebody else.")
@click.argument("episode")
@by_option
@page_option
@click.option("--to", help="Who is paged now; default: the next on the ladder.")
def hand_over(episode: str, by: str, page: str | None, to: str | None) -> None:
    """Hand an episode over to somebody who can take it."""
    run = runtime()
    if to is not None:
        person(run, to, "--to")
    now = _answered(run, episode, {"type": "hand_over", "by": person(run, by), "page": page, "to": to})
    if now is None:
        raise click.ClickException(f"{episode} is over")
    last = now.deliveries[-1].round if now.deliveries else 0
    paged = [item for item in now.deliveries if item.round == last and item.reason == "handed_over"]
    if now.handed_over_by != by or not paged:
        status = (
            f"{now.acknowledged_by} has it" if now.acknowledged_by else "nobody else is on the ladder: name one by --to"
        )
        raise click.ClickException(f"{episode} was not handed over; {status}")
    at = f"{paged[0].at.astimezone(run.site.zone):%H:%M}"
    click.echo(f"{episode} is handed over to {', '.join(item.to for item in paged)}, paged at {at}")


def _answered(run: "Runtime", episode: str, body: dict[str, Any]) -> "Episode | None":
    """Send an answer and wait until it is processed; return the episode afterwards, None if it is closed."""
    _send(run, episode, body)
    shard = run.store.keys.of(run.store.patient_of(episode) or "")
    last = run.store.redis.xinfo_stream(shard.inbox)["last-generated-id"].decode()
    for _ in range(LOOKS):
        waiting = cast("list[tuple[bytes, object]]", run.store.redis.xrange(shard.inbox, max=last, count=1))
        if not waiting:
            return _open_episode(run, episode)
        pause(LOOK_EVERY)
    raise click.ClickException(f"the answer is stored and not processed yet; {SEE_BOARD}")


def _open_episode(run: "Runtime", episode: str) -> "Episode | None":
    patient = run.store.patient_of(episode)
    state = run.store.state(patient) if patient is not None else None
    open_ = state.episodes.values() if state is not None else ()
    return next((item for item in open_ if item.id == episode), None)


def _name(run: "Runtime", person: str) -> str:
    known = run.site.on_call.people.get(person)
    return known.name if known is not None else person


@with_example('cartwatch silence e7 --for "2 h" --by haematologist-1 --why "seen at the bedside"')
@click.command(short_help="Silence an episode or a condition for a while.")
@click.argument("episode", required=False)
@click.option("--patient", help="With --condition and --urgency: silence a condition of this patient.")
@click.option("--condition", help="As named on pages and on the board: crs, icans, cytopenia, overdue_vitals ...")
@click.option("--urgency", help="The highest urgency that may be silenced.")
@click.option("--for", "length", metavar="DURATION", help='How long, as in "2 h" or "30 min".')
@click.option("--end", metavar="ID", help="End the silence of this id at once.")
@by_option
@click.option("--why", help="The reason, for the journal and the board.")
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
    """Silence an EPISODE, or a condition of a patient, for a while. A more urgent page still goes out."""
    run = runtime()
    body: dict[str, Any] = {"type": "silence", "by": person(run, by)}
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
    """Retract the message that asked for the silence."""
    for state in run.store.states():
        for silence in state.silences:
            if silence.id == number:
                body |= {
                    "id": silence.id,
                    "source": silence.source,
                    "effective": silence.at.isoformat(),
                    "why": silence.why,
                }
                body |= {"until": silence.until.isoformat(), "urgency": silence.urgency, "status": "entered_in_error"}
                body |= {"episode": silence.episode} if silence.episode else {"condition": silence.condition}
                _append(body | {"patient": state.patient, "received": now.isoformat()})
                click.echo(f"silence {number} ended")
                return
    raise click.ClickException(f"no silence {number} is in force; see `cartwatch board`")


@with_example("cartwatch close e7 --by haematologist-1 --why resolved")
@click.command(short_help="Close an episode.")
@click.argument("episode")
@by_option
@click.option("--why", required=True, help="The reason, for the journal.")
@click.option("--false-alarm", is_flag=True, help="The episode was a false alarm.")
def close(episode: str, by: str, why: str, false_alarm: bool) -> None:
    """Close an episode. It reopens only at a higher severity."""
    run = runtime()
    verdict = "false_alarm" if false_alarm else "over"
    _send(run, episode, {"type": "closure", "by": person(run, by), "why": why, "verdict": verdict})
    click.echo(f"{episode} is closed")


def person(run: "Runtime", name: str, option: str = "--by") -> str:
    """The id of a person in site.yaml, by the name of an option."""
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
    """Append one answer to the inbox of its patient; return the id of the message."""
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
    from alerts.message_json import BadMessage
    from worker.client import Client

    try:
        Client(settings_of_service()).send([message], source="cli")
    except BadMessage as error:
        raise click.ClickException(str(error)) from error
