"""Which record goes on under which: what is known of merges to one of the records that they name.

Both records keep the merge message, each on its own, for they may stand in different shards and only messages pass
between them. Two rules make any order and any batching of the same messages end alike, and leave no ring:

1. A merge holds unless it was taken back, or its record has received a newer one. Of two merges that contradict each
   other (A into B, B into A) the newer holds: by effective time, then by when it came in, then by source and id.
2. A record freezes only when the record that goes on has answered that it knows. Until then both are evaluated.

Along frozen records the merges are therefore ever newer: the last one of them is not frozen, at every moment.
"""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from alerts.message_fields import Status

LINKS_KEPT = 50
"""Merges a record keeps in either direction; beyond these the oldest are dropped."""


class Link(Struct, frozen=True, omit_defaults=True):
    """One merge message as one of its records knows it; `other` is the other record.

    `by` is who said so, where the message names a person. `known`: the record that goes on has answered. `stays`: the
    record that was merged was watched then, so that the patient has not left.
    """

    other: str
    at: datetime
    received: datetime
    source: str
    id: str
    by: str = ""
    status: int = Status.FINAL
    known: bool = False
    stays: bool = False

    @property
    def is_retracted(self) -> bool:
        """Whether the merge was entered in error, or undone."""
        return self.status == Status.ENTERED_IN_ERROR

    @property
    def age(self) -> tuple[datetime, datetime, str, str]:
        """What newer is measured by."""
        return self.at, self.received, self.source, self.id

    def _is_same(self, link: "Link") -> bool:
        return (self.other, self.age) == (link.other, link.age)

    @property
    def _rank(self) -> tuple[int, float, str, datetime]:
        """Of one message that comes twice the higher status holds, then the version that came in first."""
        return self.status, -self.received.timestamp(), self.other, self.at


class Merges(Struct, frozen=True, omit_defaults=True):
    """The merges of one record: `into` others, and those it has `received`."""

    into: tuple[Link, ...] = ()
    received: tuple[Link, ...] = ()

    def merged(self, link: Link) -> "Merges":
        """With a merge of this record into another."""
        return replace(self, into=_with(self.into, link))

    def receiving(self, link: Link) -> "Merges":
        """With a merge of another record into this one."""
        return replace(self, received=_with(self.received, link))

    def answered(self, answer: Link) -> "Merges":
        """With the answer of the other record, that it knows of a merge."""
        into = (replace(link, known=True) if link._is_same(answer) else link for link in self.into)
        return replace(self, into=tuple(into))

    def link(self, named: Link) -> Link:
        """What is known of a merge of this record, by its source and id."""
        return next(link for link in self.into if (link.source, link.id) == (named.source, named.id))

    @property
    def newest_received(self) -> Link | None:
        """The newest merge into this record that was not taken back."""
        return _newest(self.received)

    @property
    def ended(self) -> Link | None:
        """The newest merge of this record, where a newer one into it has ended it."""
        newest, received = _newest(self.into), self.newest_received
        return newest if newest is not None and received is not None and newest.age < received.age else None

    @property
    def goes_to(self) -> Link | None:
        """By which merge what comes in is passed on, whether or not the other record has answered yet."""
        return _newest(self._holding)

    @property
    def frozen_by(self) -> Link | None:
        """By which merge the record is frozen."""
        return _newest(tuple(link for link in self._holding if link.known))

    @property
    def _holding(self) -> tuple[Link, ...]:
        received = self.newest_received
        return tuple(link for link in self.into if received is None or link.age > received.age)

    def stays_after(self, at: datetime) -> bool:
        """Whether a record that was watched then has been merged into this one since a time."""
        return any(link.stays and link.at > at and not link.is_retracted for link in self.received)


def _newest(links: tuple[Link, ...]) -> Link | None:
    standing = (link for link in links if not link.is_retracted)
    return max(standing, key=lambda link: link.age, default=None)


def _with(links: tuple[Link, ...], new: Link) -> tuple[Link, ...]:
    held = next((link for link in links if (link.source, link.id) == (new.source, new.id)), None)
    if held is not None:
        if held._rank >= new._rank:
            return links
        if new.is_retracted:
            new = replace(held, status=new.status)
    others = [link for link in links if link is not held]
    return tuple(sorted((*others, new), key=lambda link: link.age)[-LINKS_KEPT:])
