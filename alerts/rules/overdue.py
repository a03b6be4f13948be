"""When a patient has not been looked at for too long: missing data says so itself, and clears itself."""

from datetime import datetime, timedelta
from typing import NamedTuple

from alerts.finding import Finding, Scene
from alerts.rules.scores import m_easix_over
from alerts.vocabulary import label
from config.types import Proxy

SETS = (("temperature",), ("systolic_bp", "mean_bp"), ("spo2",))
"""What a set of vital signs consists of; of alternatives, one is enough."""

LATE = 1.5
"""Late by half the interval is a notice."""


class Due(NamedTuple):
    """Something that is to be charted at intervals: when it was last, and when its lack is told."""

    what: str
    last: datetime | None
    every: timedelta
    proxy: str
    told_at: datetime


def vitals_due(scene: Scene) -> Due | None:
    """The part of the vital signs that was charted longest ago; None while nobody has to look."""
    since = _watched_since(scene)
    if since is None:
        return None
    schedule = scene.site.proxies.schedule
    febrile = "fever" in scene.now.crs.rows
    name = "vitals_every_when_febrile" if febrile else "vitals_every"
    last = {kinds[0]: _last(scene, *kinds) for kinds in SETS}
    what = min(last, key=lambda kind: last[kind] or since)
    return _due(label(what), last[what], since, name, getattr(schedule, name))


def ice_due(scene: Scene) -> Due | None:
    """The next ICE, on the days it is assessed."""
    since = _watched_since(scene)
    schedule = scene.site.proxies.schedule
    if since is None or scene.now.day is None or scene.now.day > schedule.ice_until_day.value:
        return None
    name = "ice_every_when_m_easix_high" if m_easix_over(scene) else "ice_every"
    return _due(label("ice"), _last(scene, "ice"), since, name, getattr(schedule, name))


def overdue_vitals(scene: Scene) -> Finding | None:
    """Vital signs at least every 4 h, every 2 h while febrile: low."""
    return _finding("overdue_vitals", vitals_due(scene), scene)


def overdue_ice(scene: Scene) -> Finding | None:
    """ICE at least every 12 h on days 0-14, every 8 h where m-EASIX is over the threshold: low."""
    return _finding("overdue_ice", ice_due(scene), scene)


def _watched_since(scene: Scene) -> datetime | None:
    infused = scene.chart.admission.infused if scene.chart.admission else None
    return infused if infused is not None and scene.now.at >= infused else None


def _last(scene: Scene, *kinds: str) -> datetime | None:
    found = [scene.chart.latest(kind, scene.now.at) for kind in kinds]
    return max((entry.effective for entry in found if entry is not None), default=None)


def _due(what: str, last: datetime | None, since: datetime, name: str, every: Proxy[timedelta]) -> Due:
    start = since if last is None else max(last, since)
    return Due(what, last, every.value, f"schedule.{name}", start + every.value * LATE)


def _finding(condition: str, due: Due | None, scene: Scene) -> Finding | None:
    if due is None:
        return None
    late = scene.now.at >= due.told_at
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
    )
