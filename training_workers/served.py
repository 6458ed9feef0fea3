"""How well a priority is served, release by release, from the reports that releases carry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from contributions.models import Priority
from mosaic_site.display.words import percent
from training_workers.models import Release
from training_workers.report import MODELS, Estimate

NEWEST = 12
LEFT, RIGHT, TOP, BOTTOM = 84.0, 624.0, 14.0, 206.0
"""The edges of the plot in a picture of 640 to 240."""
SHAPES = {
    "mosaic": "m-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z",
    "best_single": "m0-6.5l6.5 6.5l-6.5 6.5l-6.5-6.5z",
    "base": "m-5-5h10v10h-10z",
}
"""The mark of each model that is shown, as a path: circle, diamond and square."""
ASIDE = {"mosaic": 0.0, "best_single": 0.2, "base": -0.2}
"""How far it stands from the middle, in shares of a release's width, so that whiskers differ."""


@dataclass(frozen=True)
class ServedRow:
    """A release that was measured on the priority: on `n` sealed probes, how well by whom."""

    number: int
    url: str
    status: str
    n: int
    scores: dict[str, Estimate]

    @property
    def cells(self) -> list[tuple[str, Estimate]]:
        """Each model's name and its score."""
        return [(MODELS[key][0], self.scores[key]) for key in SHAPES]


@dataclass(frozen=True)
class Mark:
    """Where a score stands in the picture, and its interval; as SVG wants them, with a dot."""

    x: str
    y: str
    low: str
    high: str


@dataclass(frozen=True)
class Series:
    """One model's scores from left to right, the oldest first."""

    key: str
    label: str
    shape: str
    line: str
    marks: list[Mark]


@dataclass(frozen=True)
class Served:
    """`rows` newest first; `ticks` are (x, release), `levels` (y, share)."""

    rows: list[ServedRow]
    series: list[Series]
    ticks: list[tuple[str, int]]
    levels: list[tuple[str, str]]
    summary: str


def served(priority: Priority) -> Served | None:
    """The newest releases that went live and were measured on `priority`; None if there is none.

    Reports are long: only their part about priorities is read, and none beyond the last shown.
    """
    reports = Release.objects.filter(live_at__isnull=False).values_list(
        "number", "status", "report__priority_ids", "report__priorities"
    )
    rows: list[ServedRow] = []
    for number, status, keys, priorities in reports.iterator(chunk_size=NEWEST):
        for name, key in (keys or {}).items():
            if key == priority.pk:
                rows.append(_row(number, status, priorities[name]))
        if len(rows) == NEWEST:
            break
    return _drawn(rows) if rows else None


def _row(number: int, status: str, scores: Mapping[str, Any]) -> ServedRow:
    return ServedRow(
        number=number,
        url=reverse("training_workers:release_detail", args=[number]),
        status=status,
        n=scores["n"],
        scores={
            key: Estimate(scores[key]["score"], scores[key]["low"], scores[key]["high"])
            for key in SHAPES
        },
    )


def _drawn(rows: Sequence[ServedRow]) -> Served:
    width = (RIGHT - LEFT) / len(rows)
    oldest_first = list(reversed(rows))
    middles = [LEFT + (at + 0.5) * width for at in range(len(rows))]
    every = -(-len(rows) // 6)
    series = []
    for key, shape in SHAPES.items():
        marks = [
            Mark(
                f"{middle + ASIDE[key] * min(width, 60):.1f}",
                _down(row.scores[key].score),
                _down(row.scores[key].low),
                _down(row.scores[key].high),
            )
            for row, middle in zip(oldest_first, middles, strict=True)
        ]
        line = " ".join(f"{mark.x},{mark.y}" for mark in marks)
        series.append(Series(key, MODELS[key][0], shape, line, marks))
    first, last = oldest_first[0], oldest_first[-1]
    summary = f"Release {last.number}: the mosaic {percent(last.scores['mosaic'].score)}"
    if first is not last:
        summary += f", after {percent(first.scores['mosaic'].score)} in release {first.number}"
    return Served(
        rows=list(rows),
        series=series,
        ticks=[
            (f"{middle:.1f}", row.number)
            for at, (row, middle) in enumerate(zip(oldest_first, middles, strict=True))
            if (len(rows) - 1 - at) % every == 0
        ],
        levels=[(_down(level), percent(level)) for level in (0.0, 0.5, 1.0)],
        summary=f"{summary}.",
    )


def _down(share: float) -> str:
    return f"{BOTTOM - share * (BOTTOM - TOP):.1f}"
