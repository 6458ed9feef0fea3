"""Checking a dataset, in one pass and with flat memory."""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any

from contributions.intake.findings import Findings
from contributions.intake.limits import LIMITS, Limits
from contributions.intake.open_rows import OpenFile, open_rows
from contributions.intake.report import Report
from contributions.intake.row import Row
from contributions.intake.seen import Probes, Seen

_PREVIEW_ROWS = 20
_TOP_LABELS = 50
_ROWS_A_PROGRESS = 1_000
_EXTENSIONS = {"csv": {"csv", "txt"}, "tsv": {"tsv", "tab", "txt", "csv"},
               "jsonl": {"jsonl", "ndjson", "json", "txt"}}  # fmt: skip

Progress = Callable[[int, int], None]


def check(
    path: Path,
    *,
    rows_out: Path | None,
    filename: str = "",
    mapping: Mapping[str, Any] | None = None,
    known_probes: Collection[tuple[str, str]] = (),
    sealed_probes: Collection[tuple[str, str]] = (),
    others: Mapping[str, Path] = MappingProxyType({}),
    index_out: Path | None = None,
    count_tokens: Callable[[list[str]], list[int]] | None = None,
    limits: Limits = LIMITS,
    on_progress: Progress | None = None,
) -> Report:
    """Check the dataset at `path`; write its usable rows to `rows_out` if it has no errors.

    The format is recognised by content; `filename` is only compared with it. `rows_out` becomes
    JSON Lines of {"prompt", "completion"}, complete or not at all. Rows that occur twice, and
    rows that ask what one of `known_probes` (prompt, answer) asks, are left out of it.
    `on_progress` is called with (bytes done, size in bytes). Bad content is a finding, never an
    exception; an OSError means that a file could not be read or written.
    """
    return _Check(path, filename, known_probes, limits, on_progress).run(rows_out)


class _Check:
    """What one check adds up while it reads."""

    def __init__(
        self,
        path: Path,
        filename: str,
        known_probes: Collection[tuple[str, str]],
        limits: Limits,
        on_progress: Progress | None,
    ) -> None:
        self.path = path
        self.size = path.stat().st_size
        self.filename = filename
        self.limits = limits
        self.on_progress = on_progress
        self.findings = Findings()
        self.seen = Seen(self.findings)
        self.probes = Probes(known_probes)
        self.rows = 0
        self.labels: Counter[str] = Counter()
        self.too_many_labels = False
        self.preview: list[dict[str, str]] = []
        self.chars = {"prompt": 0, "completion": 0}
        self.longest = {"prompt": 0, "completion": 0}

    def run(self, rows_out: Path | None) -> Report:
        part = rows_out and rows_out.with_name(f".{rows_out.name}.{uuid.uuid4().hex}")
        try:
            with open_rows(self.path, self.findings, self.limits) as file:
                if file is not None:
                    self._read(file, part)
                    self._conclude(file)
                report = self._report(file)
            if part and rows_out and report.ok:
                part.replace(rows_out)
        finally:
            if part:
                part.unlink(missing_ok=True)
        return report

    def _read(self, file: OpenFile, part: Path | None) -> None:
        with ExitStack() as stack:
            output = part and stack.enter_context(part.open("w", encoding="utf-8"))
            for row in file.rows:
                if row.number > self.limits.max_rows:
                    self.findings.add(
                        "error",
                        "The file has too many rows.",
                        expected=f"at most {self.limits.max_rows:,} rows",
                        remedy="Cut it into several files.",
                    )
                    break
                if self.on_progress and row.number % _ROWS_A_PROGRESS == 0:
                    self.on_progress(file.lines.bytes_done, self.size)
                if self.probes.includes(row) or self.seen.is_duplicate(row):
                    continue
                self._count(row)
                if output:
                    pair = {"prompt": row.prompt, "completion": row.completion}
                    output.write(json.dumps(pair, ensure_ascii=False) + "\n")
        if self.on_progress:
            self.on_progress(self.size, self.size)

    def _count(self, row: Row) -> None:
        self.rows += 1
        if len(self.preview) < _PREVIEW_ROWS:
            self.preview.append({"prompt": row.prompt, "completion": row.completion})
        for part, text in (("prompt", row.prompt), ("completion", row.completion)):
            self.chars[part] += len(text)
            self.longest[part] = max(self.longest[part], len(text))
        if row.completion in self.labels or len(self.labels) < self.limits.max_labels:
            self.labels[row.completion] += 1
        else:
            self.too_many_labels = True

    def _conclude(self, file: OpenFile) -> None:
        """What can be said only at the end, about the file as a whole."""
        self.probes.report(self.findings)
        chosen = file.rows.chosen
        unused = [name for name in file.rows.names if chosen and name not in chosen.used]
        if unused:
            self.findings.add(
                "note",
                f"Not used: {', '.join(unused[:10])}{', ...' if len(unused) > 10 else ''}.",
                expected="a prompt and an answer",
                remedy="Nothing to do, unless the wrong columns were chosen: then rename them.",
            )
        if not self.rows and not self.findings.count("error"):
            self.findings.add(
                "error",
                "No row is left to train on." if file.rows.rows_read else "There are no rows.",
                expected="at least one row that is not among the probes",
                remedy="Add rows to the file.",
            )
        if len(self.labels) == 1 and self.rows > 1:
            self.findings.add(
                "warning",
                f"All rows have the same answer, {next(iter(self.labels))[:80]!r}.",
                expected="at least two different answers",
                remedy="Add rows with other answers: nothing can be learned from a single one.",
            )
        if self.too_many_labels and file.rows.shape == "text_label":
            self.findings.add(
                "warning",
                f"There are more than {self.limits.max_labels:,} different labels.",
                expected="a label that many rows share",
                remedy="Check that the label column is the right one.",
            )
        suffix = Path(self.filename).suffix.lstrip(".").lower()
        if suffix and suffix not in _EXTENSIONS[file.format]:
            self.findings.add(
                "note",
                f"The file is named .{suffix}, its content is {file.format.upper()}.",
                expected=f"a name that ends in .{file.format}",
                remedy="Nothing to do: the content counts.",
            )

    def _report(self, file: OpenFile | None) -> Report:
        count = self.findings.count
        lengths: dict[str, float] = {}
        for part in ("prompt", "completion"):
            lengths[f"{part}_chars_mean"] = round(self.chars[part] / max(self.rows, 1), 1)
            lengths[f"{part}_chars_max"] = self.longest[part]
        with self.path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return Report(
            format=file.format if file else "unknown",
            shape=file.rows.shape if file else "unknown",
            rows=self.rows,
            findings=self.findings.listed(),
            counts={
                "errors": count("error"),
                "warnings": count("warning"),
                "notes": count("note"),
                "rows_read": file.rows.rows_read if file else 0,
                "duplicates": self.seen.duplicates,
                "conflicts": self.seen.conflicts,
                "probe_rows": self.probes.count,
                "labels": len(self.labels),
            },
            columns=file.rows.names if file else [],
            labels=[] if self.too_many_labels else self.labels.most_common(_TOP_LABELS),
            preview=self.preview,
            lengths=lengths,
            sha256=sha256,
            size=self.size,
        )
