"""Words of one page: what, how urgent, since when, on which readings, under which protocol line."""

from datetime import datetime

from msgspec import Struct

from alerts.admission import Admission
from alerts.assessment import Assessment
from alerts.chart import Chart
from alerts.entry import Entry
from alerts.episodes import Episode, Reason
from alerts.finding import Finding
from alerts.grading.result import Evidence
from alerts.ledger import ledger
from alerts.reminders import REMINDERS
from alerts.vocabulary import label, shown_unit
from config.site import URGENCIES, Site, Urgency

DISCLAIMER = "Decision support, not a medical device. The bedside monitor stays primary."


class Page(Struct, frozen=True, kw_only=True):
    """One page to one person on one channel. The id stays the same however often delivery is tried."""

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


class Concern(Struct, frozen=True):
    """One episode as a page tells it: why it is told, and what the rules say now."""

    episode: Episode
    reason: Reason
    finding: Finding | None


def most_urgent_first(concerns: list[Concern]) -> list[Concern]:
    """In the order a page tells them; of equally urgent ones the order they came in."""
    return sorted(concerns, key=lambda concern: -URGENCIES.index(concern.episode.urgency))


def title(concerns: list[Concern], chart: Chart, now: Assessment | None) -> str:
    """One line: urgency, day, place, what, and why it is told. The concerns come most urgent first."""
    first = concerns[0]
    parts = [f"[{first.episode.urgency.upper()}]"]
    if now is not None and now.day is not None:
        parts.append(f"D{now.day:+d}" if now.day else "D0")
    if place := _place(chart.admission):
        parts.append(place)
    what = "; ".join(_named(concern) for concern in concerns)
    return f"{' '.join(parts)}: {what}"


def _named(concern: Concern) -> str:
    """The episode's title, and why it is told where the title does not say so itself."""
    name = concern.episode.title
    return name if concern.reason in ("resolved", "retracted") else f"{name} ({concern.reason})"


def minimal_text(concerns: list[Concern], page: str) -> tuple[str, str]:
    """Title and text without any patient detail, for a channel that others may read."""
    urgency = concerns[0].episode.urgency
    return f"[{urgency.upper()}] cartwatch page {page}", f"Open the ward board for page {page}. {DISCLAIMER}"


def text(concerns: list[Concern], chart: Chart, now: Assessment | None, site: Site, *, at: datetime, page: str) -> str:
    """The whole page, written at the time `at`: every concern with its evidence, then the background."""
    lines = [f"{clock(at, site)}, page {page}"]
    for concern in concerns:
        lines += _concern(concern, site)
    if now is not None:
        lines += _background(concerns, chart, now, site)
    first = concerns[0]
    if first.episode.urgency != "low":
        lines.append(f"Acknowledge: cartwatch ack {first.episode.id} --by YOUR-ID")
    lines.append(DISCLAIMER)
    return "\n".join(lines)


def _place(admission: Admission | None) -> str:
    if admission is None:
        return ""
    return "/".join(part for part in (admission.ward, admission.bed) if part)


def clock(at: datetime, site: Site) -> str:
    """Day and time of day in the hospital's time zone."""
    return at.astimezone(site.zone).strftime("%d %b %Y %H:%M")


def _concern(concern: Concern, site: Site) -> list[str]:
    episode = concern.episode
    since = f"since {clock(episode.opened_at, site)}"
    before = f", before: {episode.was}" if episode.was is not None and concern.reason == "worse" else ""
    lines = [f"{_named(concern)}, {since}{before}"]
    finding = concern.finding
    if finding is None:
        return lines
    if finding.provisional:
        lines.append("  provisional: at least this grade")
    lines += [f"  because {reason}" for reason in finding.because]
    if finding.evidence:
        lines.append("  readings: " + "; ".join(shown(item, site) for item in finding.evidence))
    if finding.missing:
        lines.append("  missing: " + ", ".join(finding.missing))
    lines += [f"  note: {flag}" for flag in finding.flags]
    if finding.proxies:
        lines.append("  conventions: " + "; ".join(_convention(name, site) for name in finding.proxies))
    return lines


def _convention(name: str, site: Site) -> str:
    section, _, key = name.partition(".")
    proxy = getattr(getattr(site.proxies, section, None), key, None)
    return f"{proxy.basis} ({name})" if proxy is not None else name


def shown(item: Evidence, site: Site) -> str:
    """One reading with value, unit, time and source, as a page shows it."""
    entry = item.entry
    return f"{label(item.kind)} {_value(item.kind, entry)} ({clock(entry.effective, site)}, {entry.source})"


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


def _background(concerns: list[Concern], chart: Chart, now: Assessment, site: Site) -> list[str]:
    lines = []
    grades = [("CRS", now.crs.grade), ("ICANS", now.icans.grade)]
    lines.append("Now: " + ", ".join(f"{name} {'undetermined' if grade is None else grade}" for name, grade in grades))
    if now.m_easix.value is not None and now.m_easix.log2 is not None:
        flags = f" ({', '.join(now.m_easix.flags)})" if now.m_easix.flags else ""
        lines.append(f"m-EASIX {now.m_easix.value:.2f}, log2 {now.m_easix.log2:.2f}{flags}")
    given = ledger(chart, now.at)
    lines.append(f"Given: {given.sentence()}")
    for concern in concerns:
        reminder = REMINDERS.get((concern.episode.condition, concern.episode.level))
        if reminder is not None and concern.reason in ("new", "worse", "recurrent"):
            room = f" [{given.room(now.at, site.zone)}]" if reminder.tocilizumab else ""
            lines.append(f"Protocol reminder ({reminder.source}): {reminder.text}{room}")
    return lines
