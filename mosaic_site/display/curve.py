"""Axes and paths of a line chart, in the user units of an SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

Point = tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis: where it stands (user units) and what it says."""

    place: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A curve ready to draw: ticks of both axes, the line's points, and the plot's edges."""

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    line: tuple[Point, ...]
    left: float
    right: float
    top: float
    bottom: float


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """About ``count`` round values (1, 2 or 5 times a power of ten) that cover [low, high]."""
    span = high - low or abs(high) or 1.0
    raw = span / max(count - 1, 1)
    power = 10.0 ** floor(log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [index * step for index in range(first, max(last, first + 1) + 1)]


def tick_label(value: float, step: float) -> str:
    """``value`` with as many decimals as its neighbours at ``step`` need to differ."""
    decimals = max(0, -floor(log10(step) + 1e-9))
    return f"{value:,.{decimals}f}"


def chart(
    points: Sequence[Point],
    *,
    width: float = 640,
    height: float = 260,
    margins: tuple[float, float, float, float] = (16, 20, 44, 64),
) -> Chart | None:
    """Lay out (x, y) points; margins are top, right, bottom, left. None without a finite point.

    Points that are not finite are left out: a diverged loss must not take the chart with it.
    """
    finite = [(x, y) for x, y in points if isfinite(x) and isfinite(y)]
    if not finite:
        return None
    top, right, bottom, left = (
        margins[0],
        width - margins[1],
        height - margins[2],
        margins[3],
    )
    xs = nice_ticks(min(x for x, _ in finite), max(x for x, _ in finite), 5)
    ys = nice_ticks(min(y for _, y in finite), max(y for _, y in finite), 4)

    def across(x: float) -> float:
        return left + (x - xs[0]) / (xs[-1] - xs[0]) * (right - left)

    def down(y: float) -> float:
        return bottom - (y - ys[0]) / (ys[-1] - ys[0]) * (bottom - top)

    return Chart(
        x_ticks=tuple(Tick(across(x), tick_label(x, xs[1] - xs[0])) for x in xs),
        y_ticks=tuple(Tick(down(y), tick_label(y, ys[1] - ys[0])) for y in ys),
        line=tuple((across(x), down(y)) for x, y in finite),
        left=left,
        right=right,
        top=top,
        bottom=bottom,
    )


def sample(points: Sequence[Point], most: int) -> list[Point]:
    """At most ``most`` (>= 2) of the points, evenly spaced, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(index * (len(points) - 1) / (most - 1))] for index in range(most)]
