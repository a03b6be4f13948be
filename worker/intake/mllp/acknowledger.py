"""From frames to acknowledgements: one for each message, in order, and AA only for stored messages.

A request is answered in slices, so that a large one does not delay the others.
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
from worker.intake.parsed import ElementOutcome

log = logging.getLogger(__name__)

NOT_ACKNOWLEDGED = "messages_not_acknowledged"
"""The counter of messages that their senders keep and retry."""

NOT_STORED = "not stored, send it again"
TOO_LONG = "longer than 4 MiB"
NO_HEADER = "not HL7 v2: it does not begin with MSH"
NO_MESSAGE = "a batch without a message"

MOST_MESSAGES = 10_000
"""Messages in one frame; the same limit as for a request to `/messages`."""

TOO_MANY = f"more than {MOST_MESSAGES} messages; send them in parts"

SLICE = 128 * 1024
"""The weight of one slice of a request. A heavier message is a slice by itself."""

MESSAGE_WEIGHT = 256
"""The fixed cost of a message, in bytes of equal cost."""

_COUNTED = {
    ElementOutcome.STORED: "stored",
    ElementOutcome.DEAD_LETTER: "dead_lettered",
    ElementOutcome.IGNORED: "ignored",
    ElementOutcome.REFUSED: "refused",
}


class ReceivedMessage(NamedTuple):
    """One message as received; `count_mismatch` says how its batch differs from its stated count."""

    raw: bytes
    peer: str
    count_mismatch: str = ""


class MessageOutcome(NamedTuple):
    """The outcome of a message. Unless it is refused, the message is durable. The acknowledgement shows `why`."""

    outcome: ElementOutcome
    why: str = ""


Handler = Callable[[Sequence[ReceivedMessage]], Sequence[MessageOutcome]]
"""Stores messages and returns the outcome of each. Raises if nothing of them was stored."""


class Request(NamedTuple):
    """The unanswered frames of one connection."""

    peer: str
    frames: Sequence[Frame]

    @property
    def weight(self) -> int:
        """The most that an answer costs: the bytes, and the messages as counted without parsing."""
        return sum(len(frame.body) + MESSAGE_WEIGHT * frame.body.count(b"MSH") for frame in self.frames)


class Reply(NamedTuple):
    """The bytes to send, whether to close the connection then, and the counts to add."""

    data: bytes
    close: bool
    counts: Counter[str]


class _Piece(NamedTuple):
    """One message of a frame, or (`result`) an answer that needs no handler."""

    header: Header | None
    received: ReceivedMessage | None
    result: MessageOutcome | None = None
    silent: bool = False
    last: bool = False


class RequestProgress:
    """The progress of one request. `reply` is None until the request is answered whole."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.reply: Reply | None = None
        self._pieces = (piece for frame in request.frames for piece in _pieces(frame, request.peer))
        self._over = False
        self._data: list[bytes] = []
        self._counts: Counter[str] = Counter()

    def slice(self) -> list[_Piece]:
        """The next pieces to answer, up to the weight of a slice."""
        pieces: list[_Piece] = []
        weight = 0
        for piece in self._pieces:
            pieces.append(piece)
            weight += MESSAGE_WEIGHT + (len(piece.received.raw) if piece.received is not None else 0)
            if weight >= SLICE:
                return pieces
        self._over = True
        return pieces

    def answered(
        self, pieces: Sequence[tuple[_Piece, MessageOutcome | None]], listener: Listener, now: datetime
    ) -> None:
        """Write the acknowledgements of a slice."""
        self._counts["received"] += len(pieces)
        self._counts.update(
            "messages_not_acknowledged" if result is None else _COUNTED[result.outcome] for _, result in pieces
        )
        if any(self._ends(piece, result, listener, now) for piece, result in pieces):
            # Later messages must not be answered: the sender would match that answer to this message.
            left = [name for _ in self._pieces for name in ("received", NOT_ACKNOWLEDGED)]
            self._counts.update(left)
            self._done(close=True)
        elif self._over:
            self._done(close=False)

    def _ends(self, piece: _Piece, result: MessageOutcome | None, listener: Listener, now: datetime) -> bool:
        """Answer one message; return whether to close the connection after it."""
        good = result is not None and result.outcome is not ElementOutcome.REFUSED
        if result is None and listener.when_store_is_down == "close":
            return True
        if not piece.silent:
            if listener.answers == "always" or asked_for(piece.header, good):
                why = NOT_STORED if result is None else result.why
                self._data.append(wrap(acknowledge(piece.header, good, now, why)))
            elif not good:
                # A sender that asked for no answer at least notices the closed connection.
                return True
        return piece.last

    def _done(self, *, close: bool) -> None:
        self.reply = Reply(b"".join(self._data), close, self._counts)


class Acknowledger:
    """Answers the requests of many connections together: one call of the handler for a slice of each."""

    def __init__(self, handler: Handler, listener: Listener, now: Callable[[], datetime]) -> None:
        self._handler = handler
        self._listener = listener
        self._now = now

    def __call__(self, requests: Sequence[RequestProgress]) -> None:
        """Advance each request by one slice. Never raises."""
        pieces = [request.slice() for request in requests]
        waiting = [piece.received for row in pieces for piece in row if piece.received is not None]
        results = iter(self._handled(waiting))
        for request, row in zip(requests, pieces, strict=True):
            answered = [(piece, piece.result or next(results)) for piece in row]
            request.answered(answered, self._listener, self._now())

    def _handled(self, waiting: Sequence[ReceivedMessage]) -> Sequence[MessageOutcome | None]:
        """The handler's results; None for each message if nothing was stored."""
        if not waiting:
            return []
        try:
            return self._handler(waiting)
        except RedisError as error:
            log.error("%d message(s) are not stored and not acknowledged (%s)", len(waiting), type(error).__name__)
        except Exception as error:
            # Nothing was stored, so the sender keeps its copy. The text of the error may contain a patient's name.
            log.error("%d message(s) cannot be handled (%s)", len(waiting), type(error).__name__)
        return [None] * len(waiting)


def _pieces(frame: Frame, peer: str) -> list[_Piece]:
    if frame.too_long:
        return [_Piece(read_header(frame.body), None, MessageOutcome(ElementOutcome.REFUSED, TOO_LONG), last=True)]
    if not frame.body.strip():
        return []
    try:
        batch = split(frame.body)
    except OverBudget as error:
        return [_Piece(read_header(frame.body), None, MessageOutcome(ElementOutcome.REFUSED, str(error)))]
    if len(batch.messages) > MOST_MESSAGES:
        return [_Piece(read_header(frame.body), None, MessageOutcome(ElementOutcome.REFUSED, TOO_MANY))]
    headers = [read_header(message) for message in batch.messages]
    if not any(headers):
        why = NO_HEADER if headers else NO_MESSAGE
        return [_Piece(None, None, MessageOutcome(ElementOutcome.REFUSED, why))]
    mismatches = [""] * (len(headers) - 1) + [batch.count_mismatch]
    return [
        _piece(header, ReceivedMessage(message, peer, count_mismatch))
        for header, message, count_mismatch in zip(headers, batch.messages, mismatches, strict=True)
    ]


def _piece(header: Header | None, received: ReceivedMessage) -> _Piece:
    if header is not None and header.kind == "ACK":
        # An acknowledgement is never acknowledged: two systems would loop for ever.
        return _Piece(header, None, MessageOutcome(ElementOutcome.IGNORED), silent=True)
    # Without a header the message belongs to a batch whose other messages are answered.
    return _Piece(header, received, silent=header is None)
