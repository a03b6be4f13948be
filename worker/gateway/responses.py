"""What a person says of an episode, from a tap to a message that stands in the inbox."""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from alerts.messages import MESSAGE, AnyMessage
from config.site import Site, Urgency
from worker.client import Client
from worker.store.inbox import append
from worker.store.shard import Store

SOURCE = "gateway"
SILENCES = (1, 2, 4, 8)
"""Hours a silence may be asked for."""

WHY_AT_MOST = 500
KEPT = timedelta(minutes=15)
LOOK_EVERY = 0.03


class UnusableAnswer(Exception):
    """A form that cannot be used; the text says why, in words of the catalogue."""


class Tap(NamedTuple):
    """One tap of one button: who, of which episode, told by which page, and what the form held.

    The form holds a mark that was drawn when it was shown: a double tap carries the same. `urgency` is how urgent the
    person knew it to be: a silence hides no more.
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
        """The same for the same tap, however often it arrives."""
        said = sorted(self.form.items())
        whole = repr((self.action, self.person, self.episode, self.page, said))
        return hashlib.blake2s(whole.encode(), digest_size=12).hexdigest()


class Asked(NamedTuple):
    """What a tap asked for, and of which episode."""

    action: str
    episode: str


class Answers:
    """Appends answers to the inbox and knows when they have taken effect."""

    def __init__(self, store: Store, client: Client) -> None:
        self._store = store
        self._client = client
        self._one_at_a_time = threading.Lock()

    def give(self, tap: Tap, now: datetime, site: Site) -> str:
        """Append what a tap says, unless it has been; return by which id `is_settled` knows it.

        Raises:
            UnusableAnswer: something in the form is missing or wrong.
            redis.exceptions.RedisError: nothing was taken.
        """
        message = message_of(tap, now, site)
        with self._one_at_a_time:
            if self._store.redis.exists(self._key(tap.id)):
                return tap.id
            raw = message.model_dump_json(exclude_none=True).encode()
            wake = append(self._store.redis, self._store.keys, [(message, raw)], now)
            shard = self._store.keys.of(tap.patient)
            # After it stands in the inbox, so that a tap is never taken for given that was not.
            last = self._store.redis.xinfo_stream(shard.inbox)["last-generated-id"]
            given = f"{shard.number} {last.decode()} {tap.action} {tap.episode}"
            self._store.redis.set(self._key(tap.id), given, ex=KEPT)
        self._client.wake(wake)
        return tap.id

    def is_settled(self, id: str) -> bool:
        """Whether a tap has been judged: an inbox entry leaves in the transaction that commits what it changed."""
        held = self._given(id)
        if not held:
            return True
        number, last, *_ = held
        inbox = self._store.keys.shard(int(number)).inbox
        waiting = cast("list[tuple[bytes, object]]", self._store.redis.xrange(inbox, count=1))
        return not waiting or _order(waiting[0][0].decode()) > _order(last)

    def asked(self, id: str) -> Asked | None:
        """What a tap of the last minutes was for, if it is known."""
        held = self._given(id)
        return Asked(*held[2:]) if held else None

    def wait(self, id: str, seconds: float, pause: Callable[[float], None] = time.sleep) -> bool:
        """Wait so long at most until a tap has been judged; return whether it was."""
        looks = int(seconds / LOOK_EVERY)
        for _ in range(looks):
            if self.is_settled(id):
                return True
            pause(LOOK_EVERY)
        return self.is_settled(id)

    def _given(self, id: str) -> list[str]:
        held = cast("bytes | None", self._store.redis.get(self._key(id)))
        return held.decode().split() if held is not None else []

    def _key(self, id: str) -> str:
        return f"{self._store.keys.namespace}:tap:{id}"


def message_of(tap: Tap, now: datetime, site: Site) -> AnyMessage:
    """The native message of a tap.

    Raises:
        UnusableAnswer: something in the form is missing or wrong.
    """
    body: dict[str, object] = {
        "id": f"tap {tap.id}",
        "source": SOURCE,
        "patient": tap.patient,
        "effective": now,
        "by": tap.person,
    }
    body |= {"episode": tap.episode, "page": tap.page or None}
    match tap.action:
        case "have-it":
            body |= {"type": "acknowledgement"}
        case "take-over":
            body |= {"type": "acknowledgement", "take_over_from": tap.form.get("from", "")[:200] or None}
        case "hand-over":
            body |= {"type": "hand_over", "to": _receiver(tap, site), "why": _why(tap, needed=False)}
        case "silence":
            body |= {"type": "silence", "until": now + _length(tap, site), "why": _why(tap), "urgency": tap.urgency}
        case "false-alarm":
            body |= {"type": "closure", "verdict": "false_alarm", "why": _why(tap)}
        case _:
            raise UnusableAnswer("This answer is not known here")
    return MESSAGE.validate_python(body)


def lengths(site: Site) -> list[int]:
    """The hours a silence may be asked for here."""
    return [hours for hours in SILENCES if timedelta(hours=hours) <= site.on_call.silence_at_most]


def receivers(person: str, site: Site) -> dict[str, str]:
    """The people an episode can be handed over to, by id: everybody but oneself."""
    return {key: held.name for key, held in site.on_call.people.items() if key != person}


def _receiver(tap: Tap, site: Site) -> str | None:
    to = tap.form.get("to", "")
    if to and to not in receivers(tap.person, site):
        raise UnusableAnswer("Choose somebody from the list")
    return to or None


def _length(tap: Tap, site: Site) -> timedelta:
    hours = tap.form.get("hours", "")
    if hours not in {str(length) for length in lengths(site)}:
        raise UnusableAnswer("Choose for how long")
    return timedelta(hours=int(hours))


def _why(tap: Tap, *, needed: bool = True) -> str | None:
    why = " ".join(tap.form.get("why", "").split())[:WHY_AT_MOST]
    if needed and not why:
        raise UnusableAnswer("Say why")
    return why or None


def _order(entry: str) -> tuple[int, int]:
    at, _, number = entry.partition("-")
    return int(at), int(number or 0)
