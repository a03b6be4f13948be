"""Signed links: to one page for one person, and to the board. They hold ids that show nothing of a patient."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast
from urllib.parse import quote, unquote

from itsdangerous import BadData, HMACAlgorithm, Signer, URLSafeSerializer
from redis import Redis

from config.settings import Settings
from worker.store.keys import Keys

SIGN_IN_WITHIN = timedelta(minutes=15)

_SIGNER = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}


class _Short(HMACAlgorithm):
    """HMAC-SHA256 cut to 128 bits, which nobody guesses and which saves 21 characters of a text message."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return super().get_signature(key, value)[:16]


class BadLink(Exception):
    """A link that was not made here, or was changed on its way."""


class ExpiredLink(Exception):
    """A link that was good once, for a person."""

    def __init__(self, person: str) -> None:
        super().__init__()
        self.person = person


class LinkClaims(NamedTuple):
    """What the link of a page says: which page, of which episode first, for whom, made when."""

    page: str
    episode: str
    person: str
    at: datetime


class SignIn(NamedTuple):
    """What a link to the board says: for whom, made when; `id` makes it good for one sign-in."""

    id: str
    person: str
    at: datetime


class Links:
    """Makes links and reads them. The secret is shared by every worker and gateway of an installation."""

    def __init__(self, secret: bytes, public_url: str, hours: float = 24) -> None:
        self.public_url = public_url.rstrip("/")
        self._secret = secret
        self._page_within = timedelta(hours=hours)
        short = _Short(hashlib.sha256)
        self._pages = Signer(secret, salt=b"cartwatch page", key_derivation="hmac", algorithm=short)
        self._cookies = Signer(secret, salt=b"cartwatch session", key_derivation="hmac", algorithm=short)
        self._sign_ins = URLSafeSerializer(secret, salt=b"cartwatch sign-in", signer_kwargs=_SIGNER)

    @property
    def is_https(self) -> bool:
        """Whether the gateway is reached over TLS."""
        return self.public_url.startswith("https:")

    def page(self, page_id: str, person: str, at: datetime) -> str:
        """The link in one page, by which its receiver, and nobody else, reads and answers it.

        As short as can be: with a title it has to fit into one text message.
        """
        claims = f"{page_id}~{quote(person, safe='')}~{int(at.timestamp()):x}"
        return f"{self.public_url}/p/{_text(self._pages.sign(claims))}"

    def read(self, token: str, now: datetime) -> LinkClaims:
        """What a page's link says.

        Raises:
            BadLink: it was not signed here.
            ExpiredLink: it is too old.
        """
        try:
            page, rest = _text(self._pages.unsign(token)).split("~", 1)
            person, at = rest.rsplit("~", 1)
        except BadData as error:
            raise BadLink from error
        # A page's id is that of the episode it tells of first, and a number.
        claims = LinkClaims(page, page.rpartition(".")[0], unquote(person), _time(int(at, 16)))
        if now - claims.at > self._page_within:
            raise ExpiredLink(claims.person)
        return claims

    def is_signed(self, token: str) -> bool:
        """Whether a page's link was signed here, however old it is. Costs no look at the store or at a clock."""
        return self._pages.validate(token)

    def is_signed_sign_in(self, token: str) -> bool:
        """The same of a link to the board."""
        try:
            return bool(self._sign_ins.loads(token))
        except BadData:
            return False

    def cookie(self, session: str) -> str:
        """What a browser holds for a session: signed, so that a made-up one is refused without a look at the store."""
        return _text(self._cookies.sign(session))

    def session(self, cookie: str) -> str | None:
        """The session of a cookie; None where the cookie was not made here."""
        try:
            return _text(self._cookies.unsign(cookie))
        except BadData:
            return None

    def sign_in(self, person: str, at: datetime) -> str:
        """A link by which one person signs in to the board once, within a quarter of an hour."""
        token = self._sign_ins.dumps([secrets.token_hex(8), person, int(at.timestamp())])
        return f"{self.public_url}/sign-in/{_text(token)}"

    def read_sign_in(self, token: str, now: datetime) -> SignIn:
        """What a link to the board says; whether it was used before is not known here.

        Raises:
            BadLink: it was not signed here.
            ExpiredLink: it is too old.
        """
        mark, person, at = _loaded(self._sign_ins, token, 3)
        claims = SignIn(str(mark), str(person), _time(at))
        if now - claims.at > SIGN_IN_WITHIN:
            raise ExpiredLink(claims.person)
        return claims

    def opaque(self, patient: str) -> str:
        """How a patient is named in an address: always the same, and nobody without the secret can tell who it is."""
        return hashlib.blake2s(patient.encode(), key=self._key("patient"), digest_size=12).hexdigest()

    def proof(self, session: str) -> str:
        """What the forms of a session carry, and a foreign site cannot know."""
        return hashlib.blake2s(session.encode(), key=self._key("form"), digest_size=16).hexdigest()

    def _key(self, purpose: str) -> bytes:
        return hashlib.blake2s(self._secret, person=purpose.encode()).digest()


def secret_of(redis: "Redis", keys: Keys, settings: Settings) -> bytes:
    """The secret links are signed with: the configured one, else one made once and kept in the state store."""
    if settings.secret:
        return settings.secret.encode()
    name = f"{keys.namespace}:secret"
    found = cast("bytes | None", redis.get(name))
    if found is None:
        redis.set(name, secrets.token_hex(32), nx=True)
        found = cast(bytes, redis.get(name))
    return found


def links_of(redis: "Redis", keys: Keys, settings: Settings, public_url: str) -> Links:
    """The links of an installation."""
    return Links(secret_of(redis, keys, settings), public_url, settings.link_hours)


def _loaded(serializer: Any, token: str, fields: int) -> list[Any]:
    try:
        loaded = serializer.loads(token)
    except BadData as error:
        raise BadLink from error
    if not isinstance(loaded, list) or len(loaded) != fields:
        raise BadLink
    return loaded


def _time(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _text(token: str | bytes) -> str:
    return token.decode() if isinstance(token, bytes) else token
