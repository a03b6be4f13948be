"""Words of one page: what, how urgent, since when, on which readings, under which protocol line.

The lines stand in order of importance: a channel that has room for little cuts from the end, so the first two must
carry the message. Everything is said in the reader's language (`alerts/wording`).
"""

from datetime import datetime

from msgspec import Struct

from alerts.admission import Admission
from alerts.assessment import Assessment
from alerts.chart import Chart
from alerts.entry import Entry
from alerts.episodes import Episode
from alerts.finding import Finding
from alerts.grading.result import Evidence, Score
from alerts.ledger import Ledger, ledger
from alerts.paging import Reason
from alerts.reminders import REMINDERS
from alerts.vocabulary import label, shown_unit
from alerts.wording.catalogue import say, translate
from alerts.wording.headings import DISCLAIMER
from config.site import URGENCIES, Language, Site, Urgency

TITLE_LENGTH = 110
"""Characters that a lock screen shows of a title, and every service takes."""

ENDED: tuple[Reason, ...] = ("resolved", "retracted")
"""Why somebody is told of an episode that is not open any more: no protocol line is quoted."""


class Page(Struct, frozen=True, kw_only=True):
    """One page to one person on one channel. The id stays the same however often delivery is tried.

    `assessed_at` is the clinical time of the grades it names.
    """

    id: str
    patient: str
    at: datetime
    day: int | None
    episode: str
    episodes: tuple[str, ...]
    condition: str
    urgency: Urgency
    reason: Reason
    to: str
    channel: str
    title: str
    text: str
    language: Language = "en"
    assessed_at: datetime | None = None


class Concern(Struct, frozen=True):
    """One episode as a page tells it: why it is told, and what the rules say now."""

    episode: Episode
    reason: Reason
    finding: Finding | None


def most_urgent_first(concerns: list[Concern]) -> list[Concern]:
    """In the order a page tells them; of equally urgent ones the order they came in."""
    return sorted(concerns, key=lambda concern: -URGENCIES.index(concern.episode.urgency))


# -- the title -------------------------------------------------------------------------------------


def title(concerns: list[Concern], chart: Chart, now: Assessment | None, site: Site, language: Language) -> str:
    """One line: urgency, day, place, what, and why it is told. The concerns come most urgent first.

    What does not fit is counted; it stands in the text. A page about no patient has the hospital for its place.
    """
    parts = [_tag(concerns, language)]
    if now is not None and now.day is not None:
        parts.append(say("D{day}", language, day=f"{now.day:+d}" if now.day else "0"))
    if place := _place(chart.admission) or ("" if now is not None else site.on_call.name):
        parts.append(place)
    start = f"{' '.join(parts)}: "
    names = [_named(concern, language) for concern in concerns]
    for told in range(len(names), 0, -1):
        left = len(names) - told
        rest = f" {say('and {count} more', language, count=left)}" if left else ""
        line = f"{start}{'; '.join(names[:told])}{rest}"
        if len(line) <= TITLE_LENGTH:
            return line
    return start + _named(concerns[0], language, TITLE_LENGTH - len(start) - len(rest)) + rest


def _tag(concerns: list[Concern], language: Language) -> str:
    return f"[{translate(concerns[0].episode.urgency, language).upper()}]"


def _place(admission: Admission | None) -> str:
    if admission is None:
        return ""
    return "/".join(part for part in (admission.ward, admission.bed) if part)


def _named(concern: Concern, language: Language, room: int | None = None) -> str:
    """The episode's title, shortened to `room`, and why it is told where the title does not say so itself."""
    name = translate(concern.episode.title, language)
    why = "" if concern.reason in ENDED else f" ({say(concern.reason, language)})"
    if room is not None and len(name) + len(why) > room:
        name = f"{name[: max(room - len(why) - 1, 1)].rstrip()}…"
    return name + why


def minimal_text(concerns: list[Concern], page: str, language: Language) -> tuple[str, str]:
    """Title and text without any patient detail, for a channel that others may read."""
    heading = f"{_tag(concerns, language)} {say('cartwatch page {page}', language, page=page)}"
    body = say("Open the ward board for page {page}.", language, page=page)
    return heading, f"{body} {translate(DISCLAIMER, language)}"


# -- the text --------------------------------------------------------------------------------------


def text(
    concerns: list[Concern],
    chart: Chart,
    now: Assessment | None,
    site: Site,
    *,
    at: datetime,
    page: str,
    language: Language,
) -> str:
    """The whole page, written at the time `at`: what is told, its evidence, the background, and what it rests on."""
    lines = [_headline(concern, site, language) for concern in concerns]
    if any(concern.reason == "still_on_it" for concern in concerns):
        lines.append(say("still on it? The ladder starts again without an answer", language))
    episodes = {concern.episode.id: concern for concern in concerns}
    for concern in episodes.values():
        details = _details(concern.finding, site, language)
        if details and len(episodes) > 1:
            lines.append(translate(concern.episode.title, language))
        lines += details
    if now is not None:
        lines += _background(concerns, chart, now, site, language)
    lines += _conventions(concerns, site, language)
    lines.append(say("{at}, page {page}", language, at=clock(at, site, language), page=page))
    lines.append(translate(DISCLAIMER, language))
    return "\n".join(lines)


def clock(at: datetime, site: Site, language: Language) -> str:
    """Day and time of day in the hospital's time zone."""
    return translate(at.astimezone(site.zone).strftime("%d %b %Y %H:%M"), language)


def _headline(concern: Concern, site: Site, language: Language) -> str:
    episode = concern.episode
    parts = [
        _named(concern, language),
        say("since {at}", language, at=clock(episode.opened_at, site, language)),
    ]
    if episode.was is not None and concern.reason == "worse":
        parts.append(say("before: {level}", language, level=episode.was))
    if concern.reason == "taken_over":
        parts.append(say("taken over by {person}", language, person=_person(episode.acknowledged_by, site)))
    if episode.handed_over_by:
        parts.append(say("handed over by {person}", language, person=_person(episode.handed_over_by, site)))
    return ", ".join(parts)


def _person(key: str, site: Site) -> str:
    known = site.on_call.people.get(key)
    return known.name if known is not None else key


def _details(finding: Finding | None, site: Site, language: Language) -> list[str]:
    """Why the rules say so, and on which readings."""
    if finding is None:
        return []
    lines = [say("because {reason}", language, reason=translate(reason, language)) for reason in finding.because]
    if finding.provisional:
        lines.append(translate("provisional: at least this grade", language))
    if finding.evidence:
        readings = "; ".join(shown(item, site, language) for item in finding.evidence)
        lines.append(say("readings: {readings}", language, readings=readings))
    if finding.missing:
        names = ", ".join(translate(name, language) for name in finding.missing)
        lines.append(say("missing: {names}", language, names=names))
    lines += [say("note: {flag}", language, flag=translate(flag, language)) for flag in finding.flags]
    return [f"  {line}" for line in lines]


def shown(item: Evidence, site: Site, language: Language) -> str:
    """One reading with value, unit, time and source, as a page shows it."""
    entry = item.entry
    value = translate(f"{label(item.kind)} {_value(item.kind, entry)}", language)
    return f"{value} ({clock(entry.effective, site, language)}, {entry.source}{_charted_for(entry, site, language)})"


def _charted_for(entry: Entry, site: Site, language: Language) -> str:
    if entry.charted_for is None:
        return ""
    return f", {say('charted for {time}', language, time=f'{entry.charted_for.astimezone(site.zone):%H:%M}')}"


def _value(kind: str, entry: Entry) -> str:
    if entry.value is None:
        return {"true": "yes", "false": "no"}.get(entry.code, entry.code.replace("_", " "))
    unit = entry.unit or shown_unit(kind)
    value = f"{entry.comparator}{entry.value.normalize():f}"
    if entry.code in ("given", "started", "stopped"):
        value = f"{value} {unit} {entry.code}"
        unit = ""
    sent = f" (sent as {entry.sent})" if entry.sent else ""
    return f"{value} {unit}".strip() + sent


def _background(concerns: list[Concern], chart: Chart, now: Assessment, site: Site, language: Language) -> list[str]:
    """Both grades, m-EASIX, what was given, and the protocol lines."""
    grades = ", ".join(
        f"{name} {translate('undetermined', language) if grade is None else grade}"
        for name, grade in (("CRS", now.crs.grade), ("ICANS", now.icans.grade))
    )
    lines = [say("Now: {grades}", language, grades=grades)]
    if score := _score(now.m_easix, site, language):
        lines.append(score)
    given = ledger(chart, now.at)
    lines.append(say("Given: {ledger}", language, ledger=translate(given.sentence(), language)))
    lines += [line for concern in concerns if (line := _reminder(concern, given, now, site, language))]
    return lines


def _score(score: Score, site: Site, language: Language) -> str:
    """A score with its logarithm, what it was before, and its remarks; a bound where an input was one."""
    if score.value is not None:
        log2 = say("log2 undefined", language) if score.log2 is None else f"log2 {score.log2:.2f}"
        told = f"{score.system} {score.value:.2f}, {log2}"
    elif score.bound_value is not None:
        told = f"{score.system} {score.bound} {score.bound_value:.2f}, {translate('only a bound', language)}"
    else:
        return ""
    if score.previous is not None and score.previous_at is not None:
        at = clock(score.previous_at, site, language)
        told += f", {say('was {value} on {at}', language, value=f'{score.previous:.2f}', at=at)}"
    remarks = ", ".join(translate(flag, language) for flag in score.flags)
    return f"{told} ({remarks})" if remarks else told


def _reminder(concern: Concern, given: Ledger, now: Assessment, site: Site, language: Language) -> str:
    """The protocol line of a condition, with its source; of tocilizumab, also what the ledger leaves."""
    reminder = REMINDERS.get((concern.episode.condition, concern.episode.level))
    if reminder is None or concern.reason in ENDED:
        return ""
    quoted = translate(reminder.text, language)
    if reminder.tocilizumab:
        quoted += f" [{translate(given.room(now.at, site.zone), language)}]"
    source = translate(reminder.source, language)
    return say("Protocol reminder ({source}): {reminder}", language, source=source, reminder=quoted)


def _conventions(concerns: list[Concern], site: Site, language: Language) -> list[str]:
    """Every convention of the site that the page depends on, with its basis."""
    names = dict.fromkeys(name for concern in concerns if concern.finding for name in concern.finding.proxies)
    if not names:
        return []
    told = "; ".join(_convention(name, site, language) for name in names)
    return [say("conventions: {conventions}", language, conventions=told)]


def _convention(name: str, site: Site, language: Language) -> str:
    section, _, key = name.partition(".")
    proxy = getattr(getattr(site.proxies, section, None), key, None)
    return f"{translate(proxy.basis, language)} ({name})" if proxy is not None else name
