"""From frames to acknowledgements: one for each message, in order, and AA only of what was stored before.

A request is answered in slices, so that others are answered in between however much one of them holds.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from redis.exceptions import RedisError

from config.listeners import Listener
from worker.intake.budget import OverBudget
from worker.intake.hl7.ack import acknowledge, asked_for
from worker.intake.hl7.batches import split
from worker.intake.hl7.header import Header, read_header
from worker.intake.mllp.frames import Frame, wrap
from worker.intake.parsed import Outcome

log = logging.getLogger(__name__)

NOT_ACKNOWLEDGED = "messages_not_acknowledged"
"""What is counted of a message whose sender keeps it."""

NOT_STORED = "not stored, send it again"
TOO_LONG = "longer than 4 MiB"
NO_HEADER = "not HL7 v2: it does not begin with MSH"
NO_MESSAGE = "a batch without a message"

MOST_MESSAGES = 10_000
"""In one frame; the same as a request to `/messages`."""

TOO_MANY = f"more than {MOST_MESSAGES} messages; send them in parts"

SLICE = 128 * 1024
"""The weight of what is done of one request at once. A message that weighs more is a slice by itself."""

MESSAGE_WEIGHT = 256
"""What a message costs beside its length, in bytes that cost as much."""

_COUNTED = {
    Outcome.STORED: "stored",
    Outcome.DEAD_LETTER: "dead_lettered",
    Outcome.IGNORED: "ignored",
    Outcome.REFUSED: "refused",
}


class Received(NamedTuple):
    """One message as it came; `count_mismatch` says what speaks for others of its batch being missing."""

    raw: bytes
    peer: str
    count_mismatch: str = ""


class Verdict(NamedTuple):
    """What became of a message. Anything but refused is durable; `why` is shown to the sender."""

    outcome: Outcome
    why: str = ""


Handler = Callable[[Sequence[Received]], Sequence[Verdict]]
"""Stores messages and says of each what became of it. Raises where nothing of them was stored."""


class Request(NamedTuple):
    """What one connection has received and nobody has answered."""

    peer: str
    frames: Sequence[Frame]

    @property
    def weight(self) -> int:
        """What it costs at most to answer: bytes, and messages as far as they can be counted without reading them."""
        return sum(len(frame.body) + MESSAGE_WEIGHT * frame.body.count(b"MSH") for frame in self.frames)


class Reply(NamedTuple):
    """What a connection is to send, whether it is to be closed then, and what is to be counted."""

    data: bytes
    close: bool
    counts: Counter[str]


class _Piece(NamedTuple):
    """One message of a frame, or (`verdict`) what needs no handler."""

    header: Header | None
    received: Received | None
    verdict: Verdict | None = None
    silent: bool = False
    last: bool = False


class Progress:
    """How far one request is answered. `reply` is None until it is to the end."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.reply: Reply | None = None
        self._pieces = (piece for frame in request.frames for piece in _pieces(frame, request.peer))
        self._over = False
        self._data: list[bytes] = []
        self._counts: Counter[str] = Counter()

    def slice(self) -> list[_Piece]:
        """The next pieces to be answered, together as heavy as a slice."""
        taken: list[_Piece] = []
        weight = 0
        for piece in self._pieces:
            taken.append(piece)
            weight += MESSAGE_WEIGHT + (len(piece.received.raw) if piece.received is not None else 0)
            if weight >= SLICE:
                return taken
        self._over = True
        return taken

    def answered(self, pieces: Sequence[tuple[_Piece, Verdict | None]], listener: Listener, now: datetime) -> None:
        """Write the acknowledgements of a slice."""
        self._counts["received"] += len(pieces)
        self._counts.update(
            "messages_not_acknowledged" if verdict is None else _COUNTED[verdict.outcome] for _, verdict in pieces
        )
        if any(self._ends(piece, verdict, listener, now) for piece, verdict in pieces):
            # What follows must not be answered either: its answer would be taken for that of this one.
            left = [name for _ in self._pieces for name in ("received", NOT_ACKNOWLEDGED)]
            self._counts.update(left)
            self._done(close=True)
        elif self._over:
            self._done(close=False)

    def _ends(self, piece: _Piece, verdict: Verdict | None, listener: Listener, now: datetime) -> bool:
        """Answer one message, and whether the connection is to be closed with it."""
        good = verdict is not None and verdict.outcome is not Outcome.REFUSED
        if verdict is None and listener.when_store_is_down == "close":
            return True
        if not piece.silent:
            if listener.answers == "always" or asked_for(piece.header, good):
                why = NOT_STORED if verdict is None else verdict.why
                self._data.append(wrap(acknowledge(piece.header, good, now, why)))
            elif not good:
                # A sender that wants to hear of nothing notices at least this.
                return True
        return piece.last

    def _done(self, *, close: bool) -> None:
        self.reply = Reply(b"".join(self._data), close, self._counts)


class Acknowledger:
    """Answers the requests of many connections together, with one call of the handler for a slice of each."""

    def __init__(self, handler: Handler, listener: Listener, now: Callable[[], datetime]) -> None:
        self._handler = handler
        self._listener = listener
        self._now = now

    def __call__(self, requests: Sequence[Progress]) -> None:
        """Go on with each request by one slice. Never raises."""
        pieces = [request.slice() for request in requests]
        waiting = [piece.received for row in pieces for piece in row if piece.received is not None]
        verdicts = iter(self._handled(waiting))
        for request, row in zip(requests, pieces, strict=True):
            answered = [(piece, piece.verdict or next(verdicts)) for piece in row]
            request.answered(answered, self._listener, self._now())

    def _handled(self, waiting: Sequence[Received]) -> Sequence[Verdict | None]:
        """The handler's verdicts; None of each message where nothing was stored."""
        if not waiting:
            return []
        try:
            return self._handler(waiting)
        except RedisError as error:
            log.error("%d message(s) are not stored and not acknowledged (%s)", len(waiting), type(error).__name__)
        except Exception as error:
            # Whatever it is, nothing was stored: the sender keeps its copy. The text may hold a patient's name.
            log.error("%d message(s) cannot be handled (%s)", len(waiting), type(error).__name__)
        return [None] * len(waiting)


def _pieces(frame: Frame, peer: str) -> list[_Piece]:
    if frame.too_long:
        return [_Piece(read_header(frame.body), None, Verdict(Outcome.REFUSED, TOO_LONG), last=True)]
    if not frame.body.strip():
        return []
    try:
        batch = split(frame.body)
    except OverBudget as error:
        return [_Piece(read_header(frame.body), None, Verdict(Outcome.REFUSED, str(error)))]
    if len(batch.messages) > MOST_MESSAGES:
        return [_Piece(read_header(frame.body), None, Verdict(Outcome.REFUSED, TOO_MANY))]
    headers = [read_header(message) for message in batch.messages]
    if not any(headers):
        why = NO_HEADER if headers else NO_MESSAGE
        return [_Piece(None, None, Verdict(Outcome.REFUSED, why))]
    mismatches = [""] * (len(headers) - 1) + [batch.count_mismatch]
    return [
        _piece(header, Received(message, peer, count_mismatch))
        for header, message, count_mismatch in zip(headers, batch.messages, mismatches, strict=True)
    ]


def _piece(header: Header | None, received: Received) -> _Piece:
    if header is not None and header.kind == "ACK":
        # An acknowledgement is never acknowledged: two systems would go on for ever.
        return _Piece(header, None, Verdict(Outcome.IGNORED), silent=True)
    # Without a header it belongs to a batch whose other messages are answered.
    return _Piece(header, received, silent=header is None)
