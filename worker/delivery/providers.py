"""What single services take beside words: priority, a key against duplicates, a link to tap. One row a service.

The parameters are those of Apprise 2.2; the tests make each plugin read them. Two of its ways must be known: Opsgenie,
Jira and Splunk On-Call alert nobody for a notification of type `info`, so that type and action are always given; and
Apprise names Opsgenie's and Jira's highest priority, P1, "low", so that it is asked for by number.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

from alerts.pages.concern import ENDED
from alerts.pages.page import Page
from config.site import Urgency

ByUrgency = Mapping[Urgency, str]


def _by(critical: str, high: str, medium: str, low: str, technical: str) -> ByUrgency:
    return {"critical": critical, "high": high, "medium": medium, "low": low, "technical": technical}


NOTIFY_TYPE = _by("failure", "failure", "warning", "info", "warning")
"""Apprise's own scale: colour and icon in a chat, and whether some services alert at all."""

_WORDS = _by("emergency", "high", "normal", "low", "normal")
_NUMBERS = _by("p1", "p2", "p3", "p5", "p3")

EMERGENCY_EVERY_SECONDS = 60
EMERGENCY_FOR_SECONDS = 300
"""Pushover rings again until somebody taps in its own app. That does not reach us, nor does our acknowledgement reach
it: so it stops before the ladder's next page."""


class ProviderOptions(NamedTuple):
    """What a service takes: a priority in its own words; a key; where a link goes. Names of URL parameters."""

    priority: str = ""
    priorities: ByUrgency = MappingProxyType({})
    key: str = ""
    also: tuple[str, ...] = ()
    """Other names of the key, by which a site may have written one itself."""
    fixed: tuple[tuple[str, str], ...] = ()
    quiet: tuple[tuple[str, str], ...] = ()
    """What makes the least noise, where the priority of `low` is not that already."""
    link: Callable[[str, str], dict[str, str]] | None = None


def _ntfy_link(link: str, label: str) -> dict[str, str]:
    return {"click": link, "actions": f"view, {label}, {link}"}


def _pushover_link(link: str, label: str) -> dict[str, str]:
    return {"url": link, "url_title": label}


def _click(link: str, _: str) -> dict[str, str]:
    return {"click": link}


_OPSGENIE = ProviderOptions("priority", _NUMBERS, key="alias", fixed=(("action", "new"),))
_NTFY = ProviderOptions(
    "priority", _by("max", "high", "default", "low", "default"), quiet=(("priority", "min"),), link=_ntfy_link
)
_GOTIFY = ProviderOptions("priority", _WORDS)
_PUSHSAFER = ProviderOptions("priority", _WORDS)
_BARK = ProviderOptions("level", _by("critical", "timeSensitive", "active", "passive", "active"), link=_click)
_PINGLET = ProviderOptions("priority", _by("urgent", "urgent", "normal", "silent", "normal"))
_GOALERT = ProviderOptions(key="dedup", fixed=(("action", "trigger"),))
_MAIL = ProviderOptions(
    "+importance", _by("high", "high", "normal", "low", "normal"), fixed=(("+auto-submitted", "auto-generated"),)
)
"""Headers, which Apprise reads from parameters with a `+`: a mail program marks what is important (RFC 4021), and an
out-of-office reply is not sent to an automatic mail (RFC 3834)."""
_SPLUNK = ProviderOptions("action", _by("critical", "critical", "warning", "info", "warning"), key="entity_id")

SERVICES: Mapping[str, ProviderOptions] = {
    "mailto": _MAIL,
    "mailtos": _MAIL,
    "tgram": ProviderOptions(quiet=(("silent", "yes"),)),
    "ntfy": _NTFY,
    "ntfys": _NTFY,
    "pover": ProviderOptions("priority", _WORDS, link=_pushover_link),
    "gotify": _GOTIFY,
    "gotifys": _GOTIFY,
    "psafer": _PUSHSAFER,
    "psafers": _PUSHSAFER,
    "prowl": ProviderOptions("priority", _WORDS),
    "lauther": ProviderOptions("priority", _WORDS, link=_click),
    "youlmk": ProviderOptions("priority", _by("critical", "high", "normal", "low", "normal")),
    "pinglet": _PINGLET,
    "pinglets": _PINGLET,
    "pushward": ProviderOptions("level", _by("critical", "time-sensitive", "active", "passive", "active")),
    "join": ProviderOptions("priority", _WORDS),
    "bark": _BARK,
    "barks": _BARK,
    "pagerduty": ProviderOptions(
        "severity", _by("critical", "error", "warning", "info", "warning"), key="dedup", link=_click
    ),
    "opsgenie": _OPSGENIE,
    "jira": _OPSGENIE,
    "splunk": _SPLUNK,
    "victorops": _SPLUNK,
    "signl4": ProviderOptions(key="dedup", also=("external_id",)),
    "pagertree": ProviderOptions(
        "urgency",
        _by("critical", "high", "medium", "low", "medium"),
        key="dedup",
        also=("thirdparty", "tid"),
    ),
    "ilert": ProviderOptions(
        "priority",
        _by("high", "high", "high", "low", "high"),
        key="dedup",
        fixed=(("action", "trigger"),),
        link=_click,
    ),
    "squadcast": ProviderOptions(
        "priority", _by("P1", "P2", "P3", "P5", "P3"), key="dedup", fixed=(("action", "trigger"),)
    ),
    "incidentio": ProviderOptions(key="dedup", fixed=(("action", "trigger"),), link=_click),
    "goalert": _GOALERT,
    "goalerts": _GOALERT,
}

WEBHOOKS = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", "apprise", "apprises"})
"""What takes a message for a machine: a picture goes there only if the site asks for it."""


def schema(url: str) -> str:
    """The part of an Apprise address that names the service."""
    return url.partition("://")[0].strip().lower()


def notify_type(page: Page) -> str:
    """How Apprise is to class a page: the end of an alert is a success."""
    return "success" if page.reason in ENDED else NOTIFY_TYPE[page.urgency]


def extras(service: str, page: Page, link: str, label: str) -> dict[str, str]:
    """The parameters a service is given for a page; none for a service that is not in the table.

    The key is the page's id, not the episode's: a retry is then the same alert, and a worsening or a repeat is a new
    one. Under the episode's id it would vanish in an alert that somebody has acknowledged there.
    """
    takes = SERVICES.get(service)
    if takes is None:
        return {}
    found = dict(takes.fixed)
    if takes.priority:
        found[takes.priority] = takes.priorities[page.urgency]
    if takes.key:
        found[takes.key] = page.id
    if service == "pover" and page.urgency == "critical":
        found |= {"interval": str(EMERGENCY_EVERY_SECONDS), "expire": str(EMERGENCY_FOR_SECONDS)}
    if takes.link is not None and link:
        found |= takes.link(link, label)
    return found


def has_link_field(service: str) -> bool:
    """Whether a service shows the link of a page in a field of its own, so that the text need not hold it."""
    takes = SERVICES.get(service)
    return takes is not None and takes.link is not None


def lowest_priority(service: str) -> dict[str, str]:
    """The parameters by which a service makes the least noise."""
    takes = SERVICES.get(service, ProviderOptions())
    lowest = {takes.priority: takes.priorities["low"]} if takes.priority else {}
    return lowest | dict(takes.quiet)


def as_quiet(url: str) -> str:
    """An address by which a service makes the least noise, whatever priority the site wrote in it for its pages."""
    quiet = lowest_priority(schema(url))
    before, mark, query = url.partition("?")
    kept = "&".join(part for part in query.split("&") if part.partition("=")[0].lower() not in quiet)
    return with_extras(f"{before}{mark}{kept}", quiet)


def forced_priority(url: str) -> str:
    """What an address itself says of the urgency, as `priority=max`; empty where a page has its own."""
    takes = SERVICES.get(schema(url))
    written = parse_qsl(_query(url))
    said = [f"{name}={value}" for name, value in written if takes is not None and name.lower() == takes.priority]
    return said[0] if said else ""


def with_extras(url: str, given: Mapping[str, str]) -> str:
    """An address with parameters added; what the site wrote in it itself always holds."""
    written = set(_written(url))
    takes = SERVICES.get(schema(url), ProviderOptions())
    if written & {takes.key, *takes.also} - {""} or (takes.key == "entity_id" and _has_path(url)):
        written.add(takes.key)
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in given.items() if name not in written)
    if not added:
        return url
    separator = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
    return f"{url}{separator}{added}"


def _written(url: str) -> Iterable[str]:
    return (name.lower() for name, _ in parse_qsl(_query(url), keep_blank_values=True))


def _query(url: str) -> str:
    """The parameters of an address, in which a `+` is the letter itself."""
    return url.partition("?")[2].replace("+", "%2B")


def _has_path(url: str) -> bool:
    """Whether something follows the host: Splunk On-Call's entity."""
    return bool(url.partition("://")[2].partition("?")[0].rstrip("/").partition("/")[2])


def takes_picture(service: str, *, attachments: bool, sms: bool, asked: bool | None) -> bool:
    """Whether a trend picture goes to a service: one that takes attachments and shows them to a person.

    `asked` is what the site says of the channel. A text message has no picture, whatever the gateway takes.
    """
    if not attachments or sms or asked is False:
        return False
    return asked is True or service not in WEBHOOKS
