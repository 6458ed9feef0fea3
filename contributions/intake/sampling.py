"""A first look at a file: what it is, its first rows, and what its columns could be."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contributions.intake.findings import Findings
from contributions.intake.limits import LIMITS, Limits
from contributions.intake.preview import as_text
from contributions.intake.readers import open_rows
from contributions.intake.report import Compression, Format

_ROWS = 10
_UNPACKED = 1024 * 1024


@dataclass(frozen=True)
class Sample:
    """`rows` are the first ten, as text, in the order of `columns`.

    `guess` is the mapping that a check would use by itself, None if the columns are not obvious.
    """

    format: Format
    compression: Compression
    columns: list[str]
    rows: list[list[str]]
    guess: dict[str, Any] | None


def sample(path: Path, *, limits: Limits = LIMITS) -> Sample:
    """Look at the first rows of the file at `path`. Bad content gives an empty sample."""
    with open_rows(path, Findings(), limits, most=_UNPACKED) as file:
        if file is None:
            return Sample("unknown", "", [], [], None)
        reader = file.reader
        columns = reader.names[: limits.max_columns]
        return Sample(
            reader.format,
            file.compression,
            columns,
            [
                [as_text(record.get(name)) or "" for name in columns]
                for record in reader.head[:_ROWS]
            ],
            reader.mapping.to_dict() if reader.mapping else None,
        )
