"""Commands of the intake: look at a file, keys of sources, what is not mapped, what was set aside."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.commands.common import config_option, configuration, echo_json, intake_of, json_option, runtime

if TYPE_CHECKING:
    from worker.intake.store import IntakeStore
    from worker.store.dead_letters import ListedLetter


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--site",
    "site_map",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Local codes, YAML or JSON: system -> code -> reading.",
)
@click.option("--source", default="parse", show_default=True, help="Whose policy FHIR and native files are read by.")
@config_option
def parse(files: tuple[Path, ...], site_map: Path | None, source: str, config_dir: Path | None) -> None:
    """Show what would be taken of FHIR, HL7 v2 or native files, one JSON line a message. Writes nothing."""
    import json

    from config.intake import read_map, with_map
    from config.problems import ConfigurationError
    from worker.intake.parse import parsed

    tables = configuration(config_dir).tables
    intake = intake_of(config_dir)
    try:
        intake = with_map(intake, read_map(site_map)) if site_map is not None else intake
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    now = datetime.now(UTC)
    for file in files:
        for line in parsed(file.read_bytes(), str(file), source, intake, tables, now):
            click.echo(json.dumps(line, ensure_ascii=False))


@click.group()
def key() -> None:
    """Keys of the sources that send by HTTP."""


@key.command("add")
@click.argument("source")
def add_key(source: str) -> None:
    """Make a key for SOURCE and print it once. It is kept only as a hash."""
    from worker.intake.source_keys import SourceKeys

    run = runtime()
    if intake_of(run.settings.config_dir).source(source) is None:
        raise click.BadParameter(f"{source}: not listed in intake.yaml", param_hint="SOURCE")
    click.echo(SourceKeys(run.store.redis, run.store.keys).add(source, run.clock.now()))


@key.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """List the keys: id, source, when made."""
    from worker.intake.source_keys import SourceKeys

    run = runtime()
    for known in SourceKeys(run.store.redis, run.store.keys).all():
        if as_json:
            echo_json(known._asdict())
        else:
            click.echo(f"{known.id}  {known.made}  {known.source}")


@key.command("revoke")
@click.argument("id")
def revoke_key(id: str) -> None:
    """Take a key away at once."""
    from worker.intake.source_keys import SourceKeys

    run = runtime()
    if not SourceKeys(run.store.redis, run.store.keys).revoke(id):
        raise click.ClickException(f"no key {id}; see `cartwatch key list`")
    click.echo(f"{id} is revoked")


@click.command()
@json_option
@click.option("--forget", is_flag=True, help="Count from nothing again, after a map was mended.")
def unmapped(as_json: bool, forget: bool) -> None:
    """Codes, units and values that nothing is known about, per source, with an example and how often each was met."""
    from alerts.message_fields import visible

    store = _store()
    for count in store.unmapped():
        if as_json:
            echo_json(count._asdict())
            continue
        what = f"{count.system}: {count.code or '(none)'}" if count.system else count.code
        click.echo(visible(f"{count.source}  {count.times:>6}  {count.sort}  {what}  {count.example}".rstrip()))
    if forget:
        store.forget_unmapped()


@click.command("set-aside")
@json_option
@click.option("--retry", "again", is_flag=True, help="Read them again, after a map, a table or a policy was mended.")
@click.option(
    "--move-to",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the messages to the end of FILE, JSON lines, and take them off the list.",
)
def set_aside(as_json: bool, again: bool, file: Path | None) -> None:
    """List the messages that could not be used, with the reason, and the patients nobody has registered."""
    from worker.client import Client
    from worker.intake.retry import retry

    if again and file is not None:
        raise click.UsageError("give --retry first, and then --move-to for what is left")
    if file is not None:
        try:
            click.echo(f"{_move(_store(), file)} moved to {file}")
        except OSError as error:
            raise click.ClickException(f"{file}: cannot be written: {error.strerror}; nothing was moved") from error
        return
    if not again:
        _list_set_aside(as_json)
        return
    run = runtime()
    done = retry(_store(), intake_of(run.settings.config_dir), run.site.tables, run.clock.now())
    Client(run.settings).wake(done.wake)
    click.echo(f"{done.stored} stored, {done.dropped} no longer wanted, {done.kept} still set aside")
    if done.kept:
        sys.exit(1)


def _move(store: "IntakeStore", file: Path) -> int:
    """Move every record: off the list only once it is on the disk."""
    import json
    import os

    letters = store.dead_letters()
    lines = [body for one in letters for body in _bodies(one)]
    # What it holds is for nobody else on this machine.
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "a", encoding="utf-8") as out:
        for body in lines:
            out.write(json.dumps(body, ensure_ascii=False) + "\n")
        out.flush()
        os.fsync(out.fileno())
    store.remove(letters)
    return len(lines)


def _bodies(one: "ListedLetter") -> list[dict[str, str]]:
    """One for each reason."""
    seen = {"times": str(one.times), "last": one.last.isoformat()}
    return [
        {"listed": one.id, "at": record.at.isoformat(), "source": record.source, "patient": record.patient}
        | {"id": record.id, "why": record.why, "raw": record.raw, "form": record.form}
        | seen
        for record in one.letter.records()
    ]


def _list_set_aside(as_json: bool) -> None:
    import json

    from alerts.message_fields import visible
    from worker.store import dead_letters

    run = runtime()
    store = run.store
    for one in dead_letters.everything(store.redis, store.keys):
        for body in _bodies(one):
            click.echo(json.dumps(body, ensure_ascii=False) if as_json else _set_aside_line(body))
    for source, number in dead_letters.tally(store.redis, store.keys, run.clock.now()).dropped.items():
        body = {"source": source, "dropped": str(number), "why": "its share of what is kept was full"}
        text = f"{source}: {number} older message(s) were dropped, {body['why']}"
        click.echo(json.dumps(body, ensure_ascii=False) if as_json else visible(text))
    for patient, note in store.unregistered().items():
        body = {"patient": patient, "count": str(note.count), "first": note.first.isoformat()}
        body |= {"last": note.last.isoformat(), "sources": ", ".join(note.sources), "why": "patient not registered"}
        text = (
            f"patient {patient}: not registered; {note.count} message(s) kept since {body['first']}"
            f" from {body['sources']}; register with `cartwatch register {patient}`"
        )
        click.echo(json.dumps(body, ensure_ascii=False) if as_json else text)


def _set_aside_line(body: dict[str, str]) -> str:
    from alerts.message_fields import visible

    what = " ".join(part for part in (body["source"], body["patient"], body["id"]) if part)
    often = f" ({body['times']} times, last {body['last'][:19]})" if body["times"] != "1" else ""
    return visible(f"{body['listed']}  {body['at'][:19]}  {what}: {body['why']}{often}")


def _store() -> "IntakeStore":
    from worker.intake.store import IntakeStore

    run = runtime()
    return IntakeStore(run.store.redis, run.store.keys)
