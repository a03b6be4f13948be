"""Commands without a running service: an example, grade, replay, demo."""

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

import click

from worker.commands.common import BAD_INPUT, config_option, configuration, json_option, lines, with_example


@with_example("cartwatch version")
@click.command(short_help="Print the versions of code, stored data and rules.")
@config_option
@json_option
def version(config_dir: Path | None, as_json: bool) -> None:
    """Print the versions of this program, of the data that it stores, and of the rules that it grades by.

    Two installations that print the same `rules` and `conventions` page alike.
    """
    import json

    from worker.runtime.versions import versions

    found = versions(configuration(config_dir))
    if as_json:
        click.echo(json.dumps(found._asdict()))
        return
    for name, value in found._asdict().items():
        shown = ", ".join(value) if isinstance(value, tuple) else value
        click.echo(f"{name.replace('_', ' '):<14}{shown}")


@with_example("cartwatch grade cases.ndjson")
@click.command(short_help="Grade cases from JSON lines.")
@click.argument("file", type=click.File("rb"), default="-")
@config_option
def grade(file: BinaryIO, config_dir: Path | None) -> None:
    """Grade cases from JSON lines: {"id": ..., "at": "...", "messages": [native messages]}.

    If a line cannot be read, the command names its field on standard error, answers the others and exits with 2. If one
    message of a case cannot be read, the case is graded without it and lists it under "unused".
    """
    import json

    from alerts.message_json import BadMessage
    from worker.commands.grading import grade_case, read_case

    site = configuration(config_dir)
    bad = 0
    for number, line in lines(file):
        try:
            asked = read_case(line)
            answer = json.dumps(grade_case(asked, site), ensure_ascii=False)
        except BadMessage as error:
            bad += 1
            click.echo(f"line {number}: {error}", err=True)
        except Exception as error:
            bad += 1
            click.echo(f"line {number}: cannot be graded: internal error {type(error).__name__}", err=True)
        else:
            click.echo(answer)
            bad += 1 if asked.unread else 0
            for unread in asked.unread:
                click.echo(f"line {number}: {unread.why}", err=True)
    if bad:
        sys.exit(BAD_INPUT)


@with_example("cartwatch replay messages.ndjson --acknowledge-after 10")
@click.command(short_help="Replay native messages in simulated time.")
@click.argument("file", type=click.File("rb"), default="-")
@json_option
@click.option("--acknowledge-after", type=int, metavar="MINUTES", help="Acknowledge each page after this long.")
@config_option
def replay(file: BinaryIO, as_json: bool, acknowledge_after: int | None, config_dir: Path | None) -> None:
    """Replay native messages (one JSON object a line) through the real tasks in simulated time.

    Prints pages and grade changes. The same file gives the same output.
    """
    import json

    from worker.standalone.embedded_redis import EmbeddedRedisError
    from worker.standalone.replay import Replay, StuckError
    from worker.standalone.replay import acknowledge_after as answering

    configuration(config_dir)
    messages, bad = _readlines(file)
    respond = answering(timedelta(minutes=acknowledge_after)) if acknowledge_after is not None else None
    try:
        with Replay(config_dir=config_dir) as run:
            for event in run.run(messages, respond):
                click.echo(json.dumps(event, ensure_ascii=False) if as_json else _in_words(event))
            for _, record in run.store.dead_letters():
                click.echo(f"dead letter: {record.source} {record.id}: {record.why}", err=True)
            for patient, note in run.store.unregistered().items():
                click.echo(f"dead letter: patient {patient} is not registered: {note.count} message(s)", err=True)
    except (EmbeddedRedisError, StuckError) as error:
        raise click.ClickException(str(error)) from error
    if bad:
        sys.exit(BAD_INPUT)


def _readlines(file: BinaryIO) -> tuple[list[Any], int]:
    from alerts.message_json import BadMessage, read_message

    messages, bad = [], 0
    for number, line in lines(file):
        try:
            messages.append(read_message(line))
        except BadMessage as error:
            bad += 1
            click.echo(f"line {number}: {error}", err=True)
    return messages, bad


def _in_words(event: dict[str, Any]) -> str:
    at = event["at"][:16].replace("T", " ")
    if event["kind"] == "page":
        return f"{at}  PAGE to {event['to']}: {event['title']}"
    if event["kind"] in ("grade", "regrade"):
        value = next((event[key] for key in ("grade", "score", "value") if key in event), None)
        absent = "undetermined" if event.get("applicable", True) else "not applicable"
        shown = absent if value is None else value
        if event["kind"] == "regrade":
            shown = "retracted" if event["status"] == "entered_in_error" else f"corrected to {shown}"
        return f"{at}  {event['system']} {shown}"
    return f"{at}  {event['kind']}: {event['condition']} {event.get('by', '')}".rstrip()


@with_example("cartwatch drill night.ndjson.gz --config test-rota --speed 10")
@click.command(short_help="Play a recorded night to a test rota.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--config",
    "config_dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="The configuration of the test rota: its people are paged.",
)
@click.option("--speed", type=click.FloatRange(0.1, 600), default=10, show_default=True, help="Times as fast.")
@click.option("--from", "start", type=click.DateTime(["%Y-%m-%dT%H:%M"]), help="Begin there, on the hospital's clock.")
@click.option("--port", default=8089, show_default=True, type=click.IntRange(1, 65535), help="Of the drill's gateway.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drill(file: Path, config_dir: Path, speed: float, start: datetime | None, port: int, yes: bool) -> None:
    """Play a recorded night to a test rota, several times as fast as it was, to train a team.

    FILE is from `cartwatch export`. The people of the test rota get real pages, each marked as a drill, and answer by
    link, board or command. At the end stands who answered what after how long. Ctrl-C ends it.
    """
    from rich.console import Console

    from worker.quality.stream import opened
    from worker.standalone.demo import print_page
    from worker.standalone.drill import Drill, DrillError, answers
    from worker.standalone.embedded_redis import EmbeddedRedisError
    from worker.standalone.service import stop_on_signals

    site = configuration(config_dir)
    if config_dir.resolve() == Path(os.environ.get("CARTWATCH_CONFIG_DIR", "/nowhere")).resolve():
        raise click.ClickException(f"{config_dir} is the configuration of the service: name that of a test rota")
    with opened(file) as given:
        messages, _ = _readlines(cast(BinaryIO, given))
    people = ", ".join(person.name for person in site.on_call.people.values())
    if not yes:
        click.confirm(f"{len(messages)} messages at {speed:g} times the speed. Paged are: {people}. Begin?", abort=True)
    console, events = Console(), []
    over = stop_on_signals()
    begin = start.replace(tzinfo=site.zone) if start is not None else None
    try:
        with Drill(config_dir, port, Path(os.devnull), lambda page: print_page(console, page)) as run:
            click.echo(f"gateway: {run.settings.public_url}")
            for event in run.play(messages, speed, over, begin):
                events.append(event)
                if event["kind"] in ("page", "acknowledged", "handed_over", "closed"):
                    click.echo(_in_words(event))
    except (EmbeddedRedisError, DrillError) as error:
        raise click.ClickException(str(error)) from error
    click.echo("")
    for one in answers(events):
        minutes = "nobody answered" if one.after is None else f"{one.by} after {one.after.total_seconds() / 60:.0f} min"
        click.echo(f"{one.paged:%Y-%m-%d %H:%M}  {one.title}: {minutes}")


@with_example("cartwatch example --now | cartwatch send")
@click.command(short_help="Print the reference case as native messages.")
@click.option("--now", "as_of_now", is_flag=True, help="A patient who has fever and hypotension now.")
@click.option("--patient", help="The patient's id with --now; default: a new one each second.")
def example(as_of_now: bool, patient: str | None) -> None:
    """Print the reference case as native messages.

    Without --now the command prints the whole case with its dates of June 2024, for `cartwatch replay`.
    """
    from datetime import UTC, datetime

    from worker.standalone.example import as_it_was, up_to

    if patient is not None and not as_of_now:
        raise click.UsageError("--patient goes with --now: the whole case keeps its patient")
    now = datetime.now(UTC).replace(microsecond=0)
    click.echo(up_to(now, patient or f"EXAMPLE-{now:%d%H%M%S}") if as_of_now else as_it_was(), nl=False)


@with_example("cartwatch demo --output output")
@click.command(short_help="Replay the reference case and draw its course.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default=Path("output"), show_default=True)
@config_option
def demo(output: Path, config_dir: Path | None) -> None:
    """Replay the reference case at speed, as the on-call phone shows it, and draw its course."""
    from rich.console import Console

    from worker.standalone.demo import demonstrate
    from worker.standalone.embedded_redis import EmbeddedRedisError
    from worker.standalone.replay import StuckError

    configuration(config_dir)
    try:
        demonstrate(output, Console(), config_dir)
    except (EmbeddedRedisError, StuckError) as error:
        raise click.ClickException(str(error)) from error
