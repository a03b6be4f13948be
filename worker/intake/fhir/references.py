"""References: resolved within their Bundle first, never on a server."""

import re
from typing import Any, NamedTuple

from pydantic import ValidationError

from config.intake import Source
from worker.intake.fhir.resources import LONGEST, Concept, Identifier, Patient, Reference
from worker.intake.identity import Identity, Unidentified, checked, choose

_LITERAL = re.compile(r"(?:(https?://[^\s]+?)/)?([A-Za-z]+/[A-Za-z0-9\-.]{1,128})(?:/_history/[^/]+)?")


class BundleEntry(NamedTuple):
    """One entry of a Bundle. A resource that is sent alone is an entry without an address."""

    number: int
    address: str
    base: str
    resource: dict[str, Any]


class Bundle:
    """The entries of one delivery, found by reference."""

    def __init__(self, entries: list[BundleEntry]) -> None:
        self.entries = entries
        self._found: dict[str, BundleEntry] = {}
        for entry in entries:
            identifier = entry.resource.get("id")
            name = f"{entry.resource['resourceType']}/{identifier}" if isinstance(identifier, str) else ""
            for address in (entry.address, f"{entry.base}/{name}" if entry.base and name else name):
                if address:
                    self._found.setdefault(address, entry)
        self._several = len({entry.base for entry in entries if entry.base}) > 1

    def find(self, reference: str, base: str) -> BundleEntry | None:
        """The entry that a reference of a resource on `base` means; None if the Bundle has no such entry."""
        if len(reference) > LONGEST:
            return None
        if reference.startswith("urn:"):
            return self._found.get(reference)
        match = _LITERAL.fullmatch(reference)
        if match is None:
            return None
        address, name = match[1] or base, match[2]
        return self._found.get(f"{address}/{name}" if address else name)

    def name(self, reference: str, base: str) -> str:
        """The name of a reference that leads out of the Bundle, unique to its server."""
        match = _LITERAL.fullmatch(reference)
        if match is None:
            return ""
        address = match[1] or (base if self._several else "")
        return f"{address}/{match[2]}" if address and (match[1] != base or self._several) else match[2]


class Subjects:
    """The patients of one delivery."""

    def __init__(self, bundle: Bundle, source: Source) -> None:
        self._bundle = bundle
        self._policy = source.policy
        self._chosen: dict[tuple[Identity, ...], Identity] = {}
        self._read: dict[int, Identity | Unidentified | None] = {}

    def of(self, subject: Reference | None, base: str) -> Identity:
        """The patient of a `subject`.

        Raises:
            Unidentified: nobody is named, or not by an identifier this source may use.
        """
        if subject is None or not (subject.reference or subject.identifier):
            raise Unidentified("subject: no patient; send a reference or an identifier")
        if subject.identifier is not None and subject.identifier.value:
            return self._choose((subject.identifier,))
        entry = self._bundle.find(subject.reference, base)
        if entry is not None and entry.resource.get("resourceType") == "Patient":
            known = self._in_bundle(entry)
            if known is not None:
                return known
        name = self._bundle.name(subject.reference, base)
        kind, _, identifier = name.rpartition("/")
        if not name or kind.rpartition("/")[2] != "Patient":
            raise Unidentified(f"subject: {subject.reference[:60]!r} leads to no patient of this Bundle")
        if self._policy.references == "identifier" and kind == "Patient":
            return checked(Identity(identifier, "", ""))
        return checked(Identity(name, "", "reference"))

    def _in_bundle(self, entry: BundleEntry) -> Identity | None:
        """The patient of an entry. It is parsed once, however many references lead to it."""
        if entry.number not in self._read:
            try:
                self._read[entry.number] = self._identified(entry)
            except Unidentified as error:
                self._read[entry.number] = error
        found = self._read[entry.number]
        if isinstance(found, Unidentified):
            raise Unidentified(str(found))
        return found

    def _identified(self, entry: BundleEntry) -> Identity | None:
        try:
            patient = Patient.model_validate(entry.resource)
        except ValidationError as error:
            raise Unidentified("subject: the Patient of this Bundle cannot be read") from error
        if not patient.identifier:
            return None
        return self._choose(patient.identifier)

    def patient(self, patient: Patient) -> Identity:
        """The patient of a Patient resource.

        Raises:
            Unidentified: it has neither a usable identifier nor an id.
        """
        if patient.identifier:
            return self._choose(patient.identifier)
        if not patient.id:
            raise Unidentified("identifier: missing")
        reference = Reference(reference=f"Patient/{patient.id}")
        return self.of(reference, "")

    def _choose(self, identifiers: tuple[Identifier, ...]) -> Identity:
        """The identifier that names the patient. It is cached: most results of a delivery belong to one patient."""
        sent = tuple(Identity(item.value, item.system, _type(item.type)) for item in identifiers)
        if sent not in self._chosen:
            self._chosen[sent] = choose(sent, self._policy.identifiers)
        return self._chosen[sent]


def _type(concept: Concept | None) -> str:
    if concept is None:
        return ""
    return next((coding.code for coding in concept.coding if coding.code), concept.text[:60])
