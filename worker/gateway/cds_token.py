"""The JWT of a CDS client: who calls, checked by the keys that the site names for it.

The clients stand in a JSON file: the issuer (`iss`) of each, and where its public keys (JWKS) are: an https address, or
a file beside it. A key that the token itself names elsewhere (`jku`) is never fetched. Needs the extra `[cds]`.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from config.problems import ConfigurationError, Problem

ALGORITHMS = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
"""Signatures by a private key. A shared secret (HS256), and none, are refused."""

LEEWAY = timedelta(minutes=1)
LONGEST = timedelta(hours=1)
"""The longest life of a token. The specification recommends five minutes."""

KEYS_KEPT_SECONDS = 3600
FETCH_SECONDS = 5
LARGEST = 8 * 1024


class BadTokenError(Exception):
    """A token that proves nothing. The text says why, without anything of the token."""


class Caller(NamedTuple):
    """A client that proved itself: its issuer, a name of this one token, and until when it counts."""

    issuer: str
    token: str
    until: datetime


class CdsClients:
    """The clients of a file.

    Raises:
        ConfigurationError: the file cannot be used, or the extra is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import jwt
        except ImportError as error:
            raise _unusable(path, "needs the extra: pip install 'cartwatch[cds]'") from error
        self._jwt = jwt
        self._keys: dict[str, Any] = {}
        self._addresses: dict[str, str] = {}
        for issuer, place in _clients(path).items():
            self._addresses[issuer] = place
            if place.startswith("https://"):
                self._keys[issuer] = jwt.PyJWKClient(place, lifespan=KEYS_KEPT_SECONDS, timeout=FETCH_SECONDS)
            else:
                self._keys[issuer] = self._read(path, place)

    def _read(self, path: Path, place: str) -> Any:
        try:
            return self._jwt.PyJWKSet.from_json((path.parent / place).read_text(encoding="utf-8"))
        except (OSError, ValueError, self._jwt.PyJWTError) as error:
            raise _unusable(path, f"{place}: holds no public keys (JWKS)") from error

    def check(self, header: str, audiences: Collection[str], now: datetime) -> Caller:
        """The client that an Authorization header proves.

        Raises:
            BadTokenError: it proves none.
        """
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > LARGEST:
            raise BadTokenError("no bearer token")
        try:
            return self._checked(token.strip(), audiences, now)
        except self._jwt.PyJWTError as error:
            raise BadTokenError(type(error).__name__) from error
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise BadTokenError("it cannot be read") from error

    def _checked(self, token: str, audiences: Collection[str], now: datetime) -> Caller:
        named = self._jwt.get_unverified_header(token)
        issuer = str(self._jwt.decode(token, options={"verify_signature": False}).get("iss", ""))
        if issuer not in self._keys:
            raise BadTokenError("an unknown issuer")
        if named.get("jku", self._addresses[issuer]) != self._addresses[issuer]:
            raise BadTokenError("keys from another address")
        claims = self._jwt.decode(
            token,
            self._key(issuer, str(named.get("kid", ""))),
            algorithms=list(ALGORITHMS),
            audience=list(audiences),
            issuer=issuer,
            # The store's clock decides, below.
            options={"require": ["iss", "aud", "exp", "iat", "jti"], "verify_exp": False, "verify_iat": False},
        )
        begun, until = (datetime.fromtimestamp(int(claims[name]), UTC) for name in ("iat", "exp"))
        if not begun - LEEWAY <= now < until + LEEWAY or until - begun > LONGEST:
            raise BadTokenError("not of now")
        mark = hashlib.blake2s(f"{issuer}\x1f{claims['jti']}".encode(), digest_size=12).hexdigest()
        return Caller(issuer, mark, until + LEEWAY)

    def _key(self, issuer: str, id: str) -> Any:
        keys = self._keys[issuer]
        if isinstance(keys, self._jwt.PyJWKClient):
            return keys.get_signing_key(id).key
        return keys[id].key


def _clients(path: Path) -> Mapping[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unusable(path, "cannot be read as JSON") from error
    if not isinstance(found, dict) or not all(isinstance(place, str) for place in found.values()):
        raise _unusable(path, "write the issuer of each client, and the address or file of its keys")
    return found


def _unusable(path: Path, what: str) -> ConfigurationError:
    return ConfigurationError(Problem(str(path), None, (), what))
