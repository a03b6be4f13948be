"""The alert rules, run on an assessment.

A rule returns the present level of its condition (0: clear), its urgency, and the events that page again within one
level. It returns None if it can decide nothing. A new rule is one function in `alerts/rules/` and one line here.
Urgencies are those of the shipped policy (docs/clinicians/rules.md).
"""

from collections.abc import Sequence
from datetime import datetime

from alerts.assessment.assessment import Assessment
from alerts.chart.chart import Chart
from alerts.rules import before_infusion, counts, crs, delayed, icans, no_response, overdue, scores
from alerts.rules.finding import Finding, Rule, RuleInput, RuleMemory
from config.site import Site

RULES: tuple[Rule, ...] = (
    crs.crs,
    icans.icans,
    no_response.no_response,
    no_response.no_steroid_response,
    before_infusion.before_infusion,
    counts.febrile_neutropenia,
    counts.cytopenia,
    counts.low_igg,
    counts.iec_hs,
    delayed.delayed_neurotoxicity,
    delayed.lymphocyte_peak,
    delayed.falling_fibrinogen,
    delayed.late_diarrhea,
    scores.m_easix,
    scores.hematotox,
    overdue.overdue_vitals,
    overdue.overdue_ice,
    overdue.overdue_check_in,
    overdue.overdue_routine,
)


def findings(
    before: RuleMemory, now: Assessment, chart: Chart, site: Site, returning: frozenset[str] = frozenset()
) -> list[Finding]:
    """The findings of every rule. `returning`: conditions with an earlier closed episode."""
    inputs = RuleInput(before, now, chart, site, returning)
    return [found for rule in RULES if (found := rule(inputs)) is not None]


def next_review(found: Sequence[Finding], now: Assessment, chart: Chart, site: Site) -> datetime | None:
    """When a rule may find something new without a new message."""
    inputs = RuleInput(RuleMemory(), now, chart, site)
    dues = [finding.due for finding in found]
    dues += [icans.repeat_awaited_until(inputs), crs.rests_until(inputs)]
    dues.append(chart.infused)
    return min((at for at in dues if at is not None and at > now.at), default=None)


def remember(now: Assessment, chart: Chart, before: RuleMemory) -> RuleMemory:
    """The memory after an assessment. An ICE or a seizure that has lapsed stays in it."""
    seizure = icans.last_seizure(chart, now.at)
    seizure_at = seizure.effective if seizure else before.seizure_at
    icans_run = no_response.icans_run(before, now)
    if now.ice.score is None or not now.ice.evidence:
        return RuleMemory(before.ice, before.ice_at, seizure_at, *icans_run)
    return RuleMemory(now.ice.score, now.ice.evidence[0].entry.effective, seizure_at, *icans_run)
