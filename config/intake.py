"""Typed form of `intake.yaml`: the sources, how each is read, and the meaning of its codes."""

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, ValidationError, field_validator

from config.codes import Codes, SiteMap, check_map, local_codes, read_codes, value_words
from config.lines import load_model, read_yaml
from config.listeners import Listener, check_addresses
from config.problems import Attempts, ConfigurationError, Problem, of_validation
from config.site import Site, file_of, load_site
from config.types import Configuration
from config.vocabulary import READINGS, Sort


class IdentifierKind(Configuration):
    """One kind of patient identifier: PID-3 components 4 and 5, FHIR `system` and `type`. A missing one matches any."""

    authority: str | None = None
    type: str | None = None


class Sender(Configuration):
    """The MSH-3 and MSH-4 of HL7 messages of a source. A missing field matches any."""

    application: str | None = None
    facility: str | None = None


ACCOUNTS = frozenset({"AN", "VN", "ANON", "FIN", "FIN NB", "PN", "SS"})
"""Identifier types (HL7 table 0203) of an account, a visit or a citizen: they never name a patient."""

_IDENTIFIERS = tuple(IdentifierKind(type=kind) for kind in ("MR", "MRN", "PI", ""))


def _network(value: Any) -> Any:
    return value if not isinstance(value, str) or "/" in value else str(ip_address(value))


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


class Policy(Configuration):
    """The reading policy of one source."""

    type: Literal["laboratory", "monitor", "record"] = "record"
    time_zone: str | None = Field("site", description="of times without offset; null refuses such times")
    by: Literal["person", "cuff", "arterial_line", "monitor", "patch", "device"] | None = Field(
        None, description="who or what takes its vital signs, where their code does not say; monitors do themselves"
    )
    unverified: bool | None = Field(None, description="chart HL7 status R; default: for monitors only")
    value_beside_x: bool = Field(False, description="chart a value that comes with HL7 status X")
    processing: tuple[str, ...] = Field(("P",), description="MSH-11 that counts; others are stored apart")
    identifiers: tuple[IdentifierKind, ...] = Field(
        _IDENTIFIERS, min_length=1, description="the first that fits is used"
    )
    references: Literal["server", "identifier"] = Field(
        "server", description="a FHIR reference Patient/X names the patient `Patient/X`, or the identifier X itself"
    )
    registers: tuple[str, ...] = Field((), description="wards whose ADT registers and discharges; '*' is every ward")
    senders: tuple[Sender, ...] = ()
    allow_from: tuple[Network, ...] = Field((), description="addresses that may send for it by MLLP; empty: all")
    codes: SiteMap = Field(default_factory=dict, description="system -> code -> reading, for this source alone")
    alert_manager: str | None = Field(
        None, description="the channel of site.yaml whose alert manager this is: its PCD-05 are answers of people"
    )
    people: dict[str, str] = Field(
        default_factory=dict, description="how the alert manager names a person -> their name in site.yaml"
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        try:
            if name not in (None, "site"):
                ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is not a time zone: write one such as Europe/Rome, site, or null") from error
        return name

    @field_validator("identifiers")
    @classmethod
    def _of_a_patient(cls, rules: tuple[IdentifierKind, ...]) -> tuple[IdentifierKind, ...]:
        for rule in rules:
            if rule.type in ACCOUNTS:
                raise ValueError(f"{rule.type} names a visit or an account, never a patient")
        return rules

    @field_validator("codes")
    @classmethod
    def _known_readings(cls, codes: SiteMap) -> SiteMap:
        return check_map(codes)


class Form(Configuration):
    """`intake.yaml` itself."""

    sources: dict[str, Policy] = Field(default_factory=dict)
    unlisted: Policy | None = Field(default_factory=Policy, description="of sources not listed; null refuses them")
    codes: SiteMap = Field(default_factory=dict, description="system -> code -> reading, for every source")
    values: dict[str, dict[str, str]] = Field(default_factory=dict, description="reading -> what is sent -> its value")
    listeners: dict[str, Listener] = Field(default_factory=dict, description="MLLP listeners, by name")

    @field_validator("listeners")
    @classmethod
    def _ports_of_their_own(cls, listeners: dict[str, Listener]) -> dict[str, Listener]:
        check_addresses(listeners)
        return listeners

    @field_validator("codes")
    @classmethod
    def _known_readings(cls, codes: SiteMap) -> SiteMap:
        return check_map(codes)

    @field_validator("values")
    @classmethod
    def _known_values(cls, values: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for reading, words in values.items():
            kind = READINGS.get(reading)
            if kind is None or kind.sort is not Sort.CODE:
                raise ValueError(f"{reading!r} is not a reading whose values are codes")
            for word, value in words.items():
                if value not in kind.codes:
                    raise ValueError(f"{reading}.{word}: {value!r} is not one of {', '.join(kind.codes)}")
        return values

    @field_validator("sources")
    @classmethod
    def _plain_names(cls, sources: dict[str, Policy]) -> dict[str, Policy]:
        for name in sources:
            if not re.fullmatch(r"[\w.:@/ -]{1,100}", name):
                raise ValueError(f"{name[:40]!r}: a source's name is letters, digits and . : @ / -, at most 100")
        return sources


FROM_ANYBODY = ("reading", "note")
"""Types of native messages that any source may send: measurements. Others concern the stay, or speak for a person."""


FROM_MANAGER = ("acknowledgement", "hand_over", "closure", "receipt")
"""Types of native messages that an alert manager may send."""


class Source(NamedTuple):
    """One source: its name in native messages, its policy, its time zone, and its codes."""

    name: str
    policy: Policy
    zone: ZoneInfo | None
    codes: Codes
    listed: bool = True

    def may_send(self, kind: str) -> bool:
        """Whether it may send a type of native message. A listed EHR, or a source that registers, may send any.

        An alert manager sends answers and receipts alone.
        """
        if self.policy.alert_manager is not None:
            return kind in FROM_MANAGER
        return kind in FROM_ANYBODY or (self.listed and (self.policy.type == "record" or bool(self.policy.registers)))

    def allows(self, address: str) -> bool:
        """Whether this address may send for the source over MLLP."""
        if not self.policy.allow_from:
            return True
        try:
            peer = ip_address(address)
        except ValueError:
            return False
        return any(peer in network for network in self.policy.allow_from)

    @property
    def takes_unverified(self) -> bool:
        """Whether HL7 status R counts."""
        unverified = self.policy.unverified
        return self.policy.type == "monitor" if unverified is None else unverified


class Intake(NamedTuple):
    """The intake configuration of a site."""

    sources: Mapping[str, Source]
    unlisted: Source | None
    listeners: Mapping[str, Listener] = MappingProxyType({})

    def source(self, name: str) -> Source | None:
        """The source of this name. An unlisted one has the policy `unlisted`; None if that refuses it."""
        listed = self.sources.get(name)
        if listed is not None or self.unlisted is None:
            return listed
        return self.unlisted._replace(name=name)

    def hl7(self, application: str, facility: str) -> Source | None:
        """The source with this MSH-3 and MSH-4: the first with a matching entry in `senders`."""
        for source in self.sources.values():
            for sender in source.policy.senders:
                if sender.application in (None, application) and sender.facility in (None, facility):
                    return source
        if self.unlisted is None:
            return None
        name = "/".join(part for part in (application, facility) if part)[:100].strip()
        return self.unlisted._replace(name=name or "hl7")


def read_map(path: Path) -> SiteMap:
    """A site map from its own file, YAML or JSON: system -> code -> reading.

    Raises:
        ConfigurationError: it cannot be read, or names a reading that is not known.
    """
    document = read_yaml(path)
    if document.twice:
        raise ConfigurationError(*document.twice)
    try:
        return Form.model_validate({"codes": document.data}).codes
    except ValidationError as error:
        problems = [Problem(str(path), None, key[1:], what) for key, what in of_validation(error, Form)]
        raise ConfigurationError(*problems) from error


def with_map(intake: Intake, codes: SiteMap) -> Intake:
    """The intake with more local codes for every source."""
    added = local_codes(codes)
    sources = {name: source._replace(codes={**source.codes, **added}) for name, source in intake.sources.items()}
    unlisted = intake.unlisted
    unlisted = unlisted._replace(codes={**unlisted.codes, **added}) if unlisted else None
    return intake._replace(sources=sources, unlisted=unlisted)


def load_intake(folder: Path | None = None, site: Site | None = None) -> Intake:
    """Read `intake.yaml` and `codes.csv` of a configuration folder; the shipped ones if it has none.

    `site`: that of the folder, if it is read already.

    Raises:
        ConfigurationError: names file, line and every key that cannot be used.
    """
    attempts = Attempts()
    form = attempts.read(lambda: load_model(Form, file_of(folder, "intake.yaml")))
    shipped = attempts.read(lambda: read_codes(file_of(folder, "codes.csv")))
    site = site or attempts.read(lambda: load_site(folder))
    if form is None or shipped is None or site is None:
        raise ConfigurationError(*attempts.problems)
    zone = site.zone
    codes = shipped | local_codes(form.codes) | value_words(form.values)

    def made(name: str, policy: Policy) -> Source:
        named = policy.time_zone
        own = zone if named == "site" else ZoneInfo(named) if named else None
        return Source(name, policy, own, {**codes, **local_codes(policy.codes)})

    sources = {name: made(name, policy) for name, policy in form.sources.items()}
    unlisted = made("unlisted", form.unlisted)._replace(listed=False) if form.unlisted else None
    return Intake(sources, unlisted, form.listeners)
