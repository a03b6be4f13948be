"""A picture as a list of simple shapes, drawn as SVG by hand (for a web page) or as PNG by matplotlib (for a phone).

Both come from one list, so that they cannot differ. Lengths are pixels from the top left.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Anchor = Literal["start", "middle", "end"]

DOTS_PER_INCH = 100
POINTS_PER_INCH = 72
FONT = "DejaVu Sans"


class Box(NamedTuple):
    """A filled rectangle. If `edge` is empty, it has no outline."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    edge: str = ""


class Path(NamedTuple):
    """A line through points."""

    points: Sequence[tuple[float, float]]
    colour: str
    width: float = 1.0
    dashed: bool = False


class Dot(NamedTuple):
    x: float
    y: float
    radius: float
    fill: str


class Text(NamedTuple):
    """One line of text. `y` is its baseline."""

    x: float
    y: float
    text: str
    size: float
    colour: str
    anchor: Anchor = "start"
    bold: bool = False


Shape = Box | Path | Dot | Text


class Scene(NamedTuple):
    """The whole picture. `words` describe it for readers who cannot see it."""

    width: int
    height: int
    background: str
    shapes: tuple[Shape, ...]
    words: str


def to_svg(scene: Scene) -> str:
    """SVG for a web page. It uses attributes only, no style and no script, so that a strict policy allows it."""
    body = "".join(map(_svg, scene.shapes))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(scene.words)}" '
        f'viewBox="0 0 {scene.width} {scene.height}" font-family="system-ui, {FONT}, sans-serif">'
        f'<rect width="{scene.width}" height="{scene.height}" fill="{scene.background}"/>{body}</svg>'
    )


def _svg(shape: Shape) -> str:
    match shape:
        case Box(x, y, width, height, fill, edge):
            outline = f' stroke="{edge}"' if edge else ""
            return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"{outline}/>'
        case Path(points, colour, width, dashed):
            dashes = ' stroke-dasharray="8 6"' if dashed else ""
            joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            return (
                f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="{width:g}"'
                f'{dashes} stroke-linejoin="round"/>'
            )
        case Dot(x, y, radius, fill):
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{fill}"/>'
        case Text(x, y, text, size, colour, anchor, bold):
            weight = ' font-weight="bold"' if bold else ""
            return (
                f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}"{weight}>'
                f"{escape(text)}</text>"
            )


def to_png(scene: Scene, width: int) -> bytes:
    """PNG of a width in pixels. It needs no display and leaves matplotlib's global state alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scale = width / scene.width
    figure = Figure(
        figsize=(scene.width / DOTS_PER_INCH, scene.height / DOTS_PER_INCH),
        dpi=DOTS_PER_INCH * scale,
        facecolor=scene.background,
    )
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_xlim(0, scene.width)
    ax.set_ylim(scene.height, 0)
    ax.axis("off")
    for order, shape in enumerate(scene.shapes):
        _draw(ax, shape, order)
    png = BytesIO()
    figure.savefig(png, format="png", facecolor=scene.background)
    return png.getvalue()


def _draw(ax: Axes, shape: Shape, order: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle, Rectangle

    points = POINTS_PER_INCH / DOTS_PER_INCH
    match shape:
        case Box(x, y, width, height, fill, edge):
            edges = edge or "none"
            ax.add_patch(Rectangle((x, y), width, height, facecolor=fill, edgecolor=edges, linewidth=0.8, zorder=order))
        case Path(line, colour, width, dashed):
            xs, ys = [x for x, _ in line], [y for _, y in line]
            drawn = Line2D(xs, ys, color=colour, linewidth=width * points, zorder=order)
            if dashed:
                drawn.set_dashes((5, 4))
            ax.add_line(drawn)
        case Dot(x, y, radius, fill):
            ax.add_patch(Circle((x, y), radius, facecolor=fill, edgecolor="none", zorder=order))
        case Text(x, y, text, size, colour, anchor, bold):
            side = {"start": "left", "middle": "center", "end": "right"}[anchor]
            weight = "bold" if bold else "normal"
            ax.text(
                x,
                y,
                text,
                fontsize=size * points,
                color=colour,
                ha=side,
                va="baseline",
                weight=weight,
                family=FONT,
                parse_math=False,
                zorder=order,
            )
