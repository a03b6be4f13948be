"""The configuration in force: read at the start, and again when a file of its folder has changed.

A new one that cannot be used changes nothing but `refused`, which says why: a slip of the pen at noon must not end the
paging at night.
"""

import os
import socket
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import cast

from alerts.faults import fault
from config.problems import ConfigurationError
from config.site import Site, load_site
from worker.inbox import append
from worker.keys import Shard
from worker.store import Store

LOOK_EVERY_SECONDS = 5.0

FILES = frozenset({"site.yaml", "proxies.yaml", "units.csv", "limits.csv"})
"""Files that must not vanish: the shipped example, which pages nobody, would silently take their place."""

SUFFIXES = (".yaml", ".csv", ".ics")

Seen = dict[str, tuple[int, int]]
"""The files of a folder: name -> time of change and size."""


class InForce:
    """A site's configuration. Asking for it costs a comparison of times, and each five seconds a look at the files."""

    def __init__(self, site: Site, folder: Path | None = None, timer: Callable[[], float] = time.monotonic) -> None:
        self.refused = ""
        """Why the files as they are now cannot be used; empty while those in force are the ones that stand there."""
        self.reported: str | None = None
        """What `report` has last said of it in this process."""
        self._site = site
        self._folder = folder
        self._timer = timer
        self._looked = timer()
        self._read = self._seen = self._tried = look(folder)

    @classmethod
    def of(cls, folder: Path | None) -> "InForce":
        """The configuration of a folder, or the shipped example, which is not looked at again.

        Raises:
            ConfigurationError: it cannot be used.
        """
        return cls(load_site(folder), folder)

    @property
    def site(self) -> Site:
        """The configuration in force."""
        if self._folder is not None and self._timer() - self._looked >= LOOK_EVERY_SECONDS:
            self._looked = self._timer()
            self._look_again(self._folder)
        return self._site

    def _look_again(self, folder: Path) -> None:
        """Read what has changed, once it stands still: a file that is being written is not read by half."""
        seen = look(folder)
        settled, self._seen = seen == self._seen, seen
        if not settled or seen == self._tried:
            return
        self._tried = seen
        if seen == self._read:
            self.refused = ""
            return
        gone = sorted((FILES & self._read.keys()) - seen.keys())
        try:
            if gone:
                raise ConfigurationError(f"{', '.join(gone)}: no longer there: put it back, or restart the workers")
            self._site = load_site(folder)
        except ConfigurationError as error:
            self.refused = str(error)
        else:
            self.refused = ""
            self._read = seen


def look(folder: Path | None) -> Seen:
    """The files of a configuration folder as they are now; none where it cannot be looked at."""
    if folder is None:
        return {}
    try:
        with os.scandir(folder) as entries:
            files = [entry for entry in entries if entry.name.endswith(SUFFIXES)]
            stats = {entry.name: entry.stat() for entry in files}
    except OSError:
        return {}
    return {name: (stat.st_mtime_ns, stat.st_size) for name, stat in stats.items()}


def report(store: Store, in_force: InForce, now: datetime) -> list[Shard]:
    """Say once that this machine's configuration is refused, and once that it is mended; return the shards to wake.

    Of several workers on a machine the first to see it speaks. It is over when no machine refuses it any more.
    """
    refused = in_force.refused
    if refused == in_force.reported:
        return []
    key, machine = f"{store.keys.namespace}:configuration:refused", socket.gethostname()
    known = cast("dict[bytes, bytes]", store.redis.hgetall(key))
    before = known.pop(machine.encode(), b"").decode()
    wake: list[Shard] = []
    if refused and refused != before:
        what = f"the configuration on {machine} cannot be used; the one before stays in force: {refused}"
        wake = _say(store, what, now, over=False)
        store.redis.hset(key, machine, refused)
    elif before and not refused:
        if not known:
            wake = _say(store, "the configuration can be used again", now, over=True)
        store.redis.hdel(key, machine)
    # Noted only after it stands in the inbox: said twice is better than not said.
    in_force.reported = refused
    return wake


def _say(store: Store, what: str, now: datetime, *, over: bool) -> list[Shard]:
    message = fault("configuration", what, f"configuration {over} {now.isoformat()}", now)
    message = message.model_copy(update={"over": over})
    return append(store.redis, store.keys, [(message, message.model_dump_json(exclude_none=True).encode())], now)
