"""The holders of a role, as written in `site.yaml`: a plain list of people, or a schedule.

Every time is on the wall clock of the hospital (see `config.wall_clock`), so that a hand-over at 08:00 is at 08:00 the
whole year. `alerts.episodes.rota` answers what the schedule means at a moment.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field, InstanceOf, ValidationInfo, field_validator, model_validator

from config.ical import EARLIEST_YEAR, LATEST_YEAR, Shifts, read_shifts
from config.types import Configuration, Duration

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

MIDNIGHT = 24 * 60

_HOURS = re.compile(r"\s*(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)\s*")


class Hours(NamedTuple):
    """Part of a day, in minutes since midnight. If the end is not later than the beginning, it is on the next day."""

    begin: int
    end: int

    @property
    def cross_midnight(self) -> bool:
        """Whether they end on the day after."""
        return self.end <= self.begin


def parse_hours(text: Any) -> Any:
    """Read "08:00-20:00", "20:00-08:00" or "00:00-24:00".

    Raises:
        ValueError: for anything else.
    """
    if isinstance(text, Hours):
        return text
    match = _HOURS.fullmatch(text) if isinstance(text, str) else None
    numbers = [int(part) for part in match.groups()] if match is not None else [99] * 4
    begin, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    if begin >= MIDNIGHT or end > MIDNIGHT or numbers[1] > 59 or numbers[3] > 59:
        raise ValueError(f"{text!r} are not hours: write them as in 20:00-08:00")
    return Hours(begin, end)


def parse_wall_time(value: Any) -> Any:
    """Read a date with an hour, without zone or offset.

    Raises:
        ValueError: for anything else.
    """
    advice = "write date and hour on the clock of the hospital, as in 2026-01-05T08:00"
    if isinstance(value, str) and ":" in value:
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise ValueError(f"{value!r} is not a time: {advice}") from error
    if not isinstance(value, datetime):
        raise ValueError(f"{str(value)!r} is not a time: {advice}")
    if not EARLIEST_YEAR <= value.year <= LATEST_YEAR:
        raise ValueError(f"{value.year} is no year of a rota: write one from {EARLIEST_YEAR} to {LATEST_YEAR}")
    if value.tzinfo is not None:
        raise ValueError(f"{value.isoformat()!r} has an offset: {advice}")
    return value


def _party(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


WallTime = Annotated[datetime, BeforeValidator(parse_wall_time)]
People = Annotated[tuple[str, ...], BeforeValidator(_party)]
Party = Annotated[People, Field(min_length=1)]


class Rotation(Configuration):
    """People who alternate: the first from `from` on, the next after each `every`; with `days` or `hours`, only then.

    Hours that cross midnight belong to the day on which they begin. The changes are counted from `from` alone, whatever
    the days and hours.
    """

    people: tuple[Party, ...] = Field(min_length=1)
    start: WallTime = Field(alias="from")
    every: Duration
    days: tuple[Day, ...] = Field(DAYS, min_length=1)
    hours: Annotated[Hours, BeforeValidator(parse_hours)] | None = None

    @field_validator("every")
    @classmethod
    def _long_enough(cls, every: timedelta) -> timedelta:
        if every < timedelta(minutes=1):
            raise ValueError("a turn lasts at least 1 min, usually 12 h, 1 d or 7 d")
        return every


class Override(Configuration):
    """People who hold the role instead of everybody else, `from` a time up to another."""

    start: WallTime = Field(alias="from")
    until: WallTime
    people: Party
    why: str = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> "Override":
        if self.until <= self.start:
            raise ValueError("`until` must be later than `from`")
        return self


class Role(Configuration):
    """The holders of a role: those of an override; else the people on duty by rotations and calendar; else `always`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rotations: tuple[Rotation, ...] = ()
    overrides: tuple[Override, ...] = ()
    calendar: InstanceOf[Shifts] | None = Field(None, description="Name of an iCalendar file beside site.yaml")
    always: People = ()

    @model_validator(mode="before")
    @classmethod
    def _plain_list(cls, data: Any) -> Any:
        return {"always": data} if isinstance(data, list | tuple) else data

    @field_validator("calendar", mode="before")
    @classmethod
    def _read_calendar(cls, name: Any, info: ValidationInfo) -> Any:
        if not isinstance(name, str):
            return name
        if Path(name).name != name:
            raise ValueError(f"{name!r}: the file must stand beside site.yaml; write its name alone")
        return read_shifts(Path((info.context or {}).get("folder", ".")) / name)

    @model_validator(mode="after")
    def _somebody(self) -> "Role":
        if not (self.rotations or self.overrides or self.calendar or self.always):
            raise ValueError("nobody ever holds it: write a list of people, or a schedule")
        return self


def always(*people: str) -> Role:
    """A role held by the same people at every time."""
    return Role(always=people)


def everybody(role: Role) -> Iterator[str]:
    """Everybody named by a role's rotations, overrides and fallback, in order, with repetitions."""
    for rotation in role.rotations:
        for party in rotation.people:
            yield from party
    for override in role.overrides:
        yield from override.people
    yield from role.always
