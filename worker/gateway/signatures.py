"""Whether a webhook comes from whom it says. Pure; every comparison takes the same time.

PagerDuty: HMAC-SHA256 of the body in `X-PagerDuty-Signature`, several while a secret changes. Twilio: HMAC-SHA1 of the
address and the sorted fields in `X-Twilio-Signature`. Vonage: HMAC-SHA256 of the sorted fields in `sig`. Opsgenie and
Telegram sign nothing: they send a secret in a header.
"""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

FRESH = timedelta(minutes=15)
"""A webhook whose event is older, or as far in the future, is stale: providers retry for minutes, not for hours."""


def is_pagerduty(body: bytes, header: str, secret: str) -> bool:
    """Whether one of the signatures of a header is that of a body."""
    expected = f"v1={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    return any(_same(one.strip(), expected) for one in header.split(","))


def is_twilio(url: str, fields: Mapping[str, str], header: str, token: str) -> bool:
    """Whether a form was sent to an address of ours by the owner of an account's token."""
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    expected = b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()
    return _same(header, expected)


def is_vonage(fields: Mapping[str, str], secret: str) -> bool:
    """Whether the fields of a message carry their signature."""
    signed = "".join(f"&{name}={re.sub('[&=]', '_', value)}" for name, value in sorted(fields.items()) if name != "sig")
    expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    return _same(fields.get("sig", "").lower(), expected)


def is_bearer(header: str, secret: str) -> bool:
    """Whether an Authorization header has the secret as its bearer token."""
    return _same(header, f"Bearer {secret}")


def is_secret(header: str, secret: str) -> bool:
    """Whether a header is the secret itself."""
    return _same(header, secret)


def is_fresh(at: datetime, now: datetime) -> bool:
    """Whether an event is of now."""
    return abs(now - at) <= FRESH


def from_seconds(text: str) -> datetime | None:
    """The time of seconds since 1970, written as text; None if it is none."""
    if not text.isdecimal() or not text.isascii() or len(text) > len("9999999999"):
        return None
    return datetime.fromtimestamp(int(text), UTC)


def from_any_unit(number: object) -> datetime | None:
    """The time of a count since 1970 in seconds, milliseconds, microseconds or nanoseconds, by its size."""
    if isinstance(number, bool) or not isinstance(number, int) or number <= 0:
        return None
    text = str(number)
    return from_seconds(text[:10]) if len(text) <= len("1420452224764002246") else None


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode())
