"""The versions of an installation: of its code, of the data that it stores, and of the rules that it grades by."""

import importlib
import pkgutil
from collections.abc import Iterator
from hashlib import blake2s
from pathlib import Path
from typing import NamedTuple

import alerts
from alerts import grading
from config.site import Site
from worker.store import schema


class Versions(NamedTuple):
    """What `cartwatch version` prints.

    `rules` is a digest of the code that grades and pages, and `conventions` one of the site's conventions, units and
    limits: two installations with both the same page alike. `definitions` are the published ones, in their versions.
    """

    cartwatch: str
    stored_data: int
    rules: str
    conventions: str
    definitions: tuple[str, ...]


def versions(site: Site) -> Versions:
    """The versions of this program with a site's configuration."""
    conventions = f"{site.conventions!r}\x1f{site.tables!r}"
    published = {f"CTCAE v{site.conventions.ctcae_version}", *_definitions()}
    return Versions(
        site.release, schema.VERSION, _digest(_rules()), _digest([conventions.encode()]), tuple(sorted(published))
    )


def _rules() -> Iterator[bytes]:
    """The source text of `alerts/`, module by module."""
    root = Path(alerts.__path__[0])
    for path in sorted(root.rglob("*.py")):
        yield path.relative_to(root).as_posix().encode()
        yield path.read_bytes()


def _definitions() -> Iterator[str]:
    """The versions that the graders name: of their module, or of a formula in it."""
    for module in pkgutil.iter_modules(grading.__path__, f"{grading.__name__}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            version = value if name == "VERSION" else getattr(value, "version", None)
            if isinstance(version, str):
                yield version


def _digest(parts: Iterator[bytes] | list[bytes]) -> str:
    digest = blake2s(digest_size=6)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
