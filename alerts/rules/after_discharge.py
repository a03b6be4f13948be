"""A patient discharged for good: one low notice of new values, with the grade they would have."""

from collections.abc import Sequence, Set
from datetime import datetime

from alerts.rules.finding import Finding
from alerts.wording.phrase import Phrase, joined, phrase
from config.site import URGENCIES

AFTER_DISCHARGE = "after_discharge"
"""The condition of the notice."""


def rests_on_news(finding: Finding, left: datetime, late: Set[datetime]) -> bool:
    """Whether a finding rests on an entry of after the discharge, or on one that came in `late`."""
    return any(item.entry.effective > left or item.entry.effective in late for item in finding.evidence)


def after_discharge(found: Sequence[Finding]) -> Finding:
    """The notice of some findings, the most urgent first. A further condition pages again."""
    if not found:
        return Finding(
            condition=AFTER_DISCHARGE,
            level=0,
            urgency="low",
            title=Phrase("nothing to report after discharge"),
            over=True,
        )
    ordered = sorted(found, key=lambda one: -URGENCIES.index(one.urgency))
    return Finding(
        condition=AFTER_DISCHARGE,
        level=1,
        urgency="low",
        title=joined([phrase("after discharge, would be {what}", what=one.title) for one in ordered]),
        because=tuple(reason for one in ordered for reason in one.because),
        evidence=tuple(dict.fromkeys(item for one in ordered for item in one.evidence)),
        flags=tuple(dict.fromkeys(flag for one in ordered for flag in one.flags)),
        conventions=tuple(dict.fromkeys(name for one in ordered for name in one.conventions)),
        members=tuple(one.condition for one in ordered),
    )
