"""The senders of a campaign: messages in bad order, late, twice, and again until somebody says they are accepted."""

import heapq
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

from tests.chaos.checker import Accepted
from tests.chaos.scenario import Body, Patient

Send = Callable[[Body], None]
"""Returns once a message is accepted; raises where that is not known."""

AGAIN_SECONDS = 0.1
OPENED_WITHIN = 0.6
"""By this part of a campaign every patient has begun."""
AT_ONCE = 0.5
"""The share of the patients who begin at once: fewer would have more to chart in a minute than a chart keeps."""


class Mail:
    """Messages by the time they leave; several senders take from it."""

    def __init__(self) -> None:
        self.accepted: list[Accepted] = []
        self.sent_again = 0
        self._heap: list[tuple[float, int, Body]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._seen: set[tuple[str, str, str]] = set()
        self._under_way = 0
        self._over = False

    def put(self, at: float, body: Body) -> None:
        """To be sent at a time."""
        with self._changed:
            heapq.heappush(self._heap, (at, next(self._numbers), body))
            self._changed.notify()

    def send_all(self, send: Send) -> None:
        """What one sender does until the end: take the next message, and send it until it is accepted."""
        while (body := self._next()) is not None:
            self.send(body, send)
            with self._changed:
                self._under_way -= 1

    def send(self, body: Body, send: Send) -> None:
        """Send one message until it is accepted, or the campaign is over."""
        while not self._over:
            try:
                send(body)
            except Exception:
                # Whatever it was: it is not known to be accepted, so it is sent again.
                self.sent_again += 1
                time.sleep(AGAIN_SECONDS)
            else:
                self._note(body)
                break

    def _next(self) -> Body | None:
        with self._changed:
            while not self._over:
                wait = self._heap[0][0] - time.monotonic() if self._heap else 1.0
                if wait <= 0:
                    self._under_way += 1
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(min(wait, 1.0))
        return None

    def _note(self, body: Body) -> None:
        with self._changed:
            key = (body["patient"], body["id"], body.get("status", ""))
            if key not in self._seen:
                self._seen.add(key)
                self.accepted.append(Accepted(time.time(), body))

    def drop_unsent(self, needed: Callable[[Body], bool]) -> None:
        """Of what still waits, send only what is needed: a machine that is too slow would never come to rest."""
        with self._changed:
            self._heap = [one for one in self._heap if needed(one[2])]
            heapq.heapify(self._heap)

    def is_done(self) -> bool:
        """Whether everything has been accepted."""
        with self._changed:
            return not self._heap and not self._under_way

    def stop(self) -> None:
        """Let the senders go."""
        with self._changed:
            self._over = True
            self._changed.notify_all()


class Ward:
    """What the patients send: each begins, and then one after the other has something more."""

    def __init__(self, patients: list[Patient], messages: int, seconds: float, seed: int, mail: Mail) -> None:
        self._patients = patients
        self._messages = messages
        self._seconds = seconds
        self._dice = random.Random(f"{seed} ward")
        self._mail = mail
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def write(self, stopped: threading.Event) -> None:
        """Put all messages into the mail, at their time."""
        begun: list[Patient] = []
        started = time.monotonic()
        waiting = list(self._patients)
        for number in range(self._messages):
            share = number / self._messages
            if stopped.wait(max(0.0, started + share * self._seconds - time.monotonic())):
                return
            if waiting and len(begun) <= len(self._patients) * max(AT_ONCE, share / OPENED_WITHIN):
                begun.append(waiting.pop())
                for body in begun[-1].opening(self.now()):
                    self._post(body)
            self._post(self._dice.choice(begun).onward(self.now()))

    def _post(self, body: Body) -> None:
        leaves = time.monotonic()
        if body.get("status") == "corrected":
            # Late enough for what it corrects to have been paged.
            leaves += self._dice.uniform(1, 8)
        disorder = self._dice.random()
        if disorder < 0.03:
            leaves += self._dice.uniform(1, 15)
        elif disorder < 0.10:
            leaves += self._dice.uniform(0, 2)
        self._mail.put(leaves, body)
        if disorder > 0.97:
            self._mail.put(leaves + self._dice.uniform(0, 8), body)


def over_http(url: str, key: str) -> Send:
    """A sender by the gateway's HTTP intake."""

    def send(body: Body) -> None:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}/messages", json.dumps(body).encode(), headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310
                pass
        except urllib.error.HTTPError as error:
            with error:
                raise urllib.error.URLError(f"answered {error.code}") from None

    return send
