"""The contents of the page about a patient and an episode, as plain values in the reader's language. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from alerts.assessment.assessment import Assessment, assess_onward
from alerts.assessment.dose_ledger import Ledger, ledger
from alerts.chart.chart import Chart
from alerts.chart.entry import Entry
from alerts.episodes.episode import Episode
from alerts.grading.result import Evidence
from alerts.messages import SITE_SUBJECT
from alerts.pages.context import context, next_tocilizumab
from alerts.pages.reminders import REMINDERS
from alerts.pages.values import DOSED, value
from alerts.rules.finding import Finding
from alerts.state import PatientState
from alerts.step.unregistered import findings_of
from alerts.wording import catalogue
from alerts.wording.catalogue import render, say
from alerts.wording.phrase import Phrase
from config.site import Language, Site
from config.vocabulary import DRUGS, label

NOTIFICATIONS_SHOWN = 12
DOSES_SHOWN = 8

GRADED = ("crs", "icans")
"""Conditions whose level is a grade of the same name."""


class Reader(NamedTuple):
    """A reader: the person, the language and the time."""

    person: str
    site: Site
    language: Language
    now: datetime

    def say(self, words: str, **values: object) -> str:
        """A text of the gateway, with its braces filled in."""
        return say(words, self.language, **values)

    def words(self, said: Phrase) -> str:
        """The text of a grader, a rule or a fault."""
        return render(said, self.language, self.site.zone)

    def clock(self, at: datetime | None) -> str:
        """The time of day, with the date unless it is today."""
        if at is None:
            return ""
        local = at.astimezone(self.site.zone)
        if local.date() == self.now.astimezone(self.site.zone).date():
            return local.strftime("%H:%M")
        day = catalogue.date(at, self.language, self.site.zone)
        return self.say("{day} {time}", day=day, time=local.strftime("%H:%M"))

    def name(self, person: str) -> str:
        known = self.site.on_call.people.get(person)
        return known.name if known is not None else person


_TECHNICAL = {
    "FEED": "FEED {name}",
    "INTAKE": "INTAKE {name}",
    "CHANNEL": "CHANNEL {name}",
    "EVALUATION": "EVALUATION {name}",
    "ROTA": "ROTA {name}",
    "MERGE": "MERGE {name}",
}


def condition_name(condition: str, reader: Reader) -> str:
    """The name of a closed episode's condition, which no finding names any more."""
    name = condition.upper().replace("_", " ")
    since = name.removeprefix("UNREGISTERED PATIENTS SINCE ")
    if since != name:
        return reader.say("UNREGISTERED PATIENTS SINCE {time}", time=since)
    kind, _, what = name.partition(" ")
    return reader.say(_TECHNICAL[kind], name=what) if what and kind in _TECHNICAL else reader.say(name)


class ReadingRow(NamedTuple):
    """One reading, statement or dose behind a result."""

    name: str
    value: str
    at: str
    source: str


class NotificationRow(NamedTuple):
    """One page to one person, and its outcome."""

    who: str
    channel: str
    at: str
    reason: str
    state: str
    failed: bool


class ReminderRow(NamedTuple):
    """A line of the protocol, with the remaining tocilizumab doses."""

    text: str
    source: str
    room: str


class Concern(NamedTuple):
    """One open episode with its evidence."""

    episode: Episode
    title: str
    since: str
    before: str
    now: str
    finding: Finding | None
    because: tuple[str, ...]
    readings: tuple[ReadingRow, ...]
    missing: tuple[str, ...]
    flags: tuple[str, ...]
    conventions: tuple[str, ...]
    reminder: ReminderRow | None
    notifications: tuple[NotificationRow, ...]


class Background(NamedTuple):
    """Facts about the patient, independent of the episode."""

    grades: tuple[tuple[str, str], ...]
    m_easix: str
    m_easix_notes: tuple[str, ...]
    m_easix_missing: tuple[str, ...]
    doses: tuple[ReadingRow, ...]
    ledger: str
    context: tuple[str, ...]
    context_conventions: tuple[str, ...]


class PatientView(NamedTuple):
    """One patient: identity and place, the open episodes, and their evidence."""

    id: str
    place: str
    day: int | None
    product: str
    concerns: tuple[Concern, ...]
    background: Background | None


def patient(state: PatientState, reader: Reader) -> PatientView:
    """Everything that the page shows of a patient."""
    now = _assessed(state, reader)
    found: dict[str, Finding] = {}
    if now is not None:
        found = {item.condition: item for item in findings_of(state, now, reader.site)}
    given = ledger(state.chart, now.at, reader.site) if now is not None else None
    return PatientView(
        id="" if state.patient == SITE_SUBJECT else state.patient,
        place=place(state),
        day=state.chart.day(reader.now, reader.site.zone),
        product=state.chart.admission.product if state.chart.admission else "",
        concerns=tuple(
            _concern(episode, found.get(episode.condition), state.chart, given, reader)
            for episode in state.episodes.values()
        ),
        background=_background(state, now, given, reader) if now is not None and given is not None else None,
    )


def place(state: PatientState) -> str:
    """Ward and bed."""
    admission = state.chart.admission
    return " / ".join(part for part in (admission.ward, admission.bed) if part) if admission is not None else ""


def _assessed(state: PatientState, reader: Reader) -> Assessment | None:
    if not (state.registered or state.is_assessed) or state.patient == SITE_SUBJECT:
        return None
    at = max(reader.now, state.chart.newest or reader.now)
    return assess_onward(state.chart, at, reader.site, state.result_cache)[0]


def _concern(episode: Episode, finding: Finding | None, chart: Chart, given: Ledger | None, reader: Reader) -> Concern:
    before, now = _levels(episode, reader)
    return Concern(
        episode=episode,
        title=reader.words(episode.title),
        since=reader.clock(episode.opened_at),
        before=before,
        now=now,
        finding=finding,
        because=tuple(map(reader.words, _because(episode, finding))) if finding else (),
        readings=tuple(reading_rows(finding.evidence, reader)) if finding else (),
        missing=tuple(map(reader.words, finding.missing)) if finding else (),
        flags=tuple(map(reader.words, finding.flags)) if finding else (),
        conventions=tuple(convention(name, reader) for name in finding.conventions) if finding else (),
        reminder=_reminder(episode, chart, given, reader),
        notifications=tuple(notification_rows(episode, reader)),
    )


def _because(episode: Episode, finding: Finding) -> Iterable[Phrase]:
    """The event of the first page, while it is still valid; then the present text of the rules."""
    is_still_so = episode.level_now is not None and episode.level_now >= episode.level
    return dict.fromkeys((*(episode.events if is_still_so else ()), *finding.because))


def _levels(episode: Episode, reader: Reader) -> tuple[str, str]:
    """The grade before and the grade now, if the condition has one."""
    if episode.condition not in GRADED:
        return "", ""
    before = reader.say("none") if episode.was is None else str(episode.was)
    return before, str(episode.level)


def _reminder(episode: Episode, chart: Chart, given: Ledger | None, reader: Reader) -> ReminderRow | None:
    reminder = REMINDERS.get((episode.condition, episode.level))
    if reminder is None:
        return None
    room = ""
    if given is not None and reminder.tocilizumab:
        room = reader.words(next_tocilizumab(chart, given, reader.now, reader.site).text)
    return ReminderRow(reader.say(reminder.text), reader.say(reminder.source), room)


def reading_rows(evidence: Iterable[Evidence], reader: Reader) -> list[ReadingRow]:
    """Readings with value, unit, time and source."""
    return [reading_row(item.kind, item.entry, reader) for item in evidence]


def reading_row(kind: str, entry: Entry, reader: Reader) -> ReadingRow:
    """One reading, statement or dose."""
    return ReadingRow(reader.say(label(kind)), _value(kind, entry, reader), reader.clock(entry.effective), entry.source)


def _value(kind: str, entry: Entry, reader: Reader) -> str:
    words = reader.say({"true": "yes", "false": "no"}.get(entry.code, label(entry.code)))
    if entry.value is None:
        return words
    number = value(kind, entry, reader.language)
    return f"{number}, {words}" if entry.code in DOSED else number


def convention(name: str, reader: Reader) -> str:
    """A convention and its basis."""
    section, _, key = name.partition(".")
    convention = getattr(getattr(reader.site.conventions, section, None), key, None)
    return reader.say(convention.shown_basis) if convention is not None else name


def notification_rows(episode: Episode, reader: Reader) -> list[NotificationRow]:
    """The notified people of an episode and the outcomes, the last first."""
    last = sorted(episode.deliveries, key=lambda delivery: delivery.at, reverse=True)[:NOTIFICATIONS_SHOWN]
    return [
        NotificationRow(
            reader.name(delivery.to),
            delivery.channel,
            reader.clock(delivery.at),
            reader.say(delivery.reason),
            reader.say(delivery.state),
            delivery.state in ("failed", "unknown", "undeliverable"),
        )
        for delivery in last
    ]


def _background(state: PatientState, now: Assessment, given: Ledger, reader: Reader) -> Background:
    named = (("CRS", now.crs), ("ICANS", now.icans), ("ICE", now.ice))
    grades = tuple((name, reader.say(result.shown_value or "undetermined")) for name, result in named)
    score = now.m_easix
    m_easix = ""
    if score.value is not None:
        log2 = f", log2 {score.log2:.2f}" if score.log2 is not None else ""
        m_easix = f"{score.bound}{score.value:.2f}{log2}"
    doses = _doses(state.chart, now.at)
    lines = context(state.chart, now.at, reader.site, state.episodes.values(), whole=True)
    return Background(
        grades=grades,
        m_easix=m_easix,
        m_easix_notes=tuple(map(reader.words, score.flags)),
        m_easix_missing=tuple(map(reader.words, score.missing)),
        doses=tuple(reading_row(drug, entry, reader) for drug, entry in reversed(doses[-DOSES_SHOWN:])),
        ledger=reader.words(given.sentence()),
        context=tuple(reader.words(line.text) for line in lines),
        context_conventions=tuple(
            dict.fromkeys(convention(name, reader) for line in lines for name in line.conventions)
        ),
    )


def _doses(chart: Chart, at: datetime) -> list[tuple[str, Entry]]:
    """All doses, starts and stops, oldest first."""
    found = [(drug, entry) for drug in DRUGS for entry in chart.until(drug, at)]
    return sorted(found, key=lambda dose: (dose[1].place, dose[0]))
