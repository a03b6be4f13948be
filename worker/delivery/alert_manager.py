"""Pages to an alert manager (IHE ACM): each as one PCD-04 over MLLP, and the periodic keep-alive.

The report of a page is in the manager's hands when it acknowledges it (AA or CA), which means received and never that
a person has it. A page older than the last that the manager has of its episode is not sent: the newer one replaced it.
"""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from alerts.pages.concern import ENDED
from alerts.pages.page import Page
from alerts.wording.phrase import Phrase, phrase
from config.site import Channel
from worker.delivery.outcome import Attempt, Outcome
from worker.delivery.pcd04 import ManagerAddress, keep_alive, read_address, report

log = logging.getLogger(__name__)

CONNECT_SECONDS, ANSWER_SECONDS = 4.0, 8.0
ANSWER_LIMIT = 64 * 1024
START, END = b"\x0b", b"\x1c\r"

_ONE_AT_A_TIME = [threading.Lock() for _ in range(64)]
"""Reports of one episode never overtake each other, though critical pages have a queue and a thread of their own."""

ACCEPTED, REJECTED = ("AA", "CA"), ("AR", "CR")


class ReportLog(Protocol):
    """The number of the last page of each episode that a manager has accepted, and the time."""

    def now(self) -> datetime:
        """The time now."""
        ...

    def last(self, channel: str, episode: str) -> int | None:
        """The number of the last page; None if it has none."""
        ...

    def record(self, channel: str, episode: str, number: int) -> None:
        """Record that a manager accepted a page."""
        ...


def send_reports(channel: Channel, pages: Sequence[Page], reports: ReportLog | None) -> Attempt:
    """Send the reports of pages in the order in which they were made, until one is not accepted.

    Without `reports` nothing is known of earlier reports: the store may be away.
    """
    for page in sorted(pages, key=lambda one: (one.at, one.id)):
        attempt = _send(channel, page, reports)
        if attempt.outcome is not Outcome.SENT:
            return attempt
    return Attempt(Outcome.SENT)


def _send(channel: Channel, page: Page, reports: ReportLog | None) -> Attempt:
    to = read_address(channel.url)
    if reports is None or not page.episodes:
        return exchange(to, report(page, channel, started=False, now=reports.now() if reports else page.at))
    with _ONE_AT_A_TIME[hash(page.episode) % len(_ONE_AT_A_TIME)]:
        return _in_order(channel, page, reports, to)


def _in_order(channel: Channel, page: Page, reports: ReportLog, to: ManagerAddress) -> Attempt:
    last, number = reports.last(page.channel, page.episode), int(page.id.rpartition(".")[2])
    if (last is not None and number <= last) or (last is None and page.reason in ENDED):
        return Attempt(Outcome.SENT)  # replaced by a newer report, or the end of what the manager never had
    attempt = exchange(to, report(page, channel, started=last is not None, now=reports.now()))
    if attempt.outcome is Outcome.SENT:
        reports.record(page.channel, page.episode, number)
    return attempt


def send_keep_alive(channel: Channel, now: datetime, *, active: bool) -> bool:
    """Report that this software runs, or (not `active`) that it stops; return whether the manager accepted it."""
    attempt = exchange(read_address(channel.url), keep_alive(channel, now, active=active))
    if attempt.outcome is not Outcome.SENT:
        log.warning("keep-alive: the alert manager did not accept it (%s)", attempt.outcome)
    return attempt.outcome is Outcome.SENT


def exchange(to: ManagerAddress, message: bytes) -> Attempt:
    """Send one message and read its acknowledgement."""
    until = time.monotonic() + CONNECT_SECONDS + ANSWER_SECONDS
    try:
        opened = _opened(to)
    except OSError:
        return Attempt(Outcome.TEMPORARY, Phrase("the alert manager cannot be reached"))
    try:
        with opened as connection:
            connection.sendall(START + message + END)
            answer = _answer(connection, until)
    except TimeoutError:
        return Attempt(Outcome.UNKNOWN, Phrase("the provider did not answer in time"))
    except OSError:
        return Attempt(Outcome.UNKNOWN, Phrase("no answer from the provider"))
    return outcome_of(answer, message)


def outcome_of(answer: bytes, message: bytes) -> Attempt:
    """The outcome by an acknowledgement. One of another message says nothing of this one."""
    fields = next((line.split(b"|") for line in answer.splitlines() if line.startswith(b"MSA|")), [])
    code, about = ([field.decode(errors="replace") for field in fields[1:3]] + ["", ""])[:2]
    if about != message.split(b"|", 10)[9].decode():
        return Attempt(Outcome.UNKNOWN, Phrase("no answer from the provider"))
    if code in ACCEPTED:
        return Attempt(Outcome.SENT)
    outcome = Outcome.PERMANENT if code in REJECTED else Outcome.TEMPORARY
    return Attempt(outcome, phrase("the alert manager answered {code}", code=code[:10]))


def _opened(to: ManagerAddress) -> socket.socket:
    """A connection; with TLS, to a manager whose certificate is verified."""
    plain = socket.create_connection((to.host, to.port), CONNECT_SECONDS)
    if not to.tls:
        return plain
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=to.host)
    except OSError:
        plain.close()
        raise


def _answer(connection: socket.socket, until: float) -> bytes:
    read = b""
    while END[:1] not in read and len(read) < ANSWER_LIMIT:
        connection.settimeout(max(0.01, until - time.monotonic()))
        part = connection.recv(4096)
        if not part:
            break
        read += part
    return read.strip(START + END)
