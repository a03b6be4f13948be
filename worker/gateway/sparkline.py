"""The small trend beside a sign: a line of the last day as inline SVG, and the same in words."""

from collections.abc import Sequence

from markupsafe import Markup

from alerts.overview import TREND, TrendValue
from alerts.wording.figures import number
from worker.gateway.view import Reader

WIDTH, HEIGHT = 46, 24
EDGE = 3
LEAST_SPAN = 0.02
"""The height covers at least this part of the value, so that an almost constant sign is a flat line."""

_PICTURE = Markup(
    '<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
    'aria-label="{words}"><polyline points="{line}" fill="none" stroke="currentColor" stroke-width="1.5" '
    'stroke-linejoin="round"/><circle cx="{x}" cy="{y}" r="2.2" fill="currentColor"/></svg>'
)


def sparkline(points: Sequence[TrendValue], name: str, reader: Reader) -> Markup:
    """The trend up to now; empty for fewer than two values."""
    shown = [point for point in points if reader.now - point.at <= TREND]
    if len(shown) < 2:
        return Markup("")
    spots = _spots(shown, reader)
    low, high = min(point.value for point in shown), max(point.value for point in shown)
    words = reader.say(
        "{name} in 24 h: {low} to {high}, last {value}",
        name=name,
        low=number(low),
        high=number(high),
        value=number(shown[-1].value),
    )
    x, y = spots[-1]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    return _PICTURE.format(width=WIDTH, height=HEIGHT, words=words, line=line, x=f"{x:.1f}", y=f"{y:.1f}")


def _spots(points: Sequence[TrendValue], reader: Reader) -> list[tuple[float, float]]:
    values = [float(point.value) for point in points]
    middle = (min(values) + max(values)) / 2
    span = max(max(values) - min(values), LEAST_SPAN * abs(middle), 1e-9)
    start = reader.now - TREND
    return [
        (
            EDGE + min(max((point.at - start) / TREND, 0.0), 1.0) * (WIDTH - 2 * EDGE),
            HEIGHT / 2 - (value - middle) / span * (HEIGHT - 2 * EDGE),
        )
        for point, value in zip(points, values, strict=True)
    ]
