"""Whether a channel's address can be used, found out without sending anything."""

from typing import Any

import apprise

from config.site import Channel
from worker.delivery.pcd04 import read_address

LogCapture: Any = apprise.LogCapture

STAND_INS = {"{receiver}": "json://127.0.0.1:9", "{page_id}": "check.1"}


def is_valid_url(url: str) -> bool:
    """Whether Apprise accepts an address, with what is filled in per page replaced by examples.

    The address of an alert manager is cartwatch's own.
    """
    if Channel.model_construct(url=url).is_alert_manager:
        try:
            return bool(read_address(url))
        except ValueError:
            return False
    for name, example in STAND_INS.items():
        url = url.replace(name, example)
    # What Apprise logs of a bad address holds the address, and with it its secrets.
    with LogCapture():
        return apprise.Apprise.instantiate(url, suppress_exceptions=True) is not None
