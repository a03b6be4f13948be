"""One hospital's configuration: its time zone, people, channels, ladders and clinical conventions."""

from pathlib import Path
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from config.proxies import Proxies
from config.tables import Tables, load_tables
from config.types import Configuration, Duration

Urgency = Literal["critical", "high", "medium", "low", "technical"]
URGENCIES: tuple[Urgency, ...] = ("low", "technical", "medium", "high", "critical")


def higher(one: Urgency, other: Urgency) -> bool:
    """Whether the first urgency ranks above the second."""
    return URGENCIES.index(one) > URGENCIES.index(other)


DEFAULTS = Path(__file__).parent / "defaults"


class ConfigurationError(Exception):
    """A configuration file cannot be used; the text names file, key and mend, one per line."""


class Person(Configuration):
    """Somebody, or some list, that can be told."""

    name: str
    channels: tuple[str, ...] = Field(min_length=1)


class Channel(Configuration):
    """One Apprise address: one recipient."""

    url: str
    detail: Literal["full", "minimal"] = "full"


class Step(Configuration):
    """Roles told `after` this long without an acknowledgement."""

    after: Duration
    tell: tuple[str, ...] = Field(min_length=1)


class Ladder(Configuration):
    """Steps in order of time, then everybody told so far again at `then_every` (None: no more)."""

    steps: tuple[Step, ...] = Field(min_length=1)
    then_every: Duration | None = None

    @field_validator("steps")
    @classmethod
    def _in_order(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        waits = [step.after for step in steps]
        if waits != sorted(waits) or len(set(waits)) != len(waits):
            raise ValueError("the steps must stand in order of `after`, each later than the one before")
        return steps


class Delivery(Configuration):
    """How a failed delivery is tried again."""

    retry_waits: tuple[Duration, ...] = Field(min_length=1)
    undeliverable_after: Duration
    claim_for: Duration


class Feed(Configuration):
    """A source whose silence is a fault."""

    silent_after: Duration


class OnCall(Configuration):
    """Typed form of `site.yaml`."""

    name: str
    time_zone: str
    people: dict[str, Person]
    roles: dict[str, tuple[str, ...]]
    channels: dict[str, Channel]
    ladders: dict[Urgency, Ladder]
    delivery: Delivery
    feeds: dict[str, Feed] = Field(default_factory=dict)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{name!r} is not a time zone: write one such as Europe/Rome") from error
        return name

    @model_validator(mode="after")
    def _everybody_can_be_told(self) -> "OnCall":
        for urgency in URGENCIES:
            if urgency not in self.ladders:
                raise ValueError(f"ladders: no ladder for {urgency}")
        for name, ladder in self.ladders.items():
            for role in (role for step in ladder.steps for role in step.tell):
                if not self.roles.get(role):
                    raise ValueError(f"ladders.{name}: nobody holds the role {role!r}; add it under roles")
        for role, holders in self.roles.items():
            for person in holders:
                if person not in self.people:
                    raise ValueError(f"roles.{role}: {person!r} is not under people")
        for key, person_ in self.people.items():
            for channel in person_.channels:
                if channel not in self.channels:
                    raise ValueError(f"people.{key}: {channel!r} is not under channels")
        return self


class Site(NamedTuple):
    """Everything a site configures, read once at the edge and handed down as an argument."""

    on_call: OnCall
    proxies: Proxies
    tables: Tables
    zone: ZoneInfo


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not YAML: {error}") from error


def _explain(path: Path, error: ValidationError) -> ConfigurationError:
    lines = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"]) or "the file"
        lines.append(f"{path}: {where}: {item['msg']}")
    return ConfigurationError("\n".join(lines))


def load_site(folder: Path | None = None) -> Site:
    """Read a configuration folder; a file that is absent there is taken from the shipped defaults.

    Raises:
        ConfigurationError: names every file and key that cannot be used.
    """
    folder = folder or DEFAULTS

    def find(name: str) -> Path:
        own = folder / name
        return own if own.exists() else DEFAULTS / name

    path = find("site.yaml")
    try:
        on_call = OnCall.model_validate(_read(path))
        path = find("proxies.yaml")
        proxies = Proxies.model_validate(_read(path))
    except ValidationError as error:
        raise _explain(path, error) from error
    tables = load_tables(folder if (folder / "units.csv").exists() else DEFAULTS)
    return Site(on_call, proxies, tables, ZoneInfo(on_call.time_zone))
