"""The curve of size against loss, as an SVG that is read on light and on dark pages.

Transparent, in tones that stand out from both; what was refused is told by its mark, not by its
colour. Glyphs are paths, so the picture looks the same everywhere; it holds no date and no random
names, so the same figures give the same bytes. matplotlib is in the extra `quant`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from edgellm_quant.labels import Box, Spot, along, place

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _LINE, _POINT, _REFUSED = "#7d8590", "#7d859066", "#3b82f6", "#d97706"
_DPI = 72  # which an SVG has; labels are placed in its pixels
_FAR = 14.0  # pixels between a point and its label
_LEAST = 1e-6  # of a divergence, on a logarithmic axis
_SETTINGS = {
    "svg.hashsalt": "edgellm",
    "svg.fonttype": "path",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _LINE,
}


class Point(Struct, frozen=True):
    """A file: how large it is, and its mean KL divergence in nats."""

    label: str
    size_bytes: int
    kld: float
    is_refused: bool = False


def front(points: Sequence[Point]) -> tuple[Point, ...]:
    """Those that no other beats: none is as small or smaller and loses less. By size."""
    best: list[Point] = []
    for point in sorted(points, key=lambda each: (each.size_bytes, each.kld)):
        if not best or point.kld < best[-1].kld:
            best.append(point)
    return tuple(best)


def curve(points: Sequence[Point], title: str) -> bytes:
    """The SVG; there is at least one point.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(9, 5.4), dpi=_DPI, layout="constrained")
        canvas = FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        _draw(axes, points, title)
        figure.draw_without_rendering()  # what the labels are placed by is known afterwards
        _label(axes, points)
        out = io.BytesIO()
        canvas.print_svg(out, metadata={"Date": None, "Creator": None, "Title": title})
    return out.getvalue()


def _draw(axes: Axes, points: Sequence[Point], title: str) -> None:
    unit, name = _unit(points)
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(f"size, {name}")
    axes.set_ylabel("mean KL divergence, nats per token")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.margins(0.12, 0.15)
    axes.grid(visible=True, linewidth=0.5, alpha=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.patch.set_alpha(0)
    axes.figure.patch.set_alpha(0)
    axes.plot(*_places(_line(points), unit), color=_POINT, linewidth=1.4, alpha=0.6, zorder=2)
    for is_refused, mark, colour in ((False, "o", _POINT), (True, "X", _REFUSED)):
        some = [point for point in points if point.is_refused == is_refused]
        name = "refused" if is_refused else "released"
        axes.scatter(*_places(some, unit), s=42, marker=mark, color=colour, zorder=3, label=name)
    if any(point.is_refused for point in points):
        axes.legend(frameon=False, labelcolor=_INK)


def _line(points: Sequence[Point]) -> tuple[Point, ...]:
    return front([point for point in points if not point.is_refused])


def _unit(points: Sequence[Point]) -> tuple[int, str]:
    is_large = max(point.size_bytes for point in points) >= 1024**3
    return (1024**3, "GiB") if is_large else (1024**2, "MiB")


def _places(points: Sequence[Point], unit: int) -> tuple[list[float], list[float]]:
    return [p.size_bytes / unit for p in points], [max(p.kld, _LEAST) for p in points]


def _label(axes: Axes, points: Sequence[Point]) -> None:
    """Each beside its point, where nothing else is; a thin line leads to one that is farther."""
    texts = [axes.text(0, 0, point.label, fontsize=9, color=_INK) for point in points]
    extents = [text.get_window_extent() for text in texts]
    spots = _pixels(axes, points, points)
    legend = axes.get_legend()
    taken = along(_pixels(axes, _line(points), points))
    taken += [] if legend is None else [_box(legend.get_window_extent())]
    sizes = [(extent.width, extent.height) for extent in extents]
    found = place(spots, sizes, _box(axes.get_window_extent()), taken)
    for text, box, spot in zip(texts, found, spots, strict=True):
        text.set_transform(None)
        text.set_position((box.left, box.bottom))
        text.set_verticalalignment("bottom")
        if box.distance(*spot) > _FAR:
            axes.annotate(
                "", spot, box.nearest(*spot), "figure pixels",
                arrowprops={"arrowstyle": "-", "color": _LINE, "linewidth": 0.8},
            )  # fmt: skip


def _pixels(axes: Axes, some: Sequence[Point], points: Sequence[Point]) -> list[Spot]:
    xs, ys = _places(some, _unit(points)[0])
    return [
        (float(x), float(y)) for x, y in axes.transData.transform(list(zip(xs, ys, strict=True)))
    ]


def _box(extent: Any) -> Box:
    return Box(extent.x0, extent.y0, extent.width, extent.height)
