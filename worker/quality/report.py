"""The measures as one self-contained HTML page: no script, no second file, no network."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from jinja2 import Environment, StrictUndefined, Template

from alerts.wording.catalogue import DISCLAIMER
from worker.quality import plots
from worker.quality.assumptions import assumptions
from worker.quality.cohort import PatientTruth
from worker.quality.measures import Measures
from worker.quality.policies import NAIVE_HIGH, NAIVE_LOW, OURS, StayOutcome
from worker.report.palette import GRADES, URGENCIES

ABBREVIATIONS = ("crs", "icans", "ice")


def render(
    found: Mapping[str, Measures],
    outcomes: Sequence[StayOutcome],
    truths: Mapping[str, PatientTruth],
    zone: ZoneInfo,
    *,
    title: str,
    answer: str,
    release: str,
) -> str:
    """The whole page. All input is escaped."""
    return _template().render(
        found=found,
        ours=found[OURS],
        sensitivity=plots.pooled_sensitivity(found[OURS]),
        scatter=plots.scatter(found),
        curves=plots.delays(found),
        ward=plots.ward(outcomes, truths, zone),
        stays=len(outcomes),
        messages=sum(one.messages for one in outcomes),
        assumptions=list(assumptions()) if truths else [],
        thresholds=_thresholds(),
        title=title,
        answer=answer,
        release=release,
        disclaimer=DISCLAIMER,
        tints=GRADES,
        urgencies=URGENCIES,
        width=plots.WIDTH,
        height=plots.HEIGHT,
        left=plots.LEFT,
        right=plots.RIGHT,
        top=plots.TOP,
        bottom=plots.BOTTOM,
    )


def _thresholds() -> str:
    above = (f"{name} >= {bound}" for name, bound in NAIVE_HIGH.items())
    below = (f"{name} < {bound}" for name, bound in NAIVE_LOW.items())
    return ", ".join((*above, *below))


def clinical(name: str) -> str:
    """A name of the measures as a clinician writes it."""
    words = name.replace("_", " ").replace(">=", "≥").split()
    return " ".join(word.upper() if word in ABBREVIATIONS else word for word in words)


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["clinical"] = clinical
    return environment.from_string(files("worker.quality").joinpath("report.html.j2").read_text(encoding="utf-8"))
