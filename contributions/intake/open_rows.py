"""From a path to its rows: recognise the file, choose the reader."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contributions.intake.findings import Findings
from contributions.intake.jsonl import JsonLines
from contributions.intake.limits import Limits
from contributions.intake.lines import Lines
from contributions.intake.recognise import HEAD_BYTES, Refused, recognise
from contributions.intake.report import Format
from contributions.intake.table import Table, detect_delimiter


@dataclass(frozen=True)
class OpenFile:
    format: Format
    lines: Lines
    rows: Table | JsonLines


@contextmanager
def open_rows(path: Path, findings: Findings, limits: Limits) -> Iterator[OpenFile | None]:
    """Open a file for reading its rows; None, with a finding that says why, if that cannot be."""
    size = path.stat().st_size
    if size > limits.max_bytes:
        findings.add(
            "error",
            f"The file is too large: {size / 2**20:,.0f} MiB.",
            expected=f"at most {limits.max_bytes / 2**20:,.0f} MiB",
            remedy="Cut it into several files.",
        )
        yield None
        return
    with path.open("rb") as stream:
        recognised = recognise(stream.read(HEAD_BYTES))
    if isinstance(recognised, Refused):
        findings.add(
            "error",
            recognised.problem,
            expected="a CSV, TSV or JSON Lines file in UTF-8",
            remedy=recognised.remedy,
        )
        yield None
        return
    with Lines(path, recognised.encoding, limits.max_line_chars) as lines:
        if recognised.kind == "jsonl":
            yield OpenFile("jsonl", lines, JsonLines(lines, findings, limits))
        else:
            delimiter = detect_delimiter(recognised.head)
            table = Table(lines, delimiter, findings, limits)
            yield OpenFile("tsv" if delimiter == "\t" else "csv", lines, table)
