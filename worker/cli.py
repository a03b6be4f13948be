"""`cartwatch ...`: every command. Imports stand inside the commands, so that `--help` answers at once."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

if TYPE_CHECKING:
    from config.site import Site
    from worker.runtime import Runtime

BAD_INPUT = 2


class _Commands(click.Group):
    """Says in one line what whoever runs a command can mend; anything else keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            said = _mendable(error)
            if said is None:
                raise
            raise click.ClickException(said) from error


def _mendable(error: Exception) -> str | None:
    from pydantic import ValidationError
    from redis.exceptions import RedisError

    if isinstance(error, RedisError):
        return f"the state store cannot be reached: {error}"
    if isinstance(error, ValidationError) and error.title == "Settings":
        return "; ".join(f"CARTWATCH_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors())
    return None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cartwatch")
def main() -> None:
    """Watches patients after CAR-T infusion and pages the on-call haematologist.

    Decision support, not a medical device. The bedside monitor stays primary.
    """


def _configuration(folder: Path | None) -> "Site":
    from config.site import ConfigurationError, load_site

    try:
        return load_site(folder)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error


def _runtime() -> "Runtime":
    from worker.runtime import make
    from worker.service import find_settings

    settings = find_settings()
    _configuration(settings.config_dir)
    return make(settings)


config_option = click.option(
    "--config",
    "config_dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="CARTWATCH_CONFIG_DIR",
    help="Folder with site.yaml and proxies.yaml; the shipped example where not given.",
)


@main.command()
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Keep patients in this folder.")
@click.option("--processes", default=2, show_default=True, help="Processes that judge; four more deliver.")
def up(data: Path | None, processes: int) -> None:
    """Run the live service in the foreground, embedded or against CARTWATCH_REDIS_URL."""
    from rich.console import Console

    from config.settings import Settings
    from worker.demo import print_page
    from worker.embedded import EmbeddedRedisError
    from worker.logs import configure
    from worker.service import serve, stop_on_signals

    settings = Settings()
    configure(settings.log_level)
    _configuration(settings.config_dir)
    console = Console()
    try:
        serve(
            data=data,
            processes=processes,
            say=lambda text: click.echo(text),
            on_page=lambda page: print_page(console, page),
            stop=stop_on_signals(),
        )
    except EmbeddedRedisError as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.option("--queues", default="advance,ingest,deliver", show_default=True, help="Queues this worker takes from.")
@click.option("--processes", default=2, show_default=True, help="Processes of the pool.")
def worker(queues: str, processes: int) -> None:
    """Run one Celery worker in the foreground, for a supervisor or a container."""
    import os

    from config.settings import Settings
    from worker.app import QUEUES
    from worker.supervisor import worker_command

    _configuration(Settings().config_dir)

    names = queues.split(",")
    unknown = sorted(set(names) - set(QUEUES))
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: not one of {', '.join(QUEUES)}", param_hint="--queues")
    command = worker_command(names, processes)
    os.execv(command[0], command)  # noqa: S606


@main.command()
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default=Path("output"), show_default=True)
@config_option
def demo(output: Path, config_dir: Path | None) -> None:
    """Replay the reference case at speed, as the on-call phone sees it, and write its course."""
    from rich.console import Console

    from worker.demo import demonstrate
    from worker.embedded import EmbeddedRedisError
    from worker.replay import StuckError

    _configuration(config_dir)
    try:
        demonstrate(output, Console(), config_dir)
    except (EmbeddedRedisError, StuckError) as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.argument("file", type=click.File("rb"), default="-")
@config_option
def grade(file: BinaryIO, config_dir: Path | None) -> None:
    """Grade cases from JSON lines: {"id": ..., "at": "...", "messages": [native messages]}.

    A line that cannot be read is named on standard error, with its field; the others are still answered (exit 2).
    """
    import json

    from alerts.messages import BadMessage
    from worker.grade import grade_case, read_case

    site = _configuration(config_dir)
    bad = 0
    for number, line in _lines(file):
        try:
            case, messages = read_case(line)
            answer = json.dumps(grade_case(case, messages, site), ensure_ascii=False)
        except BadMessage as error:
            bad += 1
            click.echo(f"line {number}: {error}", err=True)
        except Exception as error:
            bad += 1
            click.echo(f"line {number}: cannot be graded: internal error {type(error).__name__}", err=True)
        else:
            click.echo(answer)
    if bad:
        sys.exit(BAD_INPUT)


@main.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of text.")
@click.option("--acknowledge-after", type=int, metavar="MINUTES", help="Somebody takes each page after this long.")
@config_option
def replay(file: BinaryIO, as_json: bool, acknowledge_after: int | None, config_dir: Path | None) -> None:
    """Replay native messages (one JSON object a line) through the real tasks in simulated time.

    Prints pages and grade changes. The same file gives the same output.
    """
    import json

    from worker.embedded import EmbeddedRedisError
    from worker.replay import Replay, StuckError
    from worker.replay import acknowledge_after as answering

    _configuration(config_dir)
    messages, bad = _read_lines(file)
    respond = answering(timedelta(minutes=acknowledge_after)) if acknowledge_after is not None else None
    try:
        with Replay(config_dir=config_dir) as run:
            for event in run.run(messages, respond):
                click.echo(json.dumps(event, ensure_ascii=False) if as_json else _in_words(event))
            for _, record in run.store.set_aside():
                click.echo(f"set aside: {record.source} {record.id}: {record.why}", err=True)
            for patient, note in run.store.unclaimed().items():
                click.echo(f"set aside: patient {patient} is not registered: {note.split()[0]} message(s)", err=True)
    except (EmbeddedRedisError, StuckError) as error:
        raise click.ClickException(str(error)) from error
    if bad:
        sys.exit(BAD_INPUT)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that hold something, numbered, without the mark Windows puts before the first."""
    for number, line in enumerate(file, 1):
        text = line.removeprefix(b"\xef\xbb\xbf").strip()
        if text:
            yield number, text


def _read_lines(file: BinaryIO) -> tuple[list[Any], int]:
    from alerts.messages import BadMessage, read_message

    messages, bad = [], 0
    for number, line in _lines(file):
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
    if event["kind"] == "grade":
        value = next((event[key] for key in ("grade", "score", "value") if key in event), None)
        return f"{at}  {event['system']} {'undetermined' if value is None else value}"
    return f"{at}  {event['kind']}: {event['condition']} {event.get('by', '')}".rstrip()


@main.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--source", default="cartwatch send", show_default=True, help="Named where a line cannot be read.")
def send(file: BinaryIO, source: str) -> None:
    """Append native messages (one JSON object a line) to the inbox of the running service.

    What is counted as accepted is stored. A line that cannot be read is set aside and named (exit 2).
    """
    from redis.exceptions import RedisError

    from worker.client import Client
    from worker.service import find_settings

    raws = [line for _, line in _lines(file)]
    try:
        accepted = Client(find_settings()).send_raw(raws, source)
    except RedisError as error:
        raise click.ClickException(f"the state store cannot be reached, nothing was accepted: {error}") from error
    click.echo(f"{accepted.stored} accepted, {len(accepted.refused)} set aside")
    for record in accepted.refused:
        click.echo(f"set aside: {record.why}", err=True)
    if accepted.refused:
        sys.exit(BAD_INPUT)


@main.command("set-aside")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of text.")
def set_aside(as_json: bool) -> None:
    """List the messages that could not be used, with the reason, and the patients nobody has registered."""
    import json

    store = _runtime().store
    for listed, record in store.set_aside():
        body = {"listed": listed, "at": record.at.isoformat(), "source": record.source, "patient": record.patient}
        body |= {"id": record.id, "why": record.why, "raw": record.raw}
        click.echo(json.dumps(body, ensure_ascii=False) if as_json else _set_aside_line(body))
    for patient, note in store.unclaimed().items():
        count, first, last = note.split()
        body = {"patient": patient, "count": count, "first": first, "last": last, "why": "patient not registered"}
        text = f"patient {patient}: not registered; {count} message(s) kept since {first}; send its registration"
        click.echo(json.dumps(body, ensure_ascii=False) if as_json else text)


def _set_aside_line(body: dict[str, str]) -> str:
    what = " ".join(part for part in (body["source"], body["patient"], body["id"]) if part)
    return f"{body['listed']}  {body['at'][:19]}  {what}: {body['why']}"


@main.command()
@click.argument("episode")
@click.option("--by", required=True, help="Who takes it: an id of people in site.yaml.")
def ack(episode: str, by: str) -> None:
    """Acknowledge an episode: its ladder stops until it worsens."""
    from worker.client import Client
    from worker.service import find_settings

    run = _runtime()
    if by not in run.site.on_call.people:
        raise click.BadParameter(f"{by}: not one of {', '.join(run.site.on_call.people)}", param_hint="--by")
    patient = run.store.patient_of(episode)
    if patient is None:
        raise click.ClickException(f"no episode {episode}; see `cartwatch board`")
    now = datetime.now(UTC)
    message = {"type": "acknowledgement", "id": f"{episode} {by} {now.isoformat()}", "source": "cli"}
    message |= {"patient": patient, "effective": now.isoformat(), "episode": episode, "by": by}
    Client(find_settings()).send([message], source="cli")
    click.echo(f"{by} has {episode}")


@main.command()
def board() -> None:
    """Every patient: grades now, open episodes, who has them."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from alerts.messages import SITE_SUBJECT

    table = Table()
    for heading in ("patient", "place", "CRS", "ICANS", "open episodes"):
        table.add_column(heading)
    for watch in _runtime().store.watches():
        admission = watch.chart.admission
        place = f"{admission.ward}/{admission.bed}" if admission else "not registered"
        if watch.patient == SITE_SUBJECT:
            place = "technical"
        episodes = [
            f"{item.id} {item.title} [{item.urgency}] {item.acknowledged_by or 'UNANSWERED'}"
            for item in watch.episodes.values()
        ]
        grades = [watch.standing.get(system) or "undetermined" for system in ("crs", "icans")]
        table.add_row(*(escape(cell) for cell in (watch.patient, place, *grades, "\n".join(episodes))))
    Console().print(table)


@main.command()
@click.argument("patient")
@click.option("--at", type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]), help="On the hospital's clock.")
@click.option("--rules", is_flag=True, help="Print each rule's table and source as well.")
def explain(patient: str, at: datetime | None, rules: bool) -> None:
    """Explain every grade of a patient: readings, rule, what was missing, what would change it."""
    from alerts.explain import explain as explained
    from worker.explain import lines

    run = _runtime()
    watch = run.store.watch(patient)
    if watch is None:
        raise click.ClickException(f"no patient {patient}; see `cartwatch board`")
    moment = at.replace(tzinfo=run.site.zone) if at is not None else run.clock.now()
    for line in lines(explained(watch.chart, moment, run.site), rules=rules):
        click.echo(line)


@main.command()
@click.option("--quiet", is_flag=True, help="Only the exit code: 0 well, 1 ill.")
def health(quiet: bool) -> None:
    """Say which part is ill: store, durability, workers, what waits too long."""
    from worker.health import examine

    run = _runtime()
    checks = examine(run.store, run.clock.now())
    for check in checks if not quiet else ():
        click.echo(f"{'well' if check.well else 'ILL '}  {check.part}: {check.seen}")
    if not all(check.well for check in checks):
        sys.exit(1)


@main.command()
@config_option
def check(config_dir: Path | None) -> None:
    """Check the configuration: every file and key that cannot be used, with the mend."""
    site = _configuration(config_dir)
    click.echo(f"{site.on_call.name}: configuration is usable; time zone {site.on_call.time_zone}")
