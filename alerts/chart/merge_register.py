"""The register of merges of one record: which record continues as which.

Each of the two records keeps the merge message on its own, for they may be in different shards and exchange only
messages. Two rules give the same result for any order and any batching of the messages, and exclude rings:

1. A merge holds unless it was retracted, or its record has received a newer one. Of two merges that contradict each
   other (A into B, B into A) the newer holds: by effective time, then by time of receipt, then by source and id.
2. A record freezes only once the record that continues has answered. Until then both are evaluated.

Along a chain of frozen records the merges therefore become newer, and the last record is never frozen.
"""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from alerts.message_fields import Status

LINKS_KEPT = 50
"""Merges a record keeps in either direction; beyond these the oldest are dropped."""


class Link(Struct, frozen=True, omit_defaults=True):
    """One merge message as one of its records knows it; `other` is the other record.

    `by`: the person who merged, if the message names one. `known`: the record that continues has answered. `stays`: the
    merged record was watched at that time, so that the patient has not left.
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
        """The order of merges in time."""
        return self.at, self.received, self.source, self.id

    def _is_same(self, link: "Link") -> bool:
        return (self.other, self.age) == (link.other, link.age)

    @property
    def _rank(self) -> tuple[int, float, str, datetime]:
        """Of two versions of one message the higher status holds, then the one received first."""
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
        """With the answer of the other record that it knows a merge."""
        into = (replace(link, known=True) if link._is_same(answer) else link for link in self.into)
        return replace(self, into=tuple(into))

    def link(self, named: Link) -> Link:
        """The merge of this record with the source and id of another link."""
        return next(link for link in self.into if (link.source, link.id) == (named.source, named.id))

    @property
    def newest_received(self) -> Link | None:
        """The newest merge into this record that was not retracted."""
        return _newest(self.received)

    @property
    def ended(self) -> Link | None:
        """The newest merge of this record, if a newer one into it ended it."""
        newest, received = _newest(self.into), self.newest_received
        return newest if newest is not None and received is not None and newest.age < received.age else None

    @property
    def goes_to(self) -> Link | None:
        """The merge by which messages are forwarded, whether or not the other record has answered."""
        return _newest(self._holding)

    @property
    def frozen_by(self) -> Link | None:
        """The merge that freezes the record."""
        return _newest(tuple(link for link in self._holding if link.known))

    @property
    def _holding(self) -> tuple[Link, ...]:
        if not self.into:
            return ()
        received = self.newest_received
        return tuple(link for link in self.into if received is None or link.age > received.age)

    def stays_after(self, at: datetime) -> bool:
        """Whether a watched record was merged into this one after a time."""
        return any(link.stays and link.at > at and not link.is_retracted for link in self.received)


def _newest(links: tuple[Link, ...]) -> Link | None:
    standing = (link for link in links if not link.is_retracted)
    return max(standing, key=lambda link: link.age, default=None) if links else None


def _with(links: tuple[Link, ...], new: Link) -> tuple[Link, ...]:
    held = next((link for link in links if (link.source, link.id) == (new.source, new.id)), None)
    if held is not None:
        if held._rank >= new._rank:
            return links
        if new.is_retracted:
            new = replace(held, status=new.status)
    others = [link for link in links if link is not held]
    return tuple(sorted((*others, new), key=lambda link: link.age)[-LINKS_KEPT:])
