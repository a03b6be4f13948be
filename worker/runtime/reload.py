"""The configuration in force. It is loaded at the start, and again after a file of its folder has changed.

If a changed configuration is invalid, the old one stays in force and `refused` gives the reason: a mistake made at noon
must not end the paging at night.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from config.problems import ConfigurationError, Problem
from config.site import Site, load_site

LOOK_EVERY_SECONDS = 1.0

SETTLED_SECONDS = 2.0
"""Files that have not changed for this long are complete. A file that is still being written is not read."""

WAITED_FOR_SECONDS = 5.0
"""How long a thread waits for another that checks the files, once. The most work that files may cost takes four."""

FILES = frozenset({"site.yaml", "conventions.yaml", "units.csv", "limits.csv"})
"""Files that must not vanish: the shipped example, which pages nobody, would silently replace them."""

SUFFIXES = (".yaml", ".csv", ".ics")


class Stamp(NamedTuple):
    """What changes with a file. A copy that preserves the modification time has another inode or `changed`."""

    modified: int
    changed: int
    size: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> "Stamp":
        """The stamp of a file, in nanoseconds and bytes."""
        return cls(stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)

    def age(self, now: float) -> float | None:
        """Seconds since the last change; None if the file system's clock is ahead of ours."""
        past = [at for at in (self.modified / 1e9, self.changed / 1e9) if at <= now]
        return now - max(past) if past else None


Fingerprint = dict[str, Stamp]
"""The stamps of a folder's files, by name."""


T = TypeVar("T")


class WatchedConfig(Generic[T]):
    """A value that is loaded from a folder and reloaded when the folder changes.

    Ask for the value once per task: two calls may return two versions. A call costs a comparison of times, and once a
    second a look at the files. Any thread may call.
    """

    files = FILES
    part = ""
    """The part of the configuration, unless it is the site's. Each part is reported by itself."""

    def __init__(
        self,
        load: Callable[[Path | None], T],
        folder: Path | None = None,
        timer: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.refused = ""
        """Why the present files cannot be used; empty while they are in force."""
        self.reported: str | None = None
        """The last text of `report` in this process."""
        self._folder = folder
        self._load = load
        self._timer = timer
        self._wall = wall
        self._looking = threading.Lock()
        self._hangs = False
        self._looked = self._seen_since = timer()
        # Taken before the load, so that a change during it is noticed.
        self._loaded = self._seen = self._tried = fingerprint(folder)
        self._value = load(folder)

    @property
    def value(self) -> T:
        """The value in force."""
        self.refresh()
        return self._value

    def refresh(self, *, at_once: bool = False) -> None:
        """Check the files if the last check is a second ago, if they are still changing, or `at_once`.

        A change that is older than `SETTLED_SECONDS` is then in force. One thread checks, and the others wait for it: a
        page composed while it loads the new version would go to whoever had the old one. They wait for a while: a
        folder that hangs must not end the paging.
        """
        settling = self._seen != self._tried
        if self._folder is None or not (at_once or settling or self._timer() - self._looked >= LOOK_EVERY_SECONDS):
            return
        if not self._looking.acquire(timeout=0 if self._hangs else WAITED_FOR_SECONDS):
            self._hangs = True
            return
        try:
            self._looked = self._timer()
            self._check(self._folder)
        finally:
            self._hangs = False
            self._looking.release()

    def watch(self, over: threading.Event) -> None:
        """Check in a thread, until the event is set, as often as a version must last to be in force.

        Otherwise an idle process would miss a version, and fall back to an older one if the next is refused.
        """

        def check_regularly() -> None:
            while not over.wait(SETTLED_SECONDS):
                self.refresh()

        if self._folder is not None:
            threading.Thread(target=check_regularly, name=f"configuration {self.part}".strip(), daemon=True).start()

    def _check(self, folder: Path) -> None:
        seen = fingerprint(folder)
        if seen != self._seen:
            self._seen, self._seen_since = seen, self._timer()
        if seen == self._tried or not self._has_settled(seen, folder):
            return
        refused, value = "", self._value
        try:
            if seen != self._loaded:
                value = self._load_again(seen, folder)
        except ConfigurationError as error:
            refused = str(error)
        if fingerprint(folder) != seen:
            return  # the value may be a mixture of two versions
        self._tried, self._value, self.refused = seen, value, refused
        if not refused:
            self._loaded = seen

    def _load_again(self, seen: Fingerprint, folder: Path) -> T:
        gone = sorted((self.files & self._loaded.keys()) - seen.keys())
        if gone:
            raise ConfigurationError(Problem(", ".join(gone), None, (), "no longer there: put it back, or restart"))
        return self._load(folder)

    def _has_settled(self, seen: Fingerprint, folder: Path) -> bool:
        """Whether the files are complete: by their own age or, if a clock is wrong, by how long they look the same."""
        if self._timer() - self._seen_since >= SETTLED_SECONDS:
            return True
        touched = [stamp for name, stamp in seen.items() if self._tried.get(name) != stamp]
        if self._tried.keys() - seen.keys():
            try:
                touched.append(Stamp.of(folder.stat()))
            except OSError:
                return False
        return _all_older(touched, self._wall())


def _all_older(stamps: Iterable[Stamp], now: float) -> bool:
    ages = [stamp.age(now) for stamp in stamps]
    return all(age is not None and age >= SETTLED_SECONDS for age in ages)


class SiteConfig(WatchedConfig[Site]):
    """A site's configuration: that of a folder, or the shipped example, which never changes.

    Raises:
        ConfigurationError: the configuration is invalid.
    """

    @classmethod
    def of(
        cls,
        folder: Path | None,
        timer: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        *,
        drill: bool = False,
    ) -> "SiteConfig":
        """The configuration of a folder. `drill`: every page says that it is one."""
        return cls(lambda changed: load_site(changed)._replace(drill=drill), folder, timer, wall)

    @classmethod
    def always(cls, site: Site) -> "SiteConfig":
        """A configuration that never changes."""
        return cls(lambda _: site)

    @property
    def site(self) -> Site:
        """The configuration in force."""
        return self.value


def fingerprint(folder: Path | None) -> Fingerprint:
    """The stamps of the files of a configuration folder; none if the folder cannot be read.

    Hidden files are those of editors; a link that leads nowhere is no file.
    """
    if folder is None:
        return {}
    seen: Fingerprint = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIXES) and not entry.name.startswith("."):
                with suppress(OSError):
                    seen[entry.name] = Stamp.of(entry.stat())
    return seen
