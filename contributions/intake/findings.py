"""What a check has to say about a file: one finding a problem, with its place and its remedy."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
LISTED = 100  # of each severity
LISTED_A_TOPIC = 50


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
    """Collects findings: counts all of them, keeps the first hundred of each severity.

    Findings with a `topic` have room of their own, so that many of one do not hide another.
    """

    def __init__(self) -> None:
        self._count: Counter[Severity] = Counter()
        self._about_file: list[Finding] = []
        self._about_rows: dict[tuple[Severity, str], list[Finding]] = defaultdict(list)

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
        topic: str = "",
    ) -> None:
        self._count[severity] += 1
        finding = Finding(severity, row, column, problem, expected, remedy, line)
        listed = self._about_rows[severity, topic]
        if row is None:
            self._about_file.append(finding)
        elif len(listed) < (LISTED_A_TOPIC if topic else LISTED):
            listed.append(finding)

    def add_unlisted(self, severity: Severity, count: int) -> None:
        """Count findings that would not be listed anyway."""
        self._count[severity] += count

    def count(self, severity: Severity) -> int:
        return self._count[severity]

    def listed(self) -> list[Finding]:
        """Errors first, what concerns the whole file before single rows, these in their order."""
        ordered: list[Finding] = []
        for severity in SEVERITIES:
            ordered += [f for f in self._about_file if f.severity == severity]
            of_rows = [
                finding
                for (kind, _), listed in self._about_rows.items()
                if kind == severity
                for finding in listed
            ]
            ordered += sorted(of_rows, key=lambda finding: finding.row or 0)
        return ordered
