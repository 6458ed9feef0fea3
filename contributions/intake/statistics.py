"""What the rows of a file are like, in numbers."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pyarrow.compute as pc

from contributions.intake.batch import Batch

CountTokens = Callable[[list[str]], list[int]]

_EDGES = (50, 100, 200, 400, 800, 1600, 3200, 6400, 12800)
_TOP_LABELS = 50
_COUNTED_CHARS = 8_000_000  # tokens are counted one by one up to here, then in a sample
_SAMPLED_ROWS = 32  # of each batch


class Statistics:
    """Adds up rows, lengths, labels and tokens."""

    def __init__(self, max_labels: int, count_tokens: CountTokens | None) -> None:
        self._max_labels = max_labels
        self._count_tokens = count_tokens
        self.rows = 0
        self.labels: Counter[str] = Counter()
        self.too_many_labels = False
        self._chars = {"prompt": 0, "completion": 0}
        self._longest = {"prompt": 0, "completion": 0}
        self._histogram = np.zeros(len(_EDGES) + 1, np.int64)
        self._tokens = 0
        self._tokenized_chars = 0

    def add(self, batch: Batch) -> None:
        if not len(batch):
            return
        self.rows += len(batch)
        total = np.zeros(len(batch), np.int64)
        for part, texts in (("prompt", batch.prompt), ("completion", batch.completion)):
            lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
            self._chars[part] += int(lengths.sum())
            self._longest[part] = max(self._longest[part], int(lengths.max()))
            total += lengths
        self._histogram += np.bincount(
            np.searchsorted(_EDGES, total), minlength=len(self._histogram)
        )
        self._add_labels(batch)
        if self._count_tokens:
            rows = slice(None) if self._tokenized_chars < _COUNTED_CHARS else slice(_SAMPLED_ROWS)
            prompts, completions = batch.prompt[rows], batch.completion[rows]
            self._tokens += sum(self._count_tokens(prompts.to_pylist()))
            self._tokens += sum(self._count_tokens(completions.to_pylist()))
            self._tokenized_chars += int(total[rows].sum())

    def _add_labels(self, batch: Batch) -> None:
        if self.too_many_labels:
            return
        for found in pc.value_counts(batch.completion):
            label = found["values"].as_py()
            if label in self.labels or len(self.labels) < self._max_labels:
                self.labels[label] += found["counts"].as_py()
            else:
                self.too_many_labels = True
                return

    @property
    def tokens(self) -> int | None:
        if self._count_tokens is None:
            return None
        chars = sum(self._chars.values())
        return round(self._tokens * chars / self._tokenized_chars) if chars else 0

    @property
    def tokens_estimated(self) -> bool:
        return self._count_tokens is not None and self._tokenized_chars < sum(self._chars.values())

    @property
    def top_labels(self) -> list[tuple[str, int]]:
        return [] if self.too_many_labels else self.labels.most_common(_TOP_LABELS)

    @property
    def lengths(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for part in ("prompt", "completion"):
            found[f"{part}_chars_mean"] = round(self._chars[part] / max(self.rows, 1), 1)
            found[f"{part}_chars_max"] = self._longest[part]
        return found

    @property
    def histogram(self) -> list[tuple[int, int]]:
        """[longest length, rows] up to the longest row there is."""
        last = int(np.flatnonzero(self._histogram).max(initial=-1))
        longest = sum(self._longest.values())
        edges = [*_EDGES, max(longest, _EDGES[-1] + 1)]
        return [(edges[at], int(self._histogram[at])) for at in range(last + 1)]
