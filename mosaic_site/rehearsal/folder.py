"""Reading a folder of datasets as the contributions of so many people."""

import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contributions.actions import ProbeText
from contributions.intake import check, read_probes
from contributions.intake.findings import Finding

Pair = tuple[str, str]


class BadFolder(Exception):
    """The folder cannot be rehearsed; the message says what is missing."""


@dataclass(frozen=True)
class Brought:
    """What one name brings: a file to learn from, and probes kept apart from it."""

    name: str
    file: Path
    probes: tuple[ProbeText, ...]


def read_folder(folder: Path, scratch: Path, seed: int) -> list[Brought]:
    """One contribution for each `<name>.train.*`, by name.

    `<name>.val.*` becomes its fit and select probes, `<name>.test.*` its sealed ones. What has no
    such file is split off its training rows by lot: a fifth for each missing part, and the rest is
    written to `scratch`. Raises BadFolder.
    """
    trains = sorted(folder.glob("*.train.*"))
    if not trains:
        raise BadFolder(
            f"{folder} has no file called <name>.train.csv, .jsonl or the like; "
            "each such file is what one contributor brings."
        )
    return [_brought(train, scratch, seed) for train in trains]


def _brought(train: Path, scratch: Path, seed: int) -> Brought:
    name = train.name.split(".train.")[0]
    val, test = _beside(train, name, "val"), _beside(train, name, "test")
    dev = _pairs(val) if val else None
    sealed = _pairs(test) if test else None
    file = train
    if dev is None or sealed is None:
        rows = _rows(train)
        random.Random(f"{seed} {name}").shuffle(rows)
        part = max(4, len(rows) // 5)
        if dev is None:
            dev, rows = rows[:part], rows[part:]
        if sealed is None:
            sealed, rows = rows[:part], rows[part:]
        if not rows:
            raise BadFolder(f"{train.name} has too few rows to keep some apart as probes.")
        file = scratch / f"{name}.jsonl"
        lines = [json.dumps({"prompt": prompt, "completion": answer}) for prompt, answer in rows]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Brought(name, file, _probes(dev, sealed, seed))


def _beside(train: Path, name: str, part: str) -> Path | None:
    return next(iter(sorted(train.parent.glob(f"{name}.{part}.*"))), None)


def _probes(dev: Sequence[Pair], sealed: Sequence[Pair], seed: int) -> tuple[ProbeText, ...]:
    """Two thirds of the dev pairs to fit on, one third to select on, by lot."""
    order = list(dev)
    random.Random(seed).shuffle(order)
    fit = round(len(order) * 2 / 3)
    parts = ["fit"] * fit + ["select"] * (len(order) - fit)
    return (
        *(ProbeText(*pair, part) for pair, part in zip(order, parts, strict=True)),
        *(ProbeText(*pair, "sealed") for pair in sealed),
    )


def _pairs(file: Path) -> list[Pair]:
    pairs, findings = read_probes(file)
    _refuse(file, findings)
    return pairs


def _rows(file: Path) -> list[Pair]:
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as rows:
        report = check(file, rows_out=Path(rows.name), filename=file.name)
        _refuse(file, report.findings)
        with open(rows.name, encoding="utf-8") as lines:
            return [(row["prompt"], row["completion"]) for row in map(json.loads, lines)]


def _refuse(file: Path, findings: Sequence[Finding]) -> None:
    for finding in findings:
        if finding.severity == "error":
            where = f", row {finding.row}" if finding.row else ""
            raise BadFolder(f"{file.name}{where}: {finding.problem} {finding.remedy}")
