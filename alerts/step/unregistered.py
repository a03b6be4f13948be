"""Findings that page for a patient without registration.

Their readings are graded by the same tables if no date of infusion is needed: CRS, ICANS, febrile neutropenia and
the counts. A hypothetical grade of 2 or more, or a falling ICE, is paged under the condition it would have, so that a
registration continues the same episode. Nothing less disturbs anybody: a sender may send every patient of a hospital,
and few of them have had CAR-T cells.
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
"""The highest urgency of such a page: it is not known whether the patient had CAR-T cells at all."""

CHARTED = ("reading", "statement", "treatment")

REGISTER = Phrase(
    "not registered, infusion date unknown: register the patient (`cartwatch register`, or on the ward board)"
)


def would_be_unregistered(messages: Iterable[AnyMessage]) -> bool:
    """Whether messages chart values for an unknown patient without a registration or a merge among them."""
    kinds = {message.type for message in messages}
    return kinds.isdisjoint(("registration", "merge_notice")) and not kinds.isdisjoint(CHARTED)


def findings_of(state: PatientState, now: Assessment, site: Site) -> list[Finding]:
    """The findings of every rule; of an unregistered patient those that page all the same, and their end."""
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
