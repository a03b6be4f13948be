"""A picture by ntfy. Apprise writes title and text of a message with an attachment into the address, where every proxy
on the way logs them; ntfy takes the same as headers."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import requests

from worker.delivery.outcome import Attempt, Outcome, judge_status
from worker.delivery.rendering import Rendered

SERVICES = ("ntfy", "ntfys")

PRIORITY = "min"
"""No sound, no vibration; what the site wrote in the address is for pages."""

_ENCODED = 45
"""Bytes of one encoded word, which may have 75 letters (RFC 2047)."""


def send_picture(plugin: Any, picture: bytes, name: str, words: Rendered) -> Attempt:
    """Send a picture to the topics of an ntfy plugin, with its words in the headers, quietly."""
    headers = {"Title": header(words.title), "Message": header(words.text), "Filename": name, "Priority": PRIORITY}
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
            return Attempt(Outcome.UNKNOWN, "the provider did not answer in time")
        except requests.RequestException:
            return Attempt(Outcome.TEMPORARY, "no answer from the provider")
        if answer.status_code != requests.codes.ok:
            return judge_status(answer.status_code)
    return Attempt(Outcome.SENT)


def header(text: str) -> str:
    r"""A text as a header of ASCII letters: encoded words (RFC 2047), and a new line as the `\n` that ntfy reads."""
    return " ".join(f"=?UTF-8?B?{b64encode(part).decode()}?=" for part in _parts(text.replace("\n", "\\n")))


def _parts(text: str) -> Iterator[bytes]:
    """Pieces of an encoded word each, which end between two letters."""
    part = b""
    for letter in text:
        more = letter.encode()
        if len(part) + len(more) > _ENCODED:
            yield part
            part = b""
        part += more
    if part:
        yield part
