"""The picture on the page: what led here, drawn into the page itself, and the same in words."""

from typing import NamedTuple

from markupsafe import Markup

from alerts.chart import Chart
from worker.gateway.view import Reader
from worker.report.trend import SIGNS, describe, svg


class Course(NamedTuple):
    """The course of the last days."""

    picture: Markup
    words: tuple[str, ...]


def trend(chart: Chart, reader: Reader) -> Course | None:
    """The course of the last days; None where no sign was ever charted."""
    if not any(chart.entries.get(kind) for kind in SIGNS):
        return None
    words = describe(chart, reader.now, reader.site, reader.language).splitlines()
    # The picture escapes what stands in it.
    picture = Markup(svg(chart, reader.now, reader.site, reader.language))  # noqa: S704
    return Course(picture, tuple(words))
