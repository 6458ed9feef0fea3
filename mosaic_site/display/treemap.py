"""Squarified treemap (Bruls, Huizing, van Wijk, 2000): areas by weight, tiles near square."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True)
class Rectangle:
    """An axis-parallel rectangle; (x, y) is its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        return self.width * self.height


def squarify(weights: Sequence[float], width: float, height: float) -> list[Rectangle]:
    """Divide a width x height rectangle into one part a weight, each of proportional area.

    Returns the parts in the order of ``weights``. Rows are laid along the shorter side of what
    is left, in falling weight, as long as the worst aspect ratio of the row gets better.

    Raises ValueError unless every weight and both sides are positive and finite.
    """
    if not all(isfinite(value) and value > 0 for value in (*weights, width, height)):
        raise ValueError("weights and sides must be positive and finite")
    order = sorted(range(len(weights)), key=lambda index: -weights[index])
    scale = width * height / sum(weights) if weights else 0.0
    areas = [weights[index] * scale for index in order]

    placed: list[Rectangle] = []
    free = Rectangle(0.0, 0.0, width, height)
    while len(placed) < len(areas):
        first = len(placed)
        side = min(free.width, free.height)
        last = first + 1
        while last < len(areas) and _worst(areas[first : last + 1], side) <= _worst(
            areas[first:last], side
        ):
            last += 1
        row, free = _lay(areas[first:last], free)
        placed += row

    by_index = dict(zip(order, placed, strict=True))
    return [by_index[index] for index in range(len(weights))]


def _worst(row: Sequence[float], side: float) -> float:
    """The largest aspect ratio (>= 1) in a row of these areas laid along ``side``."""
    total = sum(row)
    return max(side**2 * max(row) / total**2, total**2 / (side**2 * min(row)))


def _lay(row: Sequence[float], free: Rectangle) -> tuple[list[Rectangle], Rectangle]:
    """Lay a row along the shorter side of ``free``; returns its parts and what is left."""
    parts = []
    if free.width >= free.height:
        depth = sum(row) / free.height
        y = free.y
        for area in row:
            parts.append(Rectangle(free.x, y, depth, area / depth))
            y += area / depth
        left = Rectangle(free.x + depth, free.y, max(free.width - depth, 0.0), free.height)
    else:
        depth = sum(row) / free.width
        x = free.x
        for area in row:
            parts.append(Rectangle(x, free.y, area / depth, depth))
            x += area / depth
        left = Rectangle(free.x, free.y + depth, free.width, max(free.height - depth, 0.0))
    return parts, left
