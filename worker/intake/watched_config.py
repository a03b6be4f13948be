"""The intake configuration as one version: sources, codes, units and limits. It is reloaded if its files change."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from redis.exceptions import RedisError

from config.intake import Intake, load_intake
from config.site import Site, load_site
from config.tables import Tables
from worker.client import Client
from worker.monitoring.config_refused import report
from worker.runtime.reload import FILES, WatchedConfig
from worker.runtime.runtime import Runtime

log = logging.getLogger(__name__)


class IntakeConfig(NamedTuple):
    """One version of the intake configuration. Each batch or request asks for it once and uses it throughout."""

    intake: Intake
    site: Site

    @property
    def tables(self) -> Tables:
        """Units and limits."""
        return self.site.tables


class WatchedIntakeConfig(WatchedConfig[IntakeConfig]):
    """The intake configuration of a folder, or the shipped one, which never changes.

    Raises:
        ConfigurationError: it cannot be used.
    """

    files = FILES | {"intake.yaml", "codes.csv"}
    part = "intake"

    def __init__(
        self,
        folder: Path | None,
        timer: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(_load, folder, timer, wall)


def _load(folder: Path | None) -> IntakeConfig:
    site = load_site(folder)
    return IntakeConfig(load_intake(folder, site), site)


def refresh_and_report(in_force: WatchedIntakeConfig, run: Runtime, client: Client) -> None:
    """Reload changed files, even while no message arrives, and report files that cannot be used."""
    in_force.refresh()
    run.configuration.refresh()
    try:
        client.wake(report(run.store, in_force, run.clock.now()))
    except RedisError as error:
        log.warning("the state of the intake configuration cannot be reported (%s)", type(error).__name__)
