"""What a check has to say about a file: one finding a problem, with its place and its remedy."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
LISTED = 100


@dataclass(frozen=True)
class Finding:
    """One problem. `row` counts data rows from 1 (a header is no row), `line` lines of the file."""

    severity: Severity
    row: int | None
    column: str | None
    problem: str
    expected: str
    remedy: str
    line: int | None = None

    @property
    def where(self) -> str:
        """The place as a person would say it: 'row 3 (line 5), column label', or 'the file'."""
        parts = []
        if self.row is not None:
            off = self.line is not None and self.line != self.row
            parts.append(f"row {self.row} (line {self.line})" if off else f"row {self.row}")
        elif self.line is not None:
            parts.append(f"line {self.line}")
        if self.column is not None:
            parts.append(f"column {self.column}")
        return ", ".join(parts) or "the file"


class Findings:
    """Collects findings: counts all of them, keeps the first hundred of each severity."""

    def __init__(self) -> None:
        self._count: Counter[Severity] = Counter()
        self._about_file: list[Finding] = []
        self._about_rows: dict[Severity, list[Finding]] = {name: [] for name in SEVERITIES}

    def add(
        self,
        severity: Severity,
        problem: str,
        *,
        expected: str,
        remedy: str,
        row: int | None = None,
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        finding = Finding(severity, row, column, problem, expected, remedy, line)
        self._count[severity] += 1
        if row is None:
            self._about_file.append(finding)
        elif len(self._about_rows[severity]) < LISTED:
            self._about_rows[severity].append(finding)

    def count(self, severity: Severity) -> int:
        return self._count[severity]

    def listed(self) -> list[Finding]:
        """At most a hundred: errors first, what concerns the whole file before single rows."""
        ordered: list[Finding] = []
        for severity in SEVERITIES:
            ordered += [f for f in self._about_file if f.severity == severity]
            ordered += self._about_rows[severity]
        return ordered[:LISTED]
