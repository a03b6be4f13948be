"""The text of one page: the readings, since when, why, and under which protocol line.

The lines are in order of importance, because a channel with little room cuts from the end. The first paragraph has a
line for each finding, with its readings. An empty line ends it, and delivery puts the link there. The title is not
repeated (`alerts/pages/title.py`). Everything is in the reader's language (`alerts/wording`).
"""

from datetime import datetime

from msgspec import Struct

from alerts.assessment.assessment import Assessment
from alerts.assessment.dose_ledger import Ledger, ledger
from alerts.chart.chart import Chart
from alerts.episodes.delivery_log import Reason
from alerts.episodes.episode import Episode
from alerts.grading.result import Score
from alerts.grading.statements import is_statement, statement_in
from alerts.messages import SITE_SUBJECT
from alerts.pages.concern import ASTCT, FIRST, ChartCorrection, Ending, PageConcern
from alerts.pages.context import ContextLine, context, next_tocilizumab
from alerts.pages.onset import typical_onset
from alerts.pages.reminders import REMINDERS
from alerts.pages.title import GRADED, Title, ended_by, name, tag
from alerts.pages.values import changed, clock, readings
from alerts.wording.catalogue import DISCLAIMER, render, say
from alerts.wording.phrase import Phrase
from config.site import Language, Site, Urgency
from config.vocabulary import STATEMENTS


class Alert(Struct, frozen=True):
    """The part of a page that only an alert manager gets: the place, the level, since when, and who acknowledged it."""

    ward: str
    bed: str
    level: int
    since: datetime
    acknowledged_by: str = ""


class Page(Struct, frozen=True, kw_only=True):
    """One page to one person on one channel. Every attempt to deliver it has the same id.

    `assessed_at` is the clinical time of the grades that it names. `levels`: each condition of the title with its level
    by the newest assessment (None: undetermined). `alert` is only of a page to an alert manager.
    """

    id: str
    patient: str
    at: datetime
    day: int | None
    episode: str
    episodes: tuple[str, ...]
    condition: str
    levels: tuple[tuple[str, int | None], ...] = ()
    urgency: Urgency
    reason: Reason
    to: str
    channel: str
    heading: Title
    text: str
    language: Language = "en"
    assessed_at: datetime | None = None
    alert: Alert | None = None

    @property
    def title(self) -> str:
        """The whole title; a channel may show less of it."""
        return str(self.heading)


def site_page(
    kind: str,
    *,
    id: str,
    at: datetime,
    urgency: Urgency,
    to: str,
    channel: str,
    heading: Title,
    text: str,
    language: Language,
    reason: Reason = "new",
) -> Page:
    """A page of the site without an episode, as a test page or an emergency page. Nobody can acknowledge it."""
    return Page(
        id=id,
        patient=SITE_SUBJECT,
        at=at,
        day=None,
        episode=kind,
        episodes=(),
        condition=kind,
        urgency=urgency,
        reason=reason,
        to=to,
        channel=channel,
        heading=heading,
        text=text,
        language=language,
    )


def minimal_text(concerns: list[PageConcern], page: str, language: Language) -> tuple[Title, str]:
    """Title and text without any patient detail, for a channel that others may read."""
    heading = f"{tag(concerns[0].urgency, language)} {say('cartwatch page {page}', language, page=page)}"
    body = say("Open the ward board for page {page}.", language, page=page)
    return Title(heading), f"{body} {say(DISCLAIMER, language)}"


def text(
    concerns: list[PageConcern],
    chart: Chart,
    now: Assessment | None,
    site: Site,
    *,
    at: datetime,
    page: str,
    language: Language,
) -> str:
    """The whole page, written at the time `at`: the readings of each finding, why, the background, the conventions."""
    once = list({concern.episode.id: concern for concern in concerns}.values())
    lines = [line for concern in concerns for line in _lead(concern, site, language, alone=len(concerns) == 1)]
    if any(concern.reason == "still_on_it" for concern in concerns):
        lines.append(say("still on it? The ladder starts again without an answer", language))
    lines.append("")
    for concern in once:
        details = _details(concern, site, language)
        if details and len(once) > 1:
            lines.append(name(concern, site, language))
        lines += [f"  {line}" for line in details] if len(once) > 1 else details
    shown = _context(once, chart, now, site)
    if now is not None:
        lines += _background(concerns, chart, now, site, language)
    lines += [render(line.text, language, site.zone) for line in shown]
    lines += _conventions(concerns, shown, site, language)
    lines.append(say("{at}, page {page}", language, at=clock(at, site, language), page=page))
    lines.append(say(DISCLAIMER, language))
    return "\n".join(lines)


# -- the first paragraph ---------------------------------------------------------------------------


def _lead(concern: PageConcern, site: Site, language: Language, *, alone: bool) -> list[str]:
    """The readings of a finding, and since when. If there are several findings, each begins with its name and grade."""
    statements = _statements(concern, site, language)
    evidence = [item for item in concern.evidence if not (statements and item.kind in STATEMENTS)]
    known = "; ".join(part for part in (readings(evidence, site, language), *statements) if part)
    rest = _explanation(concern, site, language)
    since = _since(concern, site, language)
    changes = [_correction(concern, change, site, language) for change in concern.changes]
    changes += [_ending(concern.ending, site, language)] if concern.ending is not None else []
    if alone:
        return [line for line in (*changes, rest, known, since) if line]
    return [f"{name(concern, site, language)}: {'; '.join(part for part in (*changes, rest, known, since) if part)}"]


def _ending(ending: Ending, site: Site, language: Language) -> str:
    """What ended an episode, who stated it, and since when it is true."""
    what = ended_by(ending, language)
    if ending.record:
        what = say("merged into {record}", language, record=ending.record)
    who = f"{ending.by} ({ending.source})" if ending.by else ending.source
    return say("{what}, says {who}, {at}", language, what=what, who=who, at=clock(ending.at, site, language))


def _statements(concern: PageConcern, site: Site, language: Language) -> list[str]:
    """The author of a statement against the numbers, and its end. The numbers stand before it."""
    flags = concern.finding.flags if concern.finding is not None and not concern.has_ended else ()
    found = (statement_in(flag) for flag in flags)
    return [render(statement, language, site.zone) for statement in found if statement is not None]


def _explanation(concern: PageConcern, site: Site, language: Language) -> str:
    """The rest of a technical text, after the clause that is its title."""
    if concern.episode.urgency != "technical":
        return ""
    return render(concern.episode.title, language, site.zone).partition("; ")[2]


def _since(concern: PageConcern, site: Site, language: Language) -> str:
    """Since when the named grade is true; and, if that differs, since when the episode is open."""
    episode = concern.episode
    opened = clock(episode.opened_at, site, language)
    began = clock(episode.level_now_since, site, language)
    parts = []
    if concern.has_ended:
        parts.append(say("episode since {at}", language, at=opened))
    elif concern.is_lower:
        parts.append(_lowered(episode, began, language))
    else:
        parts.append(say("since {at}", language, at=began))
    if began != opened and not concern.has_ended:
        parts.append(say("episode since {at}", language, at=opened))
    if concern.reason == "taken_over":
        parts.append(say("taken over by {person}", language, person=_person(episode.acknowledged_by, site)))
    if episode.handed_over_by:
        parts.append(say("handed over by {person}", language, person=_person(episode.handed_over_by, site)))
    return ", ".join(parts)


def _person(key: str, site: Site) -> str:
    known = site.on_call.people.get(key)
    return known.name if known is not None else key


def _lowered(episode: Episode, began: str, language: Language) -> str:
    """The present state of a finding that the newest assessment gives lower than the episode, or not at all."""
    if episode.level_now is None:
        return say("undetermined since {at}", language, at=began)
    if episode.condition not in GRADED:
        return say("since {at}" if episode.level_now else "no longer so since {at}", language, at=began)
    words = "was {was}, now {now}, since {at}" if episode.level_now else "was {was}, now {now}, clearing since {at}"
    return say(words, language, was=episode.level, now=episode.level_now, at=began)


def _correction(concern: PageConcern, change: ChartCorrection, site: Site, language: Language) -> str:
    """The old and new value of a correction, its time and author, and the retracted finding."""
    what = say(
        "{change} at {at} by {source}",
        language,
        change=changed(change, language),
        at=clock(change.at, site, language),
        source=change.source,
    )
    if concern.episode.condition not in GRADED and concern.episode.condition != "cytopenia":
        return f"{what}: {say('notice withdrawn', language)}"
    return f"{what}: {say('grade {level} withdrawn', language, level=concern.episode.level)}"


# -- why -------------------------------------------------------------------------------------------


def _details(concern: PageConcern, site: Site, language: Language) -> list[str]:
    """The reasons of the rules, the first page's event, and the missing values."""
    finding = concern.finding
    because = [] if finding is None else list(finding.because)

    def words(said: Phrase) -> str:
        return render(said, language, site.zone)

    lines = [say("because {reason}", language, reason=words(reason)) for reason in because]
    first = [event for event in concern.episode.events if event not in because]
    if first and not concern.has_ended:
        reason = "; ".join(map(words, first))
        lines.insert(0, say("first paged because {reason}", language, reason=reason))
    if finding is None:
        return lines
    if finding.provisional:
        lines.append(say("provisional: at least this grade", language))
    if finding.missing:
        names = ", ".join(map(words, finding.missing))
        lines.append(say("missing: {names}", language, names=names))
    notes = [flag for flag in finding.flags if concern.has_ended or not is_statement(flag)]
    return lines + [say("note: {flag}", language, flag=words(flag)) for flag in notes]


def _background(
    concerns: list[PageConcern], chart: Chart, now: Assessment, site: Site, language: Language
) -> list[str]:
    """Both grades, m-EASIX, the treatments, the typical onset, and the protocol lines."""
    grades = ", ".join(
        f"{name} {say(grade.shown_value or 'undetermined', language)}"
        for name, grade in (("CRS", now.crs), ("ICANS", now.icans))
    )
    lines = [say("Now: {grades}", language, grades=grades)]
    if score := _score(now.m_easix, site, language):
        lines.append(score)
    given = ledger(chart, now.at, site)
    lines.append(say("Given: {ledger}", language, ledger=render(given.sentence(), language, site.zone)))
    lines += _typical_onset(concerns, chart, site, language)
    lines += [line for concern in concerns if (line := _reminder(concern, given, chart, now, site, language))]
    return lines


def _context(concerns: list[PageConcern], chart: Chart, now: Assessment | None, site: Site) -> list[ContextLine]:
    """The context of the episodes that are not over."""
    episodes = [concern.episode for concern in concerns if not concern.has_ended]
    return context(chart, now.at, site, episodes) if now is not None and episodes else []


def _typical_onset(concerns: list[PageConcern], chart: Chart, site: Site, language: Language) -> list[str]:
    """When CRS and ICANS typically begin after the patient's product, on the first page about one of them."""
    is_first = any(concern.reason in FIRST and concern.episode.condition in ASTCT for concern in concerns)
    admission = chart.admission
    onset = typical_onset(admission.product) if is_first and admission is not None else None
    return [render(onset, language, site.zone)] if onset is not None else []


def _score(score: Score, site: Site, language: Language) -> str:
    """A score with its logarithm, its previous value, and its remarks; a bound if an input was one."""
    if score.value is not None:
        log2 = say("log2 undefined", language) if score.log2 is None else f"log2 {score.log2:.2f}"
        shown = f"{score.system} {score.value:.2f}, {log2}"
    elif score.bound_value is not None:
        shown = f"{score.system} {score.bound} {score.bound_value:.2f}, {say('only a bound', language)}"
    else:
        return ""
    if score.previous is not None and score.previous_at is not None:
        at = clock(score.previous_at, site, language)
        shown += f", {say('was {value} on {at}', language, value=f'{score.previous:.2f}', at=at)}"
    remarks = ", ".join(render(flag, language, site.zone) for flag in score.flags)
    return f"{shown} ({remarks})" if remarks else shown


def _reminder(
    concern: PageConcern, given: Ledger, chart: Chart, now: Assessment, site: Site, language: Language
) -> str:
    """The protocol line of a condition, with its source; of tocilizumab, also the remaining doses and the next one."""
    reminder = REMINDERS.get((concern.episode.condition, concern.episode.level_now or 0))
    if reminder is None or concern.has_ended:
        return ""
    quoted = say(reminder.text, language)
    if reminder.tocilizumab:
        room = next_tocilizumab(chart, given, now.at, site)
        quoted += f" [{render(room.text, language, site.zone)}]"
    source = say(reminder.source, language)
    return say("Protocol reminder ({source}): {reminder}", language, source=source, reminder=quoted)


def _conventions(concerns: list[PageConcern], shown: list[ContextLine], site: Site, language: Language) -> list[str]:
    """Every convention of the site on which the page depends, with its basis."""
    names = [name for concern in concerns if concern.finding for name in concern.finding.conventions]
    names += [name for line in shown for name in line.conventions]
    bases = filter(None, (basis(name, site, language) for name in dict.fromkeys(names)))
    written = "; ".join(dict.fromkeys(bases))
    return [say("conventions: {conventions}", language, conventions=written)] if written else []


def basis(name: str, site: Site, language: Language) -> str:
    """A working convention in words; empty if the configuration no longer has it."""
    section, _, key = name.partition(".")
    convention = getattr(getattr(site.conventions, section, None), key, None)
    return say(convention.shown_basis, language) if convention is not None else ""
