"""Commands about the configuration."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.commands.common import with_example

if TYPE_CHECKING:
    from config.problems import Problem
    from config.site import Site


@with_example("cartwatch check --config site --days 30")
@click.command(short_help="Check the configuration and the coming rota.")
@click.option("--days", default=90, show_default=True, type=click.IntRange(1, 400), help="How far to look ahead.")
@click.option("--from", "start", type=click.DateTime(["%Y-%m-%d"]), help="First day to check; default: today.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.option(
    "--config",
    "config_dir",
    type=click.Path(path_type=Path),
    envvar="CARTWATCH_CONFIG_DIR",
    help="Folder with site.yaml and conventions.yaml; default: the shipped example.",
)
def check(days: int, start: datetime | None, as_json: bool, config_dir: Path | None) -> None:
    """Check all configuration (site, conventions, tables, intake, export) and the rota of the coming days.

    Every problem is reported at once, with its file, line, key and fix. Exit code 1: there are errors.
    """
    from config.settings import Settings
    from config.site import load_site
    from worker.config_check.examine import doubtful, unusable
    from worker.config_check.fhir_export import check_fhir_base
    from worker.delivery.addresses import is_valid_url

    found = unusable(config_dir, is_valid_url)
    site = load_site(config_dir) if not found else None
    if site is not None:
        first = start.replace(tzinfo=site.zone) if start is not None else datetime.now(UTC)
        found += doubtful(config_dir, site, is_valid_url, first, timedelta(days=days))
    found += check_fhir_base(Settings())
    found.sort(key=lambda problem: (problem.warning, problem.file, problem.line or 0))
    _print_json(site, found) if as_json else _print_lines(site, found)
    if not _is_usable(found):
        sys.exit(1)


def _is_usable(found: "Sequence[Problem]") -> bool:
    return all(problem.warning for problem in found)


def _print_json(site: "Site | None", found: "Sequence[Problem]") -> None:
    problems = [
        {
            "severity": "warning" if problem.warning else "error",
            "file": problem.file,
            "line": problem.line,
            "key": ".".join(map(str, problem.key)),
            "what": problem.what,
        }
        for problem in found
    ]
    name, zone = (site.on_call.name, site.on_call.time_zone) if site is not None else (None, None)
    click.echo(json.dumps({"usable": _is_usable(found), "name": name, "time_zone": zone, "problems": problems}))


def _print_lines(site: "Site | None", found: "Sequence[Problem]") -> None:
    for problem in found:
        click.echo(f"{'warning' if problem.warning else 'error'}: {problem}", err=True)
    errors = sum(not problem.warning for problem in found)
    if errors or site is None:
        click.echo(f"{errors} error(s), {len(found) - errors} warning(s)", err=True)
    else:
        click.echo(f"{site.on_call.name}: configuration is usable; time zone {site.on_call.time_zone}")
