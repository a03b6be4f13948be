"""Settings of an installation from the environment: addresses, folders, sizes; nothing clinical."""

import os
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

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
    broker_url: str | None = Field(
        None, repr=False, description="Celery's broker; database 1 of the state store if not set"
    )
    namespace: str = Field("cartwatch", description="Prefix of every key in the state store")
    shards: int = Field(16, ge=1, le=1024, description="Chosen once, before go-live: patients belong to shards by it")
    config_dir: Path | None = Field(None, description="Folder with site.yaml, conventions.yaml, units.csv, limits.csv")
    public_url: str | None = Field(None, description="Where people reach the gateway; pages then carry a link")
    receiver_url: str = Field("json://127.0.0.1:9", description="What {receiver} stands for in a channel's address")
    clock: Literal["store", "simulated"] = Field("store", description="simulated: a replay drives the time")
    log_level: str = "INFO"
    batch: int = Field(1000, ge=1, le=5000, description="Most messages of a shard committed at once")
    lease: int = Field(5, ge=2, description="Seconds after which a shard is taken from a worker that hangs")
    journal_length: int = Field(10_000, ge=0, description="Batches kept per shard for audit and replay; 0 keeps none")
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
    canary_channel: str | None = Field(None, description="A channel of site.yaml they go to; none leaves the machine")
    fhir_base: str | None = Field(None, description="Where grades and pages are exported as FHIR R4; none, nowhere")
    fhir_token: str | None = Field(None, repr=False, description="Sent to it as a bearer token")
    fhir_system: str | None = Field(None, description="The system of the identifier that patients are known by there")
    fhir_detail: Literal["full", "minimal"] = Field("full", description="What an exported page says")

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
    def _with_the_password(cls, values: dict[str, Any]) -> dict[str, Any]:
        scheme, separator, place = str(values.get("redis_url", REDIS_URL)).partition("://")
        if not values.get("redis_password") or "@" in place:
            return values
        return values | {"redis_url": f"{scheme}{separator}:{quote(values['redis_password'], safe='')}@{place}"}

    @property
    def exports(self) -> bool:
        """Whether anything is exported. Never from a replay: its patients are in nobody's record."""
        return bool(self.fhir_base) and self.clock == "store"

    @property
    def broker(self) -> str:
        """The broker's address."""
        if self.broker_url:
            return self.broker_url
        base, _, database = self.redis_url.rpartition("/")
        if base.endswith("/") or not database.isdigit():
            return self.redis_url
        return f"{base}/{int(database) + 1}"

    def as_environment(self) -> dict[str, str]:
        """The same settings as the environment variables of another process."""
        return {f"CARTWATCH_{name.upper()}": str(value) for name, value in self.model_dump(exclude_none=True).items()}
