"""A page as an alert report of IHE ACM: the transaction PCD-04, an HL7 v2.6 message ORU^R40. Pure.

The first report of an episode has the phase `start`; every later one names it in OBR-29 (CP-151). CRS, ICANS and the
other findings are advisory (SA), faults of this software or of a feed technical (ST), and nothing is physiological
(SP), which would claim a measurement of a device.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from alerts.episodes.delivery_log import Reason
from alerts.messages import SITE_SUBJECT
from alerts.pages.concern import ENDED
from alerts.pages.page import Page
from alerts.wording.catalogue import DISCLAIMER, say
from config.site import Channel, Urgency

Phase = Literal["start", "escalate", "deescalate", "continue", "update", "end", "tpoint"]
PHASES: Mapping[Reason, Phase] = {"worse": "escalate", "better": "deescalate", "repeat": "continue"}
"""The phase of a later report of an episode. Any other reason is an update."""

PRIORITIES: Mapping[Urgency, str] = {"critical": "PH", "high": "PH", "medium": "PM", "low": "PL", "technical": "PM"}
NO_PRIORITY = "PN"

PROFILE = "IHE_PCD_ACM_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO"
ALARM = "196616^MDC_EVT_ALARM^MDC"
KEEP_ALIVE = "196614^MDC_EVT_ACTIVE^MDC"
OWN_CODES = "99CARTWATCH"

_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}


class ManagerAddress(NamedTuple):
    """An alert manager: its host and port, and the names that the messages use.

    `oid`: the ISO object identifier of this installation. `authority`: the assigning authority of patient identifiers.
    """

    host: str
    port: int
    tls: bool
    application: str
    facility: str
    own_facility: str
    oid: str
    authority: str

    @property
    def own_name(self) -> str:
        """This installation as HL7 names it (HD)."""
        return f"CARTWATCH^{self.oid}^ISO" if self.oid else "CARTWATCH"


PARAMETERS = frozenset({"application", "facility", "own_facility", "oid", "authority"})


def read_address(url: str) -> ManagerAddress:
    """Read `pcd04://HOST:PORT?application=...&facility=...&own_facility=...&oid=...&authority=...`.

    Raises:
        ValueError: it is none; the text names the fault.
    """
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query))
    if unknown := sorted(given.keys() - PARAMETERS):
        raise ValueError(f"{unknown[0]!r} is not one of {', '.join(sorted(PARAMETERS))}")
    if not parts.hostname or parts.port is None or parts.path.strip("/"):
        raise ValueError("write the alert manager as pcd04://HOST:PORT")
    own = given.get("own_facility", "")
    return ManagerAddress(
        unquote(parts.hostname),
        parts.port,
        parts.scheme.lower() == "pcd04s",
        given.get("application", "ALERT_MANAGER"),
        given.get("facility", own),
        own,
        given.get("oid", ""),
        given.get("authority", own),
    )


def phase_of(page: Page, *, started: bool) -> Phase:
    """The phase of a report, if the manager has or has not accepted a report of this episode before.

    A page about no episode, such as a test page, is about one moment (`tpoint`).
    """
    if not page.episodes:
        return "tpoint"
    if page.reason in ENDED:
        return "end"
    return PHASES.get(page.reason, "update") if started else "start"


def report(page: Page, channel: Channel, *, started: bool, now: datetime) -> bytes:
    """The message of a page. A repetition differs in the times of the message and its control id alone."""
    to = read_address(channel.url)
    phase = phase_of(page, started=started)
    shown = channel.detail == "full"
    lines = [_msh(to, control_id(page.id, now), now), _pid(page, to) if shown else "PID"]
    lines += [_pv1(page), _obr(page, to, phase, now), *_facets(page, to, phase, shown=shown)]
    lines.append(_segment("NTE", "1", "", _text(say(DISCLAIMER, page.language))))
    return _message(lines)


def keep_alive(channel: Channel, now: datetime, *, active: bool) -> bytes:
    """The periodic message by which a manager learns that this software runs; the last one is `inactive`."""
    to = read_address(channel.url)
    own_id = f"keepalive.{_stamp(now)[:14]}"
    lines = [
        _msh(to, own_id, now),
        _segment("OBR", "1", *[f"{own_id}^{to.own_name}"] * 2, ALARM, "", "", _stamp(now)),
        _event(KEEP_ALIVE, "67860^MDC_ATTR_CONFIRM_TIMEOUT^MDC", now, to),
        *_attributes("cartwatch", "tpoint", "active" if active else "inactive", "enabled", NO_PRIORITY, "ST"),
    ]
    return _message(lines)


def control_id(page: str, now: datetime) -> str:
    """MSH-10: the id of the page, and the time of this transmission."""
    return f"{page}-{int(now.timestamp() * 1000):x}"


def page_of(control: str) -> str:
    """The page that a control id of ours names."""
    return control.rpartition("-")[0]


def _msh(to: ManagerAddress, control: str, now: datetime) -> str:
    fields = [r"^~\&", to.own_name, _text(to.own_facility), _text(to.application), _text(to.facility), _stamp(now)]
    fields += ["", "ORU^R40^ORU_R40", control, "P", "2.6", "", "", "AL", "AL", "", "UNICODE UTF-8", "", "", PROFILE]
    return _segment("MSH", *fields)


def _pid(page: Page, to: ManagerAddress) -> str:
    patient = "" if page.patient == SITE_SUBJECT else f"{_text(page.patient)}^^^{_text(to.authority)}^MR"
    return _segment("PID", "", "", patient)


def _pv1(page: Page) -> str:
    place = page.alert
    return _segment("PV1", "", "I", f"{_text(place.ward)}^^{_text(place.bed)}" if place is not None else "")


def _obr(page: Page, to: ManagerAddress, phase: Phase, now: datetime) -> str:
    is_later = phase not in ("start", "tpoint")
    own = page.episode if phase == "start" else page.id
    fields = ["1", *[f"{own}^{to.own_name}"] * 2, ALARM, "", "", _stamp(now)]
    if is_later:
        fields += [""] * (28 - len(fields)) + [f"^{page.episode}&{to.own_name.replace('^', '&')}"]
    return _segment("OBR", *fields)


def _facets(page: Page, to: ManagerAddress, phase: Phase, *, shown: bool) -> list[str]:
    alert = page.alert
    level = alert.level if alert is not None else 0
    code = f"{page.condition}-{level}" if shown else "alert"
    words = _text(page.heading.findings[0] if page.heading.findings else page.heading.who)
    at = alert.since if alert is not None and phase != "end" else page.at
    what = f"{_text(code)}^{words}^{OWN_CODES}^^^^^^{words}"
    note = _text("; ".join(page.text.partition("\n\n")[0].splitlines())) if shown else ""
    source = _text(page.condition) if shown else "cartwatch"
    return [
        _event(ALARM, what, at, to),
        _segment("OBX", "2", "ST", "0^MDCX_ATTR_ALERT_ANNOTATION^MDC", "1.0.0.0.1", note, *[""] * 5, "F"),
        *_attributes(
            f"{source}^{source}^{OWN_CODES}",
            phase,
            "inactive" if phase == "end" else "active",
            "alert-acknowledged" if alert is not None and alert.acknowledged_by else "enabled",
            NO_PRIORITY if phase == "end" else PRIORITIES[page.urgency],
            "ST" if page.urgency == "technical" or page.patient == SITE_SUBJECT else "SA",
        ),
    ]


def _event(id: str, what: str, at: datetime, to: ManagerAddress) -> str:
    end = [*[""] * 5, "F", "", "", _stamp(at), "", "", "", to.own_name]
    return _segment("OBX", "1", "CWE", id, "1.0.0.0.1", what, *end)


def _attributes(source: str, phase: str, state: str, inactivation: str, priority: str, kind: str) -> list[str]:
    """The facets of an alert, each as an observation of its own. Packing them into OBX-8 is deprecated."""
    facets = [
        ("CWE", "68480^MDC_ATTR_ALERT_SOURCE^MDC", source),
        ("ST", "68481^MDC_ATTR_EVENT_PHASE^MDC", phase),
        ("ST", "68482^MDC_ATTR_ALARM_STATE^MDC", state),
        ("ST", "68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC", inactivation),
        ("ST", "68484^MDC_ATTR_ALARM_PRIORITY^MDC", priority),
        ("ST", "68485^MDC_ATTR_ALERT_TYPE^MDC", kind),
    ]
    return [
        _segment("OBX", str(number + 1), form, name, f"1.0.0.0.{number}", value, *[""] * 5, "F")
        for number, (form, name, value) in enumerate(facets, start=2)
    ]


def _segment(name: str, *fields: str) -> str:
    return "|".join([name, *fields]).rstrip("|")


def _text(text: str) -> str:
    """A text without the signs that HL7 reads as separators, in one line."""
    return "".join(_ESCAPES.get(sign, sign) for sign in " ".join(text.split()))


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")


def _message(lines: list[str]) -> bytes:
    return "".join(f"{line}\r" for line in lines).encode()
