"""Everything `cartwatch check` looks at, in one list."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from config.intake import load_intake
from config.lines import read_yaml
from config.problems import ConfigurationError, Problem
from config.site import Site, file_of, load_site
from worker.checks.channels import check_channels
from worker.checks.ladders import check_ladders
from worker.checks.remark import Remark
from worker.checks.rota import check_rota
from worker.checks.tables import check_limits, check_units


def unusable(folder: Path | None) -> list[str]:
    """Every fault that keeps a configuration folder from being used, in all of its files, one per line."""
    said: list[str] = []
    for load in (load_site, load_intake):
        try:
            load(folder)
        except ConfigurationError as error:
            said += str(error).splitlines()
    return list(dict.fromkeys(said))


def doubtful(
    folder: Path | None, site: Site, takes: Callable[[str], bool], start: datetime, ahead: timedelta
) -> Iterator[Problem]:
    """What is wrong with a folder that can be read, and what somebody should look at.

    `takes` says whether Apprise takes an address. The rota is looked at `ahead` from `start` on.
    """
    document = read_yaml(file_of(folder, "site.yaml"))
    for remark in _remarks(site, takes, start, start + ahead):
        yield document.problem(remark.key, remark.what, warning=remark.warning)
    yield from check_units(file_of(folder, "units.csv"))
    yield from check_limits(file_of(folder, "limits.csv"))


def _remarks(site: Site, takes: Callable[[str], bool], start: datetime, until: datetime) -> Iterator[Remark]:
    yield from check_rota(site.on_call, start, until)
    yield from check_ladders(site.on_call, start, until)
    yield from check_channels(site.on_call, takes)
