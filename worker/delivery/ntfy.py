"""A picture by ntfy. Apprise writes the title and text of an attachment into the address, which every proxy logs; ntfy
also accepts them as headers."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import requests

from alerts.wording.phrase import Phrase
from worker.delivery.outcome import Attempt, Outcome, classify_status
from worker.delivery.rendering import Rendered

SERVICES = ("ntfy", "ntfys")

PRIORITY = "min"
"""No sound, no vibration. A priority in the site's address is meant for pages."""

_ENCODED = 45
"""Bytes in one encoded word, which may have 75 characters (RFC 2047)."""


def send_picture(plugin: Any, picture: bytes, name: str, rendered: Rendered) -> Attempt:
    """Send a picture to the topics of an ntfy plugin silently, with its caption in the headers."""
    headers = {
        "Title": header(rendered.title),
        "Message": header(rendered.text),
        "Filename": name,
        "Priority": PRIORITY,
    }
    auth: tuple[str, str] | None = None
    server = plugin.cloud_notify_url
    if plugin.mode != "cloud":
        port = f":{plugin.port}" if plugin.port else ""
        server = f"{'https' if plugin.secure else 'http'}://{plugin.host}{port}"
        if plugin.auth == "token":
            headers["Authorization"] = f"Bearer {plugin.token}"
        elif plugin.user:
            auth = (plugin.user, plugin.password or "")
    for topic in plugin.topics:
        try:
            answer = requests.put(
                f"{server}/{topic}",
                data=picture,
                headers=headers,
                auth=auth,
                timeout=plugin.request_timeout,
                verify=plugin.verify_certificate,
                allow_redirects=False,
            )
        except requests.Timeout:
            return Attempt(Outcome.UNKNOWN, Phrase("the provider did not answer in time"))
        except requests.RequestException:
            return Attempt(Outcome.TEMPORARY, Phrase("no answer from the provider"))
        if answer.status_code != requests.codes.ok:
            return classify_status(answer.status_code)
    return Attempt(Outcome.SENT)


def header(text: str) -> str:
    r"""A text as a header of ASCII letters: encoded rendered (RFC 2047), and a new line as the `\n` that ntfy reads."""
    return " ".join(f"=?UTF-8?B?{b64encode(part).decode()}?=" for part in _parts(text.replace("\n", "\\n")))


def _parts(text: str) -> Iterator[bytes]:
    """Pieces for one encoded word each, cut between two characters."""
    part = b""
    for letter in text:
        more = letter.encode()
        if len(part) + len(more) > _ENCODED:
            yield part
            part = b""
        part += more
    if part:
        yield part
