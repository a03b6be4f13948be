"""The chain of the audit: each line names the digest of its content and the hash of the line before.

A line has two columns: the link as JSON, and behind a tab the content, a random salt and JSON. The hash of a line is
that of its link alone, and the link names nobody. So the content of a patient can be erased and the chain stays whole
(`docs/adr/0013-audit-chain.md`). The salt keeps anybody from guessing an erased content by its digest.
"""

import secrets
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, Literal, NamedTuple

import msgspec

Kind = Literal["file", "batch", "configuration", "cut", "gap", "moved", "archived", "erased", "dropped"]
"""`file`: the beginning of a file, with the place in each journal. `batch`: messages and effects of one patient.
`cut`: an unfinished last line was removed. `gap`: records that the store knows of are missing. `moved`: the record was
continued in this folder. `archived`: the state of a discharged patient was removed. `erased`: contents of a patient.
`dropped`: files older than the retention period."""

START = "0" * 64
"""The hash before the first line."""


class ChainLink(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line without its content: number, time, kind, digest of the content, hash of the line before.

    `origin`: the shard and the journal entry of a batch.
    """

    n: int
    at: str
    kind: Kind
    digest: str
    previous: str
    origin: str = ""


class AuditLine(NamedTuple):
    """A line as it was read: its link, its own hash, and its content; None if that was erased."""

    link: ChainLink
    hash: str
    content: bytes | None

    @property
    def body(self) -> dict[str, Any] | None:
        """The content, decoded; None if it was erased."""
        if self.content is None:
            return None
        body: dict[str, Any] = msgspec.json.decode(self.content.partition(b" ")[2])
        return body


_links = msgspec.json.Decoder(ChainLink)


def written(n: int, at: str, kind: Kind, body: object, previous: str, origin: str = "") -> tuple[bytes, str]:
    """A new line, with its line end, and its hash."""
    content = secrets.token_hex(16).encode() + b" " + msgspec.json.encode(body)
    link = msgspec.json.encode(ChainLink(n, at, kind, sha256(content).hexdigest(), previous, origin))
    return link + b"\t" + content + b"\n", sha256(link).hexdigest()


def without_content(line: bytes) -> bytes:
    """A line whose content is erased. Its hash is the same."""
    return line.partition(b"\t")[0].rstrip(b"\n") + b"\n"


def read_line(line: bytes) -> AuditLine:
    """A line of a file.

    Raises:
        ValueError: it is no line of an audit.
    """
    link, tab, content = line.rstrip(b"\n").partition(b"\t")
    return AuditLine(_links.decode(link), sha256(link).hexdigest(), content if tab else None)


class Flaw(NamedTuple):
    """A place where the record is not whole: the file, the line, the number expected there, and what is wrong."""

    file: str
    line: int
    expected: int
    what: str


class Verified(NamedTuple):
    """The result of a verification: the lines, those with erased content, the first and last number, the last hash."""

    lines: int
    erased: int
    first: int
    last: int
    head: str
    faults: list[Flaw]


def verify(lines: Iterable[tuple[str, int, bytes]]) -> Verified:
    """Check every line against the one before, and every content against its digest.

    The first line of all may continue files that were dropped.
    """
    faults: list[Flaw] = []
    count = erased = first = last = dropped = 0
    head = ""
    for file, number, raw in lines:
        count += 1
        try:
            line = read_line(raw)
        except ValueError:
            faults.append(Flaw(file, number, last + 1, "it is no line of an audit"))
            head = ""
            continue
        faults += (Flaw(file, number, last + 1, what) for what in _wrong(line, last, head, is_first=count == 1))
        first = first or line.link.n
        erased += line.content is None
        last, head = line.link.n, line.hash
        if line.link.kind == "dropped":
            dropped = (line.body or {}).get("first", 0)
    if first > 1 and first != dropped:
        what = f"it begins with record {first}, and no record says that the former were dropped"
        faults.insert(0, Flaw("", 0, 1, what))
    return Verified(count, erased, first, last, head, faults)


def _wrong(line: AuditLine, last: int, head: str, *, is_first: bool) -> Iterator[str]:
    if not is_first and line.link.n != last + 1:
        yield f"its number is {line.link.n}: lines were removed, added or exchanged"
    if head and line.link.previous != head:
        yield "it does not follow from the line before: that one was changed, or lines were removed"
    if line.link.n == 1 and line.link.previous != START:
        yield "the first line follows from another"
    if line.content is not None and sha256(line.content).hexdigest() != line.link.digest:
        yield "its content was changed"
