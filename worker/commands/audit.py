"""Commands about the audit: what happened to a patient, and whether the record is whole."""

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.commands.common import configuration, echo_json, json_option, settings_of_service, with_example

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from worker.audit.folder import AuditFolder

WHEN = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


@with_example("cartwatch audit P1 --since 2026-11-30", "cartwatch audit --verify")
@click.command(short_help="Who was notified of what, when, and why.")
@click.argument("subject", metavar="[PATIENT|EPISODE]", required=False)
@click.option("--verify", "verifies", is_flag=True, help="Check that the record is whole.")
@click.option("--since", type=WHEN, help="On the hospital's clock.")
@click.option("--until", type=WHEN, help="On the hospital's clock.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of audit files, such as a copy; default: that of the service.",
)
@json_option
def audit(
    subject: str | None,
    verifies: bool,
    since: datetime | None,
    until: datetime | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Print what the audit says about a patient or an episode.

    Each page names its readings, the version of each rule and the configuration. The outcome of its deliveries and the
    answers follow. With --json each line is one message or effect, as it was recorded.
    """
    from worker.audit.story import facts_of, text

    if verifies == (subject is not None):
        raise click.UsageError("name a patient or an episode, or write --verify")
    record = audit_folder(folder)
    if subject is None:
        _verify(record, asks=folder is None)
        return
    zone = _zone()
    found = facts_of(record, subject, local(since, zone), local(until, zone))
    if not found:
        raise click.ClickException(f"the audit has nothing about {subject} in this period")
    if as_json:
        for fact in found:
            echo_json(fact)
        return
    for line in text(found, zone):
        click.echo(line)


def audit_folder(folder: Path | None = None) -> "AuditFolder":
    """A named folder of audit files, or that of the service."""
    from worker.audit.folder import AuditFolder

    path = folder or settings_of_service().audit_dir
    if path is None:
        raise click.ClickException("no audit is kept: set CARTWATCH_AUDIT_DIR, or run `cartwatch up` with --data")
    return AuditFolder(path)


def local(at: datetime | None, zone: "ZoneInfo") -> datetime | None:
    """A time that was typed on the hospital's clock."""
    return at.replace(tzinfo=zone) if at is not None else None


def _zone() -> "ZoneInfo":
    return configuration(settings_of_service().config_dir).zone


def _verify(record: "AuditFolder", *, asks: bool) -> None:
    from worker.audit.chain import verify

    result = verify(record.lines())
    for fault in result.faults:
        place = f"{fault.file} line {fault.line}: " if fault.file else ""
        click.echo(f"NOT WHOLE  {place}record {fault.expected} was expected: {fault.what}", err=True)
    short = _missing_at_the_end(result.last) if asks else ""
    if short:
        click.echo(f"NOT WHOLE  {short}", err=True)
    if result.faults or short:
        sys.exit(1)
    erased = f", {result.erased} with erased content" if result.erased else ""
    click.echo(f"whole: {result.lines} records{erased}; {result.first} to {result.last}, last hash {result.head}")


def _missing_at_the_end(last: int) -> str:
    """What the store knows beyond the last record. Without a store the end cannot be checked."""
    from redis.exceptions import RedisError

    from worker.audit.feed import recorded
    from worker.commands.common import runtime

    try:
        known = recorded(runtime())
    except RedisError:
        click.echo("the store cannot be reached: whether lines are missing at the end was not checked", err=True)
        return ""
    return f"records {last + 1} to {known.n} are missing at the end" if known.n > last else ""
