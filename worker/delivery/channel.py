"""One message to one channel, through Apprise, in this process and in bounded time."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from apprise import Apprise, AppriseAsset, AppriseAttachment
from apprise.attachment.memory import AttachMemory
from apprise.result import AppriseResult, AppriseResultStatus

from alerts.pages.page import Page
from config.site import Channel, Urgency
from worker.delivery import ntfy, providers
from worker.delivery.http import bound_answers
from worker.delivery.outcome import Attempt, Outcome, judge_failure
from worker.delivery.rendering import Rendered, ReplyHint, SizeLimit, answer, caption, link_label, render, render_bundle
from worker.delivery.rooms import SMS, size_limit_of

CONNECT_SECONDS = 4
READ_SECONDS = 8

PICTURE_CONNECT_SECONDS = 2
PICTURE_READ_SECONDS = 6
PICTURE_NAME = "trend.png"

bound_answers()


class MessageContext(NamedTuple):
    """What this installation puts into its messages: its own receiver, and how a link to a page is made."""

    receiver: str = ""
    link: Callable[[Page], str] = lambda _: ""


def address(channel: Channel, page_id: str, receiver: str) -> str:
    """The channel's Apprise address for one page: with its id, and with reads that end."""
    url = channel.url.replace("{receiver}", receiver).replace("{page_id}", page_id)
    return providers.with_extras(url, {"cto": str(CONNECT_SECONDS), "rto": str(READ_SECONDS)})


def send(channel: Channel, pages: Sequence[Page], context: MessageContext) -> Attempt:
    """Send one page, or several that waited as one message under the id of the first."""
    first = pages[0]
    links = [context.link(page) for page in pages]
    service = providers.schema(channel.url.replace("{receiver}", context.receiver))
    url = providers.with_extras(
        address(channel, first.id, context.receiver),
        providers.extras(service, first, links[0], link_label(first.language)),
    )
    plugin = _open(url)
    if plugin is None:
        return Attempt(Outcome.PERMANENT, "the channel's address is not one Apprise knows")
    answers = [answer(page, link) for page, link in zip(pages, links, strict=True)]
    if providers.has_link_field(service) and links[0]:
        answers[0] = ReplyHint()
    words = written(pages, answers, size_limit_of(service, plugin.title_maxlen, plugin.body_maxlen))
    return _notify(plugin, service, words, providers.notify_type(first), READ_SECONDS)


def written(pages: Sequence[Page], answers: Sequence[ReplyHint], room: SizeLimit) -> Rendered:
    """The words of a message about one page or several."""
    if len(pages) == 1:
        return render(pages[0], answers[0], room)
    return render_bundle(pages, answers, room)


def takes_picture(channel: Channel, urgency: Urgency, receiver: str) -> bool:
    """Whether a trend picture may follow a page of an urgency on this channel."""
    if channel.detail != "full" or urgency not in ("critical", "high", "medium"):
        return False
    service = providers.schema(channel.url.replace("{receiver}", receiver))
    attachments = _takes_attachments(channel.url, receiver)
    return providers.takes_picture(service, attachments=attachments, sms=service in SMS, asked=channel.picture)


@lru_cache
def _takes_attachments(url: str, receiver: str) -> bool:
    """Whether the service at a channel's address takes attachments: the same for every page."""
    plugin = _open(address(Channel(url=url), "any", receiver))
    return plugin is not None and bool(plugin.attachment_support)


def send_picture(channel: Channel, page_id: str, picture: bytes, words: Rendered, receiver: str) -> Attempt:
    """Send a trend picture after its page: silently, once, and in less time than a page may take."""
    url = channel.url.replace("{receiver}", receiver).replace("{page_id}", f"{page_id}.picture")
    waits = {"cto": str(PICTURE_CONNECT_SECONDS), "rto": str(PICTURE_READ_SECONDS)}
    service = providers.schema(url)
    plugin = _open(providers.with_extras(providers.as_quiet(url), waits))
    if plugin is None:
        return Attempt(Outcome.PERMANENT, "the channel's address is not one Apprise knows")
    words = caption(words, size_limit_of(service, plugin.title_maxlen, plugin.body_maxlen))
    if service in ntfy.SERVICES:
        return ntfy.send_picture(plugin, picture, PICTURE_NAME, words)
    attached = AppriseAttachment()
    attached.add(AttachMemory(content=picture, name=PICTURE_NAME, mimetype="image/png"))  # type: ignore[no-untyped-call]
    return _notify(plugin, service, words, "info", PICTURE_READ_SECONDS, attached)


def _open(url: str) -> Any:
    """The plugin for an address, or None where Apprise does not know it or cannot use it.

    The settings matter: `service_timeout=0` keeps the send in this process and thread (a pool would not survive a
    fork, and one stuck provider would block the others); redirects are refused, because a redirected POST
    becomes an empty GET that reports success; and without addresses of images no phone fetches an icon from elsewhere.
    """
    asset = AppriseAsset(
        service_timeout=0,
        async_mode=False,
        http_redirects=False,
        app_id="cartwatch",
        image_url_mask="",
        image_url_logo="",
    )
    return Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


def _notify(
    plugin: Any, service: str, words: Rendered, kind: str, waits: float, attached: AppriseAttachment | None = None
) -> Attempt:
    sender = Apprise(asset=plugin.asset)
    sender.add(plugin)
    # Apprise takes an empty text for nothing to send.
    result = sender.notify(
        title=words.title, body=words.text or " ", body_format="text", notify_type=kind, attach=attached
    )
    return judge(result, service, waits)


def judge(result: AppriseResult, service: str = "", waits: float = READ_SECONDS) -> Attempt:
    """Tell what an attempt came to; the HTTP status stands only in Apprise's log text."""
    if result.status == AppriseResultStatus.SUCCESS:
        return Attempt(Outcome.SENT)
    if result.status == AppriseResultStatus.TIMEOUT:
        return Attempt(Outcome.UNKNOWN, "the provider did not answer in time")
    attempts = [attempt for service_ in result for attempt in service_]
    said = " ".join(entry.message for attempt in attempts for entry in attempt.logs)
    return judge_failure(said, service, max((attempt.elapsed for attempt in attempts), default=0.0), waits)
