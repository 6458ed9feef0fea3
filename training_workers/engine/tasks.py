"""Reading items to evaluate on, from JSON Lines or from the MoCo toolkit's evaluation tasks.

Items come in three parts: strategies are fitted on `fit`, compared on `select`, and what is
released is measured on `test`, which nothing was fitted on. Where a file does not say which item
belongs where, a seeded lot does: half for test, and two thirds of the other half for fit. Items
with the same prompt stay together, so that no part knows another's questions.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contributions.evaluation_tasks.moco import read_task
from training_workers.engine.scoring import SCORERS, Item, normalised

PARTS = ("fit", "select", "test")
HALVES, THIRDS = (0, 1), (0, 0, 1)
"""The turns in which items are dealt out: to dev and test, and dev items to fit and select."""


@dataclass(frozen=True)
class Items:
    """The items of a file, by part; a part may be empty."""

    fit: list[Item] = field(default_factory=list)
    select: list[Item] = field(default_factory=list)
    test: list[Item] = field(default_factory=list)

    def of(self, part: str) -> list[Item]:
        return {"fit": self.fit, "select": self.select, "test": self.test}[part]

    @property
    def all(self) -> list[Item]:
        return self.fit + self.select + self.test


def read_items(path: Path, seed: int = 0) -> Items:
    """The items of a `.json` file, a MoCo task, or of JSON Lines.

    A line is `{"prompt", "answer" or "answers", "group"?, "part"?, "scorer"?}`; the group is the
    file's name and the scorer `exact_match` unless it says otherwise. A task is described in
    `contributions.evaluation_tasks.moco`. Raises ValueError with file, row and what is wrong, and
    OSError.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not a text in UTF-8.") from error
    items = _task(path, text, seed) if path.suffix == ".json" else _lines(path, text, seed)
    if not items.all:
        raise ValueError(f"{path.name} has no items.")
    return items


def _lines(path: Path, text: str, seed: int) -> Items:
    items = Items()
    loose = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path.name}, row {number}"
        row = _object(_json(line, where), where)
        answers = row["answers"] if "answers" in row else [row.get("answer")]
        if not isinstance(answers, list) or not answers:
            raise ValueError(f'{where}: "answers" is not a list of texts.')
        item = Item(
            _text(row, "prompt", where),
            tuple(_text({"answer": answer}, "answer", where) for answer in answers),
            _text({"group": path.stem, **row}, "group", where),
            _one_of(SCORERS, row.get("scorer", "exact_match"), "scorer", where),
        )
        if "part" in row:
            items.of(_one_of(PARTS, row["part"], "part", where)).append(item)
        else:
            loose.append(item)
    dev, test = _dealt(loose, HALVES, seed)
    _deal_dev(items, dev, seed)
    items.test.extend(test)
    return items


def _task(path: Path, text: str, seed: int) -> Items:
    task = read_task(text)
    for fault in task.faults:
        where = f"{path.name}, {fault.place}" if fault.place else path.name
        raise ValueError(f"{where}: {fault.problem}")
    found: dict[str, list[Item]] = {"dev": [], "test": []}
    for one in task.items:
        item = Item(one.prompt, one.answers, task.name or path.stem, task.task_type)
        found[one.split].append(item)
    items = Items(test=found["test"])
    _deal_dev(items, found["dev"], seed)
    return items


def _deal_dev(items: Items, dev: Sequence[Item], seed: int) -> None:
    fit, select = _dealt(dev, THIRDS, seed)
    items.fit.extend(fit)
    items.select.extend(select)


def _dealt(items: Sequence[Item], turns: Sequence[int], seed: int) -> tuple[list[Item], list[Item]]:
    """Two parts, by a lot over the prompts of each group; `turns` are 0 for the first part."""
    found: tuple[list[Item], list[Item]] = ([], [])
    prompts: dict[str, list[str]] = {}
    for item in items:
        prompts.setdefault(item.group, []).append(normalised(item.prompt))
    part: dict[str, int] = {}
    for known in prompts.values():
        drawn = [prompt for prompt in dict.fromkeys(known) if prompt not in part]
        random.Random(seed).shuffle(drawn)
        part |= {prompt: turns[at % len(turns)] for at, prompt in enumerate(drawn)}
    for item in items:
        found[part[normalised(item.prompt)]].append(item)
    return found


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is not JSON: {error}.") from error


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is not a JSON object.")
    return value


def _text(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f'{where}: "{key}" is missing, or no text.')
    return value


def _one_of(known: Any, value: Any, key: str, where: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f'{where}: "{key}" is {value!r}, none of {", ".join(known)}.')
    return value
