"""What is paged of a patient nobody has registered.

Their readings are graded by the same tables, as far as no date of infusion is needed: CRS, ICANS, febrile neutropenia
and the counts. What would be grade 2 or more, or an ICE that falls, is paged under the condition it would have, so
that the registration makes the same episode the ordinary one. Nothing less than that disturbs anybody: a sender may
send every patient of a hospital, and few of them have had CAR-T cells.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from alerts.assessment.assessment import Assessment
from alerts.messages import AnyMessage
from alerts.pages.concern import UNREGISTERED
from alerts.rules.before_infusion import WOULD_BE
from alerts.rules.finding import Finding
from alerts.rules.run import findings
from alerts.state import PatientState
from alerts.wording.phrase import Phrase, phrase
from config.site import Site, Urgency, higher

HIGHEST: Urgency = "high"
"""The highest urgency of such a page: whether the patient has had CAR-T cells at all is not known."""

CHARTED = ("reading", "statement", "treatment")

REGISTER = Phrase(
    "not registered, infusion date unknown: register the patient (`cartwatch register`, or on the ward board)"
)


def would_be_unregistered(messages: Iterable[AnyMessage]) -> bool:
    """Whether messages chart something for a patient nobody knows, and none of them registers the patient, or says that
    another record goes on as this one."""
    kinds = {message.type for message in messages}
    return kinds.isdisjoint(("registration", "merge_notice")) and not kinds.isdisjoint(CHARTED)


def findings_of(state: PatientState, now: Assessment, site: Site) -> list[Finding]:
    """What every rule says now of a patient; of an unregistered one what is paged all the same, and its end."""
    found = findings(state.rule_memory, now, state.chart, site, state.returning)
    if state.unregistered is None or state.registered:
        return found
    return [_unregistered(finding) for finding in found if _counts(finding, state)]


def _counts(finding: Finding, state: PatientState) -> bool:
    if finding.condition in state.episodes or (finding.level == 0 and finding.condition in state.past):
        return True
    return (finding.level >= WOULD_BE or bool(finding.events)) and higher(finding.urgency, "low")


def _unregistered(finding: Finding) -> Finding:
    if finding.level == 0:
        return finding
    return replace(
        finding,
        title=phrase(UNREGISTERED, what=finding.title),
        urgency=HIGHEST if higher(finding.urgency, HIGHEST) else finding.urgency,
        flags=(*finding.flags, REGISTER),
    )
