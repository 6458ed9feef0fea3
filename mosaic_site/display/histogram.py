"""Bars of a histogram, in the user units of an SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic_site.display.curve import Tick, nice_ticks

GAP = 2.0
MOST_LABELS = 6


@dataclass(frozen=True)
class Bar:
    """One bar: its corner, its size, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    label: str
    count: int


@dataclass(frozen=True)
class Histogram:
    """Bars side by side; labels below some of them, ticks at the left."""

    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    left: float
    right: float
    bottom: float


def histogram(
    counts: Sequence[tuple[str, int]],
    *,
    width: float = 640,
    height: float = 220,
    margins: tuple[float, float, float, float] = (16, 20, 44, 80),
) -> Histogram | None:
    """Lay out (label, count) pairs; margins are top, right, bottom, left. None if all are empty."""
    most = max((count for _, count in counts), default=0)
    if not most:
        return None
    top, right, bottom, left = margins[0], width - margins[1], height - margins[2], margins[3]
    ys = nice_ticks(0, most, 4)
    step = (right - left) / len(counts)

    def down(count: float) -> float:
        return bottom - count / ys[-1] * (bottom - top)

    every = -(-len(counts) // MOST_LABELS)
    return Histogram(
        bars=tuple(
            Bar(left + i * step, down(n), max(step - GAP, 1.0), bottom - down(n), label, n)
            for i, (label, n) in enumerate(counts)
        ),
        x_ticks=tuple(
            Tick(left + (i + 0.5) * step, label)
            for i, (label, _) in enumerate(counts)
            if i % every == every - 1
        ),
        # Half a row is nothing to count.
        y_ticks=tuple(Tick(down(tick), _short(int(tick))) for tick in ys if tick == int(tick)),
        left=left,
        right=right,
        bottom=bottom,
    )


def _short(count: int) -> str:
    """A number that fits beside an axis: 3,000, 20 k, 5 M."""
    for size, sign in ((1_000_000, "M"), (1_000, "k")):
        if count >= 10 * size:
            return f"{count // size:,} {sign}"
    return f"{count:,}"
