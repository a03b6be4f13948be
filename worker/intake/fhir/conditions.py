"""Conditional creates and updates: decided by what a source has sent before, and again when it is written."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from worker.intake.fhir.entries import SentResource, name_of
from worker.intake.fhir.versions import Known
from worker.intake.fhir.withdrawals import unpacked
from worker.intake.parsed import ParsedResource, ignored

EXISTS = "it exists already and was left as it is (If-None-Exist)"
NOT_KNOWN = "If-Match: no version of it is known here any more; send it without If-Match"
FAILED = "412 Precondition Failed"


class Questions(NamedTuple):
    """What has to be known of the resources that a delivery names: Type/ID, and Type?SYSTEM|VALUE."""

    names: tuple[str, ...]
    searches: tuple[str, ...]
    conditional: bool

    @property
    def any(self) -> bool:
        """Whether the store must be asked."""
        return bool(self.names or self.searches)


def questions(entries: Iterable[SentResource]) -> Questions:
    """The questions of a delivery. Creates without a condition ask nothing."""
    names: dict[str, None] = {}
    searches: dict[str, None] = {}
    conditional = False
    for entry in entries:
        if entry.sent is None or entry.settled is not None:
            continue
        conditional = conditional or entry.interaction.is_conditional
        if entry.interaction.identifier:
            searches[_search(entry)] = None
        elif entry.interaction.is_update and (name := name_of(entry.sent.resource)):
            names[name] = None
    return Questions(tuple(names), tuple(searches), conditional)


def decide(entries: Sequence[SentResource], known: Known) -> list[SentResource]:
    """The entries with what is known of their resources: what exists, which version, what they correct."""
    return [entry if entry.sent is None or entry.settled else _decided(entry, known) for entry in entries]


def updated_twice(entries: Iterable[SentResource]) -> str:
    """A resource that several entries update, which a transaction may not; empty if there is none."""
    updated = Counter(
        name_of(entry.sent.resource) for entry in entries if entry.sent is not None and entry.interaction.is_update
    )
    return next((name for name, times in updated.items() if name and times > 1), "")


def _search(entry: SentResource) -> str:
    assert entry.sent is not None, "asked for by the caller"
    return f"{entry.interaction.type or entry.sent.resource['resourceType']}?{entry.interaction.identifier}"


def _decided(entry: SentResource, known: Known) -> SentResource:
    assert entry.sent is not None, "asked for by the caller"
    found = known.ids.get(_search(entry), "") if entry.interaction.identifier else ""
    kind = entry.sent.resource["resourceType"]
    if not entry.interaction.is_update:
        if not found:
            return entry
        element = ignored(entry.where, EXISTS, understood=True)
        return entry._replace(settled=ParsedResource("fhir", "", f"{kind}/{found}", (element,), "200 OK", again=True))
    if found:
        if entry.sent.resource.get("id", found) != found:
            return entry.refuse(f"id: the resource with that identifier is {found!r}", "400 Bad Request")
        entry = entry.renamed(found)
    assert entry.sent is not None, "it was renamed only"
    name = name_of(entry.sent.resource)
    version = known.versions.get(name)
    wanted = entry.interaction.version
    if wanted and version is None:
        return entry.refuse(NOT_KNOWN, FAILED)
    if version is None:
        return entry
    if wanted not in ("", "*", str(version.number)):
        return entry.refuse(f'If-Match: the version is W/"{version.number}"', FAILED)
    return entry._replace(corrects=True, before=unpacked(version.packed))
