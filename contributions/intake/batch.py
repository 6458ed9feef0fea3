"""Rows by the thousand, as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contributions.intake.limits import Limits
from contributions.intake.mapping import ColumnMapping
from contributions.intake.row import Row


@dataclass(frozen=True)
class Batch:
    """Usable rows: their numbers and lines in the file, and their texts as Arrow arrays."""

    numbers: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    prompt: pa.StringArray
    completion: pa.StringArray
    question: pa.StringArray

    def __len__(self) -> int:
        return len(self.numbers)

    @classmethod
    def of_rows(cls, rows: Sequence[Row]) -> Self:
        prompt = pa.array([row.prompt for row in rows], pa.string())
        same = all(row.question is row.prompt for row in rows)
        return cls(
            np.array([row.number for row in rows], np.int64),
            np.array([row.line for row in rows], np.int64),
            prompt,
            pa.array([row.completion for row in rows], pa.string()),
            prompt if same else pa.array([row.question for row in rows], pa.string()),
        )

    def keep(self, which: npt.NDArray[np.bool_]) -> "Batch":
        if which.all():
            return self
        mask = pa.array(which)
        prompt = self.prompt.filter(mask)
        return Batch(
            self.numbers[which],
            self.lines[which],
            prompt,
            self.completion.filter(mask),
            prompt if self.question is self.prompt else self.question.filter(mask),
        )


def clean_batch(
    table: pa.RecordBatch | pa.Table,
    mapping: ColumnMapping,
    limits: Limits,
    first: int,
    lines: npt.NDArray[np.int64],
) -> Batch | None:
    """All rows of a table of texts, or None if one of them is to be looked at by itself.

    `first` is the number of its first row. Only for shapes whose cells are texts.
    """

    def column(name: str) -> pa.StringArray:
        found = table.column(name)
        found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
        if not pa.types.is_string(found.type):
            found = found.cast(pa.string())
        return pc.utf8_trim_whitespace(found)

    completion = column(mapping.completion)
    prompts = [column(name) for name in mapping.prompt]
    needed = [completion, *prompts[:1]]
    if any(one.null_count for one in needed) or any(_has_empty(one) for one in needed):
        return None
    if len(prompts) > 1:
        filled = [pc.if_else(pc.equal(one, ""), None, one) for one in prompts]
        prompt = pc.binary_join_element_wise(*filled, "\n\n", null_handling="skip")
    else:
        prompt = prompts[0] if prompts else pa.array([""] * len(completion), pa.string())
    lengths = pc.add(pc.utf8_length(prompt), pc.utf8_length(completion))
    if len(completion) and pc.max(lengths).as_py() > limits.max_chars:
        return None
    numbers = np.arange(first, first + len(completion))
    return Batch(numbers, lines, prompt, completion, prompt)


def _has_empty(texts: pa.StringArray) -> bool:
    return bool(pc.any(pc.equal(pc.binary_length(texts), 0)).as_py())
