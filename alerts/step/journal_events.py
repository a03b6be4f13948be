"""Journal lines: what changed, as JSON objects. `cartwatch replay --json` prints them as they are."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from alerts.assessment.assessment import Assessment
from alerts.episodes.episode import Episode
from alerts.episodes.silences import Silenced
from alerts.grading.iec_hs import Screen
from alerts.grading.result import NOT_APPLICABLE, Evidence, Grade, Points, Result, Score
from alerts.pages.concern import PageConcern
from alerts.pages.page import Page
from alerts.state import PatientState
from alerts.wording.catalogue import in_code, in_english
from config.site import Site


def local(at: datetime, site: Site) -> str:
    """ISO 8601 with the hospital's offset, to the second."""
    return at.astimezone(site.zone).isoformat(timespec="seconds")


GradeStatus = Literal["final", "amended", "entered_in_error"]
"""`amended`: issued before for the same time with another value. `entered_in_error`: retracted."""


def grade_event(
    patient: str,
    system: str,
    result: Result,
    was: str | None,
    assessment: Assessment,
    site: Site,
    *,
    id: str,
    status: GradeStatus = "final",
) -> dict[str, Any]:
    """A grade or score that changed; its evidence names the messages it rests on."""
    event: dict[str, Any] = {
        "at": local(assessment.at, site),
        "kind": "grade",
        "id": id,
        "status": status,
        "patient": patient,
        "day": assessment.day,
        "system": system,
        "version": result.version,
    }
    if isinstance(result, Grade):
        event |= {"grade": result.grade, "applicable": result.applicable, "was": _number(was)}
        event |= {"provisional": result.provisional}
    elif isinstance(result, Points):
        event |= {"score": result.score, "was": _number(was), "risk": result.risk}
    elif isinstance(result, Screen):
        event |= {"suspected": result.suspected}
    elif isinstance(result, Score):
        event |= {"value": plain(result.value), "log2": plain(result.log2)}
        event |= {"bound": result.bound, "bound_value": plain(result.bound_value)}
    event |= {
        "because": [in_english(reason, site.zone) for reason in result.because],
        "missing": [in_code(name, site.zone) for name in result.missing],
        "flags": [in_english(flag, site.zone) for flag in result.flags],
    }
    return event | {
        "conventions": list(result.conventions),
        "evidence": [evidence(item, site) for item in result.evidence],
    }


def _number(was: str | None) -> int | None:
    """A grade or a sum of points as it was; None if it was undetermined or not applicable."""
    return None if was is None or was == NOT_APPLICABLE else int(was)


def evidence(item: Evidence, site: Site) -> dict[str, str]:
    """The evidence of a result, by the name that its message has."""
    entry = item.entry
    return {"kind": item.kind, "source": entry.source, "id": entry.id, "at": local(entry.effective, site)}


def regrade_event(said: dict[str, Any], status: GradeStatus) -> dict[str, Any]:
    """A grade amended or retracted. `said`: its journal line as it is assessed now."""
    return {**said, "kind": "regrade", "status": status}


def plain(number: Any) -> float | None:
    """A decimal as a JSON number of at most 12 significant digits."""
    return None if number is None else float(f"{float(number):.12g}")


def page_event(
    page: Page, site: Site, concerns: Iterable[PageConcern] = (), assessment: Assessment | None = None
) -> dict[str, Any]:
    """A page that is owed to somebody, with the readings it rests on and the version of each rule."""
    findings = [concern.finding for concern in concerns if concern.finding is not None]
    rests_on = {(item.kind, item.entry.source, item.entry.id): item for one in findings for item in one.evidence}
    return {
        "at": local(page.at, site),
        "kind": "page",
        "patient": page.patient,
        "day": page.day,
        "page": page.id,
        "episode": page.episode,
        "episodes": list(page.episodes),
        "condition": page.condition,
        "levels": dict(page.levels),
        "urgency": page.urgency,
        "reason": page.reason,
        "to": page.to,
        "channel": page.channel,
        "title": page.title,
        "text": page.text,
        "evidence": [evidence(item, site) for item in rests_on.values()],
        "conventions": list(dict.fromkeys(name for one in findings for name in one.conventions)),
        "rules": _versions(assessment) if assessment is not None else {},
    }


def _versions(assessment: Assessment) -> dict[str, str]:
    """The version of the rules of each system that may page."""
    term = next(iter(assessment.ctcae.values()), None)
    results = (assessment.crs, assessment.icans, assessment.hematotox, assessment.icaht_early, assessment.iec_hs)
    versions = {result.system: result.version for result in results}
    return versions | ({"CTCAE": term.version} if term is not None else {})


def answer_event(
    kind: str, state: PatientState, episode: Episode, now: datetime, site: Site, **said: str
) -> dict[str, Any]:
    """A person's answer to an episode: `acknowledged`, `handed_over`."""
    return {
        "at": local(now, site),
        "kind": kind,
        "patient": state.patient,
        "episode": episode.id,
        "condition": episode.condition,
        **said,
    }


def silence_event(kind: str, state: PatientState, silence: Silenced, now: datetime, site: Site) -> dict[str, Any]:
    """A silence put in force or ended: `silenced`, `silence_ended`."""
    return {
        "at": local(now, site),
        "kind": kind,
        "patient": state.patient,
        "episode": silence.episode,
        "condition": silence.condition,
        "urgency": silence.urgency,
        "until": local(silence.until, site),
        "by": silence.by,
        "why": silence.why,
    }


def closed_event(
    state: PatientState, episode: Episode, reason: str, now: datetime, site: Site, by: str = "", why: str = ""
) -> dict[str, Any]:
    """An episode that ended, by itself or by a person, who says why."""
    return {
        "at": local(now, site),
        "kind": "closed",
        "patient": state.patient,
        "episode": episode.id,
        "condition": episode.condition,
        "reason": reason,
        "by": by,
        "why": why,
    }
