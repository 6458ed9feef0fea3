"""The result of a check, as it is stored and shown."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from contributions.intake.findings import Finding

Format = Literal["csv", "tsv", "jsonl", "json", "parquet", "text", "unknown"]
Compression = Literal["", "gzip", "zstd", "zip"]
Shape = Literal[
    "text_label", "prompt_completion", "chat", "multiple_choice", "plain_text", "unknown"
]


@dataclass(frozen=True)
class Report:
    """What a file is and whether it can be used.

    `rows` counts the usable rows: without errors, without duplicates, not among the open probes.
    `counts` has errors, warnings, notes, rows_read, duplicates, near_duplicates (rows nearly like
    an earlier one; they are kept), conflicts (prompts that were seen before with another
    completion), probe_rows (left out), sealed_probe_rows (only counted) and labels (different
    completions). `lengths` is in characters. `sha256` and `size` (bytes) are of the raw file.

    `needs_mapping`: the file can be read, but what its columns are is not clear, so that somebody
    must give a `mapping`; there are no rows then, and the report is not ok. `mapping` is the one
    that was used. `personal` counts places by kind, `others` {"exact", "near"} rows by the name of
    the other dataset. `tokens` is None if nobody counted them; `tokens_estimated` tells that they
    were extrapolated from a part of the rows. `histogram` has [longest length in characters,
    rows] pairs, each with the rows up to that length and above the one before.
    `preview` has up to a hundred rows with the columns as they came, `preview_columns` what is
    known of each of them from these rows: {"name", "type", "null_share"}. (Reports of older
    releases have no `preview_columns`, and prompt and completion in their preview.)
    """

    format: Format
    shape: Shape
    rows: int
    findings: list[Finding]
    counts: dict[str, int]
    columns: list[str]
    labels: list[tuple[str, int]]
    preview: list[dict[str, str | None]]
    lengths: dict[str, float]
    sha256: str
    size: int
    compression: Compression = ""
    needs_mapping: bool = False
    mapping: dict[str, Any] | None = None
    personal: dict[str, int] = field(default_factory=dict)
    others: dict[str, dict[str, int]] = field(default_factory=dict)
    tokens: int | None = None
    tokens_estimated: bool = False
    histogram: list[tuple[int, int]] = field(default_factory=list)
    preview_columns: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.counts["errors"] == 0 and not self.needs_mapping

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {
            "labels": [list(pair) for pair in self.labels],
            "histogram": [list(pair) for pair in self.histogram],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """What `to_dict` gave, of this release or of one that knew fewer or other fields."""
        known = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        known["findings"] = [Finding(**finding) for finding in data["findings"]]
        for name in ("labels", "histogram"):
            known[name] = [(first, second) for first, second in data.get(name, [])]
        return cls(**known)
