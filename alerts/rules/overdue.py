"""Overdue assessments: missing data raises a notice, and new data clears it."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from alerts.grading import pressures
from alerts.grading.fever import has_other_fever
from alerts.rules import schedule
from alerts.rules.crs import rests_until
from alerts.rules.finding import Finding, RuleInput
from alerts.rules.scores import m_easix_over
from alerts.wording.phrase import Arg, At, Listed, Name, Phrase, phrase
from config.conventions import Expected
from config.site import Urgency
from config.vocabulary import READINGS, Sort

SET = ("temperature", "systolic_bp", "spo2")
"""The members of a set of vital signs. A mean pressure counts like a systolic one."""

OVERDUE, MISSING = 1, 2
"""The levels: the ward owes an assessment; a rule goes without it too long in a patient at risk."""

PLAIN = {"overdue_vitals": "vitals_every", "overdue_ice": "ice_every"}
"""The interval by which the doctor on call hears of it: that of a patient without any finding."""

SCORE_OF_HEALTH = {"ice": 10, "capd": 0}
"""The bedside scores of a patient without any sign of ICANS."""


class Due(NamedTuple):
    """A value charted at intervals: its last time, since when it is awaited, and when it is overdue, if ever."""

    what: str
    last: datetime | None
    since: datetime
    every: timedelta
    convention: str
    overdue_at: datetime | None


def vitals_due(inputs: RuleInput) -> Due | None:
    """The vital sign charted longest ago; None while no schedule applies."""
    since = _watched_since(inputs)
    if since is None:
        return None
    names = ["vitals_every"]
    if _is_febrile(inputs):
        names.append("vitals_every_when_febrile")
    if m_easix_over(inputs):
        names.append("vitals_every_when_m_easix_high")
    name = min(names, key=lambda name: schedule.interval(name, inputs.site.conventions.schedule))
    last = {kind: _last(inputs, kind) for kind in SET}
    what = min(last, key=lambda kind: last[kind] or since)
    return _due(what, last[what], since, name, inputs)


def ice_due(inputs: RuleInput) -> Due | None:
    """The next ICE, or of a child the next CAPD. One that falls due on the days it is assessed stays due after them."""
    since = _watched_since(inputs)
    if since is None:
        return None
    name = "ice_every_when_m_easix_high" if m_easix_over(inputs) else "ice_every"
    kind = "capd" if _by_capd(inputs) else "ice"
    due = _due(kind, _last(inputs, kind), since, name, inputs)
    falls_due = due.since + due.every
    day = inputs.chart.day(falls_due, inputs.site.zone)
    until = inputs.site.conventions.schedule.ice_until_day.value
    return due if day is not None and day <= until else due._replace(overdue_at=None)


def _by_capd(inputs: RuleInput) -> bool:
    """Whether the patient is a child, to whom CAPD stands in for ICE."""
    admission = inputs.chart.admission
    age = admission.age(inputs.now.at.astimezone(inputs.site.zone)) if admission else None
    return age is not None and age < inputs.site.conventions.icans.capd_below_age.value


def overdue_vitals(inputs: RuleInput) -> Finding | None:
    """Vital signs at least every 4 h; every 2 h while febrile, or if m-EASIX is over the threshold: low, the ward's.

    Missing for twice 4 h in a patient at risk: medium, to the doctor on call.
    """
    return _finding("overdue_vitals", _on_the_ward(vitals_due(inputs), inputs), inputs)


def overdue_ice(inputs: RuleInput) -> Finding | None:
    """ICE at least every 12 h on days 0-14; every 8 h if m-EASIX is over the threshold: low, the ward's.

    Missing for twice 12 h in a patient at risk: medium, to the doctor on call.
    """
    return _finding("overdue_ice", _on_the_ward(ice_due(inputs), inputs), inputs)


def _on_the_ward(due: Due | None, inputs: RuleInput) -> Due | None:
    """The ward's schedule is that of inpatients; elsewhere it is over."""
    inpatient = inputs.setting.name == "inpatient"
    return due if due is None or inpatient else due._replace(overdue_at=None)


def _watched_since(inputs: RuleInput) -> datetime | None:
    """When the schedule began: at the infusion, or when the patient became known in this setting."""
    infused = inputs.chart.infused
    if infused is None or inputs.now.at < infused:
        return None
    return max(infused, inputs.setting.since or infused)


def _last(inputs: RuleInput, kind: str) -> datetime | None:
    """When a sign was last charted. Contradictory pressures do not count."""
    if kind == "systolic_bp":
        entry = pressures.newest(inputs.chart, inputs.now.at, inputs.site)
    else:
        entry = inputs.chart.latest(kind, inputs.now.at)
    return entry.effective if entry is not None else None


def _due(what: str, last: datetime | None, since: datetime, name: str, inputs: RuleInput) -> Due:
    start = since if last is None else max(last, since)
    every = schedule.interval(name, inputs.site.conventions.schedule)
    return Due(what, last, start, every, name, schedule.overdue_at(start, name, inputs.site))


def _is_febrile(inputs: RuleInput) -> bool:
    return "fever" in inputs.now.crs.rows or has_other_fever(inputs.chart, inputs.now.at, inputs.site)


def at_risk(inputs: RuleInput) -> tuple[Phrase, ...]:
    """Why a missing assessment of this patient concerns the doctor on call; empty if nothing was found.

    Fever of any cause, CRS that is not over, a last ICE or CAPD with any loss, m-EASIX over the site's threshold.
    """
    found = []
    if _is_febrile(inputs):
        found.append(Phrase("fever"))
    if inputs.now.crs.grade or inputs.now.course.is_open or rests_until(inputs) is not None:
        found.append(Phrase("CRS not over"))
    if inputs.now.icans.grade or _has_lost_points(inputs):
        found.append(Phrase("ICANS not over"))
    if m_easix_over(inputs):
        found.append(Phrase("m-EASIX over the site's threshold"))
    return tuple(found)


def _has_lost_points(inputs: RuleInput) -> bool:
    kind = "capd" if _by_capd(inputs) else "ice"
    last = inputs.chart.latest(kind, inputs.now.at)
    return last is not None and last.value is not None and last.value != SCORE_OF_HEALTH[kind]


def _finding(condition: str, due: Due | None, inputs: RuleInput) -> Finding | None:
    if due is None:
        return None
    now = inputs.now.at
    late = due.overdue_at is not None and now >= due.overdue_at
    on_call_at = None
    if due.overdue_at is not None and late:
        on_call_at = schedule.on_call_at(due.since, PLAIN[condition], due.overdue_at, inputs.site)
    risk = at_risk(inputs) if on_call_at is not None and now >= on_call_at else ()
    texts, at = _last_charted(due.last, inputs)
    what, every = Name(due.what), _hours(due.every)
    conventions = (f"schedule.{due.convention}", *(("schedule.on_call_after_intervals",) if risk else ()))
    return Finding(
        condition=condition,
        level=MISSING if risk else int(late),
        urgency="medium" if risk else "low",
        title=Phrase(texts.overdue, (what, *at, every)) if late else phrase("{what} in time", what=what),
        because=(
            Phrase(texts.due, (*at, every)),
            *((phrase("missing in a patient at risk: {list}", list=Listed(risk)),) if risk else ()),
        ),
        conventions=conventions,
        over=not late,
        due=on_call_at if late else due.overdue_at,
    )


class _Texts(NamedTuple):
    """The wording of when a value was last charted."""

    overdue: str
    due: str
    check_in: str


LAST = _Texts(
    "{what} overdue: last {at}, to be charted every {n} h",
    "last {at}; due every {n} h, and then overdue after a grace",
    "{what}: last {at}, due every {n} h",
)
NEVER = _Texts(
    "{what} overdue: last never, to be charted every {n} h",
    "last never; due every {n} h, and then overdue after a grace",
    "{what}: last never, due every {n} h",
)
NONE_SINCE = _Texts(
    "{what} overdue: none since {at}, to be charted every {n} h",
    "none since {at}; due every {n} h, and then overdue after a grace",
    "{what}: none since {at}, due every {n} h",
)


def _last_charted(last: datetime | None, inputs: RuleInput) -> tuple[_Texts, tuple[At, ...]]:
    """The wording of its last time. If that precedes the patient's present setting, no value came since then."""
    since = inputs.setting.since
    if last is not None and since is not None and last < since:
        return NONE_SINCE, (At(since),)
    return (LAST, (At(last),)) if last else (NEVER, ())


def _hours(every: timedelta) -> str:
    return f"{every / timedelta(hours=1):g}"


# -- patients who are not on the ward ----------------------------------------------------------------

GROUPS = {
    "neurological_check": ("ice", "capd", "consciousness", "new_confusion"),
    "laboratory": tuple(kind.name for kind in READINGS.values() if kind.sort is Sort.LABORATORY),
}
GROUP_NAMES = {"neurological_check": Phrase("neurological check"), "laboratory": Phrase("laboratory values")}


class CheckIn(NamedTuple):
    """A value expected of a patient who is not on the ward: its last time, and when it is overdue."""

    expected: Expected
    last: datetime | None
    overdue_at: datetime

    @property
    def name(self) -> Arg:
        """Its name in a sentence."""
        return GROUP_NAMES.get(self.expected.what) or Name(self.expected.what)


def overdue_check_in(inputs: RuleInput) -> Finding | None:
    """A check-in that a patient outside the ward missed (`expected` in `conventions.yaml`): medium."""
    return _not_charted("overdue_check_in", "medium", inputs)


def overdue_routine(inputs: RuleInput) -> Finding | None:
    """Other overdue values of such a patient, mostly laboratory values: low."""
    return _not_charted("overdue_routine", "low", inputs)


def _not_charted(condition: str, urgency: Urgency, inputs: RuleInput) -> Finding:
    due = [item for item in _check_ins(inputs) if item.expected.urgency == urgency]
    late = [item for item in due if item.overdue_at <= inputs.now.at]
    return Finding(
        condition=condition,
        level=int(bool(late)),
        urgency=urgency,
        title=phrase("no check-in: {list}", list=Listed(tuple(item.name for item in late))) if late else IN_TIME,
        because=(
            *(_last_check_in(item, inputs) for item in late),
            *(Phrase(item.expected.every.basis) for item in late),
        ),
        conventions=("outpatient.unanswered_after",) if late else (),
        members=tuple(item.expected.what for item in late),
        over=not late,
        due=min((item.overdue_at for item in due if item.overdue_at > inputs.now.at), default=None),
    )


IN_TIME = Phrase("check-ins in time")


def _last_check_in(item: CheckIn, inputs: RuleInput) -> Phrase:
    since = _watched_since(inputs)
    if item.last or since is None:
        texts, at = _last_charted(item.last, inputs)
    else:
        texts, at = NONE_SINCE, (At(since),)
    return Phrase(texts.check_in, (item.name, *at, _hours(item.expected.every.value)))


def _check_ins(inputs: RuleInput) -> list[CheckIn]:
    since, setting = _watched_since(inputs), inputs.setting.name
    if since is None:
        return []
    found = []
    for one in inputs.site.conventions.expected:
        if one.setting != setting:
            continue
        kinds = GROUPS.get(one.what, (one.what,))
        charted = [entry.effective for kind in kinds if (entry := inputs.chart.latest(kind, inputs.now.at)) is not None]
        last = max(charted, default=None)
        asked = _by_day(max(last or since, since) + one.every.value, inputs)
        day = inputs.chart.day(asked, inputs.site.zone)
        if day is not None and one.from_day <= day and (one.to_day is None or day <= one.to_day):
            unanswered = asked + inputs.site.conventions.outpatient.unanswered_after.value
            found.append(CheckIn(one, last, _by_day(unanswered, inputs)))
    return found


def _by_day(at: datetime, inputs: RuleInput) -> datetime:
    """A time, or the next morning if it is at night."""
    home = inputs.site.conventions.outpatient
    local = at.astimezone(inputs.site.zone)
    morning = local.replace(hour=home.day_from_hour.value, minute=0, second=0, microsecond=0)
    if local < morning:
        return morning.astimezone(UTC)
    if local.hour >= home.day_until_hour.value:
        return (morning + timedelta(days=1)).astimezone(UTC)
    return at
