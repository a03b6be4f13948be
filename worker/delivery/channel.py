"""One message to one channel, through Apprise, in this process and thread.

Parsing an address costs as much as sending to it. So the parsed address is kept, with placeholders for the page's id
and link, and each page gets a fresh plugin made of it. A kept plugin would wait between two pages
(`request_rate_per_sec`).
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple, Protocol

from apprise import Apprise, AppriseAsset, AppriseAttachment
from apprise import plugins as apprise_plugins
from apprise.attachment.memory import AttachMemory
from apprise.result import AppriseResult, AppriseResultStatus

from alerts.pages.page import Page
from alerts.wording.phrase import Phrase, phrase
from config.site import Channel, Urgency
from worker.delivery import ntfy, providers
from worker.delivery.alert_manager import ReportLog, send_reports
from worker.delivery.http import bound_responses, keep_connections
from worker.delivery.outcome import Attempt, Outcome, classify_failure, classify_status
from worker.delivery.providers import ANSWERED_SMS, SMS, SizeLimit, size_limit_of
from worker.delivery.rendering import (
    Rendered,
    ReplyHint,
    answer_label,
    caption,
    link_label,
    render,
    render_bundle,
    reply_hint,
    wants_reply,
    with_number,
)
from worker.delivery.smtp import bound_dialogues
from worker.delivery.transport import ProviderAnswer, Transport

CONNECT_SECONDS = 4
READ_SECONDS = 8

PICTURE_CONNECT_SECONDS = 2
PICTURE_READ_SECONDS = 6
PICTURE_NAME = "trend.png"

bound_responses()
bound_dialogues()


class AnswerWays(Protocol):
    """The ways to answer a page in its notification itself."""

    def token(self, page: Page) -> str:
        """A signed token by which the recipient acknowledges the page."""
        ...

    def address(self, page: Page) -> str:
        """The address to which that token is posted."""
        ...

    def number(self, page: Page) -> str:
        """The number by which the recipient answers the page in a text message."""
        ...


class MessageContext(NamedTuple):
    """What an installation puts into its messages: its receiver, the link to a page, the reports to alert managers, and
    the ways to answer in a notification.
    """

    receiver: str = ""
    link: Callable[[Page], str] = lambda _: ""
    reports: ReportLog | None = None
    answers: AnswerWays | None = None


ID, LINK = "cwpageid0", "https://cwlink0.example"
"""The placeholders for the id and the link of a page in a parsed address. Every plugin accepts them."""

ACTION, LABEL = "https://cwaction0.example", "cwlabel0"
"""The placeholders for the address that an answer is posted to, and for the label of its button."""

UNKNOWN_ADDRESS = Attempt(Outcome.PERMANENT, Phrase("the channel's address is not one Apprise knows"))


def address(channel: Channel, page_id: str, receiver: str) -> str:
    """The channel's Apprise address for one page, with its id and with timeouts."""
    url = channel.url.replace("{receiver}", receiver).replace("{page_id}", page_id)
    return providers.with_extras(url, {"cto": str(CONNECT_SECONDS), "rto": str(READ_SECONDS)})


def send(channel: Channel, pages: Sequence[Page], context: MessageContext) -> Attempt:
    """Send one page, or several that waited, as one message under the id of the first.

    An alert manager gets one message each.
    """
    if channel.is_alert_manager:
        return send_reports(channel, pages, context.reports)
    first = pages[0]
    links = [context.link(page) for page in pages]
    service = providers.schema(channel.url.replace("{receiver}", context.receiver))
    answers = context.answers if len(pages) == 1 and wants_reply(first) else None
    action = (answers.address(first), answer_label(first.language)) if answers is not None else None
    given = providers.extras(service, first, links[0] and LINK, link_label(first.language), action and (ACTION, LABEL))
    given = {name: value.replace(first.id, ID) for name, value in given.items()}
    url = providers.with_extras(address(channel, ID, context.receiver), given)
    plugin = _open(url, {ID: first.id, LINK: links[0], **({ACTION: action[0], LABEL: action[1]} if action else {})})
    if plugin is None:
        return UNKNOWN_ADDRESS
    hints = [reply_hint(page, link) for page, link in zip(pages, links, strict=True)]
    if providers.has_link_field(service) and links[0]:
        hints[0] = ReplyHint()
    if answers is not None and channel.answers and service in ANSWERED_SMS:
        hints[0] = with_number(hints[0], answers.number(first), first.language)
    button = (
        (action[1], answers.token(first)) if answers and action and channel.answers and service == "tgram" else None
    )
    rendered = render_all(pages, hints, size_limit_of(service, plugin.title_maxlen, plugin.body_maxlen))
    return _notify(plugin, service, rendered, providers.notify_type(first), READ_SECONDS, button=button)


def render_all(pages: Sequence[Page], hints: Sequence[ReplyHint], limit: SizeLimit) -> Rendered:
    """The text of a message about one page or several."""
    if len(pages) == 1:
        return render(pages[0], hints[0], limit)
    return render_bundle(pages, hints, limit)


def takes_picture(channel: Channel, urgency: Urgency, receiver: str) -> bool:
    """Whether a trend picture may follow a page of an urgency on this channel."""
    if channel.is_alert_manager or channel.detail != "full" or urgency not in ("critical", "high", "medium"):
        return False
    service = providers.schema(channel.url.replace("{receiver}", receiver))
    attachments = _takes_attachments(channel.url, receiver)
    return providers.takes_picture(service, attachments=attachments, sms=service in SMS, asked=channel.picture)


def plugin_of(channel: Channel, receiver: str) -> Any:
    """Apprise's plugin for the address of a channel; None if Apprise cannot use it."""
    return _open(address(channel, ID, receiver))


@lru_cache
def _takes_attachments(url: str, receiver: str) -> bool:
    """Whether the service at a channel's address takes attachments. Cached: it is the same for every page."""
    plugin = _open(address(Channel(url=url), ID, receiver))
    return plugin is not None and bool(plugin.attachment_support)


def send_picture(channel: Channel, page_id: str, picture: bytes, rendered: Rendered, receiver: str) -> Attempt:
    """Send a trend picture after its page: silently, once, and with shorter timeouts than a page."""
    url = channel.url.replace("{receiver}", receiver).replace("{page_id}", ID)
    waits = {"cto": str(PICTURE_CONNECT_SECONDS), "rto": str(PICTURE_READ_SECONDS)}
    service = providers.schema(url)
    plugin = _open(providers.with_extras(providers.as_quiet(url), waits), {ID: f"{page_id}.picture"})
    if plugin is None:
        return UNKNOWN_ADDRESS
    rendered = caption(rendered, size_limit_of(service, plugin.title_maxlen, plugin.body_maxlen))
    if service in ntfy.SERVICES:
        return ntfy.send_picture(plugin, picture, PICTURE_NAME, rendered)
    attached = AppriseAttachment()
    attached.add(AttachMemory(content=picture, name=PICTURE_NAME, mimetype="image/png"))  # type: ignore[no-untyped-call]
    return _notify(plugin, service, rendered, "info", PICTURE_READ_SECONDS, attached)


@cache
def _asset() -> AppriseAsset:
    """Apprise's settings for every send.

    `service_timeout=0` keeps the send in this process and thread: a pool would not survive a fork, and one stuck
    provider would block the others. Redirects are refused: a redirected POST becomes an empty GET that reports success.
    Without image addresses no phone fetches an icon from elsewhere.
    """
    return AppriseAsset(
        service_timeout=0,
        async_mode=False,
        http_redirects=False,
        app_id="cartwatch",
        image_url_mask="",
        image_url_logo="",
    )


@lru_cache(512)
def _parsed(url: str) -> Any:
    """What Apprise makes of an address; None if it does not know the service."""
    return apprise_plugins.url_to_dict(url, secure_logging=True)  # type: ignore[no-untyped-call]


_of_thread = threading.local()


def _sender() -> Apprise:
    """Apprise's own object, one for each thread: to make one looks for translations on the disk."""
    if not hasattr(_of_thread, "sender"):
        _of_thread.sender = Apprise(asset=_asset())
    sender: Apprise = _of_thread.sender
    return sender


def _open(url: str, values: Mapping[str, str] | None = None) -> Any:
    """A fresh plugin for an address with placeholders filled in; None if Apprise does not know it or cannot use it."""
    parsed = _parsed(url)
    if parsed is None:
        return None
    plugin = Apprise.instantiate(_filled(parsed, values or {}), asset=_asset(), suppress_exceptions=True)
    if plugin is not None:
        keep_connections(type(plugin).__mro__)
    return plugin


def _filled(parsed: Any, values: Mapping[str, str]) -> Any:
    """A copy of a parsed address, with placeholders filled in."""
    if isinstance(parsed, str):
        for name, value in values.items():
            parsed = parsed.replace(name, value)
        return parsed
    if isinstance(parsed, dict):
        return {_filled(name, values): _filled(value, values) for name, value in parsed.items()}
    if isinstance(parsed, list | tuple | set):
        return type(parsed)(_filled(value, values) for value in parsed)
    return parsed


def _notify(
    plugin: Any,
    service: str,
    rendered: Rendered,
    kind: str,
    waits: float,
    attached: AppriseAttachment | None = None,
    button: tuple[str, str] | None = None,
) -> Attempt:
    sender = _sender()
    sender.clear()
    sender.add(plugin)
    # Apprise does not send an empty text.
    with Transport(service, button) as transport:
        result = sender.notify(
            title=rendered.title, body=rendered.text or " ", body_format="text", notify_type=kind, attach=attached
        )
    return outcome_of(result, service, waits, transport.answer)


def outcome_of(
    result: AppriseResult, service: str = "", waits: float = READ_SECONDS, answer: ProviderAnswer | None = None
) -> Attempt:
    """The outcome of an attempt, by the provider's own answer. Without one Apprise's log text must do."""
    if answer is not None and answer.code:
        return Attempt(Outcome.TEMPORARY, phrase("the provider refused with its code {n}", n=answer.code), answer.wait)
    if result.status == AppriseResultStatus.SUCCESS:
        return Attempt(Outcome.SENT, provider_id=answer.id if answer is not None else "")
    if answer is not None and not answer.is_success:
        return classify_status(answer.status)._replace(wait=answer.wait)
    if result.status == AppriseResultStatus.TIMEOUT:
        return Attempt(Outcome.UNKNOWN, Phrase("the provider did not answer in time"))
    attempts = [attempt for service_ in result for attempt in service_]
    logged = " ".join(entry.message for attempt in attempts for entry in attempt.logs)
    return classify_failure(logged, service, max((attempt.elapsed for attempt in attempts), default=0.0), waits)
