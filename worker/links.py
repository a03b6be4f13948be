"""Signed links: to one page for one person, and to the board. They contain no patient identifier."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast
from urllib.parse import quote, unquote

from itsdangerous import BadData, HMACAlgorithm, Signer, URLSafeSerializer
from redis import Redis

from config.settings import Settings
from worker.store.keys import Keys

ANSWERED_WITHIN = timedelta(hours=1)
"""How long the button of a notification acknowledges; the link in it works longer."""

SIGN_IN_WITHIN = timedelta(minutes=15)

_SIGNER = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}


class _Short(HMACAlgorithm):
    """HMAC-SHA256 cut to 128 bits: still unguessable, and 21 characters shorter in a text message."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return super().get_signature(key, value)[:16]


class BadLink(Exception):
    """A link that this installation did not sign, or that was changed."""


class ExpiredLink(Exception):
    """A link that was valid once, for a person."""

    def __init__(self, person: str) -> None:
        super().__init__()
        self.person = person


class LinkClaims(NamedTuple):
    """The content of a page's link: the page, its first episode, the person, and when it was made."""

    page: str
    episode: str
    person: str
    at: datetime


class SignIn(NamedTuple):
    """The content of a sign-in link: the person, and when it was made; `id` makes it valid for one sign-in."""

    id: str
    person: str
    at: datetime


class Links:
    """Makes and reads links. Every worker and gateway of an installation shares the secret."""

    def __init__(self, secret: bytes, public_url: str, hours: float = 24) -> None:
        self.public_url = public_url.rstrip("/")
        self._secret = secret
        self._page_within = timedelta(hours=hours)
        short = _Short(hashlib.sha256)
        self._pages = Signer(secret, salt=b"cartwatch page", key_derivation="hmac", algorithm=short)
        self._answers = Signer(secret, salt=b"cartwatch answer", key_derivation="hmac", algorithm=short)
        self._cookies = Signer(secret, salt=b"cartwatch session", key_derivation="hmac", algorithm=short)
        self._sign_ins = URLSafeSerializer(secret, salt=b"cartwatch sign-in", signer_kwargs=_SIGNER)

    @property
    def is_https(self) -> bool:
        """Whether people reach the gateway over TLS."""
        return self.public_url.startswith("https:")

    def page(self, page_id: str, person: str, at: datetime) -> str:
        """The link in a page, by which its recipient alone reads and answers it.

        It is short: together with a title it must fit into one text message.
        """
        claims = f"{page_id}~{quote(person, safe='')}~{int(at.timestamp()):x}"
        return f"{self.public_url}/p/{_text(self._pages.sign(claims))}"

    def read(self, token: str, now: datetime) -> LinkClaims:
        """Read the link of a page.

        Raises:
            BadLink: this installation did not sign it.
            ExpiredLink: it is too old.
        """
        try:
            page, rest = _text(self._pages.unsign(token)).split("~", 1)
            person, at = rest.rsplit("~", 1)
        except BadData as error:
            raise BadLink from error
        # The id of a page is the id of its first episode, and a number.
        claims = LinkClaims(page, page.rpartition(".")[0], unquote(person), _time(int(at, 16)))
        if now - claims.at > self._page_within:
            raise ExpiredLink(claims.person)
        return claims

    def answer(self, page_id: str, at: datetime) -> str:
        """The token by which the recipient of a page acknowledges it in the notification itself (`ANSWERED_WITHIN`).

        It fits into 64 octets, the room of a button's data at Telegram.
        """
        return _text(self._answers.sign(f"{page_id}~{int(at.timestamp()):x}"))

    def answer_address(self, page_id: str, at: datetime) -> str:
        """The address to which that token is posted. A GET of it does nothing."""
        return f"{self.public_url}/a/{self.answer(page_id, at)}"

    def number(self, page_id: str) -> int:
        """A number of a page that others cannot guess."""
        return int.from_bytes(hashlib.blake2s(page_id.encode(), key=self._key("number"), digest_size=8).digest())

    def read_answer(self, token: str, now: datetime) -> str:
        """The page of such a token.

        Raises:
            BadLink: this installation did not sign it.
            ExpiredLink: it is too old.
        """
        try:
            page, at = _text(self._answers.unsign(token)).rsplit("~", 1)
        except (BadData, ValueError) as error:
            raise BadLink from error
        if now - _time(int(at, 16)) > ANSWERED_WITHIN:
            raise ExpiredLink("")
        return page

    def is_signed(self, token: str) -> bool:
        """Whether this installation signed the link of a page, however old it is. Reads neither store nor clock."""
        return self._pages.validate(token)

    def is_signed_sign_in(self, token: str) -> bool:
        """Whether this installation signed a sign-in link."""
        try:
            return bool(self._sign_ins.loads(token))
        except BadData:
            return False

    def cookie(self, session: str) -> str:
        """The cookie of a session. It is signed, so that a forged one is refused without reading the store."""
        return _text(self._cookies.sign(session))

    def session(self, cookie: str) -> str | None:
        """The session of a cookie; None if this installation did not sign it."""
        try:
            return _text(self._cookies.unsign(cookie))
        except BadData:
            return None

    def sign_in(self, person: str, at: datetime) -> str:
        """A link by which one person signs in to the board once, within `SIGN_IN_WITHIN`."""
        token = self._sign_ins.dumps([secrets.token_hex(8), person, int(at.timestamp())])
        return f"{self.public_url}/sign-in/{_text(token)}"

    def read_sign_in(self, token: str, now: datetime) -> SignIn:
        """Read a sign-in link. Whether it was used before is not checked here.

        Raises:
            BadLink: this installation did not sign it.
            ExpiredLink: it is too old.
        """
        mark, person, at = _loaded(self._sign_ins, token, 3)
        claims = SignIn(str(mark), str(person), _time(at))
        if now - claims.at > SIGN_IN_WITHIN:
            raise ExpiredLink(claims.person)
        return claims

    def opaque(self, patient: str) -> str:
        """The name of a patient in an address: a keyed hash, always the same, and opaque without the secret."""
        return hashlib.blake2s(patient.encode(), key=self._key("patient"), digest_size=12).hexdigest()

    def proof(self, session: str) -> str:
        """The CSRF token of the forms of a session."""
        return hashlib.blake2s(session.encode(), key=self._key("form"), digest_size=16).hexdigest()

    def _key(self, purpose: str) -> bytes:
        return hashlib.blake2s(self._secret, person=purpose.encode()).digest()


def secret_of(redis: "Redis", keys: Keys, settings: Settings) -> bytes:
    """The secret that signs links: the configured one, else a random one that the state store keeps."""
    if settings.secret:
        return settings.secret.encode()
    name = f"{keys.namespace}:secret"
    found = cast("bytes | None", redis.get(name))
    if found is None:
        redis.set(name, secrets.token_hex(32), nx=True)
        found = cast(bytes, redis.get(name))
    return found


def links_of(redis: "Redis", keys: Keys, settings: Settings, public_url: str) -> Links:
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
