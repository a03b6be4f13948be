"""The course of the last days on the page: inline SVG, and the same in words."""

from collections.abc import Iterable
from typing import NamedTuple

from markupsafe import Markup

from alerts.chart.chart import Chart
from alerts.episodes.episode import Episode
from worker.gateway.view import Reader
from worker.report.subject import subjects
from worker.report.trend import SIGNS
from worker.report.trend_picture import describe, svg


class TrendFigure(NamedTuple):
    """The course of the last days."""

    picture: Markup
    words: tuple[str, ...]


def trend(chart: Chart, reader: Reader, episodes: Iterable[Episode]) -> TrendFigure | None:
    """The course of the last days for some episodes; None if none of it was ever charted."""
    about = subjects(episodes)
    if not any(chart.entries.get(kind) for kind in (*SIGNS, *about)):
        return None
    words = describe(chart, reader.now, reader.site, reader.language, about).splitlines()
    # The picture escapes its contents.
    picture = Markup(svg(chart, reader.now, reader.site, reader.language, about))  # noqa: S704
    return TrendFigure(picture, tuple(words))
