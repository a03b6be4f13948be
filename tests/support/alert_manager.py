"""An alert manager of the project's own (IHE ACM): it takes PCD-04 over MLLP, and answers alerts by PCD-05."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

from config.site import Site
from worker.intake.hl7.tokens import Hl7Message, Segment, read
from worker.intake.mllp.frames import FrameReader, wrap

Reply = Callable[[Hl7Message], str | None]


class Report(NamedTuple):
    """One report: which alert, by what message, and the facets by their names in PCD-04."""

    control: str
    id: str
    parent: str
    patient: str
    place: str
    what: str
    note: str
    phase: str
    state: str
    inactivation: str
    priority: str
    kind: str

    @property
    def alert(self) -> str:
        """The id of the alert: that of its start."""
        return self.parent or self.id


def facet(message: Hl7Message, code: str) -> Segment:
    """The observation of one facet."""
    (found,) = [one for one in message.all("OBX") if one.field(3).component(1) == code]
    return found


def read_report(message: Hl7Message) -> Report:
    """A report as a manager reads it."""
    obr, pid, pv1 = message.first("OBR"), message.first("PID"), message.first("PV1")
    assert obr is not None
    notes = [one.field(5).text for one in message.all("OBX") if one.field(3).component(1) == "0"]
    values = [facet(message, code).field(5).text for code in ("68481", "68482", "68483", "68484", "68485")]
    return Report(
        message.segments[0].field(10).text,
        obr.field(3).component(1),
        obr.field(29).component(2),
        pid.field(3).component(1) if pid is not None else "",
        pv1.field(3).text if pv1 is not None else "",
        message.all("OBX")[0].field(5).component(2),
        notes[0] if notes else "",
        *values,
    )


class AlertManager:
    """A manager on a port, by default a free one. `reply` gives the code of its acknowledgement; None: it is silent."""

    def __init__(self, reply: Reply = lambda _: "AA", port: int = 0, certificate: ssl.SSLContext | None = None) -> None:
        self.reply = reply
        self._certificate = certificate
        self.messages: list[Hl7Message] = []
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)

    @property
    def url(self) -> str:
        """The address of its channel."""
        return f"pcd04{'s' if self._certificate else ''}://127.0.0.1:{self.port}?own_facility=HOSPITAL&oid=1.2.3.4.5"

    @property
    def reports(self) -> list[Report]:
        """The reports of alerts, in the order in which they came; without the keep-alive."""
        return [read_report(one) for one in self.messages if not _is_keep_alive(one)]

    @property
    def kept_alive(self) -> list[str]:
        """The states of the keep-alive messages, in their order."""
        return [facet(one, "68482").field(5).text for one in self.messages if _is_keep_alive(one)]

    def answer(self, alert: str, state: str, person: str, at: str, number: int = 0) -> bytes:
        """A PCD-05 about an alert: it names the message by which the alert started."""
        (start,) = [one for one in self.reports if one.alert == alert and one.phase == "start"]
        return pcd05(start.control, alert, state, person, at, number)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with suppress(ssl.SSLError, ConnectionError), connection, self._secured(connection) as secured:
                self._converse(secured)

    def _secured(self, connection: socket.socket) -> socket.socket:
        return self._certificate.wrap_socket(connection, server_side=True) if self._certificate else connection

    def _converse(self, connection: socket.socket) -> None:
        frames = FrameReader()
        while data := connection.recv(65536):
            for frame in frames.feed(data):
                message = read(frame.body)
                self.messages.append(message)
                code = self.reply(message)
                if code is not None:
                    connection.sendall(wrap(acknowledgement(message, code)))


def acknowledgement(message: Hl7Message, code: str) -> bytes:
    """The acknowledgement of a message."""
    control = message.segments[0].field(10).text
    return f"MSH|^~\\&|AM||CARTWATCH||20240614||ACK^R40^ACK|a1|P|2.6\rMSA|{code}|{control}\r".encode()


def pcd05(control: str, alert: str, state: str, person: str, at: str, number: int = 0) -> bytes:
    """What a manager reports of a person and an alert."""
    lines = (
        f"MSH|^~\\&|AM^1.2.3.9^ISO|HOSPITAL|CARTWATCH^1.2.3.4.5^ISO|HOSPITAL|{at}||ORA^R41^ORA_R41|am-{number}"
        "|P|2.6|||AL|NE||UNICODE UTF-8|||IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO",
        f"MSA|AA|{control}",
        f"OBR|1||{alert}^CARTWATCH^1.2.3.4.5^ISO|196616^MDC_EVT_ALARM^MDC",
        f"PRT||AD|RESPONSE^{state}^IHE_PCD_ACM|AAP|{person}|||||DECT-4711|{at}||||^WPN^CP^^^^^^^^^4711",
    )
    return "".join(f"{line}\r" for line in lines).encode()


def _is_keep_alive(message: Hl7Message) -> bool:
    return message.all("OBX")[0].field(3).component(1) == "196614"


def managed(site: Site, escalates: str, url: str = "pcd04://127.0.0.1:9", channel: str = "phone-1") -> Site:
    """A site whose first haematologist is an alert manager; where it escalates, every ladder notifies it alone."""
    on_call = site.on_call.model_dump()
    on_call["channels"][channel] |= {"url": url, "escalates": escalates}
    if escalates == "manager":
        for ladder in on_call["ladders"].values():
            ladder |= {"steps": [{"after": "0 s", "notify": ["on_call"]}], "repeat_every": None}
    return site._replace(on_call=type(site.on_call).model_validate(on_call))
