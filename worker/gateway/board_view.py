"""The ward board as plain values: every patient, what is open and who has it, what is overdue, what is silent."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from alerts.episodes import Episode
from alerts.grading.ctcae_counts import TERMS as COUNTS
from alerts.messages import SITE_SUBJECT
from alerts.vocabulary import label
from alerts.watch import Watch
from config.site import URGENCIES
from worker.gateway.links import Links
from worker.gateway.standing import Standing, is_free, is_overdue, standing
from worker.gateway.view import Reader, place
from worker.health import Check

COUNTS_SHOWN = 3


class EpisodeRow(NamedTuple):
    """One open episode on the board. `page` is the last that told of it: what whoever answers here has before them."""

    id: str
    page: str
    title: str
    urgency: str
    since: str
    free: bool
    standing: Standing


class Row(NamedTuple):
    """One patient on the board."""

    opaque: str
    name: str
    place: str
    note: str
    day: int | None
    crs: str
    icans: str
    ice: str
    counts: tuple[tuple[str, str], ...]
    m_easix: str
    episodes: tuple[EpisodeRow, ...]
    overdue: tuple[EpisodeRow, ...]
    rank: int


class FeedRow(NamedTuple):
    """One feed: when it was last heard, and whether that is too long ago."""

    name: str
    at: str
    silent: bool


class Board(NamedTuple):
    """The whole board."""

    rows: tuple[Row, ...]
    technical: tuple[EpisodeRow, ...]
    feeds: tuple[FeedRow, ...]
    ill: tuple[str, ...]
    open: int
    unanswered: int


def board(
    watches: Iterable[Watch], heard: Mapping[str, datetime], checks: Iterable[Check], reader: Reader, links: Links
) -> Board:
    """What a reader sees of the ward, the most urgent first."""
    held = list(watches)
    patients = [watch for watch in held if watch.patient != SITE_SUBJECT]
    technical = [row for watch in held if watch.patient == SITE_SUBJECT for row in _episodes(watch, reader)]
    rows = sorted((_row(watch, reader, links) for watch in patients), key=lambda row: (-row.rank, row.place, row.name))
    shown = [*technical, *(item for row in rows for item in row.episodes)]
    return Board(
        rows=tuple(rows),
        technical=tuple(technical),
        feeds=tuple(_feeds(heard, reader)),
        ill=tuple(reader.clinical(check.part) for check in checks if not check.well),
        open=len(shown),
        unanswered=sum(item.free for item in shown),
    )


def _row(watch: Watch, reader: Reader, links: Links) -> Row:
    episodes = _episodes(watch, reader)
    overdue = [item for item, episode in zip(episodes, _ordered(watch), strict=True) if is_overdue(episode)]
    others = [item for item in episodes if item not in overdue]
    return Row(
        opaque=links.opaque(watch.patient),
        name=watch.patient,
        place=place(watch),
        note="discharged" if watch.discharged_at else "" if watch.registered else "not registered",
        day=watch.chart.day(reader.now, reader.site.zone),
        crs=watch.standing.get("crs") or "",
        icans=watch.standing.get("icans") or "",
        ice=watch.standing.get("ice") or "",
        counts=_counts(watch, reader),
        m_easix=watch.standing.get("m_easix") or "",
        episodes=tuple(others),
        overdue=tuple(overdue),
        rank=_rank(others),
    )


def _rank(episodes: Iterable[EpisodeRow]) -> int:
    """The most urgent first; of equally urgent ones what nobody has."""
    ranks = [2 * _urgency(item.urgency) + item.free for item in episodes]
    return max(ranks, default=-1)


def _urgency(name: str) -> int:
    return [str(urgency) for urgency in URGENCIES].index(name)


def _ordered(watch: Watch) -> list[Episode]:
    return sorted(watch.episodes.values(), key=lambda item: (-_urgency(item.urgency), item.opened_at, item.id))


def _episodes(watch: Watch, reader: Reader) -> list[EpisodeRow]:
    return [
        EpisodeRow(
            id=episode.id,
            page=episode.deliveries[-1].page if episode.deliveries else "",
            title=reader.clinical(episode.title),
            urgency=episode.urgency,
            since=reader.clock(episode.opened_at),
            free=is_free(episode),
            standing=standing(episode, reader.person, reader.now),
        )
        for episode in _ordered(watch)
    ]


def _counts(watch: Watch, reader: Reader) -> tuple[tuple[str, str], ...]:
    """The worst grades of the counts now, worst first."""
    held = {term: watch.standing.get(f"ctcae.{term}") or "0" for term in COUNTS}
    graded = sorted(((grade, term) for term, grade in held.items() if grade != "0"), key=lambda item: -int(item[0]))
    return tuple((reader.clinical(label(term)), grade) for grade, term in graded[:COUNTS_SHOWN])


def _feeds(heard: Mapping[str, datetime], reader: Reader) -> Iterable[FeedRow]:
    for name, at in heard.items():
        silent = reader.now - at > reader.site.on_call.feeds[name].silent_after
        yield FeedRow(name, reader.clock(at), silent)
