"""Commands about the configuration."""

import sys
from datetime import datetime, timedelta
from pathlib import Path

import click

from worker.commands.common import config_option, configuration


@click.command()
@click.option("--days", default=90, show_default=True, type=click.IntRange(1, 400), help="How far to look ahead.")
@click.option("--from", "start", type=click.DateTime(["%Y-%m-%d"]), help="First day looked at; today where not given.")
@config_option
def check(days: int, start: datetime | None, config_dir: Path | None) -> None:
    """Check all configuration: site, conventions, tables, intake, export, and the rota of the days to come.

    Names file, line, key and the mend of everything at once. Errors end with 1; warnings are printed and end with 0.
    """
    from config.settings import Settings
    from worker.checks.examine import doubtful, unusable
    from worker.checks.outbound import check_fhir_base
    from worker.delivery.addresses import takes

    faults = unusable(config_dir)
    if faults:
        raise click.ClickException("\n".join(faults))
    site = configuration(config_dir)
    first = start.replace(tzinfo=site.zone) if start is not None else _now()
    found = [*doubtful(config_dir, site, takes, first, timedelta(days=days)), *check_fhir_base(Settings())]
    for problem in sorted(found, key=lambda problem: (problem.warning, problem.file, problem.line or 0)):
        click.echo(f"{'warning' if problem.warning else 'error'}: {problem}", err=True)
    errors = sum(not problem.warning for problem in found)
    if errors:
        click.echo(f"{errors} error(s), {len(found) - errors} warning(s)", err=True)
        sys.exit(1)
    click.echo(f"{site.on_call.name}: configuration is usable; time zone {site.on_call.time_zone}")


def _now() -> datetime:
    from worker.clock import SystemClock

    return SystemClock().now()
