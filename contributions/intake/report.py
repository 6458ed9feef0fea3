"""The result of a check, as it is stored and shown."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from contributions.intake.findings import Finding

Format = Literal["csv", "tsv", "jsonl", "unknown"]
Shape = Literal["text_label", "prompt_completion", "chat", "unknown"]


@dataclass(frozen=True)
class Report:
    """What a file is and whether it can be used.

    `rows` counts the usable rows: without errors, without duplicates, not among the probes.
    `counts` has errors, warnings, notes, rows_read, duplicates, conflicts (prompts that were
    seen before with another completion), probe_rows and labels (different completions).
    `lengths` is in characters. `sha256` and `size` (bytes) are of the raw file.
    """

    format: Format
    shape: Shape
    rows: int
    findings: list[Finding]
    counts: dict[str, int]
    columns: list[str]
    labels: list[tuple[str, int]]
    preview: list[dict[str, str]]
    lengths: dict[str, float]
    sha256: str
    size: int

    @property
    def ok(self) -> bool:
        return self.counts["errors"] == 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"labels": [list(pair) for pair in self.labels]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        findings = [Finding(**finding) for finding in data["findings"]]
        labels = [(label, count) for label, count in data["labels"]]
        return cls(**{**data, "findings": findings, "labels": labels})
