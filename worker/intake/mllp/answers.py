"""From frames to acknowledgements: one for each message, in order, and AA only of what was stored before."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from redis.exceptions import RedisError

from config.listeners import Listener
from worker.intake.hl7.ack import acknowledge, asked_for
from worker.intake.hl7.batches import split
from worker.intake.hl7.header import Header, read_header
from worker.intake.mllp.frames import Frame, wrap
from worker.intake.taken import Outcome

log = logging.getLogger(__name__)

NOT_STORED = "not stored, send it again"
TOO_LONG = "longer than 4 MiB"
NO_HEADER = "not HL7 v2: it does not begin with MSH"
NO_MESSAGE = "a batch without a message"

_COUNTED = {
    Outcome.STORED: "stored",
    Outcome.SET_ASIDE: "set_aside",
    Outcome.IGNORED: "ignored",
    Outcome.REFUSED: "refused",
}


class Received(NamedTuple):
    """One message as it came; `doubt` says what speaks for others of its batch being missing."""

    raw: bytes
    peer: str
    doubt: str = ""


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
    def size(self) -> int:
        """Bytes."""
        return sum(len(frame.body) for frame in self.frames)


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


class Answerer:
    """Answers the requests of many connections together, with one call of the handler."""

    def __init__(self, handler: Handler, listener: Listener, now: Callable[[], datetime]) -> None:
        self._handler = handler
        self._listener = listener
        self._now = now

    def __call__(self, requests: Sequence[Request]) -> list[Reply]:
        """A reply for each request, in their order. Never raises."""
        pieces = [[piece for frame in request.frames for piece in _pieces(frame, request.peer)] for request in requests]
        waiting = [piece.received for row in pieces for piece in row if piece.received is not None]
        verdicts = iter(self._handled(waiting))
        return [self._reply([(piece, piece.verdict or next(verdicts)) for piece in row], self._now()) for row in pieces]

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

    def _reply(self, answered: Sequence[tuple[_Piece, Verdict | None]], now: datetime) -> Reply:
        data: list[bytes] = []
        counts: Counter[str] = Counter(received=len(answered))
        for piece, verdict in answered:
            counts["not_stored" if verdict is None else _COUNTED[verdict.outcome]] += 1
            good = verdict is not None and verdict.outcome is not Outcome.REFUSED
            if verdict is None and self._listener.when_store_is_down == "close":
                # What follows must not be answered either: its answer would be taken for that of this one.
                counts["not_stored"] += len(answered) - sum(counts[name] for name in (*_COUNTED.values(), "not_stored"))
                return Reply(b"".join(data), True, counts)
            if not piece.silent:
                wanted = self._listener.answers == "always" or asked_for(piece.header, good)
                if wanted:
                    why = NOT_STORED if verdict is None else verdict.why
                    data.append(wrap(acknowledge(piece.header, good, now, why)))
                elif not good:
                    # A sender that wants to hear of nothing notices at least this.
                    return Reply(b"".join(data), True, counts)
            if piece.last:
                return Reply(b"".join(data), True, counts)
        return Reply(b"".join(data), False, counts)


def _pieces(frame: Frame, peer: str) -> list[_Piece]:
    if frame.too_long:
        return [_Piece(read_header(frame.body), None, Verdict(Outcome.REFUSED, TOO_LONG), last=True)]
    if not frame.body.strip():
        return []
    batch = split(frame.body)
    headers = [read_header(message) for message in batch.messages]
    if not any(headers):
        why = NO_HEADER if headers else NO_MESSAGE
        return [_Piece(None, None, Verdict(Outcome.REFUSED, why))]
    doubts = [""] * (len(headers) - 1) + [batch.doubt]
    return [
        _piece(header, Received(message, peer, doubt))
        for header, message, doubt in zip(headers, batch.messages, doubts, strict=True)
    ]


def _piece(header: Header | None, received: Received) -> _Piece:
    if header is not None and header.kind == "ACK":
        # An acknowledgement is never acknowledged: two systems would go on for ever.
        return _Piece(header, None, Verdict(Outcome.IGNORED), silent=True)
    # Without a header it belongs to a batch whose other messages are answered.
    return _Piece(header, received, silent=header is None)
