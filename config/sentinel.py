"""Addresses of a store that Redis Sentinel watches: `redis+sentinel://[USER:PASSWORD@]HOST[:PORT],.../SERVICE[/DATABASE]`.

`rediss+sentinel://` speaks TLS to the servers and to the Sentinels. The query may hold `sentinel_username` and
`sentinel_password`, and any option of a `rediss://` address, such as `ssl_ca_certs`.
"""

from typing import NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

SCHEMES = {"redis+sentinel": False, "rediss+sentinel": True}
"""Each scheme, and whether it speaks TLS."""

PORT = 26379

_OF_SENTINELS = ("sentinel_username", "sentinel_password")


class SentinelUrl(NamedTuple):
    """A parsed address. `login` is as it stands in the address, percent-encoded, with its `@`."""

    tls: bool
    login: str
    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int
    options: dict[str, str]

    @classmethod
    def parse(cls, url: str) -> Self | None:
        """The parts of an address; None if it names no Sentinels.

        Raises:
            ValueError: it names them in another form.
        """
        scheme, _, rest = url.partition("://")
        if scheme not in SCHEMES:
            return None
        servers, _, path = rest.partition("/")
        login, at, hosts = servers.rpartition("@")
        # Without the servers: from Python 3.14 on `urlsplit` refuses several with an IPv6 address among them.
        parts = urlsplit(f"//-/{path}")
        service, _, database = parts.path.strip("/").partition("/")
        if not service or not all(hosts.split(",")) or not (database or "0").isdigit():
            raise ValueError("write redis+sentinel://HOST:26379,HOST:26379,HOST:26379/SERVICE/DATABASE")
        found = tuple(_host(host) for host in hosts.split(","))
        options = dict(parse_qsl(parts.query))
        return cls(SCHEMES[scheme], f"{login}{at}", found, service, int(database or 0), options)

    @property
    def sentinel_login(self) -> dict[str, str]:
        """The name and the password for the Sentinels themselves."""
        return {name.removeprefix("sentinel_"): self.options[name] for name in _OF_SENTINELS if name in self.options}

    @property
    def server_options(self) -> dict[str, str]:
        """The options of connections to the servers."""
        return {name: value for name, value in self.options.items() if name not in _OF_SENTINELS}

    def for_kombu(self) -> str:
        """The same address as kombu reads it.

        Each of its addresses names the database: kombu would change to another one with the Sentinel.
        """
        return ";".join(f"sentinel://{self.login}{host}:{port}/{self.database}" for host, port in self.sentinels)


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(f"{text!r} names no Sentinel")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return host, parts.port or PORT
