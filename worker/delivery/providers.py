"""What single services take beside text: priority, a de-duplication key, a link to tap. One row a service.

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
from worker.delivery.gsm import septets

ByUrgency = Mapping[Urgency, str]


def _by(critical: str, high: str, medium: str, low: str, technical: str) -> ByUrgency:
    return {"critical": critical, "high": high, "medium": medium, "low": low, "technical": technical}


NOTIFY_TYPE = _by("failure", "failure", "warning", "info", "warning")
"""Apprise's own scale: colour and icon in a chat, and whether some services alert at all."""

_WORDS = _by("emergency", "high", "normal", "low", "normal")
_NUMBERS = _by("p1", "p2", "p3", "p5", "p3")

EMERGENCY_EVERY_SECONDS = 60
EMERGENCY_FOR_SECONDS = 300
"""Pushover rings until somebody taps in its app, or the page is answered here (`worker/delivery/follow.py`). It stops
before the ladder's next page in any case."""


class ProviderOptions(NamedTuple):
    """What a service takes: a priority in its own words; a key; where a link goes. Names of URL parameters."""

    priority: str = ""
    priorities: ByUrgency = MappingProxyType({})
    key: str = ""
    also: tuple[str, ...] = ()
    """Other parameter names under which a site may have written the key itself."""
    fixed: tuple[tuple[str, str], ...] = ()
    quiet: tuple[tuple[str, str], ...] = ()
    """The quietest parameters, if the priority of `low` is not the quietest."""
    link: Callable[[str, str, tuple[str, str] | None], dict[str, str]] | None = None


def _ntfy_link(link: str, label: str, action: tuple[str, str] | None) -> dict[str, str]:
    """The first button acknowledges the page, by a POST of the app itself; the second opens it."""
    view = f"view, {label}, {link}"
    answer = f"http, {action[1]}, {action[0]}, method=POST, clear=true; " if action is not None else ""
    return {"click": link, "actions": answer + view}


def _pushover_link(link: str, label: str, _: tuple[str, str] | None) -> dict[str, str]:
    return {"url": link, "url_title": label}


def _click(link: str, _: str, __: tuple[str, str] | None) -> dict[str, str]:
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
"""Headers, which Apprise reads from parameters with a `+`: mail programs mark important mail (RFC 4021), and send no
out-of-office reply to automatic mail (RFC 3834)."""
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
"""Services that deliver to a machine: a picture goes there only if the site asks for it."""


def schema(url: str) -> str:
    """The part of an Apprise address that names the service."""
    return url.partition("://")[0].strip().lower()


def notify_type(page: Page) -> str:
    """Apprise's class of a page: the end of an alert is a success."""
    return "success" if page.reason in ENDED else NOTIFY_TYPE[page.urgency]


def extras(service: str, page: Page, link: str, label: str, action: tuple[str, str] | None = None) -> dict[str, str]:
    """The parameters of a service for a page; none for a service outside the table.

    `action`: the address to which an answer is posted, and the label of its button.

    The key is the page's id, not the episode's: a retry is then the same alert, and a worsening or a repeat is a new
    one. Under the episode's id it would vanish in an alert that somebody has acknowledged there.
    """
    options = SERVICES.get(service)
    if options is None:
        return {}
    found = dict(options.fixed)
    if options.priority:
        found[options.priority] = options.priorities[page.urgency]
    if options.key:
        found[options.key] = page.id
    if service == "pover" and page.urgency == "critical":
        found |= {"interval": str(EMERGENCY_EVERY_SECONDS), "expire": str(EMERGENCY_FOR_SECONDS)}
    if options.link is not None and link:
        found |= options.link(link, label, action)
    return found


def has_link_field(service: str) -> bool:
    """Whether a service shows the link of a page in a field of its own, so that the text need not hold it."""
    options = SERVICES.get(service)
    return options is not None and options.link is not None


def lowest_priority(service: str) -> dict[str, str]:
    """The quietest parameters of a service."""
    options = SERVICES.get(service, ProviderOptions())
    lowest = {options.priority: options.priorities["low"]} if options.priority else {}
    return lowest | dict(options.quiet)


def as_quiet(url: str) -> str:
    """The quietest address of a service, whatever priority the site wrote in it for pages."""
    quiet = lowest_priority(schema(url))
    before, mark, query = url.partition("?")
    kept = "&".join(part for part in query.split("&") if part.partition("=")[0].lower() not in quiet)
    return with_extras(f"{before}{mark}{kept}", quiet)


def forced_priority(url: str) -> str:
    """The priority an address itself sets, such as `priority=max`; empty if each page sets its own."""
    options = SERVICES.get(schema(url))
    written = parse_qsl(_query(url))
    said = [f"{name}={value}" for name, value in written if options is not None and name.lower() == options.priority]
    return said[0] if said else ""


def with_extras(url: str, given: Mapping[str, str]) -> str:
    """An address with parameters added; parameters that the site wrote keep their value."""
    written = set(_written(url))
    options = SERVICES.get(schema(url), ProviderOptions())
    if written & {options.key, *options.also} - {""} or (options.key == "entity_id" and _has_path(url)):
        written.add(options.key)
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

    `asked` is what the site says of the channel. A text message has no picture, whatever the gateway options.
    """
    if not attachments or sms or asked is False:
        return False
    return asked is True or service not in WEBHOOKS


class SizeLimit(NamedTuple):
    """How much a channel takes. `title` 0: title and text are one. `sms`: in the alphabet of a text message."""

    title: int
    text: int
    sms: bool = False
    octets: bool = False

    def size(self, text: str) -> int:
        """How much of the limit a text takes."""
        if self.sms:
            return septets(text)
        return len(text.encode()) if self.octets else len(text)


SMS = frozenset(
    {
        *("46elks", "atalk", "bulksms", "bulkvs", "burstsms", "clicksend", "clickatell", "cm", "d7sms", "dapnet"),
        *("elks", "exotel", "freemobile", "httpsms", "infobip", "kaleyra", "kavenegar", "klr", "kudosity"),
        *("mobilemessage", "mobilemsg", "msg91", "msgbird", "nexmo", "notifyre", "octopush", "plivo", "ringc"),
        *("serwersms", "seven", "sfr", "sinch", "smpp", "smpps", "smsc", "smseagle", "smseagles", "smsmanager"),
        *("smsmgr", "smstunnel", "sns", "telesign", "telnyx", "twilio", "voipms", "vonage"),
    }
)
"""Services that send text messages: in the GSM alphabet, and without a picture."""

ANSWERED_SMS = frozenset({"twilio", "vonage", "nexmo"})
"""Services whose replies come back (`worker/gateway/provider_answers.py`)."""

SMS_MOST = 160

TITLES = {"opsgenie": 130, "jira": 130}
TEXTS = {"ntfy": 4096, "ntfys": 4096, "tgram": 4096, "workflow": 1000, "workflows": 1000}
"""Limits below those of the plugin: Opsgenie cuts a title at 130, ntfy trips more than 4096 octets into a file."""

OCTETS = frozenset({"ntfy", "ntfys"})


def size_limit_of(service: str, title: int, text: int) -> SizeLimit:
    """The size limit of a service whose plugin names these limits."""
    sms = service in SMS
    limit = min(text, TEXTS.get(service, text))
    return SizeLimit(
        title=0 if sms else min(title, TITLES.get(service, title)),
        text=min(limit, SMS_MOST) if sms else limit,
        sms=sms,
        octets=service in OCTETS,
    )
