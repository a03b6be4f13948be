"""The ward board in the reader's language: one row for each patient, with the technical matters beside them."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from markupsafe import Markup

from alerts.episodes.episode import Episode
from alerts.messages import SITE_SUBJECT
from alerts.overview import LatestCount, Level, Overview, Sign, is_unacknowledged, most_urgent, most_urgent_first
from alerts.state import PatientState
from alerts.wording.phrase import Phrase, phrase
from config.vocabulary import label, shown_unit
from worker.gateway.ack_status import AckStatus, ack_status
from worker.gateway.sparkline import sparkline
from worker.gateway.view import Reader
from worker.links import Links
from worker.monitoring.health import Check
from worker.monitoring.silent_feeds import LastSeen, is_silent

ID_LENGTH = 18
"""Characters of a patient's id in a row; a longer id is shortened."""

ARROWS = {"rising": " ↗", "falling": " ↘"}

COUNTED_AGE = timedelta(hours=48)
"""Up to this age it is shown in hours, beyond it in days."""


class EpisodeRow(NamedTuple):
    """One open episode on the board. `page` is its last page, to which a response from the board refers."""

    id: str
    page: str
    title: str
    urgency: str
    since: str
    free: bool
    ack: AckStatus


class Cell(NamedTuple):
    """One value of the table. `words`: its tooltip. `quiet`: for screen readers, the meaning of its colours.

    `value` is empty if none was charted.
    """

    value: str = ""
    age: str = ""
    old: bool = False
    words: str = ""
    quiet: str = ""
    note: str = ""
    grade: str = ""
    picture: Markup = Markup("")


class Row(NamedTuple):
    """One patient. `short_id` differs from every other on the board."""

    opaque: str
    id: str
    short_id: str
    ward: str
    bed: str
    day: int | None
    note: str
    crs: Level
    icans: Level
    ice: Cell
    signs: tuple[Cell, ...]
    counts: tuple[Cell, ...]
    m_easix: Cell
    episodes: tuple[EpisodeRow, ...]
    statements: tuple[str, ...]

    @property
    def answerable(self) -> EpisodeRow | None:
        """The most urgent unacknowledged episode. The button of the row acknowledges it, with its whole page."""
        return next((item for item in self.episodes if item.free), None)

    @property
    def others(self) -> tuple[EpisodeRow, ...]:
        """The other open episodes."""
        return tuple(item for item in self.episodes if item is not self.first)

    @property
    def first(self) -> EpisodeRow | None:
        """The episode of the row: the most urgent unacknowledged one, else the most urgent."""
        return self.answerable or next(iter(self.episodes), None)


class FeedRow(NamedTuple):
    """One feed: when it was last seen, and whether that is too long ago. If not `ever`: since when it is watched."""

    name: str
    at: str
    silent: bool
    ever: bool = True


class Board(NamedTuple):
    rows: tuple[Row, ...]
    discharged: tuple[Row, ...]
    technical: tuple[EpisodeRow, ...]
    feeds: tuple[FeedRow, ...]
    unhealthy: tuple[str, ...]
    open: int
    unanswered: int

    @property
    def is_well(self) -> bool:
        """Whether nothing technical needs attention: every part is well, no feed is silent, no episode is open."""
        return not (self.unhealthy or self.technical or any(feed.silent for feed in self.feeds))


def board(
    overviews: Iterable[Overview],
    feeds: Mapping[str, LastSeen],
    checks: Iterable[Check],
    reader: Reader,
    links: Links,
) -> Board:
    """The ward for a reader, the most urgent patient first."""
    known = list(overviews)
    patients = most_urgent_first(item for item in known if item.on_the_ward)
    discharged = most_urgent_first(item for item in known if item.discharged)
    short = shortened(item.state.patient for item in (*patients, *discharged))
    technical = [row for item in known if item.state.patient == SITE_SUBJECT for row in _episodes(item.state, reader)]
    rows = [_row(item, short[item.state.patient], reader, links) for item in patients]
    shown = [*technical, *(episode for row in rows for episode in row.episodes)]
    return Board(
        rows=tuple(rows),
        discharged=tuple(_row(item, short[item.state.patient], reader, links) for item in discharged),
        technical=tuple(technical),
        feeds=tuple(_feeds(feeds, reader)),
        unhealthy=tuple(_part(check.part, reader) for check in checks if not check.well),
        open=len(shown),
        unanswered=sum(item.free for item in shown),
    )


def shortened(ids: Iterable[str], length: int = ID_LENGTH) -> dict[str, str]:
    """Ids shortened for a row, all different: both ends, else the differing part, else the whole id."""
    known = sorted(set(ids))
    short = {one: _both_ends(one, length) for one in known}
    for one in known:
        alike = [other for other in known if short[other] == short[one]]
        if len(alike) > 1:
            parts = {other: _from(other, _differ_at(alike), length) for other in alike}
            short |= parts if len(set(parts.values())) == len(alike) else dict(zip(alike, alike, strict=True))
    return short if len(set(short.values())) == len(known) else {one: one for one in known}


def _both_ends(text: str, length: int) -> str:
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-(length - 1 - half) :]}"


def _differ_at(texts: list[str]) -> int:
    """The first position at which some texts, all different, differ."""
    return next(spot for spot in range(max(map(len, texts)) + 1) if len({text[: spot + 1] for text in texts}) > 1)


def _from(text: str, start: int, length: int) -> str:
    start = max(0, min(start - 4, len(text) - length + 2))
    end = start + length - 2
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"


def _row(patient: Overview, short_id: str, reader: Reader, links: Links) -> Row:
    state = patient.state
    admission = state.chart.admission
    return Row(
        opaque=links.opaque(state.patient),
        id=state.patient,
        short_id=short_id,
        ward=(admission.ward or "") if admission else "",
        bed=(admission.bed or "") if admission else "",
        day=state.chart.day(reader.now, reader.site.zone),
        note="" if state.is_graded else "discharged" if state.discharged_at else "not registered",
        crs=patient.crs,
        icans=patient.icans,
        ice=_sign(patient.ice, reader),
        signs=tuple(_sign(sign, reader) for sign in (patient.temperature, patient.pressure, patient.spo2)),
        counts=tuple(_count(count, reader) for count in patient.counts),
        m_easix=_m_easix(patient, reader),
        episodes=tuple(_episodes(state, reader)),
        statements=tuple(map(reader.words, patient.statements)),
    )


def _part(part: str, reader: Reader) -> str:
    """The name of a part of the service in the reader's language."""
    kind, _, what = part.partition(" ")
    if kind == "workers" and what:
        return reader.words(phrase("workers {what}", what=Phrase(what)))
    return reader.say(part)


def _episodes(state: PatientState, reader: Reader) -> list[EpisodeRow]:
    return [_episode(episode, reader) for episode in most_urgent(state.episodes.values())]


def _episode(episode: Episode, reader: Reader) -> EpisodeRow:
    return EpisodeRow(
        id=episode.id,
        page=episode.deliveries[-1].page if episode.deliveries else "",
        title=reader.words(episode.title),
        urgency=episode.urgency,
        since=reader.clock(episode.opened_at),
        free=is_unacknowledged(episode),
        ack=ack_status(episode, reader.person, reader.now),
    )


# -- values ------------------------------------------------------------------------------------------


def _sign(sign: Sign, reader: Reader) -> Cell:
    """A sign with its age and its trend."""
    name = reader.say(label(sign.name))
    if not sign.value:
        return Cell(words=reader.say("{name}: none charted", name=name))
    notes = {"mean_bp": reader.say("mean"), "capd": name}
    note = reader.say("on O2") if sign.oxygen else notes.get(sign.name, "")
    old = sign.old_at is not None and reader.now >= sign.old_at
    return Cell(
        value=sign.value,
        age=age(sign.at, reader),
        old=old,
        words=_words(name, f"{sign.value} {shown_unit(sign.name)}".strip(), sign.at, reader),
        quiet=reader.say("older than it should be") if old else "",
        note=note,
        picture=sparkline(sign.points, name, reader),
    )


def _count(count: LatestCount, reader: Reader) -> Cell:
    name = reader.say(label(count.name))
    if not count.value:
        return Cell(words=reader.say("{name}: none charted", name=name))
    old = count.old_at is not None and reader.now >= count.old_at
    grade = count.level.text
    quiet = [*([reader.say("older than it should be")] if old else []), *([f"CTCAE {grade}"] if grade else [])]
    return Cell(
        value=count.value,
        age=age(count.at, reader),
        old=old,
        words=", ".join((_words(name, f"{count.value} {shown_unit(count.name)}", count.at, reader), *quiet)),
        quiet=", ".join(quiet),
        note=reader.say("prel.") if count.preliminary else "",
        grade=grade,
    )


def _m_easix(patient: Overview, reader: Reader) -> Cell:
    score = patient.m_easix
    if not score.value:
        return Cell(words=reader.say("m-EASIX cannot be computed."))
    notes = [*([reader.say("over limit")] if score.over else []), *map(reader.words, score.flags)]
    change = [reader.say(score.change)] if score.change else []
    return Cell(
        value=f"{score.value}{ARROWS.get(score.change, '')}",
        words=", ".join((f"m-EASIX {score.value}", *change, *notes)),
        quiet=", ".join(change),
        note=", ".join(notes),
        grade="over" if score.over else "",
    )


def _words(name: str, value: str, at: datetime | None, reader: Reader) -> str:
    return reader.say("{name} {value} at {time}", name=name, value=value, time=reader.clock(at))


def age(at: datetime | None, reader: Reader) -> str:
    """The age of a moment, in the largest unit."""
    if at is None:
        return ""
    ago = reader.now - at
    if ago < timedelta(minutes=1):
        return reader.say("now") if ago > -timedelta(minutes=1) else reader.clock(at)
    if ago < timedelta(hours=1):
        return f"{ago // timedelta(minutes=1)} min"
    if ago < COUNTED_AGE:
        return f"{ago // timedelta(hours=1)} h"
    return reader.say("{n} d", n=ago // timedelta(days=1))


def _feeds(feeds: Mapping[str, LastSeen], reader: Reader) -> Iterable[FeedRow]:
    for name, last in feeds.items():
        yield FeedRow(name, reader.clock(last.at), is_silent(last, name, reader.site, reader.now), last.ever)
