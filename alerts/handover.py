"""The sheet of a shift handover: who is on call, and of each patient what is open, owed and overdue. Pure.

It is for the people who go and those who come. Everything is in the reader's language.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from alerts.assessment.dose_ledger import ledger
from alerts.episodes.episode import Episode
from alerts.episodes.rota import holders, next_change
from alerts.messages import SITE_SUBJECT
from alerts.overview import Overview, is_unacknowledged, most_urgent_first, overview
from alerts.pages.title import place, tag
from alerts.pages.values import clock
from alerts.state import PatientState
from alerts.wording.catalogue import render, say
from config.site import Language, Site
from config.vocabulary import label


class DutyLine(NamedTuple):
    """Who holds a role now, and who from when on; empty if nobody does, or if nothing changes."""

    role: str
    now: str
    then: str
    at: str


class PatientLines(NamedTuple):
    """One patient: the open episodes and who has them, the doses that are left, and what is overdue."""

    place: str
    patient: str
    day: int | None
    grades: str
    episodes: tuple[str, ...]
    doses: tuple[str, ...]
    overdue: str


class HandoverSheet(NamedTuple):
    """The sheet at a time. `owed`: how many open episodes nobody has acknowledged."""

    at: str
    owed: int
    duties: tuple[DutyLine, ...]
    patients: tuple[PatientLines, ...]
    technical: tuple[str, ...]


def handover_sheet(states: Iterable[PatientState], now: datetime, site: Site, language: Language) -> HandoverSheet:
    """The sheet of all patients on the ward, the most urgent first."""
    known = most_urgent_first(overview(state, site) for state in states)
    patients = [one for one in known if one.on_the_ward]
    technical = [episode for one in known if one.state.patient == SITE_SUBJECT for episode in one.episodes]
    open_ = [episode for one in patients for episode in one.episodes]
    return HandoverSheet(
        at=clock(now, site, language),
        owed=sum(is_unacknowledged(episode) for episode in (*open_, *technical)),
        duties=tuple(_duties(now, site, language)),
        patients=tuple(_patient(one, now, site, language) for one in patients),
        technical=tuple(_episode(episode, site, language) for episode in technical),
    )


def lines(sheet: HandoverSheet, language: Language) -> Iterator[str]:
    """The sheet as text for a terminal, or for paper."""
    yield say("Handover, {at}: {n} answer(s) owed", language, at=sheet.at, n=sheet.owed)
    yield ""
    for duty in sheet.duties:
        yield duty_text(duty, language)
    for patient in sheet.patients:
        day = "" if patient.day is None else f"D{patient.day:+d}"
        yield ""
        yield "  ".join(part for part in (patient.place, patient.patient, day, patient.grades) if part)
        found = [*patient.episodes, *patient.doses, *([patient.overdue] if patient.overdue else [])]
        yield from (f"  {line}" for line in found or [say("No open episode", language)])
    if sheet.technical:
        yield ""
        yield say("Technical", language)
        yield from (f"  {line}" for line in sheet.technical)


def duty_text(duty: DutyLine, language: Language) -> str:
    """Who is on call for a role, and who is next."""
    now = duty.now or say("nobody", language)
    if not duty.at:
        return f"{duty.role}: {now}"
    then = duty.then or say("nobody", language)
    return say("{role}: {people}, from {at} {next}", language, role=duty.role, people=now, at=duty.at, next=then)


def _duties(now: datetime, site: Site, language: Language) -> Iterator[DutyLine]:
    on_call = site.on_call
    for role in on_call.roles:
        at = next_change(on_call, role, now)
        then = _names(holders(on_call, role, at), site) if at is not None else ""
        shown = clock(at, site, language) if at is not None else ""
        yield DutyLine(role, _names(holders(on_call, role, now), site), then, shown)


def _names(people: Iterable[str], site: Site) -> str:
    known = site.on_call.people
    return ", ".join(known[person].name if person in known else person for person in people)


def _patient(one: Overview, now: datetime, site: Site, language: Language) -> PatientLines:
    state = one.state
    given = ledger(state.chart, now, site)
    doses = [render(given.sentence(), language, site.zone)] if state.is_graded else []
    if state.is_graded and one.crs.grade:
        doses.append(render(given.room(now), language, site.zone))
    levels = (("CRS", one.crs), ("ICANS", one.icans))
    grades = (f"{name} {level.text or say(level.absent, language)}" for name, level in levels)
    return PatientLines(
        place=place(state.chart.admission),
        patient=state.patient,
        day=state.chart.day(now, site.zone),
        grades=", ".join(grades),
        episodes=tuple(_episode(episode, site, language) for episode in one.episodes),
        doses=tuple(doses),
        overdue=_overdue(one, now, language),
    )


def _overdue(one: Overview, now: datetime, language: Language) -> str:
    """The signs and counts that are older than the site's schedule allows."""
    signs = (one.temperature, one.pressure, one.spo2, one.ice)
    ages = [*((sign.name, sign.old_at) for sign in signs), *((count.name, count.old_at) for count in one.counts)]
    names = [say(label(name), language) for name, old_at in ages if old_at is not None and now >= old_at]
    return say("overdue: {list}", language, list=", ".join(names)) if names else ""


def _episode(episode: Episode, site: Site, language: Language) -> str:
    """An open episode: what, since when, who has it, and when somebody is asked next."""
    since = say("since {at}", language, at=clock(episode.opened_at, site, language))
    what = f"{tag(episode.urgency, language)} {render(episode.title, language, site.zone)}"
    parts = [what, since, _who(episode, site, language)]
    if episode.silenced_until is not None:
        parts.append(say("silenced until {at}", language, at=clock(episode.silenced_until, site, language)))
    elif episode.due_at is not None:
        parts.append(say("next asked {at}", language, at=clock(episode.due_at, site, language)))
    return ", ".join(parts)


def _who(episode: Episode, site: Site, language: Language) -> str:
    if not episode.acknowledged_by or episode.acknowledged_at is None:
        return say("Nobody has it yet", language)
    at = clock(episode.acknowledged_at, site, language)
    return say("{person} has it since {time}", language, person=_names([episode.acknowledged_by], site), time=at)
