"""FHIR resources and Bundles to native messages. An invalid entry does not affect its neighbours."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from config.intake import Source
from config.tables import Tables
from worker.intake.budget import Budget
from worker.intake.fhir import medications, observations, procedures
from worker.intake.fhir.detached import Detached, TooMuchInherited, encode
from worker.intake.fhir.entries import SentResource, entries_of, identifiers_of, name_of
from worker.intake.fhir.references import Bundle, BundleEntry, Subjects
from worker.intake.fhir.resources import (
    MOST_LISTED,
    Around,
    DiagnosticReport,
    MedicationAdministration,
    Meta,
    Observation,
    Patient,
    Procedure,
    Reference,
)
from worker.intake.fhir.withdrawals import with_withdrawals
from worker.intake.identity import Identity, Unidentified
from worker.intake.parsed import (
    ElementOutcome,
    ElementResult,
    Parsed,
    ParsedResource,
    dead_letter,
    ignored,
    refused,
    stored,
)
from worker.intake.times import When, fhir

READ = ("Observation", "MedicationAdministration", "Patient", "DiagnosticReport")
TEST_LABEL = "HTEST"
WHOLE_DATE = len("1955-05-01")
CORRECTED = ("reading", "note", "treatment")
"""Native messages that an update corrects. The last registration holds as it is."""


def take_resource(resource: dict[str, Any], source: Source, tables: Tables, now: datetime, budget: Budget) -> Parsed:
    """Parse a resource or a Bundle: one item for each entry, in order.

    Raises:
        UnreadableResource: it is no FHIR resource.
        OverBudget: to read it costs too much.
    """
    return take_entries(entries_of(resource), source, tables, now, budget, test=is_test(resource))


def take_entries(
    entries: Sequence[SentResource],
    source: Source,
    tables: Tables,
    now: datetime,
    budget: Budget,
    *,
    test: bool = False,
) -> Parsed:
    """Parse the entries of a delivery. What became of a settled one stays.

    Raises:
        OverBudget: to read them costs too much.
    """
    bundle = Bundle([entry.sent for entry in entries if entry.sent is not None])
    reader = _DeliveryReader(bundle, source, tables, now, budget)
    return Parsed(source.name, tuple(_item(reader, entry) for entry in entries), test=test)


def _item(reader: "_DeliveryReader", entry: SentResource) -> ParsedResource:
    if entry.settled is not None or entry.sent is None:
        return entry.settled or ParsedResource("fhir", "", "", ())
    item = reader.item(entry.sent, entry.where)
    if not entry.interaction.is_update:
        return item
    item = item._replace(update=True)
    if not entry.corrects:
        return item
    corrected = item._replace(elements=tuple(_correcting(element) for element in item.elements))
    return with_withdrawals(corrected, entry.before, reader.source)


def _correcting(element: ElementResult) -> ElementResult:
    """An element of an update: what a source updates it corrects, though its status stays `final`."""
    messages = tuple(
        {**message, "status": "corrected"} if message["type"] in CORRECTED and "status" not in message else message
        for message in element.messages
    )
    return element._replace(messages=messages)


class _Surroundings(NamedTuple):
    """What contained Observations inherit from the resource around them: a name, its status, patient and time."""

    name: str
    status: str
    subject: Reference | None
    when: When | None
    base: str


NOTHING_AROUND = _Surroundings("", "", None, None, "")


class _DeliveryReader:
    """The parser of one delivery."""

    def __init__(self, bundle: Bundle, source: Source, tables: Tables, now: datetime, budget: Budget) -> None:
        self._bundle = bundle
        self._source = source
        self.source = source.name
        self._tables = tables
        self._now = now
        self._budget = budget
        self._detached = Detached(bundle)
        self._subjects = Subjects(bundle, source)
        self._products = medications.Products(bundle, source.codes)
        self._inherited: dict[int, tuple[When | None, Reference | None]] = {}
        for entry in bundle.entries:
            if entry.resource["resourceType"] == "DiagnosticReport":
                self._inherit_subject_and_time(entry)

    def item(self, entry: BundleEntry, where: str) -> ParsedResource:
        self._budget.check()
        kind = entry.resource["resourceType"]
        inside = _contained(entry.resource)
        if len(inside) > MOST_LISTED:
            return ParsedResource("fhir", "", "", (refused(where, f"contained: write at most {MOST_LISTED} of them"),))
        if not self._reads(entry.resource) and not inside:
            return ParsedResource("fhir", "", "", (ignored(where, f"{kind[:60]} is not read"),))
        raw = ""
        owners: dict[int, Identity] = {}
        try:
            raw = encode(entry.resource)
            elements, identity = self._elements(entry, kind, where)
            self._budget.spend(len(elements))
            around = self._around(entry) if inside else NOTHING_AROUND
            for spot, resource in self._budget.during(inside):
                found, owners[spot] = self._inside(around, resource, f"{where}.contained[{spot}]")
                elements += found
                self._budget.spend(len(found))
        except RecursionError:
            elements, identity = [refused(where, f"{kind}: nested too deeply")], None
        except ValidationError as error:
            elements, identity = [refused(where, f"{kind}: {errors_in_words(error)}")], None
        except Unidentified as error:
            elements, identity = [dead_letter(where, "", str(error))], None
        if identity is not None and any(element.outcome is ElementOutcome.DEAD_LETTER for element in elements):
            raw, elements = self._alone(entry, identity, owners, elements)
        return ParsedResource(
            "fhir", raw, name_of(entry.resource), tuple(elements), identifiers=identifiers_of(entry.resource)
        )

    def _reads(self, resource: dict[str, Any]) -> bool:
        """Whether a resource itself is read, not only the Observations in it."""
        return resource["resourceType"] in READ or procedures.is_infusion(resource, self._source)

    def _elements(self, entry: BundleEntry, kind: str, where: str) -> tuple[list[ElementResult], Identity | None]:
        whole = entry.resource
        if not self._reads(whole):
            why = f"{kind[:60]} is not read, but for the Observations in it"
            return [ignored(where, why)], self._whose(_around(whole).subject, entry.base)[0]
        if kind == "DiagnosticReport":
            why = "a report: its results are read where they stand"
            return [ignored(where, why, understood=True)], self._whose(_around(whole).subject, entry.base)[0]
        if kind == "Patient":
            return [self._patient(Patient.model_validate(whole), where)], None
        when, subject = self._inherited.get(entry.number, (None, None))
        if kind == "MedicationAdministration":
            given = MedicationAdministration.model_validate(whole)
            identity, nobody = self._whose(given.subject or subject, entry.base)
            elements = medications.elements(
                given, identity.id, self._products.of(given, entry.base), self._source, where, whole
            )
        elif kind == "Procedure":
            done = Procedure.model_validate(whole)
            identity, nobody = self._whose(done.subject or subject, entry.base)
            elements = [procedures.element(done, identity.id, self._source, where, whole)]
        else:
            observation = Observation.model_validate(whole)
            identity, nobody = self._whose(observation.subject or subject, entry.base)
            name = observations.identifier_of(observation, whole)
            elements = observations.elements(observation, identity.id, when, self._source, self._tables, where, name)
        if nobody:
            elements = [_without_patient(element, nobody) for element in elements]
        return elements, identity

    def _around(self, entry: BundleEntry) -> _Surroundings:
        """The part that contained Observations inherit from a resource, computed once for all of them."""
        around = _around(entry.resource)
        when, subject = self._inherited.get(entry.number, (None, None))
        if entry.resource["resourceType"] in LEND_TIME:
            when = observations.time_of_report(around, self._source) or when
        name = observations.identifier_of(around, entry.resource)
        return _Surroundings(name, around.status, around.subject or subject, when, entry.base)

    def _inside(
        self, around: _Surroundings, resource: dict[str, Any], where: str
    ) -> tuple[list[ElementResult], Identity]:
        """Parse an Observation that is contained in another resource.

        If it has no patient or time, it inherits those of the resource around it. If that resource is retracted, so is
        the Observation. Its id is local to that resource, so its name includes both.
        """
        try:
            observation = Observation.model_validate(resource)
        except ValidationError as error:
            return [refused(where, f"Observation: {errors_in_words(error)}")], NOBODY
        if around.status == RETRACTED:
            observation = observation.model_copy(update={"status": RETRACTED})
        identity, nobody = self._whose(observation.subject or around.subject, around.base)
        name = observations.name_inside(around.name, observation, resource)
        elements = observations.elements(observation, identity.id, around.when, self._source, self._tables, where, name)
        return ([_without_patient(element, nobody) for element in elements] if nobody else elements), identity

    def _whose(self, subject: Reference | None, base: str) -> tuple[Identity, str]:
        """The patient; if there is none, a placeholder and the reason. Results that are not watched need no patient."""
        try:
            return self._subjects.of(subject, base), ""
        except Unidentified as error:
            return NOBODY, str(error)

    def _patient(self, patient: Patient, where: str) -> ElementResult:
        if "*" not in self._source.policy.registers:
            why = "this source registers nobody; set `registers` to ['*'] if each of its patients is to be watched"
            return ignored(where, why, understood=True)
        identity = self._subjects.patient(patient)
        updated = fhir(patient.meta.lastUpdated, self._source.zone).at if patient.meta is not None else None
        at = (updated or self._now).isoformat()
        native = {
            "type": "registration",
            "id": f"Patient/{patient.id or identity.id}"[:180],
            "source": self._source.name,
        }
        native |= {"patient": identity.id, "effective": at}
        if len(patient.birthDate) == WHOLE_DATE:  # a year or a month is no date; the age is unknown then
            native["born"] = patient.birthDate
        return stored(where, identity.id, (native,))

    def _inherit_subject_and_time(self, entry: BundleEntry) -> None:
        """Let the results that a report lists, and their members, inherit its time and patient."""
        try:
            report = DiagnosticReport.model_validate(entry.resource)
        except ValidationError:
            return
        when = observations.time_of_report(report, self._source)
        waiting = [(item.reference, entry.base) for item in report.result]
        while waiting:
            self._budget.check()
            found = self._bundle.find(*waiting.pop())
            if found is None or found.number in self._inherited:
                continue
            self._inherited[found.number] = (when, report.subject)
            members = found.resource.get("hasMember")
            for member in members if isinstance(members, list) else ():
                if isinstance(member, dict) and isinstance(member.get("reference"), str):
                    waiting.append((member["reference"], found.base))

    def _alone(
        self, entry: BundleEntry, identity: Identity, owners: dict[int, Identity], elements: list[ElementResult]
    ) -> tuple[str, list[ElementResult]]:
        """The text of a dead letter. A resource that would inherit too much of its Bundle is refused."""
        when, _ = self._inherited.get(entry.number, (None, None))
        try:
            return self._detached.text(entry, identity, when, owners), elements
        except TooMuchInherited:
            why = "not kept: what it refers to is too long to be kept with it; send it with a code of its own"
        except RecursionError:
            why = "nested too deeply"
        return "", [refused(one.where, why) if one.outcome is ElementOutcome.DEAD_LETTER else one for one in elements]


NOBODY = Identity("", "", "")
RETRACTED = "entered-in-error"
LEND_TIME = ("DiagnosticReport", "Observation")
"""Resources whose contained Observations inherit their time."""


def _contained(resource: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """The Observations contained in a resource, each with its place."""
    contained = resource.get("contained")
    if not isinstance(contained, list):
        return []
    return [
        (spot, one)
        for spot, one in enumerate(contained)
        if isinstance(one, dict) and one.get("resourceType") == "Observation"
    ]


def _around(resource: dict[str, Any]) -> Around:
    """The part that contained resources inherit from a resource; nothing if it cannot be parsed."""
    try:
        return Around.model_validate(resource)
    except ValidationError:
        return Around()


def _without_patient(element: ElementResult, why: str) -> ElementResult:
    """An element without a patient: it becomes a dead letter instead of being charted."""
    if element.outcome in (ElementOutcome.STORED, ElementOutcome.DEAD_LETTER):
        return element._replace(outcome=ElementOutcome.DEAD_LETTER, why=why, messages=())
    return element


def is_test(resource: dict[str, Any]) -> bool:
    try:
        meta = Meta.model_validate(resource.get("meta") or {})
    except ValidationError:
        return False
    return any(label.code == TEST_LABEL for label in meta.security)


def errors_in_words(error: ValidationError) -> str:
    """Each error of a resource as `field: what is wrong`."""
    parts = []
    for item in error.errors(include_url=False, include_context=False, include_input=False)[:5]:
        path = ".".join(str(part) for part in item["loc"])
        parts.append(f"{path}: {item['msg'].removeprefix('Value error, ')}")
    return "; ".join(parts)
