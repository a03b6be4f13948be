"""MLLP listeners for monitors and laboratories: the permitted peers, certificates and timeouts of each."""

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, IPvAnyNetwork, field_validator, model_validator

from config.types import Configuration, Duration

LOOPBACK = "127.0.0.1"

_Network = Annotated[IPvAnyNetwork, BeforeValidator(str)]


class Tls(Configuration):
    """The certificate of a listener, and the authority of its peers' certificates."""

    certificate: Path = Field(description="PEM file, the whole chain")
    key: Path = Field(description="PEM file, not encrypted")
    client_ca: Path | None = Field(None, description="PEM file; given, a peer without a certificate of it is refused")


class Listener(Configuration):
    """One address that receives HL7 v2 over MLLP.

    If other machines can reach it, it must name them: by their addresses, or by an authority for their certificates.
    """

    host: str = LOOPBACK
    port: int = Field(ge=0, le=65535, description="0: any free one, for tests")
    source: str | None = Field(None, description="The source whose policy holds here; else the one of MSH-3 and MSH-4")
    allow_from: tuple[_Network, ...] = Field((), description="Addresses or networks that may connect; none: all")
    tls: Tls | None = None
    idle_timeout: Duration = Field(timedelta(hours=12), description="An idle connection is closed after this time")
    frame_timeout: Duration = Field(timedelta(seconds=30), description="A frame must continue at least this often")
    max_connections: int = Field(100, ge=1, le=10_000, description="Open connections; more are rejected")
    answers: Literal["always", "as_asked"] = Field(
        "always", description="as_asked: nothing is answered where MSH-15 and MSH-16 ask for nothing"
    )
    when_store_is_down: Literal["close", "error"] = Field(
        "close",
        description="close: no answer, so that every engine sends again; error: AE, for engines that then send again",
    )

    @field_validator("host")
    @classmethod
    def _an_address(cls, host: str) -> str:
        if not host.strip():
            raise ValueError(f"write an address such as {LOOPBACK}, or leave the line out")
        return host.strip()

    @model_validator(mode="after")
    def _knows_its_peers(self) -> "Listener":
        if not is_loopback(self.host) and not self.allow_from and (self.tls is None or self.tls.client_ca is None):
            raise ValueError(
                f"allow_from: {self.host} can be reached from other machines; name those that may connect, "
                "or ask them for certificates with tls.client_ca"
            )
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_addresses(listeners: Mapping[str, Listener]) -> None:
    """Two listeners cannot have one port.

    Raises:
        ValueError: names both.
    """
    ports: dict[int, str] = {}
    for name, listener in listeners.items():
        if listener.port and (other := ports.setdefault(listener.port, name)) != name:
            raise ValueError(f"{other} and {name} have the same port {listener.port}")
