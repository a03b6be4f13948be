"""The title of a page: the patient, the finding with its grade, and the numbers behind it, in order of importance.

The step composes the parts. Delivery joins as many as a channel has room for, and counts the findings that it leaves
out. A grade in a title is that of the newest assessment, never more.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from alerts.chart.admission import Admission
from alerts.episodes.episode import Episode
from alerts.grading.result import Evidence
from alerts.pages.concern import LATE, Ending, PageConcern, bare, wrappings
from alerts.pages.values import changed, named_value, short_value
from alerts.rules.icans import REPEAT_ICE
from alerts.wording.catalogue import in_english, render, say
from config.site import Language, Site, Urgency
from config.vocabulary import label

JOINT = " · "
CUT = "…"

NUMBERS_SHOWN = 8
PLACE_SHOWN = 40
PATIENT_SHOWN = 32
"""Characters of a place and of an id that a title shows. The middle of a longer one is left out."""

WHY_SHOWN = ("repeat", "handed_over", "taken_over", "still_on_it")
"""Reasons of a page that its title names. Reasons of a finding stand beside the finding."""


class Title(Struct, frozen=True, array_like=True, omit_defaults=True):
    """`who` is always present; of the findings the first, of the numbers as many as there is room for."""

    who: str
    findings: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    why: str = ""

    def __str__(self) -> str:
        return self.within(lambda _: True)

    def within(self, fits: Callable[[str], bool]) -> str:
        """The longest form that fits, shortened from the least important part; the last form may still not fit."""
        return next((form for form in self._forms() if fits(form)), self._form(1, 0) if self.findings else self.who)

    def _forms(self) -> Iterator[str]:
        for numbers in range(len(self.numbers), -1, -1):
            yield self._form(len(self.findings), numbers)
        for findings in range(len(self.findings) - 1, 0, -1):
            yield self._form(findings, 0)

    def _form(self, findings: int, numbers: int) -> str:
        left = len(self.findings) - findings
        found = ", ".join(self.findings[:findings]) + (f" +{left}" if left else "")
        return JOINT.join(filter(None, (self.who, found + self.why, *self.numbers[:numbers])))


def title(
    concerns: list[PageConcern],
    patient: str,
    admission: Admission | None,
    day: int | None,
    site: Site,
    language: Language,
) -> Title:
    """The title of a page about concerns in the order of a page. Without a patient it names the hospital."""
    reasons = {concern.reason for concern in concerns}
    why = next((say(reason, language) for reason in WHY_SHOWN if reasons == {reason}), "")
    whose: tuple[str, ...] = (site.on_call.name,)
    if patient:
        absent = _unregistered(concerns, language)
        whose = (place(admission), _short(patient, PATIENT_SHOWN), _day(day, language), absent)
    findings = dict.fromkeys(name(concern, site, language) for concern in concerns)
    numbers = dict.fromkeys(text for concern in concerns for text in _numbers(concern, site, language))
    return Title(
        who=" ".join(filter(None, (tag(concerns[0].urgency, language), *whose))),
        findings=tuple(findings),
        numbers=tuple(numbers)[:NUMBERS_SHOWN],
        why=f" ({why})" if why else "",
    )


def tag(urgency: Urgency, language: Language) -> str:
    """The urgency as a title begins with it."""
    return f"[{say(urgency, language).upper()}]"


def place(admission: Admission | None) -> str:
    """Ward and bed, each shortened if it is long."""
    if admission is None:
        return ""
    return "/".join(_short(part, PLACE_SHOWN // 2) for part in (admission.ward, admission.bed) if part)


def _short(text: str, most: int) -> str:
    """Beginning and end of a text. Two texts that differ at either end stay different."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2].rstrip()}{CUT}{text[len(text) - (most - most // 2 - 1) :].lstrip()}"


def _day(day: int | None, language: Language) -> str:
    return "" if day is None else say("D{day}", language, day=f"{day:+d}" if day else "0")


def _unregistered(concerns: list[PageConcern], language: Language) -> str:
    is_so = any(concern.is_unregistered for concern in concerns)
    return f"({say('not registered', language)})" if is_so else ""


# -- what is found ---------------------------------------------------------------------------------


def name(concern: PageConcern, site: Site, language: Language) -> str:
    """A finding with its grade by the newest assessment, and its earlier grade if that differs."""
    episode = concern.episode
    if concern.has_ended:
        return _ended(concern, site, language)
    if concern.is_lower and episode.level_now and concern.finding and episode.condition not in GRADED:
        episode = replace(episode, title=concern.finding.title)
    text = graded(episode, episode.level_now, concern.members, site, language)
    if concern.is_unregistered:
        text = say("would be {name}", language, name=text)
    if concern.is_lower:
        text += _lower(episode, language)
    elif concern.reason in ("worse", "better") and episode.was not in (None, episode.level_now):
        text += f" ({say('was {level}', language, level=episode.was)})"
    elif concern.reason in ("worse", "recurrent"):
        text += f" ({say(concern.reason, language)})"
    return f"{text} ({say('charted late', language)})" if LATE in wrappings(episode.title) else text


def _ended(concern: PageConcern, site: Site, language: Language) -> str:
    episode = concern.episode
    what = graded(episode, episode.level, episode.members, site, language)
    if concern.reason == "resolved":
        if episode.condition not in GRADED and concern.finding is not None and concern.finding.over:
            return render(concern.finding.title, language, site.zone)
        return say("{name} resolved", language, name=what)
    if concern.ending is not None:
        return say("{name} ended: {what}", language, name=what, what=ended_by(concern.ending, language))
    text = say("{name} withdrawn", language, name=what)
    if concern.left is None:
        return text
    left = graded(concern.left, concern.left.level, concern.left.members, site, language)
    return f"{text} ({say('{name} stands', language, name=left)})"


def ended_by(ending: Ending, language: Language) -> str:
    return named_value(ending.what, language) if isinstance(ending.what, Evidence) else say(ending.what, language)


def _lower(episode: Episode, language: Language) -> str:
    if episode.condition in GRADED:
        return f" ({say('was {level}', language, level=episode.level)})"
    if episode.level_now:
        return ""
    return f" ({say('undetermined' if episode.level_now is None else 'no longer', language)})"


GRADED = {"crs": "CRS", "icans": "ICANS", "febrile_neutropenia": "febrile neutropenia"}
"""Conditions whose level is a grade."""


def graded(episode: Episode, level: int | None, members: tuple[str, ...], site: Site, language: Language) -> str:
    """A condition with a grade, as briefly as possible."""
    if episode.condition in GRADED:
        named = say(GRADED[episode.condition], language)
        if level is None:
            return say("{name} undetermined", language, name=named)
        words = "{name} now {level}" if level < episode.level else "{name} {level}"
        return say(words, language, name=named, level=level)
    if episode.condition == "cytopenia" and members:
        return f"CTCAE 4 {'/'.join(say(label(member), language) for member in members)}"
    words = render(bare(episode.title), language, site.zone)
    # A technical text explains itself after its first clause. The explanation stands in the text of the page.
    return words.partition("; ")[0] if episode.urgency == "technical" else words


# -- the numbers -----------------------------------------------------------------------------------


def _numbers(concern: PageConcern, site: Site, language: Language) -> Iterator[str]:
    """The events, and the newest reading of each kind on which the grade rests."""
    yield from (changed(change, language) for change in concern.changes)
    if REPEAT_ICE in wrappings(concern.episode.title) and not concern.has_ended:
        yield say("repeat the ICE in 1-2 h", language)
    events = concern.events
    yield from (render(event, language, site.zone) for event in events)
    about = [in_english(event, site.zone) for event in events]
    newest = {item.kind: item for item in sorted(concern.evidence, key=lambda item: item.entry.effective)}
    for kind in dict.fromkeys(item.kind for item in concern.evidence):
        if not any(event.startswith(label(kind)) for event in about) and (text := short_value(newest[kind], language)):
            yield text
