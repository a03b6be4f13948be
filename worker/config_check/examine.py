"""All checks of `cartwatch check`, in one list."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from config.intake import load_intake
from config.lines import read_yaml
from config.problems import Attempts, ConfigurationError, Problem
from config.site import Site, file_of, load_site
from worker.config_check.channels import INVALID_URL, check_channels
from worker.config_check.ladders import check_ladders
from worker.config_check.remark import Remark
from worker.config_check.rota import check_rota
from worker.config_check.tables import check_limits, check_units


def unusable(folder: Path | None, is_valid_url: Callable[[str], bool]) -> list[Problem]:
    """Every error that keeps a configuration folder from being used, in all of its files.

    `is_valid_url` says whether Apprise accepts an address. Addresses are checked as written, whatever else is wrong.
    """
    attempts = Attempts()
    attempts.read(lambda: load_site(folder))
    if folder is None or folder.is_dir():
        attempts.read(lambda: load_intake(folder))
        if attempts.problems:
            attempts.read(lambda: _bad_addresses(file_of(folder, "site.yaml"), is_valid_url))
    return attempts.problems


def _bad_addresses(path: Path, is_valid_url: Callable[[str], bool]) -> None:
    document = read_yaml(path)
    channels = document.data.get("channels") if isinstance(document.data, dict) else None
    urls = {
        ("channels", name, "url"): channel.get("url")
        for name, channel in (channels.items() if isinstance(channels, dict) else ())
        if isinstance(channel, dict)
    }
    bad = [key for key, url in urls.items() if isinstance(url, str) and not is_valid_url(url)]
    if bad:
        raise ConfigurationError(*(document.problem(key, INVALID_URL) for key in bad))


def doubtful(
    folder: Path | None, site: Site, is_valid_url: Callable[[str], bool], start: datetime, ahead: timedelta
) -> Iterator[Problem]:
    """Errors and warnings of a folder that can be read.

    `is_valid_url` says whether Apprise accepts an address. The rota is checked for `ahead` from `start` on.
    """
    document = read_yaml(file_of(folder, "site.yaml"))
    for remark in _remarks(site, is_valid_url, start, start + ahead):
        yield document.problem(remark.key, remark.what, warning=remark.warning)
    yield from check_units(file_of(folder, "units.csv"))
    yield from check_limits(file_of(folder, "limits.csv"))


def _remarks(site: Site, is_valid_url: Callable[[str], bool], start: datetime, until: datetime) -> Iterator[Remark]:
    yield from check_rota(site.on_call, start, until)
    yield from check_ladders(site.on_call, start, until)
    yield from check_channels(site.on_call, is_valid_url)
