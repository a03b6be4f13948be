"""Commands of the intake: read a file, keys of sources, unmapped codes, dead letters."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.commands.common import (
    config_option,
    configuration,
    echo_json,
    intake_of,
    json_option,
    runtime,
    with_example,
)

if TYPE_CHECKING:
    from worker.intake.store import IntakeStore
    from worker.store.dead_letters import ListedLetter


@with_example("cartwatch parse oru.hl7 bundle.json --source lab")
@click.command(short_help="Show what would be read from HL7 or FHIR files.")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--site",
    "site_map",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Local codes, YAML or JSON: system -> code -> reading.",
)
@click.option(
    "--source", default="parse", show_default=True, help="The source whose policy applies to FHIR and native files."
)
@config_option
def parse(files: tuple[Path, ...], site_map: Path | None, source: str, config_dir: Path | None) -> None:
    """Show what would be read from FHIR, HL7 v2 or native files, one JSON line a message. Writes nothing."""
    import json

    from config.intake import read_map, with_map
    from config.problems import ConfigurationError
    from worker.intake.parse import preview_lines

    tables = configuration(config_dir).tables
    intake = intake_of(config_dir)
    try:
        intake = with_map(intake, read_map(site_map)) if site_map is not None else intake
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    now = datetime.now(UTC)
    for file in files:
        for line in preview_lines(file.read_bytes(), str(file), source, intake, tables, now):
            click.echo(json.dumps(line, ensure_ascii=False))


@with_example("cartwatch source-key add lab")
@click.group("source-key", short_help="Manage the keys of sources that send over HTTP.")
def source_key() -> None:
    """Manage the keys of sources that send over HTTP."""


@with_example("cartwatch source-key add lab")
@source_key.command("add", short_help="Make a key for a source.")
@click.argument("source")
def add_key(source: str) -> None:
    """Make a key for SOURCE and print it once. Only its hash is stored."""
    from worker.intake.source_keys import SourceKeys

    run = runtime()
    if intake_of(run.settings.config_dir).source(source) is None:
        raise click.BadParameter(f"{source}: not listed in intake.yaml", param_hint="SOURCE")
    click.echo(SourceKeys(run.store.redis, run.store.keys).add(source, run.clock.now()))


@with_example("cartwatch source-key list")
@source_key.command("list", short_help="List the keys.")
@json_option
def list_keys(as_json: bool) -> None:
    """List the keys: id, time of creation, source."""
    from worker.intake.source_keys import SourceKeys

    run = runtime()
    for known in SourceKeys(run.store.redis, run.store.keys).all():
        if as_json:
            echo_json(known._asdict())
        else:
            click.echo(f"{known.id}  {known.made}  {known.source}")


@with_example("cartwatch source-key revoke 3f2b226a")
@source_key.command("revoke", short_help="Revoke a key.")
@click.argument("id")
def revoke_key(id: str) -> None:
    """Revoke the key with this ID at once."""
    from worker.intake.source_keys import SourceKeys

    run = runtime()
    if not SourceKeys(run.store.redis, run.store.keys).revoke(id):
        raise click.ClickException(f"no key {id}; see `cartwatch source-key list`")
    click.echo(f"{id} is revoked")


@with_example("cartwatch unmapped-codes --json")
@click.command("unmapped-codes", short_help="List codes, units and values without a mapping.")
@json_option
@click.option("--forget", is_flag=True, help="Reset the counts, after a map was completed.")
def unmapped_codes(as_json: bool, forget: bool) -> None:
    """List codes, units and values without a mapping: per source, with an example and a count."""
    from alerts.message_fields import visible

    store = _store()
    for count in store.unmapped.all():
        if as_json:
            echo_json(count._asdict())
            continue
        what = f"{count.system}: {count.code or '(none)'}" if count.system else count.code
        click.echo(visible(f"{count.source}  {count.times:>6}  {count.sort}  {what}  {count.example}".rstrip()))
    if forget:
        store.unmapped.forget()


@with_example("cartwatch dead-letters --retry")
@click.command("dead-letters", short_help="List, retry or export messages that could not be used.")
@json_option
@click.option("--retry", "again", is_flag=True, help="Process them again, after a map, table or policy was fixed.")
@click.option(
    "--export",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append them to FILE as JSON lines, and remove them from the list.",
)
def dead_letters(as_json: bool, again: bool, file: Path | None) -> None:
    """List the messages that could not be used, each with the reason, and the patients nobody has registered."""
    from worker.client import Client
    from worker.intake.retry import retry

    if again and file is not None:
        raise click.UsageError("run --retry first, then --export for the rest")
    if file is not None:
        try:
            click.echo(f"{_export(_store(), file)} exported to {file}")
        except OSError as error:
            raise click.ClickException(f"{file}: cannot be written: {error.strerror}; nothing was exported") from error
        return
    if not again:
        _list_dead_letters(as_json)
        return
    run = runtime()
    done = retry(_store(), intake_of(run.settings.config_dir), run.site.tables, run.clock.now())
    Client(run.settings).wake(done.wake)
    click.echo(f"{done.stored} stored, {done.dropped} no longer needed, {done.kept} still dead letters")
    if done.kept:
        sys.exit(1)


def _export(store: "IntakeStore", file: Path) -> int:
    """Export every dead letter; remove them from the list only once the file is on disk."""
    import json
    import os

    from worker.store.dead_letters import everything, remove

    letters = everything(store.redis, store.keys)
    lines = [body for one in letters for body in _bodies(one)]
    # Nobody else on this machine may read its contents.
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "a", encoding="utf-8") as out:
        for body in lines:
            out.write(json.dumps(body, ensure_ascii=False) + "\n")
        out.flush()
        os.fsync(out.fileno())
    remove(store.redis, store.keys, letters)
    return len(lines)


def _bodies(one: "ListedLetter") -> list[dict[str, str]]:
    """One document for each reason."""
    seen = {"times": str(one.times), "last": one.last.isoformat()}
    return [
        {"listed": one.id, "at": record.at.isoformat(), "source": record.source, "patient": record.patient}
        | {"id": record.id, "why": record.why, "raw": record.raw, "form": record.form}
        | seen
        for record in one.letter.records()
    ]


def _list_dead_letters(as_json: bool) -> None:
    import json

    from alerts.message_fields import visible
    from worker.store import dead_letters

    run = runtime()
    store = run.store
    for one in dead_letters.everything(store.redis, store.keys):
        for body in _bodies(one):
            click.echo(json.dumps(body, ensure_ascii=False) if as_json else _dead_letter_line(body))
    for source, number in dead_letters.usage(store.redis, store.keys, run.clock.now()).dropped.items():
        body = {"source": source, "dropped": str(number), "why": "its quota was full"}
        text = f"{source}: {number} oldest dead letter(s) were dropped, {body['why']}"
        click.echo(json.dumps(body, ensure_ascii=False) if as_json else visible(text))
    for patient, note in store.unregistered().items():
        body = {"patient": patient, "count": str(note.count), "first": note.first.isoformat()}
        body |= {"last": note.last.isoformat(), "sources": ", ".join(note.sources), "why": "patient not registered"}
        text = (
            f"patient {patient}: not registered; {note.count} message(s) stored since {body['first']}"
            f" from {body['sources']}; register with `cartwatch register {patient}`"
        )
        click.echo(json.dumps(body, ensure_ascii=False) if as_json else text)


def _dead_letter_line(body: dict[str, str]) -> str:
    from alerts.message_fields import visible

    what = " ".join(part for part in (body["source"], body["patient"], body["id"]) if part)
    often = f" ({body['times']} times, last {body['last'][:19]})" if body["times"] != "1" else ""
    return visible(f"{body['listed']}  {body['at'][:19]}  {what}: {body['why']}{often}")


def _store() -> "IntakeStore":
    from worker.intake.store import IntakeStore

    run = runtime()
    return IntakeStore(run.store.redis, run.store.keys)
