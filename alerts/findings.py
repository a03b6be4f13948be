"""The alert rules: from an assessment, and what stood before it, to what a haematologist must know.

One function a rule. A rule answers with its condition's level now (0: clear), how urgent that is, and, where
something happened that pages again within one level, what happened. It answers None where nothing can be said.
Urgencies are those of the shipped policy (see docs/clinical.md).
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from alerts.assessment import Assessment
from alerts.chart import Chart
from alerts.grading import easix
from alerts.grading.result import Evidence, Result
from config.site import Site, Urgency

ICE_FALL_CRITICAL = 3
ICE_FALL_HIGH = 2
ICE_LOW = 2
"""Points by which an ICE must fall, and the score at or below which it is critical to have fallen."""


class Finding(Struct, frozen=True, kw_only=True):
    """What one rule says of one condition at one time.

    `members` are the parts of a compound condition; a new one pages again. `event` names what pages again within a
    level. `over` is set where the condition itself decides that it has ended.
    """

    condition: str
    level: int
    urgency: Urgency
    title: str
    because: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    provisional: bool = False
    members: tuple[str, ...] = ()
    event: str = ""
    over: bool | None = None

    @property
    def measured_at(self) -> datetime | None:
        """When the newest reading it rests on was true."""
        return max((item.entry.effective for item in self.evidence), default=None)


class Seen(Struct, frozen=True):
    """What the rules remember of the last assessment."""

    ice: int | None = None
    ice_at: datetime | None = None


def seen(now: Assessment, before: Seen) -> Seen:
    """What to remember of an assessment; an ICE that has lapsed is not forgotten."""
    if now.ice.score is None or not now.ice.evidence:
        return before
    return Seen(now.ice.score, now.ice.evidence[0].entry.effective)


class Scene(Struct, frozen=True):
    """What a rule looks at: what was remembered, what is so now, and the chart behind it."""

    before: Seen
    now: Assessment
    chart: Chart
    site: Site


Rule = Callable[[Scene], Finding | None]


def _from(result: Result, condition: str, level: int, urgency: Urgency, title: str, **more: object) -> Finding:
    found = {
        "because": result.because,
        "evidence": result.evidence,
        "missing": result.missing,
        "flags": result.flags,
        "proxies": result.proxies,
        **more,
    }
    return Finding(condition=condition, level=level, urgency=urgency, title=title, **found)  # type: ignore[arg-type]


def crs(scene: Scene) -> Finding | None:
    """New, worse or returning CRS. Grade 2 is high, and critical together with any ICANS; 3 and more are critical."""
    grade = scene.now.crs.grade
    if grade is None:
        return None
    urgency: Urgency = "critical" if grade >= 3 else "high" if grade == 2 else "medium"
    flags = scene.now.crs.flags
    if grade == 2 and scene.now.icans.grade:
        urgency = "critical"
        flags = (*flags, f"CRS 2 together with ICANS {scene.now.icans.grade}")
    if grade == 1 and scene.now.course.episodes > 1:
        urgency = "high"
    title = f"CRS grade {grade}: {' plus '.join(scene.now.crs.rows)}" if scene.now.crs.rows else f"CRS grade {grade}"
    over = grade == 0 and not scene.now.course.is_open
    return _from(
        scene.now.crs, "crs", grade, urgency, title, flags=flags, over=over, provisional=scene.now.crs.provisional
    )


def icans(scene: Scene) -> Finding | None:
    """New or worse ICANS, and a falling ICE even inside one grade."""
    grade = scene.now.icans.grade
    if grade is None:
        return None
    urgency: Urgency = "critical" if grade >= 3 else "high" if grade == 2 else "medium"
    fall, event = _ice_fall(scene)
    title = f"ICANS grade {grade}"
    if scene.now.ice.score is not None:
        title += f", ICE {scene.now.ice.score}/10"
    if fall == "critical" or (fall == "high" and urgency == "medium"):
        urgency = fall
    because = (*scene.now.icans.because, event) if event else scene.now.icans.because
    return _from(
        scene.now.icans,
        "icans",
        grade,
        urgency,
        title,
        because=because,
        event=event,
        provisional=scene.now.icans.provisional,
    )


def _ice_fall(scene: Scene) -> tuple[Urgency | None, str]:
    """How far a newly assessed ICE fell, from the last one and from the baseline."""
    score = scene.now.ice.score
    if score is None or not scene.now.ice.evidence:
        return None, ""
    at = scene.now.ice.evidence[0].entry.effective
    if scene.before.ice_at is not None and at <= scene.before.ice_at:
        return None, ""
    baseline = scene.chart.baseline("ice", scene.site.proxies.chart.baseline_window.value)
    last = scene.before.ice if scene.before.ice is not None else baseline
    if last is None or score >= last:
        return None, ""
    fall = Decimal(last) - score
    below = (baseline or Decimal(last)) - score
    text = f"ICE fell by {fall:f}, from {Decimal(last):f} to {score}"
    if fall >= ICE_FALL_CRITICAL or (score <= ICE_LOW < last):
        return "critical", text
    if fall >= ICE_FALL_HIGH or below >= ICE_FALL_HIGH:
        return "high", f"{text} (baseline {baseline:f})" if baseline is not None else text
    return None, ""


def febrile_neutropenia(scene: Scene) -> Finding | None:
    """CTCAE febrile neutropenia, grade 3 or 4: high."""
    result = scene.now.ctcae["febrile_neutropenia"]
    if result.grade is None:
        return None
    return _from(result, "febrile_neutropenia", result.grade, "high", f"febrile neutropenia grade {result.grade}")


COUNTS = ("anemia", "platelets", "neutrophils", "white_cells", "lymphocytes")


def cytopenia(scene: Scene) -> Finding | None:
    """A count that newly reaches CTCAE grade 4: medium; each further term pages once."""
    known = [scene.now.ctcae[term] for term in COUNTS if scene.now.ctcae[term].grade is not None]
    if not known:
        return None
    worst = {term: scene.now.ctcae[term] for term in COUNTS if scene.now.ctcae[term].grade == 4}
    results = list(worst.values()) or known
    return Finding(
        condition="cytopenia",
        level=4 if worst else 0,
        urgency="medium",
        title="CTCAE grade 4: " + ", ".join(term.replace("_", " ") for term in worst) if worst else "no grade 4 count",
        because=tuple(reason for result in results for reason in result.because),
        evidence=tuple(item for result in results for item in result.evidence),
        members=tuple(worst),
        provisional=any(result.provisional for result in worst.values()),
    )


def m_easix(scene: Scene) -> Finding | None:
    """m-EASIX over the site's own threshold for the day: low, never more."""
    value = scene.now.m_easix.value
    if value is None:
        return None
    measured = max(item.entry.effective for item in scene.now.m_easix.evidence)
    threshold = easix.threshold_for(scene.chart.day(measured, scene.site.zone), scene.site)
    over = threshold is not None and value > threshold.threshold.value
    title = f"m-EASIX {value:.1f}"
    because = scene.now.m_easix.because
    if over and threshold is not None:
        title += f" over the site's threshold {threshold.threshold.value} for {threshold.window}: watch more closely"
        because = (*because, f"threshold basis: {threshold.threshold.basis}")
    return _from(scene.now.m_easix, "m_easix", int(over), "low", title, because=because)


def hematotox(scene: Scene) -> Finding | None:
    """CAR-HEMATOTOX high before lymphodepletion: low."""
    if scene.now.hematotox.score is None:
        return None
    high = scene.now.hematotox.risk == "high"
    title = f"CAR-HEMATOTOX {scene.now.hematotox.score}, {scene.now.hematotox.risk} risk"
    return _from(scene.now.hematotox, "hematotox", int(high), "low", title)


def low_igg(scene: Scene) -> Finding | None:
    """IgG under the institutional limit: low. No CTCAE term exists for it."""
    igg = scene.chart.latest("igg", scene.now.at, scene.site.proxies.chart.laboratory_holds.value)
    limit = scene.site.proxies.counts.igg_low
    if igg is None or (low := igg.below(limit.value)) is None:
        return None
    return Finding(
        condition="low_igg",
        level=int(low),
        urgency="low",
        title=f"IgG below {limit.value} mg/dL" if low else "IgG not low",
        because=(f"{igg.value:f} mg/dL against {limit.value}: {limit.basis}",),
        evidence=(Evidence("igg", igg),),
        proxies=("counts.igg_low",),
    )


RULES: tuple[Rule, ...] = (crs, icans, febrile_neutropenia, cytopenia, m_easix, hematotox, low_igg)


def findings(before: Seen, now: Assessment, chart: Chart, site: Site) -> list[Finding]:
    """What every rule says now."""
    scene = Scene(before, now, chart, site)
    return [found for rule in RULES if (found := rule(scene)) is not None]
