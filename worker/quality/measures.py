"""The measures of a policy on a stream: burden, and with the truth also sensitivity, delay, ground and silence."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

import msgspec

from alerts.pages.concern import ENDED, FIRST
from worker.quality.answers import NIGHT_FROM, NIGHT_UNTIL, is_night
from worker.quality.cohort import PatientTruth, TrueOnset
from worker.quality.drive import CountedPage
from worker.quality.policies import ANY, StayOutcome

NOTIFYING = ("critical", "high", "medium")
"""Urgencies that ring a phone."""

LATE = timedelta(minutes=60)
"""A page later than this after the charting is late."""

WARD = 10
"""Beds of the ward by which pages per responder-night are counted."""

COUNTED_AFTER_THE_END = timedelta(hours=4)
"""A page counts for a spell up to this long after its end: as long as a value may take to be stored."""

GROUND = {"crs": timedelta(hours=6), "febrile_neutropenia": timedelta(hours=6), "icans": timedelta(hours=24)}
"""How long before a page its condition may have been true last: assumptions, as long as the charted value holds."""

OVERDUE = {"overdue_vitals": timedelta(hours=2), "overdue_ice": timedelta(hours=8)}
"""An overdue notice is without ground if the value was measured within the shortest interval, and only charted late."""


class Delays(msgspec.Struct, frozen=True):
    """Minutes: the median and the 90th percentile."""

    median: float
    p90: float


class ConditionMeasure(msgspec.Struct, frozen=True):
    """How one condition of a grade or more was paged.

    `charted`: its onsets whose signs came in; `paged`: of these. `already`: a page stood already at the onset. `late`:
    more than an hour after the charting. `unpaged`: patient and onset of each that was missed. `positive`, `right`: its
    first pages, and those on which it was true.
    """

    name: str
    onsets: int
    charted: int
    paged: int
    already: int
    late: int
    from_onset: Delays | None
    from_charting: Delays | None
    positive: int
    right: int
    unpaged: list[str]
    delays: list[float]

    @property
    def sensitivity(self) -> float | None:
        """Of what was charted."""
        return self.paged / self.charted if self.charted else None

    @property
    def missed(self) -> int:
        """Charted and never paged."""
        return self.charted - self.paged

    @property
    def predictive(self) -> float | None:
        """The positive predictive value of its first pages."""
        return self.right / self.positive if self.positive else None


class Burden(msgspec.Struct, frozen=True):
    """How many pages, by what, to whom. `first`: of medium urgency or more, about what is new, worse or back again."""

    patient_days: float
    pages: int
    first: int
    urgencies: dict[str, int]
    conditions: dict[str, int]
    reasons: dict[str, int]
    night_by_responder: dict[str, int]

    def per_day(self, count: float | None = None) -> float:
        """Per patient-day: of all pages, or of some."""
        return (self.pages if count is None else count) / self.patient_days if self.patient_days else 0.0

    @property
    def urgent_per_day(self) -> float:
        """Critical and high pages per patient-day."""
        return self.per_day(self.urgencies.get("critical", 0) + self.urgencies.get("high", 0))

    def nightly(self, person: str) -> float:
        """Pages of a person in one night of a ward of ten."""
        return self.per_day(self.night_by_responder.get(person, 0)) * WARD

    @property
    def nights(self) -> dict[str, float]:
        """The same of each person, the most paged first."""
        return {person: self.nightly(person) for person, _ in Counter(self.night_by_responder).most_common()}


class Measures(msgspec.Struct, frozen=True):
    """Every measure of one policy. `judged`: pages of which the truth knows whether they had ground."""

    policy: str
    burden: Burden
    conditions: list[ConditionMeasure]
    judged: int = 0
    groundless: int = 0
    groundless_conditions: dict[str, int] = {}
    longest_silence: float | None = None

    @property
    def groundless_per_day(self) -> float:
        """Pages without ground per patient-day."""
        return self.burden.per_day(self.groundless)

    def condition(self, name: str) -> ConditionMeasure:
        """The measure of a condition, as `crs >= 2`.

        Raises:
            KeyError: it is not measured.
        """
        return {one.name: one for one in self.conditions}[name]


CONDITIONS = (
    *(("crs", grade) for grade in (1, 2, 3, 4)),
    *(("icans", grade) for grade in (1, 2, 3, 4)),
    ("febrile_neutropenia", 3),
)


def measure(
    policy: str, outcomes: Sequence[StayOutcome], truths: Mapping[str, PatientTruth], zone: ZoneInfo
) -> Measures:
    """The measures of a policy. Without truths only the burden."""
    pages = [page for one in outcomes for page in one.pages[policy]]
    known = [(one, truths[one.patient]) for one in outcomes if one.patient in truths]
    counted = burden(pages, outcomes, zone)
    if not known:
        return Measures(policy, counted, [])
    grounds = [(page, grounded(page, truth)) for one, truth in known for page in one.pages[policy]]
    without = [page for page, ground in grounds if ground is False]
    return Measures(
        policy,
        counted,
        [_condition(policy, condition, grade, known) for condition, grade in CONDITIONS],
        judged=sum(ground is not None for _, ground in grounds),
        groundless=len(without),
        groundless_conditions=_counts(page.condition for page in without),
        longest_silence=max((_silence(one.pages[policy], truth) for one, truth in known), default=None),
    )


def burden(pages: Sequence[CountedPage], outcomes: Sequence[StayOutcome], zone: ZoneInfo) -> Burden:
    """The burden of pages over the days of some stays."""
    days = sum(((one.ends - one.begins) / timedelta(days=1) for one in outcomes), 0.0)
    return Burden(
        patient_days=days,
        pages=len(pages),
        first=sum(page.reason in FIRST and page.urgency in NOTIFYING for page in pages),
        urgencies=_counts(page.urgency for page in pages),
        conditions=_counts(page.condition for page in pages),
        reasons=_counts(f"{page.urgency} {page.condition} {page.reason}" for page in pages),
        night_by_responder=_counts(page.to for page in pages if is_night(page.at, zone)),
    )


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


# -- sensitivity and delay ---------------------------------------------------------------------------


def _condition(
    policy: str, condition: str, grade: int, known: Sequence[tuple[StayOutcome, PatientTruth]]
) -> ConditionMeasure:
    onsets = [(one, truth, onset) for one, truth in known for onset in _of(truth, condition, grade)]
    charted = [(one, onset, onset.charted) for one, _, onset in onsets if onset.charted is not None]
    found = [(one, onset, at, first_page(one, policy, onset)) for one, onset, at in charted]
    paged = [(onset, at, page) for _, onset, at, page in found if page is not None]
    rung = [(onset, at, page) for onset, at, page in paged if page > onset.start]
    from_onset = [_minutes(page - onset.start) for onset, _, page in rung]
    from_charting = [max(_minutes(page - at), 0.0) for _, at, page in rung]
    positive = [
        (page, truth)
        for one, truth in known
        for page in one.pages[policy]
        if page.reason in FIRST and _names(page, condition, grade)
    ]
    return ConditionMeasure(
        name=f"{condition} >= {grade}",
        onsets=len(onsets),
        charted=len(charted),
        paged=len(paged),
        already=len(paged) - len(rung),
        late=sum(delay > _minutes(LATE) for delay in from_charting),
        from_onset=_delays(from_onset),
        from_charting=_delays(from_charting),
        positive=len(positive),
        right=sum(_is_true(page, truth, condition, grade) for page, truth in positive),
        unpaged=[f"{one.patient} {onset.start:%d %H:%M}" for one, onset, _, page in found if page is None],
        delays=sorted(round(delay, 1) for delay in from_onset),
    )


def _of(truth: PatientTruth, condition: str, grade: int) -> Iterator[TrueOnset]:
    return (onset for onset in truth.onsets if (onset.condition, onset.grade) == (condition, grade))


def _minutes(wait: timedelta) -> float:
    return wait / timedelta(minutes=1)


def _names(page: CountedPage, condition: str, grade: int) -> bool:
    """Whether a page reports a condition of a grade or more. An alert that names none stands for any."""
    return ANY in page.levels or page.levels.get(condition, 0) >= grade


def first_page(one: StayOutcome, policy: str, onset: TrueOnset) -> datetime | None:
    """When an onset was first paged: at its start if a page stood then already; None if never."""
    pages = [page for page in one.pages[policy] if page.reason not in ENDED]
    mine = [page for page in pages if _names(page, onset.condition, onset.grade)]
    before = max((page.at for page in mine if page.at <= onset.start), default=None)
    if before is not None and policy_stands(one, policy, onset, before):
        return onset.start
    until = onset.end + COUNTED_AFTER_THE_END
    if onset.charted is not None:
        until = max(until, onset.charted + LATE)
    return min((page.at for page in mine if onset.start < page.at <= until), default=None)


def policy_stands(one: StayOutcome, policy: str, onset: TrueOnset, since: datetime) -> bool:
    """Whether what was paged at a time was still open at an onset. A single value beyond a threshold never is."""
    closed = one.closed[policy]
    if not closed and any(ANY in page.levels for page in one.pages[policy][:1]):
        return False
    return not any(since <= end.at <= onset.start for end in closed if end.condition in (onset.condition, ANY))


def _delays(found: Sequence[float]) -> Delays | None:
    if not found:
        return None
    ordered = sorted(found)
    return Delays(round(median(ordered), 1), round(ordered[min(int(0.9 * len(ordered)), len(ordered) - 1)], 1))


# -- ground ------------------------------------------------------------------------------------------


def grounded(page: CountedPage, truth: PatientTruth) -> bool | None:
    """Whether a page had ground in the truth: one thing that it names is true, or was a little before.

    None: the truth does not know, as of a score or a count. The end of a condition is judged by nothing.
    """
    if page.reason in ENDED:
        return None
    if ANY in page.levels:
        return any(_has_been(page.at, truth, condition, 1) for condition in ("crs", "icans"))
    names = [page.condition, *page.levels]
    judged = [_ground(name, page, truth) for name in dict.fromkeys(names)]
    known = [ground for ground in judged if ground is not None]
    return any(known) if known else None


def _ground(condition: str, page: CountedPage, truth: PatientTruth) -> bool | None:
    if condition in GROUND:
        return _has_been(page.at, truth, condition, 1)
    if condition in OVERDUE:
        series = truth.vitals if condition == "overdue_vitals" else truth.ice
        return not truth.measured(series, page.at - OVERDUE[condition], page.at)
    return None


def _has_been(at: datetime, truth: PatientTruth, condition: str, grade: int) -> bool:
    since = at - GROUND[condition]
    if condition == "icans":
        return truth.worst(truth.icans, since, at) >= grade
    if condition == "febrile_neutropenia":
        onsets = _of(truth, condition, 3)
        return any(onset.start <= at and onset.end >= since for onset in onsets)
    return truth.worst(truth.signs, since, at) >= grade


def _is_true(page: CountedPage, truth: PatientTruth, condition: str, grade: int) -> bool:
    return _has_been(page.at, truth, condition, grade)


def _silence(pages: Sequence[CountedPage], truth: PatientTruth) -> float:
    """Hours of the longest time within a spell of grade 2 or more, once charted, in which nobody was paged."""
    longest = timedelta()
    for onset in truth.onsets:
        if onset.condition not in ("crs", "icans") or onset.grade != 2 or onset.charted is None:
            continue
        start = max(onset.start, min(onset.charted, onset.end))
        times = sorted(page.at for page in pages if start <= page.at <= onset.end)
        ends = [*times, onset.end]
        longest = max(longest, *(end - begin for begin, end in zip([start, *times], ends, strict=True)))
    return round(longest / timedelta(hours=1), 1)


NIGHT = f"{NIGHT_FROM:02}:00 to {NIGHT_UNTIL:02}:00"
