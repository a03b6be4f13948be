"""When blood counts page."""

from alerts.finding import Finding, Scene, of_result
from alerts.grading.crs import measured_fever
from alerts.grading.result import Evidence

BY_NUMBERS = 3
"""The grade of febrile neutropenia that numbers give; 4 is a clinician's statement."""


def febrile_neutropenia(scene: Scene) -> Finding | None:
    """CTCAE febrile neutropenia, grade 3 or 4: high; once a stream has confirmed the fever."""
    result = scene.now.ctcae["febrile_neutropenia"]
    if result.grade is None:
        return None
    grade = result.grade
    if grade == BY_NUMBERS and not measured_fever(scene.chart, scene.now.at, scene.site).level:
        grade = 0
    return of_result(result, "febrile_neutropenia", grade, "high", f"febrile neutropenia grade {grade}")


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


def iec_hs(scene: Scene) -> Finding | None:
    """The screen for IEC-HS is positive: medium. It is a screen, not a grade."""
    result = scene.now.iec_hs
    if result.suspected is None:
        return None
    title = "consider IEC-HS" if result.suspected else "no reason to consider IEC-HS"
    return of_result(result, "iec_hs", int(result.suspected), "medium", title)
