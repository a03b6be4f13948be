"""The trend of one patient: the last days of a chart on one time axis, for PNG, SVG and words."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from alerts.assessment.assessment import assess_onward
from alerts.assessment.result_cache import ResultCache
from alerts.chart.chart import Chart
from alerts.chart.entry import ABSENT
from alerts.grading import easix
from alerts.grading.result import NOT_APPLICABLE
from alerts.wording import catalogue
from alerts.wording.catalogue import say
from config.site import Language, Site
from config.vocabulary import DRUGS, label
from worker.report.subject import SCORE, name, unit

SHOWN = timedelta(hours=72)
SUBJECTS_SHOWN = timedelta(days=7)
"""Laboratory values are measured once a day, so a page about them shows a week."""

LEAST = timedelta(hours=6)

MOMENTS = 60
"""The most moments at which the chart is graded, so that a picture costs the same on every day."""

SLICES = 8
LOWEST = ("systolic_bp", "mean_bp", "spo2", "ice")
SIGNS = ("temperature", *LOWEST)
HIGHEST = ("temperature", SCORE, "ldh", "crp", "ferritin")
"""The values that are worse if higher. All other drawn values are worse if lower."""


class Point(Struct, frozen=True):
    at: datetime
    value: Decimal


class Band(Struct, frozen=True):
    """A grade with its period. If it is None, the grade was undetermined or is not `applicable`."""

    since: datetime
    until: datetime
    grade: int | None
    applicable: bool = True


class Lane(Struct, frozen=True):
    """One treatment: the times of its doses, and the periods of its infusions."""

    name: str
    given: tuple[datetime, ...]
    ran: tuple[tuple[datetime, datetime], ...]


class Trend(Struct, frozen=True):
    """The contents of the picture."""

    start: datetime
    end: datetime
    place: str
    day: int | None
    subjects: tuple[str, ...]
    series: dict[str, tuple[Point, ...]]
    grades: dict[str, tuple[Band, ...]]
    lanes: tuple[Lane, ...]


def title(chart: Chart, at: datetime, site: Site, language: Language) -> str:
    """The subject line of a mail: the patient and the day."""
    return f"{say('Trend', language)}: {heading(place_of(chart), chart.day(at, site.zone), language)}".rstrip(" :")


def heading(place: str, day: int | None, language: Language) -> str:
    """Place and day since the infusion, if known."""
    since = "" if day is None else say("D{day}", language, day=f"{day:+d}" if day else "0")
    return "  ".join(part for part in (place, since) if part)


def place_of(chart: Chart) -> str:
    """Ward and bed."""
    admission = chart.admission
    return admission.place if admission else ""


def gather(chart: Chart, at: datetime, site: Site, about: tuple[str, ...] = ()) -> Trend:
    """The part of a chart for the days before a time, or since the infusion if that is later."""
    infused = chart.infused
    start = at - (SUBJECTS_SHOWN if about else SHOWN)
    if infused is not None and start < infused <= at:
        start = min(infused, at - LEAST)
    series = {kind: _points(chart, kind, start, at) for kind in dict.fromkeys((*about, *SIGNS)) if kind != SCORE}
    if SCORE in about:
        series = {SCORE: _scores(chart, start, at, site)} | series
    return Trend(
        start=start,
        end=at,
        place=place_of(chart),
        day=chart.day(at, site.zone),
        subjects=tuple(kind for kind in about if series[kind]),
        series={kind: points for kind, points in series.items() if points},
        grades=_grades(chart, moments(chart, start, at), at, site),
        lanes=tuple(lane for drug in DRUGS if (lane := _lane(chart, drug, start, at)).given or lane.ran),
    )


def _scores(chart: Chart, start: datetime, until: datetime, site: Site) -> tuple[Point, ...]:
    """m-EASIX at each sampling time of one of its inputs, the newest `MOMENTS` of them."""
    drawn = chart.times(easix.M_EASIX.inputs, until, start)[-MOMENTS:]
    scores = ((at, easix.m_easix(chart, at, site).value) for at in drawn)
    return tuple(Point(at, value) for at, value in scores if value is not None)


def _points(chart: Chart, kind: str, start: datetime, now: datetime) -> tuple[Point, ...]:
    entries = chart.between(kind, start, now)
    return tuple(
        Point(entry.effective, entry.value) for entry in entries if entry.value is not None and entry.code != ABSENT
    )


def moments(chart: Chart, start: datetime, now: datetime) -> list[datetime]:
    """The moments of grading: each charted time. If these are too many, the extremes of each sign, which decide, and
    evenly spaced others."""
    kinds = [kind for kind in chart.entries if chart.between(kind, start, now)]
    charted = [at for at in chart.times(kinds, now, start) if at < now]
    if len(charted) > MOMENTS - 2:
        extremes = sorted(_extremes(chart, start, now))[-(MOMENTS - 2) :]
        spare = MOMENTS - 2 - len(extremes)
        even = charted[:: len(charted) // spare + 1] if spare else []
        charted = sorted({*extremes, *even} - {now})
    return [start, *(at for at in charted if at > start), now]


def _extremes(chart: Chart, start: datetime, now: datetime) -> Iterable[datetime]:
    width = (now - start) / SLICES
    for kind in SIGNS:
        points = _points(chart, kind, start, now)
        for number in range(SLICES):
            here = [point for point in points if start + number * width <= point.at < start + (number + 1) * width]
            if here:
                find = max if kind in HIGHEST else min
                yield find(here, key=lambda point: point.value).at


def _grades(chart: Chart, at: list[datetime], now: datetime, site: Site) -> dict[str, tuple[Band, ...]]:
    cache = ResultCache()
    found: dict[str, list[Band]] = {"CRS": [], "ICANS": []}
    for number, instant in enumerate(at):
        assessment, cache = assess_onward(chart, instant, site, cache)
        until = at[number + 1] if number + 1 < len(at) else now
        for result in (assessment.crs, assessment.icans):
            bands = found[result.system]
            band = Band(instant, until, result.grade, result.applicable)
            if bands and (bands[-1].grade, bands[-1].applicable) == (band.grade, band.applicable):
                band = replace(band, since=bands.pop().since)
            bands.append(band)
    return {system: tuple(bands) for system, bands in found.items()}


def _lane(chart: Chart, drug: str, start: datetime, now: datetime) -> Lane:
    """The lane of a drug. A dose is a moment. An infusion has a start and a stop, which may lie outside the picture."""
    given: list[datetime] = []
    ran: list[tuple[datetime, datetime]] = []
    since: datetime | None = None
    for entry in chart.until(drug, now):
        if entry.code == "given" and entry.effective >= start:
            given.append(entry.effective)
        elif entry.code == "started" and since is None:
            since = entry.effective
        elif entry.code == "stopped" and since is not None:
            ran.append((since, entry.effective))
            since = None
    if since is not None:
        ran.append((since, now))
    return Lane(drug, tuple(given), tuple((max(one, start), end) for one, end in ran if end > start))


def in_words(trend: Trend, site: Site, language: Language) -> str:
    """The trend in words: grades first, then each sign with its last and worst value, then treatments."""

    def clock(at: datetime) -> str:
        return catalogue.clock(at, language, site.zone)

    parts = [say("Trend from {at} to {at2}.", language, at=clock(trend.start), at2=clock(trend.end))]
    for system, bands in trend.grades.items():
        steps = ", ".join(
            say("{grade} from {at}", language, grade=_graded(band, language), at=clock(band.since))
            for band in bands[-6:]
        )
        parts.append(say("{name} grade: {steps}.", language, name=system, steps=steps))
    for kind, points in trend.series.items():
        parts.append(_sign(kind, points, clock, language))
    for lane in trend.lanes:
        spans = [say("given {at}", language, at=clock(at)) for at in lane.given]
        spans += [say("from {at} to {at2}", language, at=clock(since), at2=clock(until)) for since, until in lane.ran]
        parts.append(f"{say(label(lane.name), language)}: {', '.join(spans)}.")
    return "\n".join(parts)


def _graded(band: Band, language: Language) -> str:
    if not band.applicable:
        return say(NOT_APPLICABLE, language)
    return say("undetermined", language) if band.grade is None else str(band.grade)


def _sign(kind: str, points: tuple[Point, ...], clock: Callable[[datetime], str], language: Language) -> str:
    def value(point: Point) -> str:
        return f"{plain(point.value)} {unit(kind)}".strip()

    last = points[-1]
    values = {"name": say(name(kind), language), "value": value(last), "at": clock(last.at)}
    if kind in HIGHEST:
        most = max(points, key=lambda point: point.value)
        words = "{name}: last {value} ({at}), highest {highest} ({at2})."
        return say(words, language, **values, highest=value(most), at2=clock(most.at))
    least = min(points, key=lambda point: point.value)
    words = "{name}: last {value} ({at}), lowest {lowest} ({at2})."
    return say(words, language, **values, lowest=value(least), at2=clock(least.at))


def plain(value: Decimal) -> str:
    """A number for people: without an exponent or trailing zeros, and without needless digits."""
    places = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{round(value, places).normalize():f}"
