"""People's responses: from the press of a button to a message in the inbox."""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from alerts.messages import MESSAGE, AnyMessage
from config.site import Site, Urgency
from worker.client import Client
from worker.store.durable import accepting
from worker.store.inbox import append, encoded
from worker.store.shard import Store

SOURCE = "gateway"
SILENCES = (1, 2, 4, 8)
"""The possible hours of a silence."""

WHY_AT_MOST = 500
KEPT = timedelta(minutes=15)
POLL_SECONDS = 0.03


class UnusableResponse(Exception):
    """A form that cannot be used. The text gives the reason, in words of the catalogue."""


class ButtonPress(NamedTuple):
    """One press of one button: by whom, on which episode and page, and the form.

    The form holds a random mark of the page view: a double press carries the same (idempotency key). `urgency` is the
    urgency the person saw; a silence hides no higher one.
    """

    action: str
    person: str
    patient: str
    episode: str
    page: str
    urgency: Urgency
    form: Mapping[str, str]

    @property
    def id(self) -> str:
        """The same id for the same press, however often it arrives (idempotent)."""
        fields = sorted(self.form.items())
        whole = repr((self.action, self.person, self.episode, self.page, fields))
        return hashlib.blake2s(whole.encode(), digest_size=12).hexdigest()


class Requested(NamedTuple):
    """The request of a press, and its episode."""

    action: str
    episode: str


class Responses:
    """Appends responses to the inbox and knows when they were processed."""

    def __init__(self, store: Store, client: Client) -> None:
        self._store = store
        self._client = client
        self._one_at_a_time = threading.Lock()

    def submit(self, press: ButtonPress, now: datetime, site: Site) -> str:
        """Append the message of a press, unless it was appended before; return the id for `is_processed`.

        Raises:
            UnusableResponse: something in the form is missing or wrong.
            redis.exceptions.RedisError: nothing was saved.
        """
        message = message_of(press, now, site)
        with self._one_at_a_time:
            if self._store.redis.exists(self._key(press.id)):
                return press.id
            pipe = accepting(self._store.redis)
            appended = append(self._store.redis, self._store.keys, [encoded(message)], now, pipe)
            shard = self._store.keys.of(press.patient)
            # Recorded only after the message is accepted: a press never counts as saved without it.
            record = f"{shard.number} {appended.ids[0]} {press.action} {press.episode}"
            self._store.redis.set(self._key(press.id), record, ex=KEPT)
        self._client.wake(appended.wake)
        return press.id

    def is_processed(self, id: str) -> bool:
        """Whether a press was processed: the transaction that commits its effect removes the inbox entry."""
        record = self._recorded(id)
        if not record:
            return True
        number, entry, *_ = record
        return not self._store.redis.xrange(self._store.keys.shard(int(number)).inbox, min=entry, max=entry)

    def asked(self, id: str) -> Requested | None:
        """The request of a press of the last minutes, if it is still known."""
        record = self._recorded(id)
        return Requested(*record[2:]) if record else None

    def wait(self, id: str, seconds: float, pause: Callable[[float], None] = time.sleep) -> bool:
        """Wait at most this many seconds until a press is processed; return whether it was."""
        polls = int(seconds / POLL_SECONDS)
        for _ in range(polls):
            if self.is_processed(id):
                return True
            pause(POLL_SECONDS)
        return self.is_processed(id)

    def _recorded(self, id: str) -> list[str]:
        record = cast("bytes | None", self._store.redis.get(self._key(id)))
        return record.decode().split() if record is not None else []

    def _key(self, id: str) -> str:
        return f"{self._store.keys.namespace}:press:{id}"


def message_of(press: ButtonPress, now: datetime, site: Site) -> AnyMessage:
    """The native message of a press.

    Raises:
        UnusableResponse: something in the form is missing or wrong.
    """
    body: dict[str, object] = {
        "id": f"press {press.id}",
        "source": SOURCE,
        "patient": press.patient,
        "effective": now,
        "by": press.person,
    }
    body |= {"episode": press.episode, "page": press.page or None}
    match press.action:
        case "have-it":
            body |= {"type": "acknowledgement"}
        case "take-over":
            body |= {"type": "acknowledgement", "take_over_from": press.form.get("from", "")[:200] or None}
        case "hand-over":
            body |= {"type": "hand_over", "to": _receiver(press, site), "why": _why(press, needed=False)}
        case "silence":
            body |= {
                "type": "silence",
                "until": now + _length(press, site),
                "why": _why(press),
                "urgency": press.urgency,
            }
        case "false-alarm":
            body |= {"type": "closure", "verdict": "false_alarm", "why": _why(press)}
        case _:
            raise UnusableResponse("This answer is not known here")
    return MESSAGE.validate_python(body)


def lengths(site: Site) -> list[int]:
    """The possible hours of a silence at this site."""
    return [hours for hours in SILENCES if timedelta(hours=hours) <= site.on_call.silence_at_most]


def receivers(person: str, site: Site) -> dict[str, str]:
    """The people to whom an episode can be handed over, by id: everybody except the sender."""
    return {key: known.name for key, known in site.on_call.people.items() if key != person}


def _receiver(press: ButtonPress, site: Site) -> str | None:
    to = press.form.get("to", "")
    if to and to not in receivers(press.person, site):
        raise UnusableResponse("Choose somebody from the list")
    return to or None


def _length(press: ButtonPress, site: Site) -> timedelta:
    hours = press.form.get("hours", "")
    if hours not in {str(length) for length in lengths(site)}:
        raise UnusableResponse("Choose for how long")
    return timedelta(hours=int(hours))


def _why(press: ButtonPress, *, needed: bool = True) -> str | None:
    why = " ".join(press.form.get("why", "").split())[:WHY_AT_MOST]
    if needed and not why:
        raise UnusableResponse("Say why")
    return why or None
