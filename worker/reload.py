"""The configuration in force: read at the start, and again when a file of its folder has changed.

A new one that cannot be used changes nothing but `refused`, which says why: a slip of the pen at noon must not end the
paging at night.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

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


T = TypeVar("T")


class Reloaded(Generic[T]):
    """What is read of a folder, as one value: asked for twice it may be two versions, asked for once it is one.

    Asking costs a comparison of times, and each five seconds a look at the files. Any thread may ask.
    """

    files = FILES
    part = ""
    """What of the configuration it is, where it is not the site's: each part of a machine is reported by itself."""

    def __init__(
        self,
        value: T,
        folder: Path | None,
        load: Callable[[Path], T],
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refused = ""
        """Why the files as they are now cannot be used; empty while those in force are the ones that stand there."""
        self.reported: str | None = None
        """What `report` has last said of it in this process."""
        self._value = value
        self._folder = folder
        self._load = load
        self._timer = timer
        self._looking = threading.Lock()
        self._looked = timer()
        self._read = self._seen = self._tried = look(folder)

    @property
    def value(self) -> T:
        """What is in force."""
        self.refresh()
        return self._value

    def refresh(self) -> None:
        """Look at the files, where it is time to. One thread does; the others go on with what is in force."""
        if self._folder is None or self._timer() - self._looked < LOOK_EVERY_SECONDS:
            return
        if self._looking.acquire(blocking=False):
            try:
                self._looked = self._timer()
                self._look_again(self._folder)
            finally:
                self._looking.release()

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
        gone = sorted((self.files & self._read.keys()) - seen.keys())
        try:
            if gone:
                raise ConfigurationError(f"{', '.join(gone)}: no longer there: put it back, or restart")
            self._value = self._load(folder)
        except ConfigurationError as error:
            self.refused = str(error)
        else:
            self.refused = ""
            self._read = seen


class InForce(Reloaded[Site]):
    """A site's configuration."""

    def __init__(self, site: Site, folder: Path | None = None, timer: Callable[[], float] = time.monotonic) -> None:
        super().__init__(site, folder, lambda changed: load_site(changed), timer)

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
        return self.value


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


def report(store: Store, in_force: Reloaded[Any], now: datetime) -> list[Shard]:
    """Say once that this machine's configuration is refused, and once that it is mended; return the shards to wake.

    Of several processes on a machine the first to see it speaks. It is over when no machine refuses any part of it.
    """
    refused = in_force.refused
    if refused == in_force.reported:
        return []
    key, machine = f"{store.keys.namespace}:configuration:refused", socket.gethostname()
    field = f"{machine} {in_force.part}".strip()
    known = cast("dict[bytes, bytes]", store.redis.hgetall(key))
    before = known.pop(field.encode(), b"").decode()
    wake: list[Shard] = []
    if refused and refused != before:
        what = f"the configuration on {machine} cannot be used; the one before stays in force: {refused}"
        wake = _say(store, what, now, over=False)
        store.redis.hset(key, field, refused)
    elif before and not refused:
        if not known:
            wake = _say(store, "the configuration can be used again", now, over=True)
        store.redis.hdel(key, field)
    # Noted only after it stands in the inbox: said twice is better than not said.
    in_force.reported = refused
    return wake


def _say(store: Store, what: str, now: datetime, *, over: bool) -> list[Shard]:
    message = fault("configuration", what, f"configuration {over} {now.isoformat()}", now)
    message = message.model_copy(update={"over": over})
    return append(store.redis, store.keys, [(message, message.model_dump_json(exclude_none=True).encode())], now)
