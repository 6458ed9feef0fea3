"""The card of an expert that was trained here: what it is made of, for people and for the Hub."""

import hashlib
import json
from pathlib import Path
from typing import Any

from training_workers.engine.base_facts import hub_name
from training_workers.engine.bases import Base
from training_workers.engine.data import SEPARATOR
from training_workers.engine.training import Recipe, Trained

CARD = "README.md"


def write_card(
    folder: Path, base: Base, recipe: Recipe, trained: Trained, data: Path, rows: int, licence: str
) -> None:
    """Write README.md: a YAML head, which JSON strings fit into, recipe and hashes.

    Of the data it tells the hash and the number of rows, and no row. Raises OSError.
    """
    with data.open("rb") as content:
        data_sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    name = hub_name(base.source)
    head: dict[str, Any] = {
        "base_model": name,
        "library_name": "peft",
        **({"license": licence} if licence else {}),
        "tags": ["lora", "mosaic"],
    }
    lines = "\n".join(f"{key}: {json.dumps(value)}" for key, value in head.items())
    knobs = "\n".join(f"| {knob} | {value} |" for knob, value in recipe.to_dict().items())
    text = f"""---
{lines}
---

# An expert on `{name}`

| | |
|---|---|
| base, SHA-256 | `{base.sha256}` |
| data, SHA-256 | `{data_sha256}` |
| rows, each once | {rows} |
| adapter, SHA-256 | `{trained.sha256}` |
| tokens read | {trained.tokens} |
| last loss, nats a token | {trained.final_loss:.3f} |

The same data and recipe give the same adapter:

| recipe | |
|---|---|
{knobs}

It learnt to answer after a prompt and {SEPARATOR!r}.
"""
    (folder / CARD).write_text(text, encoding="utf-8")
