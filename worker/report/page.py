"""The course as one self-contained HTML page: no script, no second file, no network."""

from base64 import b64encode
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from msgspec import Struct

from alerts.wording.catalogue import DISCLAIMER
from config.vocabulary import label, moment
from worker.report.course import Course
from worker.report.days import days
from worker.report.events import SentPage
from worker.report.palette import GRADES, UNDETERMINED, URGENCIES
from worker.report.stay import ledger, stay

REPEATS_LISTED = 20
"""The most repeats of an unanswered page that are listed one by one. The rest are counted."""


class ListedPage(Struct, frozen=True):
    """One page as its recipient saw it: the first sending, and each repeat."""

    first: SentPage
    again: tuple[SentPage, ...]


def render(course: Course, png: bytes) -> str:
    """The whole page, with the picture embedded. All input is escaped."""
    return _template().render(
        course=course,
        picture=b64encode(png).decode("ascii"),
        alt=describe(course),
        disclaimer=DISCLAIMER,
        days=days(course),
        stay=stay(course),
        pages=listed_pages(course),
        listed=REPEATS_LISTED,
        ledger=ledger(course),
        tints=GRADES,
        undetermined=UNDETERMINED,
        urgencies=URGENCIES,
        age=_age(course),
        label=label,
        day_name=day_name,
        clock=lambda at: _clock(course, at),
        waited=waited,
    )


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = files("worker.report").joinpath("course.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source)


def listed_pages(course: Course) -> list[ListedPage]:
    """Each page with its repeats and its copies to other people, until the episode has news."""
    entries: list[list[SentPage]] = []
    open_entry: dict[str, list[SentPage]] = {}
    for page in course.pages:
        entry = open_entry.get(page.episode)
        if entry and (page.repeats or entry[0].title == page.title):
            entry.append(page)
            continue
        open_entry[page.episode] = entry = [page]
        entries.append(entry)
    return [ListedPage(entry[0], tuple(entry[1:])) for entry in entries]


def describe(course: Course) -> str:
    """A text alternative of the picture."""
    worst = [
        f"worst {name} grade {grade}"
        for name, grade in (("CRS", course.worst("crs")), ("ICANS", course.worst("icans")))
        if grade is not None
    ]
    parts = [
        f"Course of {course.patient} to {day_name(course.last_day)}",
        "temperature, blood pressure, SpO2, ICE, grades, m-EASIX, treatments and pages by day",
        *worst,
        f"{len(course.pages)} pages sent",
    ]
    return "; ".join(parts) + "."


def day_name(day: int) -> str:
    """A day as clinicians write it: D−7, D0, D+5."""
    return f"D{day:+d}".replace("-", "−") if day else "D0"


def waited(span: timedelta) -> str:
    """A wait as a person writes it: 40 s, 4 min, 1 h 05 min, 2 d 3 h."""
    seconds = int(span.total_seconds())
    minutes, hours, whole_days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 60:
        return f"{seconds} s"
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60:02} min"
    return f"{whole_days} d {hours % 24} h"


def _clock(course: Course, at: datetime) -> str:
    return moment(at, course.zone)


def _age(course: Course) -> int | None:
    """Completed years on day 0."""
    born = course.admission.born if course.admission else None
    if born is None:
        return None
    on = course.day_zero
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))
