"""A copy of a dataset without the personal data and secrets in it."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from contributions.intake.findings import Findings
from contributions.intake.limits import LIMITS, Limits
from contributions.intake.personal import masked
from contributions.intake.readers import open_rows
from contributions.intake.words import suspects

_NAMES = {"plain_text": ("text",), "text_label": ("text", "label")}


def mask(
    path: Path, *, out: Path, mapping: Mapping[str, Any] | None = None, limits: Limits = LIMITS
) -> dict[str, int]:
    """Write the usable rows of the dataset at `path` to `out`, with [EMAIL], [PHONE] and the like
    in place of what was found; returns how many of each kind.

    `out` becomes JSON Lines whose keys are recognised again: {"prompt", "completion"}, for labels
    {"text", "label"}, for plain text {"text"}. Rows with errors are not in it.
    """
    counts: Counter[str] = Counter()
    with open_rows(path, Findings(), limits, mapping) as file, out.open("wb") as output:
        if file is None or file.unclear:
            return {}
        names = _NAMES.get(file.shape, ("prompt", "completion"))
        for batch in file.reader.batches():
            texts = (_masked(batch.prompt, counts), _masked(batch.completion, counts))
            rows = zip(*(column.to_pylist() for column in texts[-len(names) :]), strict=True)
            output.writelines(
                orjson.dumps(dict(zip(names, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE)
                for row in rows
            )
    return dict(counts)


def _masked(texts: pa.StringArray, counts: Counter[str]) -> pa.StringArray:
    places = np.flatnonzero(suspects(texts))
    if not len(places):
        return texts
    changed = texts.to_pylist()
    for place in places:
        changed[place], found = masked(changed[place])
        counts.update(found)
    return pa.array(changed, pa.string())
