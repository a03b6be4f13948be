"""One hospital's configuration: its time zone, people, channels, ladders and clinical conventions."""

import re
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from config.conventions import Conventions
from config.languages import ENGLISH, languages
from config.lines import load_model
from config.problems import Attempts, ConfigurationError, Problem
from config.references import unresolved
from config.rota import Role, everybody
from config.tables import Tables, load_tables
from config.types import Configuration, Duration

Urgency = Literal["critical", "high", "medium", "low", "technical"]
URGENCIES: tuple[Urgency, ...] = ("low", "technical", "medium", "high", "critical")


def higher(one: Urgency, other: Urgency) -> bool:
    """Whether the first urgency ranks above the second."""
    return URGENCIES.index(one) > URGENCIES.index(other)


Language = str
"""The code of a language with a catalogue (`config.languages`)."""

DEFAULTS = Path(__file__).parent / "defaults"


class Person(Configuration):
    """A person, or a list, that can be notified."""

    name: str
    channels: tuple[str, ...] = Field(min_length=1, description="In the order they are tried")
    email: str = Field("", description="By which the events of a calendar name this person")
    language: Language = ENGLISH
    may: Literal["view", "act"] = Field("act", description="What this person may do on the ward board")

    @field_validator("language")
    @classmethod
    def _known_language(cls, language: str) -> str:
        if language not in languages():
            raise ValueError(
                f"{language!r} is not a language there is a catalogue of: write one of {', '.join(languages())}"
            )
        return language

    @field_validator("email")
    @classmethod
    def _in_small_letters(cls, email: str) -> str:
        return email.strip().lower()


class Limit(Configuration):
    """A rate limit. Pages over it wait and then go out in one message."""

    pages: int = Field(20, ge=1)
    within: Duration = timedelta(minutes=5)


TEXT_IN_URL = frozenset(
    {
        *("clickatell", "enigma2", "enigma2s", "join", "kavenegar", "notifico", "notificos", "pushme", "sfr"),
        *("smsmanager", "smsmgr", "threema", "voipms"),
    }
)
"""Services whose plugin of Apprise 2.2 writes title and text of a message into the query of its request."""


def puts_text_in_url(url: str) -> bool:
    """Whether an Apprise address leads to a request with the text of the message in its address."""
    service = url.partition("://")[0].strip().lower()
    by_get = service in ("form", "forms") and re.search(r"[?&]method=get\b", url, re.IGNORECASE) is not None
    return service in TEXT_IN_URL or by_get


ANSWERED = frozenset({"twilio", "vonage", "nexmo", "tgram"})
"""Services that post answers here if `answers` is set: replies of text messages, and Telegram's button."""

ALERT_MANAGERS = frozenset({"pcd04", "pcd04s"})
"""Schemes of an alert manager's address (IHE ACM, PCD-04 over MLLP; `pcd04s`: with TLS)."""


class Channel(Configuration):
    """One Apprise address: one recipient. `picture` None: a trend picture goes to services that show one to people.

    The address of an alert manager (`pcd04://HOST:PORT`) is cartwatch's own, and `escalates` says who notifies the next
    person if nobody answers.
    """

    url: str
    detail: Literal["full", "minimal"] = "full"
    limit: Limit = Limit()
    picture: bool | None = None
    answers: bool = Field(
        False, description="The service posts answers here: replies of text messages, Telegram's button"
    )
    escalates: Literal["cartwatch", "manager"] | None = Field(
        None, description="Of an alert manager: who notifies the next person if nobody answers"
    )

    @property
    def is_alert_manager(self) -> bool:
        """Whether the address is that of an alert manager."""
        return self.url.partition("://")[0].strip().lower() in ALERT_MANAGERS

    @field_validator("url")
    @classmethod
    def _fails_when_it_fails(cls, url: str) -> str:
        if re.search(r"[?&]optional=", url, re.IGNORECASE):
            raise ValueError("take `optional=` out: with it a page that was not sent counts as sent")
        return url

    @model_validator(mode="after")
    def _one_escalates(self) -> "Channel":
        if self.is_alert_manager and self.escalates is None:
            raise ValueError("say who escalates: add `escalates: cartwatch` or `escalates: manager`")
        if self.escalates is not None and not self.is_alert_manager:
            raise ValueError("escalates: only an alert manager (pcd04://HOST:PORT) may escalate; take it out")
        return self

    @model_validator(mode="after")
    def _answers_come_back(self) -> "Channel":
        if self.answers and self.url.partition("://")[0].strip().lower() not in ANSWERED:
            raise ValueError(f"answers: only {', '.join(sorted(ANSWERED))} post answers here by this; take it out")
        return self

    @model_validator(mode="after")
    def _nothing_of_a_patient_in_a_url(self) -> "Channel":
        if self.detail == "full" and puts_text_in_url(self.url):
            raise ValueError(
                "this service is sent the text in the address of a request, which every proxy on the way logs: "
                "write `detail: minimal`, or take another service"
            )
        return self


class Step(Configuration):
    """Roles notified `after` this long without an acknowledgement."""

    after: Duration
    notify: tuple[str, ...] = Field(min_length=1)


class Ladder(Configuration):
    """The escalation policy of an urgency: steps in order, then all roles again at `repeat_every` (None: never).

    An acknowledgement lasts for `ack_timeout` (None: until the episode worsens). Then the person is asked whether they
    are still on it. Without an answer within `confirm_within` the ladder starts again. Each yes lasts twelve times as
    long, up to `ack_timeout_max`: nobody is asked every hour for three days.
    """

    steps: tuple[Step, ...] = Field(min_length=1)
    repeat_every: Duration | None = None
    ack_timeout: Duration | None = None
    ack_timeout_max: Duration = timedelta(hours=48)
    confirm_within: Duration = timedelta(minutes=5)

    @field_validator("steps")
    @classmethod
    def _in_order(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        waits = [step.after for step in steps]
        if waits != sorted(waits) or len(set(waits)) != len(waits):
            raise ValueError("the steps must stand in order of `after`, each later than the one before")
        return steps

    @field_validator("repeat_every", "ack_timeout", "confirm_within")
    @classmethod
    def _some_time(cls, wait: timedelta | None) -> timedelta | None:
        if wait is not None and wait < timedelta(minutes=1):
            raise ValueError("less than 1 min leaves nobody time to answer")
        return wait


class DeliveryPolicy(Configuration):
    """The retry policy of failed deliveries."""

    retry_backoff: tuple[Duration, ...] = Field(min_length=1)
    undeliverable_after: Duration
    lease: Duration


class Feed(Configuration):
    """A source whose silence is a fault."""

    silent_after: Duration
    heartbeat: Duration | None = Field(
        None, description="The heartbeat period of its FHIR Subscriptions; one that misses two is silent"
    )


class OnCall(Configuration):
    """Typed form of `site.yaml`."""

    name: str
    time_zone: str
    people: dict[str, Person]
    roles: dict[str, Role]
    channels: dict[str, Channel]
    ladders: dict[Urgency, Ladder]
    delivery: DeliveryPolicy
    feeds: dict[str, Feed] = Field(default_factory=dict)
    last_resort: tuple[str, ...] = Field(min_length=1, description="Notified if nobody holds a role")
    silence_at_most: Duration = Field(timedelta(hours=24), description="A silence that asks for more ends after this")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{name!r} is not a time zone: write one such as Europe/Rome") from error
        return name

    @field_validator("silence_at_most")
    @classmethod
    def _some_time(cls, silence_at_most: timedelta) -> timedelta:
        if not silence_at_most:
            raise ValueError("no silence could be kept: give it some time, such as 24 h")
        return silence_at_most

    @model_validator(mode="after")
    def _every_urgency(self) -> "OnCall":
        missing = [urgency for urgency in URGENCIES if urgency not in self.ladders]
        if missing:
            raise ValueError(f"ladders: no ladder for {', '.join(missing)}: add one")
        return self

    @property
    def alert_managers(self) -> frozenset[str]:
        """The people that are alert managers, by their first channel."""
        first = ((name, self.channels.get(person.channels[0])) for name, person in self.people.items())
        return frozenset(name for name, channel in first if channel is not None and channel.is_alert_manager)

    def manager_escalates(self, person: str) -> bool:
        """Whether this is an alert manager that escalates by itself."""
        return person in self.alert_managers and self.channels[self.people[person].channels[0]].escalates == "manager"

    @model_validator(mode="after")
    def _nobody_is_paged_twice(self) -> "OnCall":
        """Refuse a ladder by which cartwatch escalates beside an alert manager that escalates."""
        for urgency, ladder in self.ladders.items():
            roles = (self.roles.get(role) for step in ladder.steps for role in step.notify)
            people = {person for role in roles if role is not None for person in everybody(role)}
            if not any(map(self.manager_escalates, people)):
                continue
            if len(ladder.steps) > 1 or ladder.repeat_every is not None or not all(map(self.manager_escalates, people)):
                raise ValueError(
                    f"ladders.{urgency}: cartwatch and the alert manager would both escalate: leave one step that"
                    " notifies the manager alone, without `repeat_every`, or write `escalates: cartwatch`"
                )
        return self


class Site(NamedTuple):
    """The whole configuration of a site, read once at the edge and passed as an argument, and the release."""

    on_call: OnCall
    conventions: Conventions
    tables: Tables
    zone: ZoneInfo
    release: str = ""
    written: int = 0
    """The time at which `site.yaml` was put in its place (ms since 1970). Of two versions the later is newer."""
    drill: bool = False
    """Every page says that it is a drill."""


def file_of(folder: Path | None, name: str) -> Path:
    """A file of a configuration folder, or the shipped default if the folder lacks it."""
    own = (folder or DEFAULTS) / name
    return own if own.exists() else DEFAULTS / name


def load_site(folder: Path | None = None) -> Site:
    """Read a configuration folder. The shipped defaults replace missing files, except `site.yaml`.

    Raises:
        ConfigurationError: names every file, line and key that cannot be used, with the fix.
    """
    if folder is not None and not folder.is_dir():
        raise ConfigurationError(Problem(str(folder), None, (), "is not a folder that can be read"))
    attempts = Attempts()
    written = _written(file_of(folder, "site.yaml"))
    on_call = attempts.read(lambda: load_model(OnCall, _own_site(folder), unresolved))
    conventions = attempts.read(lambda: load_model(Conventions, file_of(folder, "conventions.yaml")))
    tables = attempts.read(lambda: load_tables(folder or DEFAULTS, DEFAULTS))
    if on_call is None or conventions is None or tables is None:
        raise ConfigurationError(*attempts.problems)
    return Site(on_call, conventions, tables, ZoneInfo(on_call.time_zone), version("cartwatch"), written)


def _own_site(folder: Path | None) -> Path:
    """`site.yaml`. The shipped example, which pages nobody, never replaces a hospital's own."""
    path = (folder or DEFAULTS) / "site.yaml"
    if not path.exists():
        raise ConfigurationError(Problem(str(path), None, (), "is missing: copy the shipped example and make it yours"))
    return path


def _written(path: Path) -> int:
    """The time of a file's last change or replacement. The time of its content may be that of a copy's original."""
    try:
        return path.stat().st_ctime_ns // 1_000_000
    except OSError:
        return 0
