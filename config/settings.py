"""Settings of an installation from the environment: addresses, folders, sizes; nothing clinical."""

import os
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

from config.sentinel import SCHEMES, SentinelUrl

REDIS_URL = "redis://127.0.0.1:6379/0"


class Settings(BaseSettings):
    """Environment variables `CARTWATCH_...`, or files of the same names in the folder `CARTWATCH_SECRETS_DIR`.

    A password in a file is on no command line and in no listing of a container's environment.
    """

    model_config = SettingsConfigDict(env_prefix="CARTWATCH_", extra="ignore", frozen=True)

    redis_url: str = Field(REDIS_URL, repr=False, description="The state store; every accepted message is here")
    redis_password: str | None = Field(
        None, repr=False, description="Password of the state store, where the URL has none"
    )
    sentinel_password: str | None = Field(
        None, repr=False, description="Password of the Sentinels, where the URL has none"
    )
    copies: int = Field(
        1, ge=1, le=9, description="Machines that have a message before it is accepted; 2 with a Sentinel URL"
    )
    broker_url: str | None = Field(
        None, repr=False, description="Celery's broker; the next database of the state store if not set"
    )
    namespace: str = Field("cartwatch", description="Prefix of every key in the state store")
    shards: int = Field(16, ge=1, le=1024, description="Chosen once, before go-live: patients belong to shards by it")
    config_dir: Path | None = Field(None, description="Folder with site.yaml, conventions.yaml, units.csv, limits.csv")
    public_url: str | None = Field(None, description="Where people reach the gateway; pages then carry a link")
    receiver_url: str = Field("json://127.0.0.1:9", description="What {receiver} stands for in a channel's address")
    clock: Literal["store", "simulated"] = Field("store", description="simulated: a replay drives the time")
    drill: bool = Field(False, description="Every page says that it is a drill; set by `cartwatch drill` alone")
    log_level: str = "INFO"
    log_format: Literal["text", "json"] = Field("text", description="json: a log line is one JSON object")
    batch: int = Field(1000, ge=1, le=5000, description="Most messages of a shard committed at once")
    lease: int = Field(5, ge=2, description="Seconds after which a shard is taken from a worker that hangs")
    journal_length: int = Field(10_000, ge=0, description="Batches kept per shard for replay; 0 keeps none")
    audit_dir: Path | None = Field(None, description="Folder of the audit; none is kept if not set")
    audit_days: int = Field(0, ge=0, description="Days after which files of the audit are deleted; 0: never")
    pagerduty_secret: str | None = Field(None, repr=False, description="Signs PagerDuty's webhooks to /hooks/pagerduty")
    opsgenie_secret: str | None = Field(
        None, repr=False, min_length=16, description="Bearer token of Opsgenie's webhooks to /hooks/opsgenie"
    )
    telegram_secret: str | None = Field(
        None, repr=False, min_length=16, description="Secret token of Telegram's webhooks to /hooks/telegram"
    )
    vonage_secret: str | None = Field(None, repr=False, description="Signs Vonage's inbound messages to /hooks/vonage")
    secret: str | None = Field(None, min_length=32, repr=False, description="Signs links; made and kept if not set")
    link_hours: float = Field(24, gt=0, description="Hours after which the link in a page is no longer answered")
    redis_memory: int | None = Field(
        None, ge=64, description="MiB the Redis of `cartwatch up` may use; a quarter of the machine's if not set"
    )
    health_file: Path | None = Field(None, description="Touched while the process works; for a container's healthcheck")
    volatile: bool = Field(False, description="Accept a store that forgets at its end; never where patients are")
    metrics_token: str | None = Field(None, repr=False, description="Whoever brings it may read the metrics")
    heartbeat_url: str | None = Field(
        None, repr=False, description="Asked (GET) while the watchdog finds nothing wrong"
    )
    heartbeat_every: float = Field(60, ge=5, description="Seconds between two heartbeats")
    canary_every: float = Field(300, ge=15, description="Seconds between two pages of the synthetic patient")
    source_rate: int = Field(200, ge=1, description="Messages a second of one source that are reported as a flood")
    canary_channel: str | None = Field(None, description="A channel of site.yaml they go to; none leaves the machine")
    fhir_base: str | None = Field(None, description="Where grades and pages are exported as FHIR R4; none, nowhere")
    fhir_token: str | None = Field(None, repr=False, description="Sent to it as a bearer token")
    fhir_system: str | None = Field(None, description="The system of the identifier that patients are known by there")
    cds_clients: Path | None = Field(
        None, description="JSON file: the issuer of each CDS Hooks client, and where its public keys are"
    )
    fhir_flags: bool = Field(False, description="Export a Flag of each open episode")
    fhir_tasks: bool = Field(False, description="Export a Task of each overdue assessment")
    fhir_detail: Literal["full", "minimal"] = Field("full", description="What an exported page says")

    archive_days: int = Field(
        90, ge=0, description="Days after the discharge of a patient whose state is then archived; 0: never"
    )
    backup_dir: Path | None = Field(None, description="Folder of scheduled backups; none are made if not set")
    backup_every: float = Field(1, gt=0, description="Hours between two scheduled backups")
    backup_keep: int = Field(48, ge=1, description="Scheduled backups that are kept; the oldest are deleted")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment comes before the files."""
        folder = os.environ.get("CARTWATCH_SECRETS_DIR")
        usual = super().settings_customise_sources(
            settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings
        )
        return (*usual, SecretsSettingsSource(settings_cls, folder)) if folder else usual

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Put the passwords into the address of the store, and choose the copies that it calls for."""
        url = str(values.get("redis_url", REDIS_URL))
        scheme, separator, place = url.partition("://")
        if (password := values.get("redis_password")) and "@" not in place:
            url = f"{scheme}{separator}:{quote(password, safe='')}@{place}"
        if scheme not in SCHEMES:
            return values | {"redis_url": url}
        if (password := values.get("sentinel_password")) and "sentinel_password=" not in url:
            url += f"{'&' if '?' in url else '?'}sentinel_password={quote(password, safe='')}"
        return {"copies": 2} | values | {"redis_url": url}

    @model_validator(mode="after")
    def _with_readable_addresses(self) -> Self:
        SentinelUrl.parse(self.redis_url)
        if (self.broker_url or "").startswith("sentinel"):
            raise ValueError("write CARTWATCH_BROKER_URL as redis+sentinel://HOST:26379,HOST:26379/SERVICE/DATABASE")
        SentinelUrl.parse(self.broker_url or "")
        return self

    @property
    def exports(self) -> bool:
        """Whether anything is exported. Never from a replay: its patients are in nobody's record."""
        return bool(self.fhir_base) and self.clock == "store"

    @property
    def audits(self) -> bool:
        """Whether an audit is kept. Never of a replay."""
        return self.audit_dir is not None and self.clock == "store"

    @property
    def broker(self) -> str:
        """The broker's address, as Celery reads it."""
        if sentinel := self.broker_sentinel:
            return sentinel.for_kombu()
        if self.broker_url:
            return self.broker_url
        base, _, database = self.redis_url.rpartition("/")
        if base.endswith("/") or not database.isdigit():
            return self.redis_url
        return f"{base}/{int(database) + 1}"

    @property
    def broker_sentinel(self) -> SentinelUrl | None:
        """The Sentinels of the broker; None if it has none."""
        if self.broker_url:
            return SentinelUrl.parse(self.broker_url)
        sentinel = SentinelUrl.parse(self.redis_url)
        return sentinel and sentinel._replace(database=sentinel.database + 1)

    @property
    def broker_is_apart(self) -> bool:
        """Whether the broker is a server other than the store."""
        return self.broker_url is not None and _servers(self.broker_url) != _servers(self.redis_url)

    def as_environment(self) -> dict[str, str]:
        """The same settings as the environment variables of another process."""
        return {f"CARTWATCH_{name.upper()}": str(value) for name, value in self.model_dump(exclude_none=True).items()}


def _servers(url: str) -> str:
    """The servers of an address, with the login."""
    return url.partition("://")[2].partition("/")[0]
