"""The configuration in force: read at the start, and again when a file of its folder has changed.

A new one that cannot be used changes nothing but `refused`, which says why: a slip of the pen at noon must not end the
paging at night.
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
"""Files that nobody has changed for so long are complete: a file that is being written is never read by half."""

FILES = frozenset({"site.yaml", "conventions.yaml", "units.csv", "limits.csv"})
"""Files that must not vanish: the shipped example, which pages nobody, would silently take their place."""

SUFFIXES = (".yaml", ".csv", ".ics")


class Stamp(NamedTuple):
    """What changes with a file. A copy that preserves the time of the content has another inode or `changed`."""

    modified: int
    changed: int
    size: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> "Stamp":
        """The stamp of a file, in nanoseconds and bytes."""
        return cls(stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)

    def age(self, now: float) -> float | None:
        """Seconds since the last change; None where the file system's clock is ahead of ours."""
        past = [at for at in (self.modified / 1e9, self.changed / 1e9) if at <= now]
        return now - max(past) if past else None


Seen = dict[str, Stamp]
"""The files of a folder by name."""


T = TypeVar("T")


class WatchedConfig(Generic[T]):
    """What is read of a folder, as one value: asked for twice it may be two versions, asked for once it is one.

    Asking costs a comparison of times, and each second a look at the files. Any thread may ask.
    """

    files = FILES
    part = ""
    """What of the configuration it is, where it is not the site's: each part of a machine is reported by itself."""

    def __init__(
        self,
        load: Callable[[Path | None], T],
        folder: Path | None = None,
        timer: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.refused = ""
        """Why the files as they are now cannot be used; empty while those in force are the ones that stand there."""
        self.reported: str | None = None
        """What `report` has last said of it in this process."""
        self._folder = folder
        self._load = load
        self._timer = timer
        self._wall = wall
        self._looking = threading.Lock()
        self._looked = self._seen_since = timer()
        # Looked at before they are read: what changes meanwhile is noticed.
        self._read = self._seen = self._tried = fingerprint(folder)
        self._value = load(folder)

    @property
    def value(self) -> T:
        """What is in force."""
        self.refresh()
        return self._value

    def refresh(self, *, at_once: bool = False) -> None:
        """Look at the files where a second has passed since the last look, where they are settling, or `at_once`.

        Whatever is older than `SETTLED_SECONDS` is so in force. One thread looks. The others go on with what is in
        force, except that `at_once` waits for it.
        """
        settling = self._seen != self._tried
        if self._folder is None or not (at_once or settling or self._timer() - self._looked >= LOOK_EVERY_SECONDS):
            return
        if self._looking.acquire(blocking=at_once):
            try:
                self._looked = self._timer()
                self._look_again(self._folder)
            finally:
                self._looking.release()

    def watch(self, over: threading.Event) -> None:
        """Look each second from now on, in a thread, until it is over.

        A process that idles would otherwise miss a version, and fall back to an older one if the next is refused.
        """

        def look_each_second() -> None:
            while not over.wait(LOOK_EVERY_SECONDS):
                self.refresh()

        if self._folder is not None:
            threading.Thread(target=look_each_second, name=f"configuration {self.part}".strip(), daemon=True).start()

    def _look_again(self, folder: Path) -> None:
        seen = fingerprint(folder)
        if seen != self._seen:
            self._seen, self._seen_since = seen, self._timer()
        if seen == self._tried or not self._has_settled(seen, folder):
            return
        refused, value = "", self._value
        try:
            if seen != self._read:
                value = self._load_again(seen, folder)
        except ConfigurationError as error:
            refused = str(error)
        if fingerprint(folder) != seen:
            return  # what was read may be a mixture of two versions
        self._tried, self._value, self.refused = seen, value, refused
        if not refused:
            self._read = seen

    def _load_again(self, seen: Seen, folder: Path) -> T:
        gone = sorted((self.files & self._read.keys()) - seen.keys())
        if gone:
            raise ConfigurationError(Problem(", ".join(gone), None, (), "no longer there: put it back, or restart"))
        return self._load(folder)

    def _has_settled(self, seen: Seen, folder: Path) -> bool:
        """Whether nobody is changing the files any more, by their own age; where a clock is wrong, by what we saw."""
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
    """A site's configuration: that of a folder, or the shipped example, which is not looked at again.

    Raises:
        ConfigurationError: it cannot be used.
    """

    @classmethod
    def of(
        cls,
        folder: Path | None,
        timer: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> "SiteConfig":
        """The configuration of a folder."""
        return cls(lambda changed: load_site(changed), folder, timer, wall)

    @classmethod
    def always(cls, site: Site) -> "SiteConfig":
        """One that never changes."""
        return cls(lambda _: site)

    @property
    def site(self) -> Site:
        """The configuration in force."""
        return self.value


def fingerprint(folder: Path | None) -> Seen:
    """The files of a configuration folder as they are now; none where it cannot be looked at.

    Hidden files are those of editors; a link that leads nowhere is no file.
    """
    if folder is None:
        return {}
    seen: Seen = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIXES) and not entry.name.startswith("."):
                with suppress(OSError):
                    seen[entry.name] = Stamp.of(entry.stat())
    return seen
