"""When a patient has not been looked at for too long: missing data says so itself, and clears itself."""

from datetime import datetime, timedelta
from typing import NamedTuple

from alerts.finding import Finding, Scene
from alerts.grading import pressures
from alerts.grading.fever import has_other_fever
from alerts.rules.scores import m_easix_over
from alerts.vocabulary import label
from config.types import Proxy

SET = ("temperature", "systolic_bp", "spo2")
"""What a set of vital signs consists of; a mean pressure is as good as a systolic."""

LATE = 1.5
"""Late by half the interval is a notice."""


class Due(NamedTuple):
    """Something that is to be charted at intervals: when it was last, and when its lack is told, if ever."""

    what: str
    last: datetime | None
    every: timedelta
    proxy: str
    told_at: datetime | None


def vitals_due(scene: Scene) -> Due | None:
    """The part of the vital signs that was charted longest ago; None while nobody has to look."""
    since = _watched_since(scene)
    if since is None:
        return None
    schedule = scene.site.proxies.schedule
    intervals = {"vitals_every": schedule.vitals_every}
    if "fever" in scene.now.crs.rows or has_other_fever(scene.chart, scene.now.at, scene.site):
        intervals["vitals_every_when_febrile"] = schedule.vitals_every_when_febrile
    if m_easix_over(scene):
        intervals["vitals_every_when_m_easix_high"] = schedule.vitals_every_when_m_easix_high
    name = min(intervals, key=lambda name: intervals[name].value)
    last = {kind: _last(scene, kind) for kind in SET}
    what = min(last, key=lambda kind: last[kind] or since)
    return _due(label(what), last[what], since, name, intervals[name])


def ice_due(scene: Scene) -> Due | None:
    """The next ICE, or of a child the next CAPD. One that falls due on the days it is assessed stays due after them."""
    since = _watched_since(scene)
    if since is None:
        return None
    schedule = scene.site.proxies.schedule
    name = "ice_every_when_m_easix_high" if m_easix_over(scene) else "ice_every"
    kind = "capd" if _by_capd(scene) else "ice"
    due = _due(label(kind), _last(scene, kind), since, name, getattr(schedule, name))
    falls_due = max(due.last or since, since) + due.every
    day = scene.chart.day(falls_due, scene.site.zone)
    return due if day is not None and day <= schedule.ice_until_day.value else due._replace(told_at=None)


def _by_capd(scene: Scene) -> bool:
    """Whether the patient is a child, to whom CAPD stands in for ICE."""
    admission = scene.chart.admission
    age = admission.age(scene.now.at.astimezone(scene.site.zone)) if admission else None
    return age is not None and age < scene.site.proxies.icans.capd_below_age.value


def overdue_vitals(scene: Scene) -> Finding | None:
    """Vital signs at least every 4 h, every 2 h while febrile or where m-EASIX is over the threshold: low."""
    return _finding("overdue_vitals", vitals_due(scene), scene)


def overdue_ice(scene: Scene) -> Finding | None:
    """ICE at least every 12 h on days 0-14, every 8 h where m-EASIX is over the threshold: low."""
    return _finding("overdue_ice", ice_due(scene), scene)


def _watched_since(scene: Scene) -> datetime | None:
    infused = scene.chart.admission.infused if scene.chart.admission else None
    return infused if infused is not None and scene.now.at >= infused else None


def _last(scene: Scene, kind: str) -> datetime | None:
    """When a sign was last charted; pressures that contradict each other are none."""
    if kind == "systolic_bp":
        entry = pressures.latest(scene.chart, scene.now.at, None, scene.site).newest
    else:
        entry = scene.chart.latest(kind, scene.now.at)
    return entry.effective if entry is not None else None


def _due(what: str, last: datetime | None, since: datetime, name: str, every: Proxy[timedelta]) -> Due:
    start = since if last is None else max(last, since)
    return Due(what, last, every.value, f"schedule.{name}", start + every.value * LATE)


def _finding(condition: str, due: Due | None, scene: Scene) -> Finding | None:
    if due is None:
        return None
    late = due.told_at is not None and scene.now.at >= due.told_at
    hours = due.every / timedelta(hours=1)
    zone = scene.site.zone
    last = due.last.astimezone(zone).strftime("%d %b %H:%M") if due.last else "never"
    return Finding(
        condition=condition,
        level=int(late),
        urgency="low",
        title=f"{due.what} overdue: last {last}, to be charted every {hours:g} h" if late else f"{due.what} in time",
        because=(f"last {last}; due every {hours:g} h, told when late by half of that",),
        proxies=(due.proxy,),
        over=not late,
        due=due.told_at,
    )
