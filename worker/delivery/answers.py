"""The ways to answer a page in its notification: a token for a button, and a number for a text message."""

from datetime import timedelta
from typing import cast

from redis import Redis

from alerts.pages.page import Page
from worker.links import Links
from worker.store.keys import Keys

NUMBER_LASTS = timedelta(hours=24)
"""How long a number answers its page."""

NUMBERS = 10_000


class StoredAnswers:
    """The tokens are signed; the numbers, which are short, stand in the store."""

    def __init__(self, redis: Redis, keys: Keys, links: Links) -> None:
        self._redis, self._keys, self._links = redis, keys, links

    def token(self, page: Page) -> str:
        """A signed token by which the recipient acknowledges the page."""
        return self._links.answer(page.id, page.at)

    def address(self, page: Page) -> str:
        """The address to which that token is posted."""
        return self._links.answer_address(page.id, page.at)

    def number(self, page: Page) -> str:
        """The number that answers the page on its channel. No other page there has it, and a retry has the same."""
        first = self._links.number(page.id) % NUMBERS
        for offset in range(NUMBERS):
            number = f"{(first + offset) % NUMBERS:04}"
            key = self._keys.answer_number(page.channel, number)
            if self._redis.set(key, page.id, nx=True, ex=NUMBER_LASTS) or self.page_of(page.channel, number) == page.id:
                break
        return number

    def page_of(self, channel: str, number: str) -> str:
        """The page that a number answers on a channel; empty if there is none."""
        return (cast("bytes | None", self._redis.get(self._keys.answer_number(channel, number))) or b"").decode()
