"""When CRS pages."""

from alerts.rules.finding import Finding, Scene, of_result
from config.site import Urgency


def crs(scene: Scene) -> Finding | None:
    """New, worse or returning CRS: grade 2 is high, and critical together with any ICANS; 3 and more are critical.

    A return is high at grade 1 too, whether the episode before it ended by itself or a person closed it; so is the
    fever of an outpatient, whom nobody else sees.
    """
    grade = scene.now.crs.grade
    if grade is None:
        return None
    urgency: Urgency = "critical" if grade >= 3 else "high" if grade == 2 else "medium"
    flags = scene.now.crs.flags
    if grade == 2 and scene.now.icans.grade:
        urgency = "critical"
        flags = (*flags, f"CRS 2 together with ICANS {scene.now.icans.grade}")
    if grade == 1 and (scene.now.course.episodes > 1 or "crs" in scene.returning):
        urgency = "high"
    conventions = scene.now.crs.conventions
    if grade == 1 and _fever_at_home(scene):
        urgency, conventions = "high", tuple(dict.fromkeys((*conventions, "outpatient.fever_at_once")))
    title = f"CRS grade {grade}: {' plus '.join(scene.now.crs.rows)}" if scene.now.crs.rows else f"CRS grade {grade}"
    over = grade == 0 and not scene.now.course.is_open
    return of_result(
        scene.now.crs,
        "crs",
        grade,
        urgency,
        title,
        flags=flags,
        conventions=conventions,
        over=over,
        provisional=scene.now.crs.provisional,
    )


def _fever_at_home(scene: Scene) -> bool:
    at_once = scene.site.conventions.outpatient.fever_at_once.value
    return at_once and scene.chart.setting(scene.now.at).name == "outpatient"
