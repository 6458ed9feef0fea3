"""The first rows of a file as a table that keeps its page small, whatever is in the cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from contributions.intake import Report

ROWS_A_PAGE = 10
# Of a page's weight, what the text of all cells together may have once it is escaped.
MOST_BYTES = 24_000
LONGEST_CELL = 400


@dataclass(frozen=True)
class Column:
    """`type` and `null_share` (0 to 1) are None for a version that an older release checked."""

    name: str
    type: str | None
    null_share: float | None


def columns(report: Report) -> list[Column]:
    if report.preview_columns:
        return [
            Column(one["name"], one["type"], one["null_share"]) for one in report.preview_columns
        ]
    return [Column("prompt", None, None), Column("completion", None, None)]


def cells(names: Sequence[str], page: Sequence[Mapping[str, str | None]]) -> list[list[str | None]]:
    """The cells of some rows, each cut so that all of them stay below `MOST_BYTES`; None where
    there is nothing."""
    most = min(LONGEST_CELL, MOST_BYTES // max(1, len(page) * len(names)))
    return [[clipped(row.get(name), most) for name in names] for row in page]


def clipped(text: str | None, most: int) -> str | None:
    """`text`, or so much of it as has at most `most` bytes (4 or more) when escaped for HTML."""
    if text is None or _weight(text[: most + 1]) <= most:
        return text
    kept = text[:most]
    while _weight(kept) > most - 3:
        kept = kept[: len(kept) * 2 // 3]
    return kept + "\N{HORIZONTAL ELLIPSIS}"


def _weight(text: str) -> int:
    return len(escape(text).encode())
